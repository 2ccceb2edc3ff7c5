//! Extended DNS errors (RFC 8914): why a question has no answer.

/// The reason in an Extended DNS Error option. Its text names no server and no address, since the client may not be allowed to
/// know which servers its network asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtendedError {
    /// None of the servers that a name is forwarded to responded in time.
    NoResponse,
    /// The question was dropped for others: too many wait for other servers.
    GaveWay,
    /// None of the servers that a name is forwarded to could be asked.
    Network,
    /// A server that a name is forwarded to responded with an error, or with a response that is no answer.
    NoAnswer,
    /// Forwarding rules form a loop.
    ForwardingLoop,
    /// The request is signed, and responses over this transport cannot be.
    NoSignatures,
    /// The zone has only the declared names, and this is none of them.
    NotKnownHere,
    /// The name has an address that is declared as unknown.
    AddressNotKnown,
    /// The name has records that are declared as unknown.
    RecordsNotKnown,
    /// The name is forwarded to a server whose address is declared as unknown.
    ServerNotKnown,
}

impl ExtendedError {
    /// The INFO-CODE, as registered with IANA.
    pub const fn info_code(self) -> u16 {
        match self {
            // Other: no code exists for data that the operator does not know yet.
            Self::AddressNotKnown | Self::RecordsNotKnown | Self::ServerNotKnown => 0,
            Self::GaveWay | Self::ForwardingLoop => 0,
            Self::NoSignatures => 21,
            // Not Authoritative: for REFUSED by a server that has no authority for the name (RFC 8914 §4.21).
            Self::NotKnownHere => 20,
            Self::NoResponse => 22,
            Self::Network | Self::NoAnswer => 23,
        }
    }

    /// The EXTRA-TEXT, for human readers.
    pub const fn extra_text(self) -> &'static str {
        match self {
            Self::NoResponse => "no server responded in time",
            Self::GaveWay => "too many queries wait for other servers",
            Self::Network => "no server can be reached",
            Self::NoAnswer => "no server gave an answer",
            Self::ForwardingLoop => "forwarding rules lead round in a circle",
            Self::NoSignatures => "no signatures over HTTP and QUIC: sign over UDP, TCP or TLS",
            Self::NotKnownHere => "not known here",
            Self::AddressNotKnown => "address not known",
            Self::RecordsNotKnown => "records not known",
            Self::ServerNotKnown => "DNS server: address not known",
        }
    }
}
