//! The sums of all workers' counters, as OpenMetrics text.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::counters::{Counters, Sums};
use super::{Condition, Health, Held, Networks};
use crate::dns::CookieState;

/// The counters of a server, and its other metrics.
#[derive(Debug)]
pub struct Metrics {
    networks: Networks,
    /// Includes workers that have ended, since counters must never decrease.
    workers: Mutex<Vec<Arc<Counters>>>,
    /// Workers that must show that they are alive.
    watched: Mutex<Vec<Watched>>,
    /// For short-lived threads.
    shared: Counters,
    health: Health,
    /// Collectors of other parts of the server.
    registry: Mutex<Registry>,
}

/// A worker that beats at least every [`BEAT`], even without queries.
#[derive(Debug)]
struct Watched {
    name: String,
    counters: Arc<Counters>,
    /// The last known number of beats, and when it last changed.
    seen: (u64, Instant),
}

/// A worker without a beat for this long is stalled.
const BEAT: Duration = Duration::from_secs(5);

impl Metrics {
    /// Counters by network for up to `max_networks` networks; further networks share one slot. With `None` nothing is counted,
    /// since metrics are off.
    pub fn new(max_networks: Option<usize>) -> Arc<Self> {
        let networks = Networks::new(max_networks);
        let shared = Counters::new(networks.slots());
        let metrics = Arc::new(Self {
            networks,
            workers: Mutex::default(),
            watched: Mutex::default(),
            shared,
            health: Health::default(),
            registry: Mutex::new(Registry::with_prefix("vnetdns")),
        });
        metrics.register(Queries(Arc::downgrade(&metrics)));
        metrics
    }

    /// Creates counters for one worker.
    pub fn worker(&self) -> Arc<Counters> {
        let counters = Arc::new(Counters::new(self.networks.slots()));
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(counters.clone());
        counters
    }

    /// Creates counters for one worker that calls [`Counters::beat`] for as long as it serves.
    pub fn watched_worker(&self, name: String) -> Arc<Counters> {
        let counters = self.worker();
        let seen = (counters.beats(), Instant::now());
        let watched = Watched { name, counters: counters.clone(), seen };
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).push(watched);
        counters
    }

    /// The stalled workers by name, and for how long they have been. Compares the beats with those of the last call.
    pub fn stalled_workers(&self) -> Vec<(String, Duration)> {
        let now = Instant::now();
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|worker| !worker.counters.has_ended());
        let stalled = watched.iter_mut().filter_map(|worker| {
            let beats = worker.counters.beats();
            if beats != worker.seen.0 {
                worker.seen = (beats, now);
            }
            let silent = now.saturating_duration_since(worker.seen.1);
            (silent > BEAT).then(|| (worker.name.clone(), silent))
        });
        stalled.collect()
    }

    /// The current conditions, including stalled workers.
    pub fn conditions(&self) -> Vec<Held> {
        let mut conditions = self.health.conditions();
        let down = || Condition::Down("the worker does not go on".to_owned());
        let stalled = self.stalled_workers().into_iter();
        conditions.extend(stalled.map(|(about, lasts)| Held { about, condition: down(), lasts }));
        conditions
    }

    /// Counters that several threads may write at once, by the functions that allow it.
    pub fn shared(&self) -> &Counters {
        &self.shared
    }

    /// The slots of networks.
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// The conditions of the server.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Adds a collector of another part of the server.
    pub fn register(&self, collector: impl Collector) {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner).register_collector(Box::new(collector));
    }

    /// Encodes all metrics as OpenMetrics text.
    pub fn encode(&self) -> String {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("a string takes it");
        text
    }

    fn sums(&self) -> Sums {
        let mut sums = Sums::new(self.networks.slots());
        self.shared.add_to(&mut sums);
        for worker in self.workers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            worker.add_to(&mut sums);
        }
        sums
    }
}

/// Encodes the queries; separate from [`Metrics`], which owns the registry that it is part of.
#[derive(Debug)]
struct Queries(std::sync::Weak<Metrics>);

impl Collector for Queries {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(metrics) = self.0.upgrade() else { return Ok(()) };
        let sums = metrics.sums();
        let help = "Queries by transport, response code and what became of them";
        let mut family = encoder.encode_descriptor("queries", help, None, MetricType::Counter)?;
        for (transport, rcode, kind, count) in sums.queries() {
            let labels = [("transport", transport.label()), ("rcode", rcode), ("kind", kind.label())];
            count_with(&mut family, &labels, count)?;
        }
        let help = "Queries by the client's virtual network and what became of them";
        let mut family = encoder.encode_descriptor("network_queries", help, None, MetricType::Counter)?;
        for (slot, kind, count) in sums.networks() {
            let name = metrics.networks.name(slot);
            count_with(&mut family, &[("network", &*name), ("kind", kind.label())], count)?;
        }
        let help = "Requests with a DNS cookie, by what it showed";
        let mut family = encoder.encode_descriptor("cookies", help, None, MetricType::Counter)?;
        for (state, count) in sums.cookies() {
            let state = match state {
                CookieState::Absent => continue,
                CookieState::ClientOnly => "client_only",
                CookieState::Invalid => "invalid",
                CookieState::Valid => "valid",
            };
            count_with(&mut family, &[("state", state)], count)?;
        }
        let help = "Time from when a query was read to when its response was handed to the system";
        let unit = prometheus_client::registry::Unit::Seconds;
        let mut family = encoder.encode_descriptor("query_duration", help, Some(&unit), MetricType::Histogram)?;
        for (transport, histogram) in sums.latency() {
            let labels = [("transport", transport.label())];
            let buckets: Vec<_> = histogram.buckets().collect();
            let mut metric = family.encode_family(&labels)?;
            metric.encode_histogram::<NoLabelSet>(histogram.seconds(), histogram.count(), &buckets, None)?;
        }
        Ok(())
    }
}

fn count_with(family: &mut MetricEncoder<'_>, labels: &[(&str, &str)], count: u64) -> fmt::Result {
    let counter = prometheus_client::metrics::counter::ConstCounter::new(count);
    counter.encode(family.encode_family(&labels)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Rcode;
    use crate::observe::{Kind, Observation};
    use crate::view::{NetworkSlot, Transport};

    #[test]
    fn counts_of_workers_are_added_up_and_shown() {
        let metrics = Metrics::new(Some(2));
        let slot = metrics.networks().slot("rg/hub");
        for network in [slot, slot, NetworkSlot::default()] {
            metrics.worker().count(|| Observation {
                transport: Transport::Udp,
                kind: Kind::Kept,
                rcode: Some(Rcode::NoError),
                network: Some(network),
                cookie: CookieState::Valid,
            });
        }
        let text = metrics.encode();
        for line in [
            "# TYPE vnetdns_queries counter",
            "vnetdns_queries_total{transport=\"udp\",rcode=\"NOERROR\",kind=\"kept\"} 3",
            "vnetdns_network_queries_total{network=\"rg/hub\",kind=\"kept\"} 2",
            "vnetdns_network_queries_total{network=\"outside\",kind=\"kept\"} 1",
            "vnetdns_cookies_total{state=\"valid\"} 3",
            "# EOF",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
        }
    }
}
