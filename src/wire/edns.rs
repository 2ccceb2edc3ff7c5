//! The OPT pseudo-record (RFC 6891).

/// The UDP payload size that this server advertises and keeps to: what crosses today's networks in one piece
/// (DNS Flag Day 2020).
pub const OUR_PAYLOAD_SIZE: u16 = 1232;
/// What Azure-provided DNS advertises (seen in captures of 2023 to 2025).
pub(super) const AZURE_PAYLOAD_SIZE: u16 = 1224;
/// What a client without EDNS takes over UDP, and the least that one with EDNS does (RFC 1035 §4.2.1, RFC 6891 §6.2.3).
pub(super) const LEAST_PAYLOAD_SIZE: u16 = 512;
/// Octets of an OPT record without options.
pub(super) const OPT_LEN: usize = 11;

/// What the OPT record of a request says; its options are well formed and, none being known here, ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// The client's UDP payload size in octets.
    pub payload_size: u16,
    /// EDNS version.
    pub version: u8,
    /// The DO bit, which a response repeats (RFC 3225 §3).
    pub dnssec_ok: bool,
}

impl Edns {
    /// Reads the fixed part of an OPT record: class and TTL fields (RFC 6891 §6.1.3).
    pub(super) fn read(class: u16, ttl: [u8; 4]) -> Self {
        Self { payload_size: class, version: ttl[1], dnssec_ok: ttl[2] & 0x80 != 0 }
    }

    /// Whether RDATA is a sequence of whole options (RFC 6891 §6.1.2).
    pub(super) fn options_are_whole(mut rdata: &[u8]) -> bool {
        while let Some((header, rest)) = rdata.split_first_chunk::<4>() {
            let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
            match rest.get(len..) {
                Some(rest) => rdata = rest,
                None => return false,
            }
        }
        rdata.is_empty()
    }
}
