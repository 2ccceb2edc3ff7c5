//! ETags and conditional requests (RFC 9110 §13).

use hyper::StatusCode;
use hyper::header::{IF_MATCH, IF_NONE_MATCH};

use super::error::ApiError;
use super::request::Request;

/// The format of a type's ETags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// A bare GUID: zones and record sets.
    Bare,
    /// With quotes, even within the JSON string: links.
    Quoted,
    /// `W/"…"`: resources of the network provider.
    Weak,
    /// No ETags: resource groups and other services.
    Absent,
}

impl Spelling {
    /// The ETag for a mark.
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

/// The conditions of a request on the ETag of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    /// The ETag that the resource must have.
    if_match: Option<String>,
    /// The resource must not exist.
    pub(super) is_creation: bool,
}

/// The condition that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// The resource exists.
    Exists,
    /// The resource has another ETag.
    Modified,
}

impl Conditions {
    /// The conditions of a request.
    pub(super) fn of(request: &Request) -> Self {
        Self {
            if_match: request.header(IF_MATCH).map(str::to_owned),
            is_creation: request.header(IF_NONE_MATCH) == Some("*"),
        }
    }

    /// Checks the conditions against the mark of the resource.
    ///
    /// # Errors
    /// A condition does not hold.
    pub(super) fn check(&self, mark: Option<&[u8]>) -> Result<(), Failed> {
        if self.is_creation && mark.is_some() {
            return Err(Failed::Exists);
        }
        let Some(wanted) = &self.if_match else { return Ok(()) };
        let own = mark.map(super::guid);
        // Some clients quote a bare ETag.
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
    /// The error in the words of the provider of private DNS zones: `what` is such as `Record set`.
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
