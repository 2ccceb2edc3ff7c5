//! ETags and the conditions that clients make of them (RFC 9110 §13).

use hyper::StatusCode;
use hyper::header::{IF_MATCH, IF_NONE_MATCH};

use super::error::ApiError;
use super::request::Request;

/// How a type of resources spells its ETags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// A bare GUID: zones and record sets.
    Bare,
    /// With quotes, also within the JSON string: links.
    Quoted,
    /// `W/"…"`: resources of the network provider.
    Weak,
    /// None at all: resource groups and other services.
    Absent,
}

impl Spelling {
    /// The ETag of a mark.
    pub(super) fn spell(self, mark: &[u8]) -> Option<String> {
        let guid = super::guid(mark);
        match self {
            Self::Bare => Some(guid),
            Self::Quoted => Some(format!("\"{guid}\"")),
            Self::Weak => Some(format!("W/\"{guid}\"")),
            Self::Absent => None,
        }
    }
}

/// What a request makes of the ETag of what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    /// One of these must be it.
    if_match: Option<String>,
    /// There must be nothing yet.
    pub(super) is_creation: bool,
}

/// Which condition does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// There is something already.
    Exists,
    /// It is another one than the client knows.
    Modified,
}

impl Conditions {
    /// Those of a request.
    pub(super) fn of(request: &Request) -> Self {
        Self {
            if_match: request.header(IF_MATCH).map(str::to_owned),
            is_creation: request.header(IF_NONE_MATCH) == Some("*"),
        }
    }

    /// Compares them with the mark of what is there.
    ///
    /// # Errors
    /// One does not hold.
    pub(super) fn check(&self, mark: Option<&[u8]>) -> Result<(), Failed> {
        if self.is_creation && mark.is_some() {
            return Err(Failed::Exists);
        }
        let Some(wanted) = &self.if_match else { return Ok(()) };
        let own = mark.map(super::guid);
        // Some clients put quotes around a bare one.
        let is_own = |wanted: &str| {
            let wanted = wanted.trim();
            let bare = wanted.trim_matches('"').trim_start_matches("W/").trim_matches('"');
            own.as_deref().is_some_and(|own| bare == "*" || bare.eq_ignore_ascii_case(own))
        };
        match wanted.split(',').any(is_own) {
            true => Ok(()),
            false => Err(Failed::Modified),
        }
    }
}

impl Failed {
    /// As the provider of private DNS zones says it: `what` is such as `Record set`.
    pub(super) fn of(self, what: &str, name: &str) -> ApiError {
        let message = match self {
            Self::Exists => format!("The {what} {name} exists already and hence cannot be created again."),
            Self::Modified => format!("The {what} {name} has been modified (etag mismatch)."),
        };
        ApiError::flat(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", message)
    }
}

#[cfg(test)]
mod tests {
    use hyper::body::Bytes;
    use hyper::header::{HeaderMap, HeaderName, HeaderValue};
    use hyper::{Method, Uri};

    use super::*;

    const MARK: [u8; 16] = [0x5a; 16];

    fn check(header: HeaderName, value: &str, mark: Option<&[u8]>) -> Result<(), Failed> {
        let mut headers = HeaderMap::new();
        headers.insert(header, HeaderValue::from_str(value).unwrap());
        let request = Request::new(Method::PUT, &Uri::from_static("/a"), headers, Bytes::new(), "h").unwrap();
        Conditions::of(&request).check(mark)
    }

    #[test]
    fn etags_are_compared_without_their_spelling() {
        for spelling in [Spelling::Bare, Spelling::Quoted, Spelling::Weak] {
            let etag = spelling.spell(&MARK).unwrap();
            for sent in [etag.clone(), format!("\"{etag}\""), format!("\"x\", {etag}"), "*".to_owned()] {
                assert_eq!(check(IF_MATCH, &sent, Some(&MARK)), Ok(()), "{sent}");
                assert_eq!(check(IF_MATCH, &sent, None), Err(Failed::Modified), "{sent}");
            }
            assert_eq!(check(IF_MATCH, &etag, Some(&[0; 16])), Err(Failed::Modified));
        }
    }

    #[test]
    fn an_empty_condition_is_none() {
        for header in [IF_MATCH, IF_NONE_MATCH] {
            assert_eq!(check(header.clone(), "", Some(&MARK)), Ok(()));
            assert_eq!(check(header, "", None), Ok(()));
        }
        assert_eq!(check(IF_NONE_MATCH, "*", None), Ok(()));
        assert_eq!(check(IF_NONE_MATCH, "*", Some(&MARK)), Err(Failed::Exists));
    }
}
