//! Sends one message to every server and collects what comes back.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use super::questions::{Question, Transport};
use super::reply::Outcome;
use super::servers::Running;

/// Loopback answers at once or never.
const PATIENCE: Duration = Duration::from_secs(5);
/// For messages that some server may ignore.
const LITTLE_PATIENCE: Duration = Duration::from_millis(300);
/// How often a datagram that got lost is sent again.
const ATTEMPTS: usize = 3;

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
                let octets = self.tcp.as_mut().and_then(|stream| receive_from_stream(stream, question));
                if octets.is_none() {
                    self.tcp = None;
                }
                octets.map_or(Outcome::Silence, Outcome::read)
            }
        }
    }

    fn receive_datagram(&mut self, question: &Question) -> Outcome {
        self.udp.set_read_timeout(Some(patience(question))).unwrap();
        let mut buffer = vec![0; 65_535];
        let mut attempts = 1;
        loop {
            match self.udp.recv(&mut buffer) {
                // Other numbers are late replies to earlier messages.
                Ok(len) if buffer.get(..2) == question.octets.get(..2) => {
                    buffer.truncate(len);
                    return Outcome::read(buffer);
                }
                Ok(_) => {}
                Err(_) if question.may_be_ignored || attempts == ATTEMPTS => return Outcome::Silence,
                Err(_) => {
                    attempts += 1;
                    self.send(question);
                }
            }
        }
    }
}

/// Asks every server, all at the same time; replies come in the servers' order.
pub(crate) fn ask(servers: &mut [Exchange], question: &Question) -> Vec<Outcome> {
    for server in &mut *servers {
        server.send(question);
    }
    servers.iter_mut().map(|server| server.receive(question)).collect()
}

fn receive_from_stream(stream: &mut TcpStream, question: &Question) -> Option<Vec<u8>> {
    stream.set_read_timeout(Some(patience(question))).unwrap();
    let mut len = [0; 2];
    let mut octets = Vec::new();
    let received = stream.read_exact(&mut len).and_then(|()| {
        octets.resize(usize::from(u16::from_be_bytes(len)), 0);
        stream.read_exact(&mut octets)
    });
    match received {
        Ok(()) => (octets.get(..2) == question.octets.get(..2)).then_some(octets),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
        Err(_) => None,
    }
}

fn patience(question: &Question) -> Duration {
    if question.may_be_ignored { LITTLE_PATIENCE } else { PATIENCE }
}
