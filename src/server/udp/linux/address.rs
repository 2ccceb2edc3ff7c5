//! Socket addresses and control messages in the kernel's layout, read and written as octets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use nix::libc;

/// Octets of the longest address, that of IPv6.
const LONGEST: usize = size_of::<libc::sockaddr_in6>();
/// Octets of the headers and values of control messages: `UDP_SEGMENT` and `IPV6_PKTINFO`.
const CONTROL: usize = 64;
/// Octets of a control message's header: its length, then level and type.
const HEADER: usize = size_of::<libc::cmsghdr>();

/// A client's address: `sockaddr_in` or `sockaddr_in6`, the rest zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(4))]
pub(super) struct Peer([u8; LONGEST]);

/// The address of this host that a datagram came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Local {
    V4([u8; 4]),
    V6([u8; 16]),
}

/// Control messages that go with a datagram.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(super) struct Control {
    octets: [u8; CONTROL],
    len: usize,
}

impl Local {
    pub(super) fn to_address(self) -> IpAddr {
        match self {
            Self::V4(octets) => octets.into(),
            Self::V6(octets) => octets.into(),
        }
    }
}

impl Peer {
    pub(super) fn to_address(self) -> SocketAddr {
        let port = u16::from_be_bytes(self.field(2));
        match i32::from(self.family()) {
            libc::AF_INET6 => {
                let (flow, scope) = (u32::from_be_bytes(self.field(4)), u32::from_ne_bytes(self.field(24)));
                SocketAddrV6::new(Ipv6Addr::from(self.field::<16>(8)), port, flow, scope).into()
            }
            _ => SocketAddrV4::new(Ipv4Addr::from(self.field::<4>(4)), port).into(),
        }
    }

    /// Octets of the address in use.
    pub(super) fn len(&self) -> usize {
        match i32::from(self.family()) {
            libc::AF_INET6 => LONGEST,
            _ => size_of::<libc::sockaddr_in>(),
        }
    }

    pub(super) fn as_octets(&self) -> &[u8; LONGEST] {
        &self.0
    }

    #[cfg(test)]
    pub(super) fn as_mut_octets(&mut self) -> &mut [u8; LONGEST] {
        &mut self.0
    }

    fn family(&self) -> u16 {
        u16::from_ne_bytes(self.field(0))
    }

    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        *self.0[at..].first_chunk().expect("within the address")
    }
}

impl Control {
    /// Octets of room for the control messages of a datagram.
    pub(super) const ROOM: usize = CONTROL;

    /// Sets the source address of a message, and the length of the datagrams that the kernel splits it into.
    pub(super) fn new(from: Option<Local>, segment: Option<u16>) -> Self {
        let mut control = Self { octets: [0; CONTROL], len: 0 };
        match from {
            // The interface index, the source address, and a field that is used when receiving only.
            Some(Local::V4(local)) => {
                control.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &[&[0; 4], &local, &[0; 4]]);
            }
            Some(Local::V6(local)) => {
                control.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &[&local, &[0; 4]]);
            }
            None => {}
        }
        if let Some(segment) = segment {
            control.push(libc::SOL_UDP, libc::UDP_SEGMENT, &[&segment.to_ne_bytes()]);
        }
        control
    }

    /// The local address that a datagram was sent to, from its control messages.
    pub(super) fn local(mut rest: &[u8]) -> Option<Local> {
        loop {
            let (header, _) = rest.split_first_chunk::<HEADER>()?;
            let len = usize::from_ne_bytes(*header.first_chunk()?);
            let field = |at: usize| Some(i32::from_ne_bytes(*header[size_of::<usize>() + at..].first_chunk()?));
            let value = rest.get(HEADER..len)?;
            match (field(0)?, field(4)?) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => return Some(Local::V4(*value.get(4..)?.first_chunk()?)),
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => return Some(Local::V6(*value.first_chunk()?)),
                _ => rest = rest.get(aligned(len)..)?,
            }
        }
    }

    pub(super) fn as_octets(&self) -> &[u8] {
        &self.octets[..self.len]
    }

    fn push(&mut self, level: i32, kind: i32, value: &[&[u8]]) {
        let len = HEADER + value.iter().map(|part| part.len()).sum::<usize>();
        let header: [&[u8]; 3] = [&len.to_ne_bytes(), &level.to_ne_bytes(), &kind.to_ne_bytes()];
        let mut at = self.len;
        for part in header.iter().chain(value) {
            self.octets[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        self.len += aligned(len);
    }
}

/// Rounds up to a multiple of a word: control messages are aligned to words.
const fn aligned(len: usize) -> usize {
    len.next_multiple_of(size_of::<usize>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for local in [Local::V4([192, 0, 2, 1]), Local::V6([7; 16])] {
            assert_eq!(Control::local(Control::new(Some(local), None).as_octets()), Some(local));
            assert_eq!(Control::local(Control::new(Some(local), Some(100)).as_octets()), Some(local));
        }
        assert_eq!(Control::local(Control::new(None, Some(100)).as_octets()), None);
        assert_eq!(Control::local(&[]), None);
    }

    #[test]
    fn a_local_address_is_found_behind_other_messages() {
        let mut control = Control::new(None, Some(100));
        control.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &[&[0; 4], &[192, 0, 2, 1], &[0; 4]]);
        let octets = control.as_octets();
        assert_eq!(Control::local(octets), Some(Local::V4([192, 0, 2, 1])));
        // Cut off, as by a kernel that found no room.
        assert_eq!(Control::local(&octets[..octets.len() - 8]), None);
    }
}
