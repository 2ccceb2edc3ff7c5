//! Messages ↔ values (RFC 1035 §4, RFC 6891, RFC 8945).
//!
//! All transports parse and write messages with this code, so that flags, sections and sizes follow one set of rules.

mod edns;
mod plain;
mod received;
mod request;
mod response;
mod tsig;
mod update;

pub use edns::{Edns, OUR_PAYLOAD_SIZE, PADDING_BLOCK, padding_len};
pub(crate) use plain::PlainQuery;
pub use received::{Kept, Received};
pub use request::{Header, Refusal, Request};
pub use response::Response;
pub(crate) use response::{KeptMessage, SHORT};
pub use tsig::{Tsig, TsigFailure, TsigPlace};
pub use update::{Update, UpdateRecord};

/// Octets of a message header (RFC 1035 §4.1.1).
pub(crate) const HEADER: usize = 12;
