//! The vocabulary of the protocol: values only, no sockets, no clock.
//!
//! Record types, RCODEs and opcodes are hickory-proto's; names are ours, because the engine works on wire bytes.

mod compressed_soa;
mod cookie;
mod extended_error;
mod name;
mod question;
pub mod rdata;
mod rrset;
mod tsig;
mod wipe;

/// How many names of a message later ones are compressed against, which bounds the work for a long response.
pub(crate) const MAX_COMPRESSION_TARGETS: usize = 64;
/// Maximum CNAME records in one answer. The target of the last one is not looked up; a chain that loops ends the same way.
pub const MAX_ALIASES: usize = 16;

pub use compressed_soa::CompressedSoa;
pub use cookie::{Cookie, CookieSecrets, CookieState};
pub use extended_error::ExtendedError;
pub use hickory_proto::op::{OpCode, ResponseCode as Rcode};
pub use hickory_proto::rr::{DNSClass, RecordType};
pub use name::{Folded, Labels, Name, NameError, NameRef};
pub use question::Question;
pub use rdata::Rdatas;
pub use rrset::{Ttl, TypeName};
pub use tsig::{MacOctets, TsigAlgorithm, TsigKey};
pub(crate) use wipe::wipe_stack;
