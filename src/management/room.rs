//! Room for the bodies of requests: what they are in memory until they are answered.

use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body, Bytes, Incoming};
use tokio::sync::{Semaphore, SemaphorePermit, TryAcquireError};

use super::error::ApiError;

/// What is counted, in octets.
const UNIT: usize = 1024;

/// How large bodies may be. What a body costs is more than its octets: [`cost`].
pub(super) struct Bounds {
    /// Octets of one.
    pub(super) octets: usize,
    /// Cost of one.
    pub(super) one: usize,
    /// Cost of all at one time.
    pub(super) all: usize,
}

/// Bodies of Azure Resource Manager, which takes 4 MiB.
pub(super) const RESOURCES: Bounds = Bounds { octets: 4 << 20, one: 32 << 20, all: 64 << 20 };
/// Bodies of those who ask for a token and are not known yet: they take no room from those who are.
pub(super) const FORMS: Bounds = Bounds { octets: 64 << 10, one: 1 << 20, all: 8 << 20 };

/// Room for bodies.
pub(super) struct Room {
    bounds: Bounds,
    free: Semaphore,
}

/// What a body takes until this is dropped.
pub(super) struct Taken<'r>(Option<SemaphorePermit<'r>>);

impl Room {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { free: Semaphore::new(bounds.all / UNIT), bounds }
    }

    /// Reads a body. It takes room as it comes: one that is announced and does not come keeps nobody waiting.
    ///
    /// # Errors
    /// It is too large, there is no room, or it does not come whole.
    pub(super) async fn read(&self, mut body: Incoming) -> Result<(Bytes, Taken<'_>), ApiError> {
        let Bounds { octets: most, one, .. } = self.bounds;
        let too_large = |what: String| {
            let message = format!("The request content has more {what}.");
            Err(ApiError::front(StatusCode::PAYLOAD_TOO_LARGE, "RequestContentTooLarge", message))
        };
        if body.size_hint().lower() > most as u64 {
            return too_large(format!("than {most} octets"));
        }
        let (mut octets, mut costs, mut taken) = (Vec::new(), 0, Taken(None));
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                return Err(ApiError::bad_request("InvalidRequestContent", "The request content could not be read."));
            };
            let Ok(data) = frame.into_data() else { continue };
            costs += cost(&data);
            if octets.len() + data.len() > most {
                return too_large(format!("than {most} octets"));
            }
            if costs > one {
                return too_large("members than one request may have: send it in parts".to_owned());
            }
            taken.grow(&self.free, costs)?;
            octets.extend_from_slice(&data);
        }
        Ok((octets.into(), taken))
    }
}

impl<'r> Taken<'r> {
    /// Takes as much as something costs by now.
    fn grow(&mut self, free: &'r Semaphore, costs: usize) -> Result<(), ApiError> {
        let held = self.0.as_ref().map_or(0, SemaphorePermit::num_permits);
        let more = u32::try_from(costs.div_ceil(UNIT).saturating_sub(held)).unwrap_or(u32::MAX);
        match (free.try_acquire_many(more), &mut self.0) {
            (Ok(more), Some(held)) => held.merge(more),
            (Ok(more), none) => *none = Some(more),
            (Err(TryAcquireError::NoPermits | TryAcquireError::Closed), _) => {
                let message = "There is no room for more requests now: ask again.";
                return Err(ApiError::front(StatusCode::SERVICE_UNAVAILABLE, "ServerBusy", message));
            }
        }
        Ok(())
    }
}

/// What octets of a body come to in memory, at most: as text, and as the values that JSON or a form is read into, of which the
/// smallest costs more than the octet that begins it.
fn cost(octets: &[u8]) -> usize {
    let of = |octet: &u8| match octet {
        // The map of an object has room for some members from its first on.
        b'{' => 640,
        b',' | b'[' | b':' | b'&' => 128,
        _ => 2,
    };
    octets.iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_as_it_is_needed_and_given_back() {
        let free = Semaphore::new(10);
        let mut one = Taken(None);
        one.grow(&free, 1).unwrap();
        one.grow(&free, UNIT).unwrap();
        assert_eq!(free.available_permits(), 9);
        one.grow(&free, 8 * UNIT + 1).unwrap();
        assert_eq!(free.available_permits(), 1);
        let mut other = Taken(None);
        other.grow(&free, UNIT).unwrap();
        let refused = other.grow(&free, UNIT + 1).unwrap_err();
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        drop(one);
        other.grow(&free, UNIT + 1).unwrap();
        drop(other);
        assert_eq!(free.available_permits(), 10);
    }

    #[test]
    fn what_is_small_as_text_and_large_in_memory_costs_that() {
        let objects = format!("[{}{{}}]", "{\"a\":1},".repeat(1000));
        let value: serde_json::Value = serde_json::from_str(&objects).unwrap();
        // A value of 32 octets and a node of eleven members, whose names are strings and whose values are such.
        let node = 11 * (size_of::<String>() + size_of::<serde_json::Value>());
        assert!(cost(objects.as_bytes()) > value.as_array().unwrap().len() * (32 + node));
        let usual = br#"{"properties":{"ttl":300,"aRecords":[{"ipv4Address":"10.0.0.1"}]}}"#;
        assert!(cost(usual) < 4 * UNIT, "{}", cost(usual));
        assert!(cost(&[b'a'; 4 << 20]) <= RESOURCES.one);
    }
}
