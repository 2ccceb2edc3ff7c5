//! Response rate limiting over UDP, where source addresses can be forged.
//!
//! There is a bucket for each address prefix and view, so that the clients of one network cannot use up the share of another one
//! with the same prefix. A client whose address is proven is not limited: by a valid server cookie or signature, as a listed
//! forwarder, or over TCP.

use std::net::IpAddr;
use std::sync::Arc;

use governor::clock::DefaultClock;
use governor::{Quota, RateLimiter};
use ipnet::IpNet;

use super::buckets::Buckets;
use crate::config::ResponseRateLimit;
use crate::dns::CookieState;
use crate::incidents::{Incident, Incidents};
use crate::respond::{Served, SignatureState, respond_slipped};
use crate::snapshot::Snapshot;
use crate::view::{Client, ViewId};
use crate::wire::{Received, Response};

/// The key of a bucket: the first address of a prefix, and a view.
type Key = (IpAddr, ViewId);

/// The limit of one listener.
#[derive(Debug)]
pub(super) struct RateLimit {
    limiter: RateLimiter<Key, Buckets<Key>, DefaultClock>,
    buckets: Buckets<Key>,
    settings: ResponseRateLimit,
    incidents: Arc<Incidents>,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Whole,
    /// A response without records.
    Slipped,
    Nothing,
}

impl RateLimit {
    pub(super) fn new(settings: ResponseRateLimit, incidents: Arc<Incidents>) -> Self {
        let quota = Quota::per_second(settings.responses_per_second);
        let buckets = Buckets::new();
        let limiter = RateLimiter::new(quota, buckets.clone(), DefaultClock::default());
        Self { limiter, buckets, settings, incidents }
    }

    /// Decides what to send to a client over UDP: the response, or over the limit every `slip`th time a short one.
    pub(super) fn limit(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        received: &Received<'_>,
        served: Served,
        response: &mut Response,
    ) -> Sent {
        if is_known(snapshot, client, served) {
            return Sent::Whole;
        }
        let key = (self.prefix(client.source.to_canonical()), served.view);
        if self.limiter.check_key(&key).is_ok() {
            return Sent::Whole;
        }
        let is_slipped = self.settings.slip > 0
            && self.buckets.limited(&key).is_multiple_of(self.settings.slip)
            && respond_slipped(snapshot, client, received, served.rcode, response);
        let incident = if is_slipped { Incident::SlippedResponse } else { Incident::ResponseLimit };
        self.incidents.report(incident, key, || {
            let network = snapshot.view(served.view).label().unwrap_or("outside");
            format!("{network}: {}", self.prefix(client.source.to_canonical()))
        });
        if is_slipped { Sent::Slipped } else { Sent::Nothing }
    }

    /// The first address of the prefix of an address.
    fn prefix(&self, address: IpAddr) -> IpAddr {
        let length = match address {
            IpAddr::V4(_) => self.settings.ipv4_prefix_length,
            IpAddr::V6(_) => self.settings.ipv6_prefix_length,
        };
        IpNet::new(address, length).map_or(address, |prefix| prefix.network())
    }
}

/// Whether a client's address is proven.
fn is_known(snapshot: &Snapshot, client: &Client, served: Served) -> bool {
    let is_proven = served.signature == SignatureState::Valid || served.cookie == CookieState::Valid;
    is_proven || client.proxy.is_some() || snapshot.identifier().is_forwarder(client.source)
}
