//! The faults of one snapshot, by the client's view and the name.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Effect, Live};
use crate::dns::NameRef;
use crate::view::{Transport, ViewId};

/// The faults that are in force. There are few, and a server that has none has none of this: they are looked at one by one.
#[derive(Clone, Debug)]
pub struct Faults {
    seed: u64,
    all: Box<[Placed]>,
}

#[derive(Clone, Debug)]
struct Placed {
    live: Live,
    /// The views whose clients suffer it, in order; `None` for all.
    views: Option<BTreeSet<ViewId>>,
}

/// What the faults do to one query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strike {
    /// How much later the answer comes: the sum of all that delay it.
    pub delay: Duration,
    /// Whether there is none.
    pub is_dropped: bool,
    /// The fault for which it is SERVFAIL.
    pub servfail: Option<String>,
    /// Whether it is truncated.
    pub is_truncated: bool,
    /// Since when TTLs count down.
    pub counts_down: Option<Instant>,
}

impl Strike {
    /// Whether nothing is done.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Faults {
    /// These faults, each with the views whose clients suffer it; `None` stands for all.
    pub fn new(seed: u64, faults: impl IntoIterator<Item = (Live, Option<BTreeSet<ViewId>>)>) -> Self {
        Self { seed, all: faults.into_iter().map(|(live, views)| Placed { live, views }).collect() }
    }

    /// What decides which queries they strike.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// All of them, in the order in which they are looked at.
    pub fn all(&self) -> impl Iterator<Item = &Live> {
        self.all.iter().map(|placed| &placed.live)
    }

    /// Those that fit what clients of a view ask, but for those of servers and endpoints.
    pub fn matching<'a>(&'a self, view: ViewId, qname: NameRef<'a>) -> impl Iterator<Item = &'a Live> {
        let fitting = self.all.iter().filter(move |placed| placed.fits(view, qname));
        fitting.map(|placed| &placed.live)
    }

    /// What they do to a query. Each call is another query.
    pub fn strike(&self, view: ViewId, qname: NameRef<'_>, transport: Transport) -> Strike {
        let mut strike = Strike::default();
        for live in self.matching(view, qname) {
            let effect = live.fault.effect();
            // What cannot be truncated is not counted as such.
            if effect == Effect::Truncate && transport != Transport::Udp || !live.strikes(self.seed) {
                continue;
            }
            match effect {
                Effect::Delay(delay) => strike.delay += delay,
                Effect::Drop => strike.is_dropped = true,
                Effect::ServFail => {
                    strike.servfail.get_or_insert_with(|| live.fault.name().to_owned());
                }
                Effect::Truncate => strike.is_truncated = true,
                Effect::CountDown => {
                    strike.counts_down.get_or_insert_with(|| live.since());
                }
                Effect::SlowServer(_) | Effect::Flap(_) => {}
            }
        }
        strike
    }

    /// Those of servers, where one of these is asked.
    pub fn slowing<'a>(&'a self, servers: &'a [SocketAddr], qname: NameRef<'a>) -> impl Iterator<Item = &'a Live> {
        let of_servers = self.all.iter().map(|placed| &placed.live);
        of_servers.filter(move |live| servers.iter().any(|server| live.slows(*server, qname)))
    }

    /// How much later a server responds to a question that it is about to be asked. Each call is another question.
    pub fn slowness(&self, server: SocketAddr, qname: NameRef<'_>) -> Duration {
        let mut delay = Duration::ZERO;
        for Placed { live, .. } in &self.all {
            if let Effect::SlowServer(slowness) = live.fault.effect()
                && live.slows(server, qname)
                && live.strikes(self.seed)
            {
                delay += slowness;
            }
        }
        delay
    }
}

impl Placed {
    fn fits(&self, view: ViewId, qname: NameRef<'_>) -> bool {
        !matches!(self.live.fault.effect(), Effect::SlowServer(_) | Effect::Flap(_))
            && self.views.as_ref().is_none_or(|views| views.contains(&view))
            && self.live.covers(qname)
    }
}

impl Live {
    /// Whether it has a server respond later.
    fn slows(&self, server: SocketAddr, qname: NameRef<'_>) -> bool {
        let servers = &self.fault.servers;
        let is_meant = servers.is_empty() || servers.contains(&server);
        matches!(self.fault.effect(), Effect::SlowServer(_)) && is_meant && self.covers(qname)
    }

    /// Whether a name is one that suffers it.
    fn covers(&self, qname: NameRef<'_>) -> bool {
        let domains = &self.fault.domains;
        domains.is_empty() || domains.iter().any(|domain| qname.is_within(domain.as_ref()))
    }
}
