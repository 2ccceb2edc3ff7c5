//! Response rate limiting: how many responses a network gets over UDP, where senders can forge their address.
//!
//! A bucket is that of an address prefix and a view, so that the clients of one network cannot take another one's
//! share where both have the prefix. Who is known to get what is sent to it is not limited: a client with a valid
//! server cookie or signature, a listed forwarder, anyone over TCP.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::DefaultClock;
use governor::{Quota, RateLimiter};
use ipnet::IpNet;
use tokio_util::sync::CancellationToken;

use super::buckets::Buckets;
use crate::config::ResponseRateLimit;
use crate::dns::CookieState;
use crate::respond::{Served, respond_slipped};
use crate::snapshot::Snapshot;
use crate::view::{Client, ViewId};
use crate::wire::Response;

/// How often the counts are looked at, and so the least time between two warnings.
const WATCH: Duration = Duration::from_secs(5);

/// Whose responses are counted together: a prefix, by its first address, in a view.
type Key = (IpAddr, ViewId);

/// The limit of one listener.
#[derive(Debug)]
pub(super) struct RateLimit {
    limiter: RateLimiter<Key, Buckets<Key>, DefaultClock>,
    buckets: Buckets<Key>,
    settings: ResponseRateLimit,
    limited: Arc<Limited>,
}

/// Responses over the limits, of all listeners.
#[derive(Debug, Default)]
pub(super) struct Limited {
    dropped: AtomicU64,
    slipped: AtomicU64,
}

impl RateLimit {
    pub(super) fn new(settings: ResponseRateLimit, limited: Arc<Limited>) -> Self {
        let quota = Quota::per_second(settings.responses_per_second);
        let buckets = Buckets::new();
        let limiter = RateLimiter::new(quota, buckets.clone(), DefaultClock::default());
        Self { limiter, buckets, settings, limited }
    }

    /// Whether there is something to send to a client over UDP: the response that was made, or over the limit every
    /// `slip`th time another in its place.
    pub(super) fn admits(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        request: &[u8],
        served: Served,
        response: &mut Response,
    ) -> bool {
        if is_known(snapshot, client, served) {
            return true;
        }
        let key = (self.prefix(client.source.to_canonical()), served.view);
        if self.limiter.check_key(&key).is_ok() {
            return true;
        }
        let is_slipped = self.settings.slip > 0
            && self.buckets.limited(&key).is_multiple_of(self.settings.slip)
            && respond_slipped(snapshot, client, request, served.rcode, response);
        let count = if is_slipped { &self.limited.slipped } else { &self.limited.dropped };
        count.fetch_add(1, Ordering::Relaxed);
        is_slipped
    }

    /// The first address of the prefix that an address is in.
    fn prefix(&self, address: IpAddr) -> IpAddr {
        let length = match address {
            IpAddr::V4(_) => self.settings.ipv4_prefix_length,
            IpAddr::V6(_) => self.settings.ipv6_prefix_length,
        };
        IpNet::new(address, length).map_or(address, |prefix| prefix.network())
    }
}

impl Limited {
    /// Responses that were not sent, and those that were sent without records.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.dropped.load(Ordering::Relaxed), self.slipped.load(Ordering::Relaxed))
    }

    /// Warns when there are more, until `stop`.
    pub(super) async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut seen = (0, 0);
        while tokio::time::timeout(WATCH, stop.cancelled()).await.is_err() {
            let (dropped, slipped) = self.counts();
            if (dropped, slipped) != seen {
                tracing::warn!(
                    dropped = dropped - seen.0,
                    slipped = slipped - seen.1,
                    "responses were over the response rate limit: a client floods, or its address is forged"
                );
                seen = (dropped, slipped);
            }
        }
    }
}

/// Whether a client is known to get what is sent to it.
fn is_known(snapshot: &Snapshot, client: &Client, served: Served) -> bool {
    let is_proven = served.is_signed || served.cookie == CookieState::Valid;
    is_proven || client.proxy.is_some() || snapshot.identifier().is_forwarder(client.source)
}
