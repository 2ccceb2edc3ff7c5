//! The encoding of exchanges in a ring.

use std::net::Ipv6Addr;

use rtrb::{Consumer, Producer};

/// The fixed part of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Numbers of the transport, the kind, the way of identification, and the responsible part.
    pub(super) transport: u8,
    pub(super) kind: u8,
    pub(super) way: u8,
    pub(super) responsible: u8,
    /// Whether the response was sent.
    pub(super) is_sent: bool,
    /// Whether clients take the server for a resolver.
    pub(super) is_resolver: bool,
    /// IPv4 addresses are mapped; an unknown address is unspecified, an unknown port is 0.
    pub(super) client: Ipv6Addr,
    pub(super) client_port: u16,
    pub(super) local: Ipv6Addr,
    pub(super) local_port: u16,
    /// Seconds since 1970 in UTC, and nanoseconds.
    pub(super) query_time: (u64, u32),
    pub(super) response_time: (u64, u32),
}

/// An exchange with its texts and messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) head: Head,
    /// The client's virtual network.
    pub(super) network: &'a [u8],
    /// The apex of the zone or the domain of the rule in wire format; may be empty.
    pub(super) zone: &'a [u8],
    /// The ruleset of the rule; may be empty.
    pub(super) ruleset: &'a [u8],
    pub(super) query: &'a [u8],
    pub(super) response: &'a [u8],
}

/// Octets before the texts and messages: those of [`Head`], and the lengths of [`PARTS`].
const HEAD: usize = 5 + 2 * (16 + 2) + 2 * (8 + 4) + PARTS * 2;
/// Texts and messages of a record.
const PARTS: usize = 5;

impl<'a> Record<'a> {
    /// Writes the record into a ring; `false` if it does not fit.
    pub(super) fn push(&self, ring: &mut Producer<u8>) -> bool {
        let parts: [_; PARTS] = [self.network, self.zone, self.ruleset, self.query, self.response];
        let mut lengths = [0; 2 * PARTS];
        for (part, length) in parts.iter().zip(lengths.chunks_exact_mut(2)) {
            let Ok(len) = u16::try_from(part.len()) else { return false };
            length.copy_from_slice(&len.to_be_bytes());
        }
        let len = HEAD + parts.iter().map(|part| part.len()).sum::<usize>();
        let Ok(mut chunk) = ring.write_chunk(len) else { return false };
        let head = self.head.octets(lengths);
        let (first, second) = chunk.as_mut_slices();
        let (to_end, mut at) = (first.len(), 0);
        for part in [&head[..]].into_iter().chain(parts) {
            // A part that reaches the end of the ring continues at its start.
            let (before, behind) = part.split_at(to_end.saturating_sub(at).min(part.len()));
            if !before.is_empty() {
                first[at..][..before.len()].copy_from_slice(before);
            }
            if !behind.is_empty() {
                second[at + before.len() - to_end..][..behind.len()].copy_from_slice(behind);
            }
            at += part.len();
        }
        chunk.commit_all();
        true
    }

    /// Takes the oldest record out of a ring.
    pub(super) fn pop(ring: &mut Consumer<u8>, buffer: &'a mut Vec<u8>) -> Option<Self> {
        let mut head = [0; HEAD];
        // Records are written as a whole.
        ring.pop_entire_slice(&mut head).ok()?;
        let (head, lengths) = Head::read(&head);
        buffer.clear();
        buffer.resize(lengths.iter().sum(), 0);
        ring.pop_entire_slice(buffer).ok()?;
        let (network, rest) = buffer.split_at_checked(lengths[0])?;
        let (zone, rest) = rest.split_at_checked(lengths[1])?;
        let (ruleset, rest) = rest.split_at_checked(lengths[2])?;
        let (query, response) = rest.split_at_checked(lengths[3])?;
        Some(Self { head, network, zone, ruleset, query, response })
    }
}

impl Head {
    fn octets(&self, lengths: [u8; 2 * PARTS]) -> [u8; HEAD] {
        let mut octets = [0; HEAD];
        let mut at = 0;
        let mut push = |part: &[u8]| {
            octets[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        };
        let flags = u8::from(self.is_sent) | u8::from(self.is_resolver) << 1;
        push(&[self.transport, self.kind, self.way, self.responsible, flags]);
        for (address, port) in [(self.client, self.client_port), (self.local, self.local_port)] {
            push(&address.octets());
            push(&port.to_be_bytes());
        }
        for (seconds, nanoseconds) in [self.query_time, self.response_time] {
            push(&seconds.to_be_bytes());
            push(&nanoseconds.to_be_bytes());
        }
        push(&lengths);
        octets
    }

    fn read(octets: &[u8; HEAD]) -> (Self, [usize; PARTS]) {
        let mut rest = &octets[..];
        let [transport, kind, way, responsible, flags] = take(&mut rest);
        let mut endpoint = || (Ipv6Addr::from(take::<16>(&mut rest)), u16::from_be_bytes(take(&mut rest)));
        let ((client, client_port), (local, local_port)) = (endpoint(), endpoint());
        let mut time = || (u64::from_be_bytes(take(&mut rest)), u32::from_be_bytes(take(&mut rest)));
        let (query_time, response_time) = (time(), time());
        let lengths = [(); PARTS].map(|()| u16::from_be_bytes(take(&mut rest)).into());
        let (is_sent, is_resolver) = (flags & 1 != 0, flags & 2 != 0);
        let head = Self {
            transport,
            kind,
            way,
            responsible,
            is_sent,
            is_resolver,
            client,
            client_port,
            local,
            local_port,
            query_time,
            response_time,
        };
        (head, lengths)
    }
}

/// Takes the first octets.
fn take<const N: usize>(octets: &mut &[u8]) -> [u8; N] {
    let (taken, rest) = octets.split_first_chunk().expect("a head has room for all that is in it");
    *octets = rest;
    *taken
}

#[cfg(test)]
mod tests {
    use rtrb::RingBuffer;

    use super::*;

    #[test]
    fn records_come_out_as_they_went_in_wherever_the_ring_ends() {
        let head = Head {
            transport: 3,
            kind: 4,
            way: 8,
            responsible: 2,
            is_sent: true,
            is_resolver: false,
            client: "2001:db8::1".parse().unwrap(),
            client_port: 5353,
            local: "::ffff:192.0.2.1".parse().unwrap(),
            local_port: 53,
            query_time: (1_700_000_000, 999_999_999),
            response_time: (1_700_000_001, 1),
        };
        let (mut producer, mut consumer) = RingBuffer::new(300);
        let mut buffer = Vec::new();
        let message: Vec<u8> = (0..=255).collect();
        for round in 0..600 {
            let len = round % 100;
            let record = Record {
                head: Head { is_resolver: round % 2 == 0, ..head },
                network: b"rg/hub",
                zone: b"\x04test\0",
                ruleset: b"rules",
                query: &message[..len],
                response: &message[len..len + len / 2],
            };
            assert!(record.push(&mut producer), "{round}");
            assert_eq!(Record::pop(&mut consumer, &mut buffer), Some(record));
        }
    }

    #[test]
    fn what_has_no_room_leaves_the_ring_as_it_was() {
        let head = Head::read(&[0; HEAD]).0;
        let record = Record { head, network: b"", zone: b"", ruleset: b"", query: &[1; 60], response: &[2; 60] };
        let (mut producer, mut consumer) = RingBuffer::new(2 * (HEAD + 120) + 60);
        let pushed = [(); 3].map(|()| record.push(&mut producer));
        assert_eq!(pushed, [true, true, false]);
        let mut buffer = Vec::new();
        assert_eq!(Record::pop(&mut consumer, &mut buffer), Some(record));
        assert_eq!(Record::pop(&mut consumer, &mut buffer), Some(record));
        assert_eq!(Record::pop(&mut consumer, &mut buffer), None);
        assert!(!Record { response: &[0; 70_000], ..record }.push(&mut producer));
    }
}
