//! Metrics of the server besides those of queries.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::stream::Connections;
use super::udp::UdpDrops;
use crate::forward::{TargetOutcome, Upstreams};
use crate::incidents::{Incident, Incidents};
use crate::snapshot::Published;

/// Collects the metrics of the snapshot, the connections and the incidents.
#[derive(Debug)]
pub(super) struct ServerCollector {
    pub(super) published: Arc<Published>,
    pub(super) incidents: Arc<Incidents>,
    pub(super) udp_drops: UdpDrops,
    pub(super) connections: Arc<Connections>,
    pub(super) upstreams: Upstreams,
}

impl Collector for ServerCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let snapshot = self.published.load();
        let counts = snapshot.counts();
        let mut gauge = |name: &str, help: &str, value: u64| {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
        };
        gauge("generation", "Number of the snapshot that is served", snapshot.generation().number())?;
        gauge("virtual_networks", "Virtual networks that are served", counts.networks as u64)?;
        gauge("private_dns_zones", "Private DNS zones that are served", counts.private_zones as u64)?;
        gauge("public_zones", "Public zones that are served", counts.public_zones as u64)?;
        gauge("record_sets", "Record sets in all zones", counts.record_sets as u64)?;
        gauge("virtual_network_links", "Links of zones to virtual networks", counts.links as u64)?;
        gauge("tcp_connections", "TCP connections that are open", self.connections.open() as u64)?;
        let dropped = ConstCounter::new(self.udp_drops.count());
        let help = "Datagrams that the system dropped, as the socket's buffer was full";
        dropped.encode(encoder.encode_descriptor("system_dropped_datagrams", help, None, dropped.metric_type())?)?;
        let help = "What others can cause as often as they like, by kind; the log tells of examples";
        let mut family = encoder.encode_descriptor("incidents", help, None, MetricType::Counter)?;
        for incident in Incident::ALL {
            let count = ConstCounter::new(self.incidents.total(incident));
            count.encode(family.encode_family(&[("kind", incident.label())])?)?;
        }
        if let Some(faults) = snapshot.faults() {
            let help = "Queries that a fault has struck; of an endpoint that flaps, how often it was disconnected";
            let mut family = encoder.encode_descriptor("fault_strikes", help, None, MetricType::Counter)?;
            for live in faults.all() {
                let written = live.fault.written();
                let labels = [("fault", written.name.as_str()), ("effect", written.effect.as_str())];
                ConstCounter::new(live.struck()).encode(family.encode_family(&labels)?)?;
            }
        }
        self.encode_targets(encoder)
    }
}

impl ServerCollector {
    fn encode_targets(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let targets: Vec<_> = self
            .upstreams
            .targets()
            .into_iter()
            .map(|(target, counts)| {
                let label = target.map_or_else(|| "other".to_owned(), |target| target.to_string());
                (target, label, counts)
            })
            .collect();
        let help = "Questions that were sent to a server that is forwarded to";
        let mut family = encoder.encode_descriptor("target_questions", help, None, MetricType::Counter)?;
        for (_, label, counts) in &targets {
            let count = ConstCounter::new(counts.asked);
            count.encode(family.encode_family(&[("target", label.as_str())])?)?;
        }
        let help = "Questions to a server that is forwarded to, by how they came out";
        let mut family = encoder.encode_descriptor("target_outcomes", help, None, MetricType::Counter)?;
        for (_, label, counts) in &targets {
            for outcome in TargetOutcome::ALL {
                let labels = [("target", label.as_str()), ("outcome", outcome.label())];
                let count = ConstCounter::new(counts.of(outcome));
                count.encode(family.encode_family(&labels)?)?;
            }
        }
        let help = "Whether a server that is forwarded to is set aside, as it did not respond: 1 or 0";
        let mut family = encoder.encode_descriptor("target_set_aside", help, None, MetricType::Gauge)?;
        for (target, label, _) in &targets {
            if let Some(target) = target {
                let is_aside = ConstGauge::new(i64::from(self.upstreams.is_set_aside(*target)));
                is_aside.encode(family.encode_family(&[("target", label.as_str())])?)?;
            }
        }
        Ok(())
    }
}
