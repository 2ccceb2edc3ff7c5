//! The system calls that have no safe form elsewhere. All unsafe code of the server is here.
//!
//! The kernel is given pointers into slots and messages that are borrowed for the length of the call, and nothing
//! keeps a pointer afterwards.
#![allow(unsafe_code, reason = "recvmmsg, sendmmsg and two socket options take pointers")]

use std::io::{self, IoSlice};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::ptr;

use nix::libc;

use super::super::{BATCH, Wait};
use super::address::{Control, Local, Peer};

/// Most octets of a request. Clients keep below what we offer to receive (1232); what is longer than this is cut, and
/// so found to be malformed.
const REQUEST: usize = 4096;

/// Room for one datagram.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Slot {
    peer: Peer,
    len: usize,
    request: [u8; REQUEST],
    control: Control,
}

/// A message to send: one datagram, or several of one length, the last perhaps shorter, for the kernel to cut.
pub(super) struct Message<'a> {
    pub(super) peer: &'a Peer,
    pub(super) parts: &'a [IoSlice<'a>],
    pub(super) control: Control,
}

impl Default for Slot {
    fn default() -> Self {
        Self { peer: Peer::default(), len: 0, request: [0; REQUEST], control: Control::EMPTY }
    }
}

impl Slot {
    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    pub(super) fn request(&self) -> &[u8] {
        &self.request[..self.len]
    }

    /// The address of this host that the datagram came to, where the socket was asked to tell.
    pub(super) fn local(&self) -> Option<Local> {
        self.control.local()
    }
}

/// Receives datagrams into the first slots, [`BATCH`] at most, and returns their number.
pub(super) fn receive(socket: &UdpSocket, slots: &mut [Slot], control: bool, wait: Wait) -> io::Result<usize> {
    // SAFETY: all zeros is a valid value of these structures of numbers and pointers.
    let mut headers: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut parts: [libc::iovec; BATCH] = unsafe { std::mem::zeroed() };
    let count = slots.len().min(BATCH);
    for ((slot, header), part) in slots.iter_mut().zip(&mut headers).zip(&mut parts) {
        part.iov_base = slot.request.as_mut_ptr().cast();
        part.iov_len = REQUEST;
        let header = &mut header.msg_hdr;
        header.msg_name = slot.peer.as_mut_octets().as_mut_ptr().cast();
        header.msg_namelen = size_of::<Peer>() as libc::socklen_t;
        header.msg_iov = part;
        header.msg_iovlen = 1;
        if control {
            let room = slot.control.as_mut_octets();
            header.msg_controllen = room.len() as _;
            header.msg_control = room.as_mut_ptr().cast();
        }
    }
    let flags = match wait {
        Wait::Tick => libc::MSG_WAITFORONE,
        Wait::Not => libc::MSG_DONTWAIT,
    };
    // SAFETY: each of the first `count` headers points to the address, the octets and the control octets of one slot,
    // with their lengths, and to its own element of `parts`; `slots` is borrowed mutably and `parts` lives until the
    // end of this function, so that the kernel writes to memory that is ours and nobody else's. A null time-out is
    // none.
    let received =
        unsafe { libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count as u32, flags as _, ptr::null_mut()) };
    let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    for (slot, header) in slots.iter_mut().zip(&headers[..received]) {
        slot.len = (header.msg_len as usize).min(REQUEST);
        #[allow(clippy::unnecessary_cast, reason = "musl's number has 32 bits")]
        slot.control.set_len(header.msg_hdr.msg_controllen as usize);
    }
    Ok(received)
}

/// Sends the first messages, [`BATCH`] at most, and returns how many were taken; an error speaks of the first.
pub(super) fn send(socket: &UdpSocket, messages: &[Message<'_>]) -> io::Result<usize> {
    // SAFETY: all zeros is a valid value of this structure of numbers and pointers.
    let mut headers: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
    let count = messages.len().min(BATCH);
    for (message, header) in messages.iter().zip(&mut headers) {
        let header = &mut header.msg_hdr;
        header.msg_name = message.peer.as_octets().as_ptr().cast_mut().cast();
        header.msg_namelen = message.peer.len() as libc::socklen_t;
        header.msg_iov = message.parts.as_ptr().cast_mut().cast();
        header.msg_iovlen = message.parts.len() as _;
        let control = message.control.as_octets();
        if !control.is_empty() {
            header.msg_control = control.as_ptr().cast_mut().cast();
            header.msg_controllen = control.len() as _;
        }
    }
    // SAFETY: each of the first `count` headers points to the address, the parts and the control octets of one message,
    // with their lengths; `IoSlice` has the layout of `iovec`, as its documentation promises. All of it is borrowed
    // until the end of this function, and the kernel only reads it; to the headers, which are ours, it writes lengths.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count as u32, 0) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Lets no router cut a response (RFC 9715 §3.1), whatever path MTU somebody claims there is.
pub(super) fn forbid_fragments(socket: &socket2::Socket, is_ipv6: bool) -> io::Result<()> {
    let (level, name, value) = if is_ipv6 {
        (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_PROBE)
    } else {
        (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)
    };
    let len = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the value is a number of that length, which the kernel reads during the call.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Datagrams that came to this socket and were dropped; wraps. `None` before Linux 4.12.
pub(in crate::server::udp) fn dropped(socket: &UdpSocket) -> Option<u32> {
    const COUNT: usize = libc::SK_MEMINFO_DROPS as usize + 1;
    let mut numbers = [0_u32; COUNT];
    let mut len = size_of_val(&numbers) as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` octets, as many as `numbers` has, and then the number of those to `len`;
    // every pattern of bits is a number.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            numbers.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    (result == 0 && len as usize == size_of_val(&numbers)).then_some(numbers[COUNT - 1])
}

/// Makes a socket refuse to cut messages, as an old network card does.
#[cfg(test)]
pub(in crate::server::udp) fn forbid_joining(socket: &UdpSocket) {
    let without_checksums: libc::c_int = 1;
    // SAFETY: the value is a number of that length, which the kernel reads during the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NO_CHECK,
            (&raw const without_checksums).cast(),
            size_of_val(&without_checksums) as libc::socklen_t,
        )
    };
    assert_eq!(result, 0);
}
