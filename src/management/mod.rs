//! The management API: Azure Resource Manager for private DNS and Private Link, over HTTPS.
//!
//! `http` receives requests, bounded in number, size and time; `arm` answers them. `path` parses what a request is about, `kinds`
//! defines what each type of resources keeps and shows; `identity` answers what clients ask before they ask for resources. Writes
//! go to the [`Writer`](crate::control::Writer), which decides them one after another, so that conditions hold.

mod arm;
mod audit;
mod authority;
mod body;
mod conditions;
mod connections;
mod decisions;
mod error;
mod faults;
mod follow;
mod group;
mod http;
mod identity;
pub(crate) mod key_files;
mod kinds;
mod list;
mod operations;
mod order;
mod path;
mod provider;
mod request;
mod response;
mod restore;
mod room;
mod state;
mod token;

pub use authority::{AuthorityError, make_keys};
pub use decisions::{Decision, Decisions};
pub use follow::followed;
pub use http::{ManagementApi, ManagementBindError, ManagementListener};
pub(crate) use kinds::record_set::record_value;
pub(crate) use request::Query;
pub use restore::made;

use std::fmt;
use std::sync::Arc;

/// A source of the time in milliseconds since 1970 in UTC.
#[derive(Clone)]
struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Clock {
    fn now(&self) -> u64 {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// The first 16 octets in the format of a GUID.
fn guid(octets: &[u8]) -> String {
    let hex: String = octets.iter().take(16).map(|octet| format!("{octet:02x}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

#[cfg(test)]
mod tests;
