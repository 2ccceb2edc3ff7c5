//! Sends one message to every server and collects what comes back.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use super::questions::{Question, Transport};
use super::reply::Outcome;
use super::servers::Running;

/// How long a reply may take that has to come, on a machine that has other tests to run.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long until a datagram is taken for lost, and how often it is sent.
const LOST: Duration = Duration::from_secs(5);
const ATTEMPTS: usize = 12;
/// How long a message that some server may ignore is waited for, before it is followed by one that has a reply, and once more
/// behind that: replies may overtake each other.
const LITTLE_PATIENCE: Duration = Duration::from_millis(300);
/// The number of the message that follows one that may be ignored.
const MARKER: u16 = 0xfffe;

/// One server's sockets.
pub(crate) struct Exchange {
    address: SocketAddr,
    udp: UdpSocket,
    tcp: Option<TcpStream>,
}

impl Exchange {
    pub(crate) fn with(server: &Running) -> Self {
        let udp = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        udp.connect(server.address()).unwrap();
        Self { address: server.address(), udp, tcp: None }
    }

    fn send(&mut self, question: &Question) {
        match question.transport {
            Transport::Udp => {
                self.udp.send(&question.octets).unwrap();
            }
            Transport::Tcp => {
                let message = [&(question.octets.len() as u16).to_be_bytes()[..], &question.octets].concat();
                // A server may have closed the connection after the last message.
                for _ in 0..2 {
                    let stream = self.tcp.get_or_insert_with(|| {
                        let stream = TcpStream::connect(self.address).unwrap();
                        stream.set_nodelay(true).unwrap();
                        stream
                    });
                    if stream.write_all(&message).is_ok() {
                        return;
                    }
                    self.tcp = None;
                }
            }
        }
    }

    fn receive(&mut self, question: &Question) -> Outcome {
        match question.transport {
            Transport::Udp => self.receive_datagram(question),
            Transport::Tcp => {
                let octets = self.tcp.as_mut().and_then(|stream| receive_from_stream(stream, question).ok().flatten());
                if octets.is_none() {
                    self.tcp = None;
                }
                octets.map_or(Outcome::Silence, Outcome::read)
            }
        }
    }

    fn receive_datagram(&mut self, question: &Question) -> Outcome {
        let mut buffer = vec![0; 65_535];
        let mut wait = |socket: &UdpSocket, patience, ids: &[[u8; 2]]| {
            socket.set_read_timeout(Some(patience)).unwrap();
            loop {
                let len = socket.recv(&mut buffer).ok()?;
                // Other numbers are late replies to earlier messages.
                if let Some(id) = buffer[..len].first_chunk::<2>().filter(|id| ids.contains(id)) {
                    return Some((*id, buffer[..len].to_vec()));
                }
            }
        };
        let id: [u8; 2] = question.octets[..2].try_into().unwrap();
        if !question.may_be_ignored {
            for _ in 1..ATTEMPTS {
                if let Some((_, octets)) = wait(&self.udp, LOST, &[id]) {
                    return Outcome::read(octets);
                }
                self.send(question);
            }
            return wait(&self.udp, LOST, &[id]).map_or(Outcome::Silence, |(_, octets)| Outcome::read(octets));
        }
        if let Some((_, octets)) = wait(&self.udp, LITTLE_PATIENCE, &[id]) {
            return Outcome::read(octets);
        }
        for _ in 0..ATTEMPTS {
            self.udp.send(&marker()).unwrap();
            match wait(&self.udp, LOST, &[id, MARKER.to_be_bytes()]) {
                Some((found, octets)) if found == id => return Outcome::read(octets),
                Some(_) => break,
                None => {}
            }
        }
        wait(&self.udp, LITTLE_PATIENCE, &[id]).map_or(Outcome::Silence, |(_, octets)| Outcome::read(octets))
    }
}

/// A question that every server replies to.
fn marker() -> Vec<u8> {
    let mut octets = super::questions::soa_query("example");
    octets[..2].copy_from_slice(&MARKER.to_be_bytes());
    octets
}

/// Asks every server, all at the same time; replies come in the servers' order.
pub(crate) fn ask(servers: &mut [Exchange], question: &Question) -> Vec<Outcome> {
    for server in &mut *servers {
        server.send(question);
    }
    servers.iter_mut().map(|server| server.receive(question)).collect()
}

/// The reply; `None` where the server replies to what comes behind the question and not to that.
fn receive_from_stream(stream: &mut TcpStream, question: &Question) -> io::Result<Option<Vec<u8>>> {
    let next = |stream: &mut TcpStream, patience| {
        let mut len = [0; 2];
        stream.set_read_timeout(Some(patience))?;
        stream.read_exact(&mut len)?;
        let mut octets = vec![0; usize::from(u16::from_be_bytes(len))];
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.read_exact(&mut octets)?;
        Ok::<_, io::Error>(octets)
    };
    let is_late = |error: &io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
    let is_reply = |octets: &Vec<u8>| octets.get(..2) == question.octets.get(..2);
    if !question.may_be_ignored {
        return Ok(Some(next(stream, PATIENCE)?).filter(is_reply));
    }
    match next(stream, LITTLE_PATIENCE) {
        Err(error) if is_late(&error) => {}
        other => return Ok(Some(other?).filter(is_reply)),
    }
    let marker = marker();
    stream.write_all(&[&(marker.len() as u16).to_be_bytes()[..], &marker].concat())?;
    let octets = next(stream, PATIENCE)?;
    if is_reply(&octets) {
        return Ok(Some(octets));
    }
    match next(stream, LITTLE_PATIENCE) {
        Err(error) if is_late(&error) => Ok(None),
        other => Ok(Some(other?).filter(is_reply)),
    }
}
