//! What the server counts of itself, and shows on a listener of its own: metrics and health.
//!
//! Each worker has [`Counters`] that it alone writes; [`Metrics`] adds them up when they are read. Labels are sets with a
//! bound: transports, response codes, kinds, and as many virtual networks as the configuration allows. A name that was
//! asked for, or a client's address, is never a label.

mod counters;
mod ends;
mod health;
mod http;
mod metrics;
mod networks;
mod turns;

pub use counters::{Counters, Kind, Observation};
pub use ends::Ends;
pub use health::{Condition, Health, Held};
pub use http::{MetricsBindError, MetricsListener, Site, SiteAnswer, SiteBody};
pub use metrics::Metrics;
pub use networks::Networks;
pub(crate) use turns::Turns;
