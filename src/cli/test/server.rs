//! Asks a server, of any implementation, for its answers.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::Context;
use domain::base::opt::ClientSubnet;
use domain::base::{self, MessageBuilder, Rtype};
use ipnet::IpNet;
use socket2::{Domain, Socket, Type};

use super::expectations::{Case, File, From};
use crate::dns::{NameRef, RecordType};
use crate::questions::{Seen, Verdict};

/// The time limit for one try, and the number of tries.
const PATIENCE: Duration = Duration::from_secs(3);
const TRIES: usize = 3;

pub(in crate::cli) struct Server {
    address: SocketAddr,
}

impl Server {
    pub(in crate::cli) fn new(text: &str) -> anyhow::Result<Self> {
        let address = text.parse().or_else(|_| text.parse::<IpAddr>().map(|address| (address, 53).into()));
        let address =
            address.with_context(|| format!("\"{text}\" is not an address; write for instance 10.0.0.4:53"))?;
        Ok(Self { address })
    }

    /// Asks the question of a case, and judges the answer.
    pub(super) fn judge(&self, file: &File, case: &Case) -> Verdict {
        let seen = |label: &str| match file.from.get(label) {
            Some(from) => self.ask(from, case.name.as_ref(), case.rtype),
            None => match label.parse::<IpAddr>() {
                Ok(address) => {
                    self.ask(&From { source: Some(address), client_subnet: None }, case.name.as_ref(), case.rtype)
                }
                Err(_) => Err(Unasked::Unknown(format!("no [from.{label}] says how to be {label}"))),
            },
        };
        let own = match seen(&case.from) {
            Ok(own) => own,
            Err(unasked) => return unasked.verdict(),
        };
        match case.same_as.as_deref().map(|label| seen(label).map(|seen| (label, seen))).transpose() {
            Ok(other) => case.expectation.judge(&own, other.as_ref().map(|(label, seen)| (*label, seen))),
            Err(unasked) => unasked.verdict(),
        }
    }

    /// Whether the server is on this host.
    pub(in crate::cli) fn is_on_loopback(&self) -> bool {
        self.address.ip().is_loopback()
    }

    /// Asks for a name and type as a client.
    pub(in crate::cli) fn ask(&self, from: &From, name: NameRef<'_>, rtype: RecordType) -> Result<Seen, Unasked> {
        let query = query(name, rtype, from.client_subnet);
        let mut failure = None;
        for _ in 0..TRIES {
            match self.exchange(from.source, &query) {
                Ok(response) => {
                    let seen = Seen::from_message(&response, rtype);
                    return seen.ok_or_else(|| Unasked::Failed("the response cannot be read".to_owned()));
                }
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                    let source = from.source.map(|source| source.to_string()).unwrap_or_default();
                    return Err(Unasked::Unknown(format!("this host does not have the address {source}")));
                }
                Err(error) => failure = Some(error),
            }
        }
        let why = failure.map(|error| error.to_string()).unwrap_or_default();
        Err(Unasked::Failed(format!("{} does not answer: {why}", self.address)))
    }

    fn exchange(&self, source: Option<IpAddr>, query: &[u8]) -> io::Result<Vec<u8>> {
        let any = if self.address.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
        let source = SocketAddr::from((source.unwrap_or(any), 0));
        let socket = UdpSocket::bind(source)?;
        socket.connect(self.address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.send(query)?;
        let mut buffer = vec![0; 65535];
        loop {
            let len = socket.recv(&mut buffer)?;
            // A response with another ID belongs to an earlier try.
            if len < 12 || buffer[..2] != query[..2] {
                continue;
            }
            if buffer[2] & 0x02 == 0 {
                buffer.truncate(len);
                return Ok(buffer);
            }
            return self.exchange_tcp(source, query);
        }
    }

    fn exchange_tcp(&self, source: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
        let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, None)?;
        socket.bind(&source.into())?;
        socket.connect_timeout(&self.address.into(), PATIENCE)?;
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE))?;
        let len = u16::try_from(query.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        stream.write_all(&[&len.to_be_bytes(), query].concat())?;
        let mut len = [0; 2];
        stream.read_exact(&mut len)?;
        let mut response = vec![0; usize::from(u16::from_be_bytes(len))];
        stream.read_exact(&mut response)?;
        Ok(response)
    }
}

/// Why there is no answer to judge.
pub(in crate::cli) enum Unasked {
    /// The question cannot be asked from here.
    Unknown(String),
    /// The server does not answer.
    Failed(String),
}

impl Unasked {
    fn verdict(self) -> Verdict {
        match self {
            Self::Unknown(why) => Verdict::Skipped(why),
            Self::Failed(why) => Verdict::Failed(vec![why]),
        }
    }
}

fn query(name: NameRef<'_>, rtype: RecordType, client_subnet: Option<IpNet>) -> Vec<u8> {
    const FITS: &str = "a vector takes a query";
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(getrandom::u32().unwrap_or_default() as u16);
    builder.header_mut().set_rd(true);
    let mut builder = builder.question();
    let qname = base::Name::from_slice(name.as_wire()).expect("a name in wire format");
    builder.push((qname, Rtype::from_int(rtype.into()))).expect(FITS);
    let mut builder = builder.additional();
    builder
        .opt(|opt| {
            opt.set_udp_payload_size(1232);
            match client_subnet {
                Some(subnet) => opt.push(&ClientSubnet::new(subnet.prefix_len(), 0, subnet.addr())),
                None => Ok(()),
            }
        })
        .expect(FITS);
    builder.finish()
}
