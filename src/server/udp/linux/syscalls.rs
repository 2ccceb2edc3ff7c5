//! System calls for which no library has a safe form. All unsafe code of the server is here.
//!
//! The kernel gets pointers into slots and messages that are borrowed during the call, and keeps none of them after it.
#![allow(
    unsafe_code,
    reason = "recvmmsg, sendmmsg and two socket options take pointers, and what is not needed is given back"
)]

use std::fmt;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull};

use nix::libc;

use super::super::{BATCH, Wait};
use super::address::{Control, Local, Peer};

/// Gives the system back what the C library keeps of memory that nobody uses any more. Takes some 0.1 ms for each MiB.
#[cfg(target_env = "gnu")]
pub(in crate::server) fn release_memory() {
    // SAFETY: it takes no pointer, and is safe beside other threads that allocate.
    unsafe { libc::malloc_trim(0) };
}

/// The largest request in octets. Clients keep below the payload size that we advertise (1232). A longer datagram is cut off
/// here, and so is malformed.
const REQUEST: usize = 4096;

/// Where the kernel writes one datagram.
#[repr(C, align(64))]
struct Slot {
    peer: Peer,
    request: [u8; REQUEST],
    control: [u8; Control::ROOM],
}

/// Room for a batch of datagrams. The headers that describe it to the kernel are made once, not for each batch.
pub(super) struct Slots {
    /// [`BATCH`] of them, each initialized, from a box that nothing else points into.
    slots: NonNull<Slot>,
    /// One for each slot, with pointers to the slot and to its part. The kernel writes lengths to it.
    headers: Vec<libc::mmsghdr>,
    /// Owned because the headers point to them; never read or written by us.
    _parts: Vec<libc::iovec>,
    /// How many slots the last call has filled.
    received: usize,
    /// Octets of room for control messages that the kernel is given with each slot.
    control: usize,
}

// SAFETY: the pointers lead to memory that this value alone owns, and reads and writes as it is borrowed.
unsafe impl Send for Slots {}

/// A message to send: one datagram, or several of one length that the kernel splits, of which the last may be shorter.
pub(super) struct Message<'a> {
    pub(super) peer: &'a Peer,
    pub(super) parts: &'a [IoSlice<'a>],
    pub(super) control: Control,
}

impl Slots {
    /// `control`: whether the socket reports the local address of each datagram.
    pub(super) fn new(control: bool) -> Self {
        let slot = |_| Slot { peer: Peer::default(), request: [0; REQUEST], control: [0; Control::ROOM] };
        let slots: Box<[Slot]> = (0..BATCH).map(slot).collect();
        let slots: NonNull<Slot> = NonNull::from(Box::leak(slots)).cast();
        let control = if control { Control::ROOM } else { 0 };
        let part = |at| libc::iovec {
            // SAFETY: the slot is one of those that were just made; no reference is made.
            iov_base: unsafe { (&raw mut (*slots.as_ptr().add(at)).request).cast() },
            iov_len: REQUEST,
        };
        let mut parts: Vec<_> = (0..BATCH).map(part).collect();
        let part = parts.as_mut_ptr();
        let header = |at| {
            // SAFETY: all zeros is a valid value of this structure of numbers and pointers.
            let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
            let message = &mut header.msg_hdr;
            // SAFETY: as above, for the slot and for the part.
            unsafe {
                let slot = slots.as_ptr().add(at);
                message.msg_name = (&raw mut (*slot).peer).cast();
                message.msg_iov = part.add(at);
                if control > 0 {
                    message.msg_control = (&raw mut (*slot).control).cast();
                }
            }
            message.msg_iovlen = 1;
            (message.msg_namelen, message.msg_controllen) = (size_of::<Peer>() as libc::socklen_t, control as _);
            header
        };
        Self { slots, headers: (0..BATCH).map(header).collect(), _parts: parts, received: 0, control }
    }

    fn slots(&self) -> &[Slot] {
        let received = self.received.min(BATCH);
        // SAFETY: there are so many slots, as many as a receipt can fill; each is initialized, whatever the kernel wrote,
        // for it is made of octets; and the kernel writes during a receipt alone, for which this value is borrowed mutably.
        unsafe { std::slice::from_raw_parts(self.slots.as_ptr(), received) }
    }

    /// The datagrams that were received last.
    pub(super) fn received(&self) -> impl Iterator<Item = Arrived<'_>> {
        self.slots().iter().zip(&self.headers).map(|(slot, header)| Arrived { slot, header })
    }

    pub(super) fn peer(&self, at: usize) -> &Peer {
        &self.slots()[at].peer
    }

    /// The local address that a datagram was sent to, where the socket reports it.
    pub(super) fn local(&self, at: usize) -> Option<Local> {
        Arrived { slot: &self.slots()[at], header: &self.headers[at] }.local()
    }

    /// Receives datagrams, [`BATCH`] at most, and returns their number.
    pub(super) fn receive(&mut self, socket: &UdpSocket, wait: Wait) -> io::Result<usize> {
        for header in &mut self.headers[..self.received] {
            // The last call replaced the room that there is by what was used of it.
            header.msg_hdr.msg_namelen = size_of::<Peer>() as libc::socklen_t;
            header.msg_hdr.msg_controllen = self.control as _;
        }
        self.received = 0;
        let flags = match wait {
            Wait::Tick => libc::MSG_WAITFORONE,
            Wait::Not => libc::MSG_DONTWAIT,
        };
        let (headers, count) = (self.headers.as_mut_ptr(), self.headers.len() as u32);
        // SAFETY: each header points to the address, the octets and the control octets of one slot, with their lengths, and
        // to a part of its own, all of which live as long as this value; it is borrowed mutably, so that the kernel writes
        // to memory that nobody reads. A null time-out is none.
        let received = unsafe { libc::recvmmsg(socket.as_raw_fd(), headers, count, flags as _, ptr::null_mut()) };
        self.received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        Ok(self.received)
    }
}

/// A datagram that was received.
#[derive(Clone, Copy)]
pub(super) struct Arrived<'a> {
    slot: &'a Slot,
    header: &'a libc::mmsghdr,
}

impl<'a> Arrived<'a> {
    pub(super) fn peer(self) -> &'a Peer {
        &self.slot.peer
    }

    pub(super) fn request(self) -> &'a [u8] {
        let len = self.header.msg_len as usize;
        &self.slot.request[..len.min(REQUEST)]
    }

    /// The local address that it was sent to, where the socket reports it.
    pub(super) fn local(self) -> Option<Local> {
        #[allow(clippy::unnecessary_cast, reason = "musl's number has 32 bits")]
        let len = self.header.msg_hdr.msg_controllen as usize;
        Control::local(self.slot.control.get(..len)?)
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        // SAFETY: the slots are those of a box that was leaked when this value was made, and so many.
        drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(self.slots.as_ptr(), BATCH)) });
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("received", &self.received).finish_non_exhaustive()
    }
}

/// Sends the first messages, at most [`BATCH`], and returns how many were sent. An error is about the first message.
pub(super) fn send(socket: &UdpSocket, messages: &[Message<'_>]) -> io::Result<usize> {
    let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BATCH];
    let count = messages.len().min(BATCH);
    for (message, header) in messages.iter().zip(&mut headers) {
        // SAFETY: all zeros is a valid value of this structure of numbers and pointers.
        let header = &mut header.write(unsafe { std::mem::zeroed() }).msg_hdr;
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
    // SAFETY: each of the first `count` headers is written, and points to the address, the parts and the control octets of one message,
    // with their lengths; `IoSlice` has the layout of `iovec`, as its documentation promises. All of it is borrowed
    // until the end of this function, and the kernel only reads it; to the headers, which are ours, it writes lengths.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr().cast(), count as u32, 0) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Sets the DF bit of responses (RFC 9715 §3.1) and ignores the path MTU, which can be forged.
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

/// How many datagrams to this socket were dropped; the number wraps. `None` before Linux 4.12.
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

/// Makes a socket refuse joined messages, as with an old network card.
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
