//! recvmmsg and sendmmsg over buffers that stay where they are: the generator's calls and those of the bare echo.
#![allow(unsafe_code, reason = "system calls that take pointers")]

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::ptr;

use nix::libc;

/// Datagrams a call.
pub(crate) const BATCH: usize = 64;
const BUFFER: usize = 2048;

/// Buffers for a batch, with headers that point to them.
pub(crate) struct Batch {
    buffers: Box<[[u8; BUFFER]]>,
    names: Box<[libc::sockaddr_in]>,
    parts: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    is_named: bool,
}

impl Batch {
    /// Buffers that also hold each datagram's address, unless the socket is connected.
    pub(crate) fn new(is_named: bool) -> Self {
        // SAFETY: all zeros is a valid value of these structures of numbers and pointers.
        let (name, part, header) = unsafe { std::mem::zeroed::<(libc::sockaddr_in, libc::iovec, libc::mmsghdr)>() };
        let mut batch = Self {
            buffers: vec![[0; BUFFER]; BATCH].into(),
            names: vec![name; BATCH].into(),
            parts: vec![part; BATCH].into(),
            headers: vec![header; BATCH].into(),
            is_named,
        };
        for at in 0..BATCH {
            batch.parts[at].iov_base = batch.buffers[at].as_mut_ptr().cast();
            batch.parts[at].iov_len = BUFFER;
            let header = &mut batch.headers[at].msg_hdr;
            header.msg_iov = &raw mut batch.parts[at];
            header.msg_iovlen = 1;
            if is_named {
                header.msg_name = (&raw mut batch.names[at]).cast();
                header.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            }
        }
        batch
    }

    /// Receives up to a batch; 0 where nothing came.
    pub(crate) fn receive(&mut self, socket: &UdpSocket, flags: libc::c_int) -> io::Result<usize> {
        // SAFETY: the headers point to the buffers, names and parts of `self`, which are borrowed mutably for the call
        // and live on the heap, where they do not move.
        let count = unsafe {
            libc::recvmmsg(socket.as_raw_fd(), self.headers.as_mut_ptr(), BATCH as u32, flags as _, ptr::null_mut())
        };
        count_or_none(count)
    }

    /// The datagram that was received there.
    pub(crate) fn datagram(&mut self, at: usize) -> &mut [u8] {
        let len = self.headers[at].msg_len as usize;
        &mut self.buffers[at][..len]
    }

    /// Sends the first datagrams back as they now are.
    pub(crate) fn send_back(&mut self, socket: &UdpSocket, count: usize) -> io::Result<usize> {
        for at in 0..count {
            self.parts[at].iov_len = self.headers[at].msg_len as usize;
        }
        // SAFETY: as for `receive`; `count` is at most what `receive` returned.
        let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), self.headers.as_mut_ptr(), count as u32, 0) };
        for at in 0..count {
            self.parts[at].iov_len = BUFFER;
            if self.is_named {
                self.headers[at].msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            }
        }
        count_or_none(sent)
    }
}

/// Sends messages over a connected socket and returns how many were taken.
pub(crate) fn send<'a>(socket: &UdpSocket, messages: impl Iterator<Item = &'a [u8]>) -> io::Result<usize> {
    // SAFETY: all zeros is a valid value of these structures of numbers and pointers.
    let (mut parts, mut headers) = unsafe { std::mem::zeroed::<([libc::iovec; BATCH], [libc::mmsghdr; BATCH])>() };
    let mut count = 0;
    for ((message, part), header) in messages.zip(&mut parts).zip(&mut headers) {
        part.iov_base = message.as_ptr().cast_mut().cast();
        part.iov_len = message.len();
        header.msg_hdr.msg_iov = part;
        header.msg_hdr.msg_iovlen = 1;
        count += 1;
    }
    // SAFETY: the first `count` headers point to parts that live until the end of this function, and these to messages
    // that are borrowed for 'a; the kernel only reads them.
    count_or_none(unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count, 0) })
}

fn count_or_none(count: libc::c_int) -> io::Result<usize> {
    usize::try_from(count).or_else(|_| {
        let error = io::Error::last_os_error();
        if error.kind() == io::ErrorKind::WouldBlock { Ok(0) } else { Err(error) }
    })
}
