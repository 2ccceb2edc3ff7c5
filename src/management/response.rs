//! Responses as values.

use http_body_util::Full;
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, RETRY_AFTER};
use serde_json::Value;

/// The header with which azurerm does not wait; sent for finished work only.
const SKIP_POLLING_DELAY: HeaderName = HeaderName::from_static("x-go-azure-sdk-skip-polling-delay");

/// One response.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Option<Value>,
}

impl Response {
    /// A response without a body.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: None }
    }

    /// A response with a JSON body.
    pub(super) fn json(status: StatusCode, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Some(body) }
    }

    /// 200 with a body.
    pub(super) fn ok(body: Value) -> Self {
        Self::json(StatusCode::OK, body)
    }

    /// The response with a header; an invalid value is left out.
    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// The response with the ETag of its body as a header.
    pub(super) fn with_etag(self) -> Self {
        let etag = self.body.as_ref().and_then(|body| body.get("etag")?.as_str().map(str::to_owned));
        match etag {
            Some(etag) => self.with(ETAG, &etag),
            None => self,
        }
    }

    /// The response, marked as finished work.
    pub(super) fn finished(self) -> Self {
        self.with(SKIP_POLLING_DELAY, "true")
    }

    /// Converts it to an HTTP response.
    pub(super) fn into_http(self, request_id: &str) -> hyper::Response<Full<Bytes>> {
        let Self { status, headers, body } = self;
        let octets = Bytes::from(body.map(|body| body.to_string()).unwrap_or_default());
        let mut response = hyper::Response::new(Full::new(octets.clone()));
        *response.status_mut() = status;
        let own = response.headers_mut();
        if !octets.is_empty() {
            own.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            own.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        own.insert("cache-control", HeaderValue::from_static("no-cache"));
        own.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            own.insert("x-ms-request-id", id.clone());
            own.insert("x-ms-correlation-request-id", id);
        }
        headers.into_iter().for_each(|(name, value)| {
            own.insert(name, value);
        });
        response
    }
}
