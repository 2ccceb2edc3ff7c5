//! Requests as values, independent of the transport.

use std::str::FromStr;

use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName};
use hyper::{Method, Uri};
use serde_json::Value;

use super::error::ApiError;

/// Maximum octets of a request's path and query.
const MAX_TARGET: usize = 8 << 10;

/// One request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    /// The path as it was sent.
    pub(super) path: String,
    /// The decoded segments of the path.
    pub(super) segments: Vec<String>,
    pub(super) query: Query,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// `https://HOST:PORT` of this server as the client knows it: URLs in answers begin with it.
    pub(super) base: String,
}

/// The parameters of a query.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Request {
    /// A request whose host was verified.
    ///
    /// # Errors
    /// The path cannot be decoded.
    pub(super) fn new(
        method: Method,
        uri: &Uri,
        headers: HeaderMap,
        body: Bytes,
        authority: &str,
    ) -> Result<Self, ApiError> {
        let path = uri.path();
        if path.len() + uri.query().map_or(0, str::len) > MAX_TARGET {
            return Err(ApiError::bad_request("InvalidRequestUri", "The request URI is too long."));
        }
        let segments = path.trim_matches('/').split('/').filter(|_| path.len() > 1).map(segment);
        Ok(Self {
            method,
            path: path.to_owned(),
            segments: segments.collect::<Result<_, _>>()?,
            query: Query::new(uri.query().unwrap_or_default()),
            headers,
            body,
            base: format!("https://{authority}"),
        })
    }

    /// A non-empty header: some clients send empty conditions, which count as none.
    pub(super) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim).filter(|value| !value.is_empty())
    }

    /// The body as a JSON object; an empty one if there is no body.
    ///
    /// # Errors
    /// The body is not a JSON object.
    pub(super) fn json(&self) -> Result<Value, ApiError> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        // The parser limits the depth to 128.
        match serde_json::from_slice(&self.body) {
            Ok(value @ Value::Object(_)) => Ok(value),
            Ok(_) => Err(ApiError::bad_request(
                "InvalidRequestContent",
                "The request content was invalid: it is not a JSON object.",
            )),
            Err(error) => Err(ApiError::bad_request(
                "InvalidRequestContent",
                format!("The request content was invalid and could not be deserialized: '{error}'."),
            )),
        }
    }

    /// The body as the fields of a form.
    pub(super) fn form(&self) -> Query {
        Query::new(std::str::from_utf8(&self.body).unwrap_or_default())
    }

    /// The API version of the request.
    ///
    /// # Errors
    /// It is missing or malformed.
    pub(super) fn api_version(&self) -> Result<ApiVersion, ApiError> {
        let Some(text) = self.query.get("api-version").filter(|text| !text.is_empty()) else {
            return Err(ApiError::bad_request(
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            ));
        };
        text.parse().map_err(|NotApiVersion| {
            ApiError::bad_request(
                "InvalidApiVersionParameter",
                format!("The api-version '{text}' is invalid. The api-version is of the form YYYY-MM-DD."),
            )
        })
    }
}

impl Query {
    /// Parses a query or a form.
    pub(crate) fn new(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decoded(&name.replace('+', " "))?, decoded(&value.replace('+', " "))?))
        };
        Self(pairs.filter_map(pair).collect())
    }

    /// The value of a parameter; names are compared without regard to letter case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// An API version: a date, with an optional suffix such as `-preview`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ApiVersion(String);

/// The text is not an API version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotApiVersion;

impl FromStr for ApiVersion {
    type Err = NotApiVersion;

    fn from_str(text: &str) -> Result<Self, NotApiVersion> {
        let octets = text.as_bytes();
        let is_date = octets.len() >= 10
            && octets[..10].iter().enumerate().all(|(at, octet)| match at {
                4 | 7 => *octet == b'-',
                _ => octet.is_ascii_digit(),
            });
        let suffix = text.get(10..).unwrap_or_default();
        let is_suffix = suffix.is_empty()
            || suffix.len() <= 24
                && suffix.starts_with('-')
                && suffix.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
        match is_date && is_suffix {
            true => Ok(Self(text.to_ascii_lowercase())),
            false => Err(NotApiVersion),
        }
    }
}

impl ApiVersion {
    /// Whether it is of this date or later.
    pub(super) fn is_since(&self, date: &str) -> bool {
        self.0.as_str() >= date
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Decodes a segment of a path. Separators and dot segments are refused.
fn segment(text: &str) -> Result<String, ApiError> {
    let refused = || ApiError::bad_request("InvalidRequestUri", format!("The path segment '{text}' is invalid."));
    let decoded = decoded(text).ok_or_else(refused)?;
    let is_step = matches!(decoded.as_str(), "" | "." | "..");
    match is_step || decoded.chars().any(|character| matches!(character, '/' | '\\') || character.is_control()) {
        true => Err(refused()),
        false => Ok(decoded),
    }
}

/// Decodes percent encoding (RFC 3986 §2.1); `None` if the result is not UTF-8.
fn decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        match (first, others) {
            (b'%', [high, low, others @ ..]) => {
                let digit = |digit: u8| char::from(digit).to_digit(16);
                octets.push((digit(*high)? * 16 + digit(*low)?) as u8);
                rest = others;
            }
            (b'%', _) => return None,
            (octet, others) => {
                octets.push(*octet);
                rest = others;
            }
        }
    }
    String::from_utf8(octets).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str) -> Result<Request, ApiError> {
        Request::new(Method::GET, &uri.parse().unwrap(), HeaderMap::new(), Bytes::new(), "127.0.0.1:1")
    }

    #[test]
    fn paths_are_decoded_by_segment_and_lead_nowhere_else() {
        let soa = request("/subscriptions/s/privateDnsZones/z/SOA/%40?api-version=2024-06-01&%24top=3").unwrap();
        assert_eq!(soa.segments.last().unwrap(), "@");
        assert_eq!(soa.query.get("$TOP"), Some("3"));
        assert!(request("/").unwrap().segments.is_empty());
        for path in ["/a/../b", "/a/%2e%2e/b", "/a//b", "/a/b%2fc", "/a/b%5Cc", "/a/%00", "/a/%zz", "/a/%f", "/a/%ff"] {
            assert!(request(path).is_err(), "{path}");
        }
        assert!(request(&format!("/{}", "a".repeat(9000))).is_err());
    }

    #[test]
    fn versions_are_dates_and_are_missed_where_there_is_none() {
        for (query, is_version) in [
            ("api-version=2024-06-01", true),
            ("API-Version=2026-06-01-preview", true),
            ("", false),
            ("api-version=", false),
            ("api-version=latest", false),
            ("api-version=2024-06-01/x", false),
        ] {
            assert_eq!(request(&format!("/a?{query}")).unwrap().api_version().is_ok(), is_version, "{query}");
        }
        let version: ApiVersion = "2024-06-01-preview".parse().unwrap();
        assert!(version.is_since("2024-06-01") && !version.is_since("2024-07-01"));
    }
}
