//! TCP and TLS clients that write many queries before they read an answer (RFC 7766 §6.2.1.1).

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::{Domain, Socket, Type};

use super::udp::Counts;
use super::world::Workload;

/// Connections.
pub(crate) const CONNECTIONS: usize = 8;
/// Queries that each connection has on its way.
const OUTSTANDING: usize = 64;

/// How a connection is encrypted.
pub(crate) struct Tls {
    pub(crate) config: Arc<ClientConfig>,
    /// The name that the server's certificate must be for.
    pub(crate) name: &'static str,
}

/// What carries queries.
trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

struct Connection {
    stream: Box<dyn Stream>,
    /// Octets that are not yet a whole response.
    buffer: Vec<u8>,
}

/// Asks as much as the server answers, for that long.
///
/// # Errors
/// A connection fails or is closed.
pub(crate) fn saturate(
    server: SocketAddr,
    sources: &[Ipv4Addr],
    workload: &Workload,
    duration: Duration,
    tls: Option<&Tls>,
) -> io::Result<Counts> {
    let mut next = 0;
    let mut write = |connection: &mut Connection, count: usize| {
        let mut octets = Vec::with_capacity(count * 100);
        for _ in 0..count {
            let query = &workload.queries[next % workload.queries.len()];
            octets.extend_from_slice(&(query.len() as u16).to_be_bytes());
            octets.extend_from_slice(query);
            next += 1;
        }
        connection.stream.write_all(&octets)
    };
    let mut connections = Vec::new();
    for source in sources {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((*source, 0)).into())?;
        socket.connect(&server.into())?;
        socket.set_tcp_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        let stream = TcpStream::from(socket);
        let stream: Box<dyn Stream> = match tls {
            None => Box::new(stream),
            Some(Tls { config, name }) => {
                let name = (*name).try_into().map_err(io::Error::other)?;
                let client = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
                Box::new(StreamOwned::new(client, stream))
            }
        };
        let mut connection = Connection { stream, buffer: Vec::new() };
        write(&mut connection, OUTSTANDING)?;
        connections.push(connection);
    }
    let mut counts = Counts::default();
    let start = Instant::now();
    let mut chunk = vec![0; 65_536];
    while start.elapsed() < duration {
        for connection in &mut connections {
            let len = connection.stream.read(&mut chunk)?;
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            connection.buffer.extend_from_slice(&chunk[..len]);
            let mut rest = &connection.buffer[..];
            let mut answered = 0;
            while let Some((len, after)) = rest.split_first_chunk::<2>()
                && let Some((response, after)) = after.split_at_checked(usize::from(u16::from_be_bytes(*len)))
            {
                let is_right = response.len() > 11
                    && response[3] & 0x0f == workload.rcode
                    && u16::from_be_bytes([response[6], response[7]]) == workload.answers;
                if is_right {
                    counts.answered += 1;
                } else {
                    counts.wrong += 1;
                }
                answered += 1;
                rest = after;
            }
            let left = rest.len();
            connection.buffer.drain(..connection.buffer.len() - left);
            if answered > 0 {
                write(connection, answered)?;
            }
        }
    }
    Ok(counts)
}
