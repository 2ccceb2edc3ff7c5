//! `serve --replace`: a server takes the place of another without losing a query.
//!
//! The new process asks the running one through the control socket, which sends its sockets (`SCM_RIGHTS`) and its secrets. The new
//! process compiles a copy of the state, which the old one still writes to; then it has the old one release the state, and applies what
//! was written since. Once the new process answers, it says so; the old one then stops receiving and accepting, and confirms that, and
//! confirms again when its QUIC sockets are closed. Its connections end by themselves. Whatever happens to the new process before it
//! says that it is ready, the old one continues unchanged.
//!
//! `predecessor` is the side of the new process, `successor` the side of the old one.

mod predecessor;
mod successor;

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use anyhow::{Context, bail};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::page::HandedSessions;
use crate::server::{Place, QuicKeys};

pub(super) use predecessor::{Predecessor, StateCopy, needed};
pub(super) use successor::Handover;

/// The version of the protocol between the two; another version is not understood.
const SCHEMA: &str = "vnetdns.replace/1";
/// Most descriptors in one message; the system allows 253.
const AT_ONCE: usize = 64;
/// Longest line, in octets.
const MAX_LINE: usize = 16 << 20;

/// What the running server offers.
#[derive(Debug, Serialize, Deserialize)]
struct Offer {
    schema: String,
    process: u32,
    /// The user that it runs as.
    user: u32,
    /// Its watchdog interval, in microseconds.
    watchdog: Option<u64>,
    sockets: Vec<Offered>,
    /// Whether the state is kept, and written to, until the new process asks for it.
    #[serde(default)]
    later: bool,
}

/// Sockets, by the number of descriptors that follow.
#[derive(Debug, Serialize, Deserialize)]
struct Offered {
    #[serde(flatten)]
    place: Place,
    descriptors: usize,
}

/// The new process has compiled, and wants the state.
#[derive(Debug, Serialize, Deserialize)]
struct Wants {
    state: bool,
}

/// The new process answers.
#[derive(Debug, Serialize, Deserialize)]
struct Answers {
    process: u32,
    /// The numbers of the sockets that it has taken.
    taken: Vec<usize>,
}

/// In this order: the old process has released the state, no longer accepts anything, and no longer reads QUIC sockets; or, instead of
/// the first two or of an offer, why it continues.
#[derive(Debug, Serialize, Deserialize)]
struct Reply {
    ok: bool,
    error: Option<String>,
    /// Who may change something by the page, with the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    page: Option<HandedSessions>,
}

impl Reply {
    const DONE: Self = Self { ok: true, error: None, page: None };
}

/// Secrets, sent after the descriptors.
struct Secrets {
    cookies: Zeroizing<[u8; 16]>,
    quic: QuicKeys,
}

fn send_line(mut stream: &UnixStream, message: &impl Serialize) -> anyhow::Result<()> {
    let line = serde_json::to_string(message)? + "\n";
    Ok(stream.write_all(line.as_bytes())?)
}

/// Reads exactly one line: descriptors may come with what follows.
fn receive_line<T: DeserializeOwned>(mut stream: &UnixStream) -> anyhow::Result<T> {
    let (mut line, mut octet) = (Vec::new(), [0]);
    loop {
        match stream.read(&mut octet) {
            Ok(0) => bail!("the other process has closed the connection"),
            Ok(_) if octet[0] == b'\n' => break,
            Ok(_) if line.len() < MAX_LINE => line.push(octet[0]),
            Ok(_) => bail!("the other process says too much"),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                bail!("the other process has not answered in time")
            }
            Err(error) => return Err(error.into()),
        }
    }
    serde_json::from_slice(&line).with_context(|| format!("what is not understood: {}", String::from_utf8_lossy(&line)))
}

fn send_descriptors(stream: &UnixStream, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    for some in descriptors.chunks(AT_ONCE) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
        let mut with = SendAncillaryBuffer::new(&mut space);
        if !with.push(SendAncillaryMessage::ScmRights(some)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        sendmsg(stream.as_fd(), &[IoSlice::new(b"d")], &mut with, SendFlags::NOSIGNAL)?;
    }
    Ok(())
}

fn receive_descriptors(stream: &UnixStream, count: usize) -> io::Result<Vec<OwnedFd>> {
    let mut descriptors = Vec::new();
    while descriptors.len() < count {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
        let (mut with, mut octet) = (RecvAncillaryBuffer::new(&mut space), [0]);
        let octets = &mut [IoSliceMut::new(&mut octet)];
        let received = recvmsg(stream.as_fd(), octets, &mut with, RecvFlags::CMSG_CLOEXEC)?;
        let before = descriptors.len();
        for message in with.drain() {
            if let RecvAncillaryMessage::ScmRights(some) = message {
                descriptors.extend(some);
            }
        }
        if received.bytes == 0 || descriptors.len() == before {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "sockets are missing"));
        }
    }
    Ok(descriptors)
}

impl Secrets {
    fn send(&self, mut stream: &UnixStream) -> io::Result<()> {
        stream.write_all(&*self.cookies)?;
        stream.write_all(self.quic.octets())
    }

    fn receive(mut stream: &UnixStream) -> io::Result<Self> {
        let mut cookies = Zeroizing::new([0; 16]);
        stream.read_exact(&mut *cookies)?;
        let mut quic = Zeroizing::new([0; QuicKeys::LEN]);
        stream.read_exact(&mut *quic)?;
        Ok(Self { cookies, quic: QuicKeys::new(quic) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_descriptors_than_one_message_takes_arrive_in_their_order() {
        let (one, other) = UnixStream::pair().unwrap();
        let files: Vec<_> = (0..150).map(|_| tempfile::tempfile().unwrap()).collect();
        for (number, mut file) in files.iter().enumerate() {
            write!(file, "{number}").unwrap();
        }
        let descriptors: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        send_line(&one, &Reply::DONE).unwrap();
        send_descriptors(&one, &descriptors).unwrap();
        let keys = QuicKeys::random().unwrap();
        Secrets { cookies: [7; 16].into(), quic: keys.clone() }.send(&one).unwrap();
        assert!(receive_line::<Reply>(&other).unwrap().ok);
        let received = receive_descriptors(&other, 150).unwrap();
        let secrets = Secrets::receive(&other).unwrap();
        assert_eq!((*secrets.cookies, secrets.quic.octets()), ([7; 16], keys.octets()));
        assert_eq!(received.len(), 150);
        for (number, file) in received.into_iter().enumerate() {
            let (mut file, mut text) = (std::fs::File::from(file), String::new());
            io::Seek::rewind(&mut file).unwrap();
            file.read_to_string(&mut text).unwrap();
            assert_eq!(text, number.to_string());
        }
        drop(one);
        assert!(receive_descriptors(&other, 1).is_err());
    }
}
