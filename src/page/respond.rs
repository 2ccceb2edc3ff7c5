//! Responses, with headers that keep browsers from loading anything from elsewhere.

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, LOCATION, SET_COOKIE};
use hyper::{Request, Response, StatusCode};

use super::html::Html;
use crate::observe::{SiteAnswer, SiteBody};

/// Headers of all responses. With `same-origin`, a form sends the page's origin, and no other page learns the URL.
const HEADERS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// A response with a body.
pub(super) fn with_body(status: StatusCode, content_type: &'static str, body: SiteBody, streams: bool) -> SiteAnswer {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    SiteAnswer { response, streams }
}

fn whole(text: impl Into<Bytes>) -> SiteBody {
    Full::new(text.into()).boxed_unsync()
}

/// A page.
pub(super) fn page(status: StatusCode, page: Html) -> SiteAnswer {
    with_body(status, "text/html; charset=utf-8", whole(page.into_string()), false)
}

/// A file of the page's own.
pub(super) fn file(content_type: &'static str, text: &'static str) -> SiteAnswer {
    with_body(StatusCode::OK, content_type, whole(text), false)
}

/// A line of text.
pub(super) fn bare(status: StatusCode, text: &'static str) -> SiteAnswer {
    with_body(status, "text/plain; charset=utf-8", whole(text), false)
}

/// Redirects to a path of the page.
pub(super) fn redirect(to: &str, cookie: Option<&str>) -> SiteAnswer {
    let mut answer = bare(StatusCode::SEE_OTHER, "");
    let headers = answer.response.headers_mut();
    let header = |text: &str| HeaderValue::from_str(text).ok();
    headers.extend(header(to).map(|to| (LOCATION, to)));
    headers.extend(cookie.and_then(header).map(|cookie| (SET_COOKIE, cookie)));
    answer
}

/// The value of a cookie.
pub(super) fn cookie<'r>(request: &'r Request<Incoming>, name: &str) -> Option<&'r str> {
    let headers = request.headers().get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
    let mut cookies = headers.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
    cookies.find(|(known, _)| *known == name).map(|(_, value)| value)
}
