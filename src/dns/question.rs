//! The question as asked (RFC 9499 §4).

use super::{DNSClass, NameRef, RecordType};

/// QNAME, QTYPE and QCLASS of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The name as the client wrote it, letter case included.
    pub qname: NameRef<'a>,
    /// The type asked for.
    pub qtype: RecordType,
    /// The class asked for.
    pub qclass: DNSClass,
}
