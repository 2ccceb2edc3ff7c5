//! Long-running operations. Their work is finished before they are announced. An identifier holds everything about its operation:
//! any server can answer for any operation, before and after a restart, and none is kept in memory.

use data_encoding::BASE64URL_NOPAD;
use hyper::StatusCode;
use hyper::header::{HeaderName, LOCATION, RETRY_AFTER};
use serde_json::json;

use super::error::ApiError;
use super::provider::Provider;
use super::response::Response;

const ASYNC_OPERATION: HeaderName = HeaderName::from_static("azure-asyncoperation");
/// The prefix of an operation's kind in identifiers, as in the real service.
const FRONT_END: &str = "FrontEndAsyncOperation";

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Operation {
    /// The kind, such as `UpsertPrivateDnsZone`.
    pub(super) kind: String,
    /// Unique for the operation.
    pub(super) guid: String,
    /// When it completes, in milliseconds since 1970 in UTC.
    pub(super) ends: u64,
    /// The error of a failed operation: code and message.
    pub(super) failure: Option<(String, String)>,
}

impl Operation {
    pub(super) fn is_deletion(&self) -> bool {
        self.kind.starts_with("Delete")
    }

    /// Whether it makes a link of a zone.
    pub(super) fn makes_link(&self) -> bool {
        self.kind == "UpsertVirtualNetworkLink"
    }

    /// The identifier, for URLs.
    fn id(&self) -> String {
        let (code, message) = self.failure.clone().unwrap_or_default();
        let text = [FRONT_END, &self.kind, &self.guid, &self.ends.to_string(), &code, &message].join(";");
        BASE64URL_NOPAD.encode(text.as_bytes())
    }

    /// Parses an identifier; `None` if it was not made here.
    pub(super) fn from_id(id: &str) -> Option<Self> {
        let text = String::from_utf8(BASE64URL_NOPAD.decode(id.as_bytes()).ok()?).ok()?;
        let mut parts = text.splitn(6, ';');
        let mut next = || parts.next().map(str::to_owned);
        let (front_end, kind, guid, ends, code, message) = (next()?, next()?, next()?, next()?, next()?, next()?);
        let failure = Some((code, message)).filter(|(code, _)| !code.is_empty());
        (front_end == FRONT_END).then_some(Self { kind, guid, ends: ends.parse().ok()?, failure })
    }

    /// Adds the headers with the operation's URLs to an answer. `group` is the ID of the resource group.
    pub(super) fn told(
        &self,
        answer: Response,
        (provider, base, group, location, version): (Provider, &str, &str, &str, &str),
        now: u64,
    ) -> Response {
        let (status, result) = provider.operation_paths(group, location, &self.id());
        let is_accepted = answer.status == StatusCode::ACCEPTED;
        let answer = answer.with(ASYNC_OPERATION, &format!("{base}{status}?api-version={version}"));
        let answer = match is_accepted {
            true => answer.with(LOCATION, &format!("{base}{result}?api-version={version}")),
            false => answer,
        };
        self.paced(answer, now)
    }

    /// 202 for the removal of a resource group: the result is requested by subscription.
    pub(super) fn told_of_group(&self, base: &str, subscription: &str, version: &str, now: u64) -> Response {
        let id = self.id();
        let url = format!("{base}/subscriptions/{subscription}/operationresults/{id}?api-version={version}");
        self.paced(Response::empty(StatusCode::ACCEPTED).with(LOCATION, &url), now)
    }

    /// The status of the operation. `url` is the requested one.
    pub(super) fn status(&self, url: &str, is_private_dns: bool, now: u64) -> Response {
        if now < self.ends {
            let status = if is_private_dns { StatusCode::ACCEPTED } else { StatusCode::OK };
            let answer = Response::json(status, json!({ "status": "InProgress" })).with(ASYNC_OPERATION, url);
            let answer = match is_private_dns {
                true => answer.with(LOCATION, &url.replace("OperationStatuses", "OperationResults")),
                false => answer,
            };
            return self.paced(answer, now);
        }
        let body = match &self.failure {
            Some((code, message)) => ApiError::of_operation(code, message),
            None => json!({ "status": "Succeeded" }),
        };
        self.paced(Response::ok(body), now)
    }

    /// The result of the operation.
    pub(super) fn result(&self, url: &str, now: u64) -> Response {
        if now < self.ends {
            return self.paced(Response::empty(StatusCode::ACCEPTED).with(LOCATION, url), now);
        }
        match &self.failure {
            Some((code, message)) => ApiError::bad_request(code, message).into(),
            None if self.is_deletion() => Response::empty(StatusCode::NO_CONTENT).finished(),
            None => Response::ok(json!({ "status": "Succeeded" })).finished(),
        }
    }

    /// Adds how long clients must wait; nothing if they need not, since some take 0 for 30 seconds.
    fn paced(&self, answer: Response, now: u64) -> Response {
        match now < self.ends {
            true => answer.with(RETRY_AFTER, "1"),
            false => answer.with(HeaderName::from_static("x-ms-retry-after-ms"), "50").finished(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_read_from_its_identifier() {
        let done =
            Operation { kind: "UpsertPrivateDnsZone".to_owned(), guid: "g".to_owned(), ends: 1000, failure: None };
        let failed = Operation {
            failure: Some(("PreconditionFailed".to_owned(), "The Zone a;b exists already".to_owned())),
            ..done.clone()
        };
        for operation in [&done, &failed] {
            assert_eq!(Operation::from_id(&operation.id()).as_ref(), Some(operation));
        }
        for id in ["", "%", "QUJD", &BASE64URL_NOPAD.encode(b"a;b;c;1;;")] {
            assert_eq!(Operation::from_id(id), None, "{id}");
        }
        assert_eq!(done.status("u", true, 999).body, Some(json!({ "status": "InProgress" })));
        assert_eq!(done.status("u", true, 999).status, StatusCode::ACCEPTED);
        assert_eq!(done.status("u", false, 999).status, StatusCode::OK);
        assert_eq!(done.status("u", true, 1000).body, Some(json!({ "status": "Succeeded" })));
        let body = failed.status("u", true, 1000).body.unwrap();
        assert_eq!(
            (body["status"].as_str(), body["error"]["code"].as_str()),
            (Some("Failed"), Some("PreconditionFailed"))
        );
    }

    #[test]
    fn a_pending_operation_never_lets_a_client_poll_without_a_pause() {
        let operation =
            Operation { kind: "DeletePrivateDnsZone".to_owned(), guid: "g".to_owned(), ends: 10, failure: None };
        let names = |answer: Response| -> Vec<String> {
            answer.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
        };
        for answer in [operation.status("u", true, 9), operation.result("u", 9)] {
            let headers = names(answer);
            assert!(headers.contains(&"retry-after: 1".to_owned()), "{headers:?}");
            assert!(!headers.iter().any(|header| header.starts_with("x-go")), "{headers:?}");
        }
        for answer in [operation.status("u", true, 10), operation.result("u", 10)] {
            let headers = names(answer);
            assert!(headers.contains(&"x-go-azure-sdk-skip-polling-delay: true".to_owned()), "{headers:?}");
            assert!(!headers.iter().any(|header| header.starts_with("retry-after")), "{headers:?}");
        }
    }
}
