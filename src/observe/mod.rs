//! Metrics and health, and the listener that serves them.
//!
//! Each worker has [`Counters`] that only it writes; [`Metrics`] adds them up when they are read. The values of labels are
//! bounded: transports, response codes, kinds, and as many virtual networks as the configuration allows. Names that are asked for
//! and addresses of clients are never labels.

mod bounded_tasks;
mod counters;
mod ends;
mod health;
mod http;
mod metrics;
mod networks;

pub(crate) use bounded_tasks::BoundedTasks;
pub use counters::{Counters, Kind, Observation};
pub use ends::Ends;
pub use health::{Condition, Health, Held};
pub use http::{MetricsBindError, MetricsListener, Site, SiteAnswer, SiteBody};
pub use metrics::Metrics;
pub use networks::Networks;
