//! What all workers have counted, as OpenMetrics text.

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

/// The counters of a server, and what else it shows.
#[derive(Debug)]
pub struct Metrics {
    networks: Networks,
    /// Those of workers that have ended as well: counters never go back.
    workers: Mutex<Vec<Arc<Counters>>>,
    /// Workers that are to go on all the time.
    watched: Mutex<Vec<Watched>>,
    /// For threads that come and go.
    shared: Counters,
    health: Health,
    /// What other parts of the server count by themselves.
    registry: Mutex<Registry>,
}

/// A worker that beats at least every [`BEAT`], whether queries come or not.
#[derive(Debug)]
struct Watched {
    name: String,
    counters: Arc<Counters>,
    /// Its beats when they last were found to be others, and when that was.
    seen: (u64, Instant),
}

/// How long a worker may take from one beat to the next until it counts as stalled.
const BEAT: Duration = Duration::from_secs(5);

impl Metrics {
    /// Counters by network for so many networks; those past them are counted together. `None`: no queries are counted, as
    /// nobody is shown them.
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

    /// Counters for one more worker.
    pub fn worker(&self) -> Arc<Counters> {
        let counters = Arc::new(Counters::new(self.networks.slots()));
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(counters.clone());
        counters
    }

    /// Counters for one more worker, which beats by [`Counters::beat`] for as long as it serves.
    pub fn watched_worker(&self, name: String) -> Arc<Counters> {
        let counters = self.worker();
        let seen = (counters.beats(), Instant::now());
        let watched = Watched { name, counters: counters.clone(), seen };
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).push(watched);
        counters
    }

    /// Workers that have not gone on for a while, by name, and for how long. What is found is compared with what was found
    /// last.
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

    /// What keeps the server from answering as it should, stalled workers among it.
    pub fn conditions(&self) -> Vec<Held> {
        let mut conditions = self.health.conditions();
        let down = || Condition::Down("the worker does not go on".to_owned());
        let stalled = self.stalled_workers().into_iter();
        conditions.extend(stalled.map(|(about, lasts)| Held { about, condition: down(), lasts }));
        conditions
    }

    /// Counters that several threads may write at a time, by the functions that say so.
    pub fn shared(&self) -> &Counters {
        &self.shared
    }

    /// The slots of networks.
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// What keeps the server from answering as it should.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Shows what another part of the server counts.
    pub fn register(&self, collector: impl Collector) {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner).register_collector(Box::new(collector));
    }

    /// All of it as OpenMetrics text.
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

/// Shows the queries; apart from [`Metrics`], which owns the registry that it stands in.
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
