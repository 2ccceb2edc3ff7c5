//! Why a question has no answer, in more words than an RCODE has (RFC 8914).

/// The reason that an Extended DNS Error option gives. Its text names no server and no address: the client may not know
/// whom its network's questions go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtendedError {
    /// None of the servers that a name is forwarded to responded in time.
    NoResponse,
    /// The question was given up for others: too many wait for other servers.
    GaveWay,
    /// None of the servers that a name is forwarded to could be asked.
    Network,
    /// A server that a name is forwarded to responded with a failure, or with what is no answer.
    NoAnswer,
    /// Forwarding rules lead round in a circle.
    ForwardingLoop,
    /// The request is signed, and responses over this transport cannot be.
    NoSignatures,
    /// The zone knows the declared names alone, and this is none of them.
    NotKnownHere,
    /// The name has an address that was declared as not known.
    AddressNotKnown,
    /// The name has records that were declared as not known.
    RecordsNotKnown,
    /// The name is asked of a server whose address was declared as not known.
    ServerNotKnown,
}

impl ExtendedError {
    /// The INFO-CODE, as registered with IANA.
    pub const fn info_code(self) -> u16 {
        match self {
            // Other: no code speaks of data that the operator has yet to learn.
            Self::AddressNotKnown | Self::RecordsNotKnown | Self::ServerNotKnown => 0,
            Self::GaveWay | Self::ForwardingLoop => 0,
            Self::NoSignatures => 21,
            // Not Authoritative: for REFUSED where the server is no authority for the name (RFC 8914 §4.21).
            Self::NotKnownHere => 20,
            Self::NoResponse => 22,
            Self::Network | Self::NoAnswer => 23,
        }
    }

    /// The EXTRA-TEXT, for people.
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
