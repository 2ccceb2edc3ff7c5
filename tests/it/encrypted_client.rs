//! Clients of encrypted listeners that send octets as they are, whatever they are.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::any::Any;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long a step of a client may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What carries queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Way {
    Tls,
    Https,
    Http3,
    Quic,
}

/// Whom a client trusts, and what it shows of itself.
#[derive(Clone)]
pub(crate) struct Trust {
    roots: RootCertStore,
    /// The name that the server's certificate must be for.
    pub(crate) name: &'static str,
    /// In PEM.
    shown: Option<(String, String)>,
}

/// A connection to an encrypted listener.
pub(crate) enum Connection {
    Tls(Box<TlsStream<TcpStream>>),
    Https(h2::client::SendRequest<Bytes>, String),
    /// An endpoint that is dropped ends its connections.
    Http3(h3::client::SendRequest<h3_quinn::OpenStreams, Bytes>, String, quinn::Endpoint),
    Quic(quinn::Connection, quinn::Endpoint),
}

impl Way {
    /// The name of the application protocol (ALPN).
    const fn protocol(self) -> &'static [u8] {
        match self {
            Self::Tls => b"dot",
            Self::Https => b"h2",
            Self::Http3 => b"h3",
            Self::Quic => b"doq",
        }
    }
}

impl Trust {
    /// Trust in an authority, in PEM, to certify a name.
    pub(crate) fn new(authority: &str, name: &'static str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
        Self { roots, name, shown: None }
    }

    /// The same for a client with a certificate and a key, in PEM.
    pub(crate) fn showing(&self, certificate: &str, key: &str) -> Self {
        Self { shown: Some((certificate.to_owned(), key.to_owned())), ..self.clone() }
    }

    /// What a handshake takes.
    pub(crate) fn config(&self, way: Way) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(vnetdns::tls::provider());
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(self.roots.clone());
        let mut config = match &self.shown {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).map(Result::unwrap).collect();
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
            }
        };
        config.alpn_protocols = vec![way.protocol().to_vec()];
        config
    }
}

/// Waits for a step, but not for ever.
async fn soon<T, E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    step: impl Future<Output = Result<T, E>>,
) -> io::Result<T> {
    timeout(PATIENCE, step).await?.map_err(io::Error::other)
}

/// A TCP connection from a source address.
pub(crate) async fn connect(server: SocketAddr, from: IpAddr) -> io::Result<TcpStream> {
    let socket = if server.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind((from, 0).into())?;
    socket.set_nodelay(true)?;
    soon(socket.connect(server)).await
}

/// TLS over a TCP connection, for what it is to carry.
pub(crate) async fn tls(way: Way, stream: TcpStream, trust: &Trust) -> io::Result<TlsStream<TcpStream>> {
    let connector = TlsConnector::from(Arc::new(trust.config(way)));
    soon(connector.connect(ServerName::try_from(trust.name).unwrap(), stream)).await
}

/// An endpoint of QUIC at a source address, for what it is to carry.
pub(crate) fn endpoint(way: Way, from: IpAddr, trust: &Trust) -> io::Result<quinn::Endpoint> {
    let mut endpoint = quinn::Endpoint::client((from, 0).into())?;
    let config = Arc::new(trust.config(way));
    let config = quinn::crypto::rustls::QuicClientConfig::try_from(config).map_err(io::Error::other)?;
    endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(config)));
    Ok(endpoint)
}

/// A QUIC connection from a source address.
pub(crate) async fn quic(
    way: Way,
    server: SocketAddr,
    from: IpAddr,
    trust: &Trust,
) -> io::Result<(quinn::Connection, quinn::Endpoint)> {
    let endpoint = endpoint(way, from, trust)?;
    let connection = soon(endpoint.connect(server, trust.name).map_err(io::Error::other)?).await?;
    Ok((connection, endpoint))
}

impl Connection {
    /// Connects from a source address.
    pub(crate) async fn open(way: Way, server: SocketAddr, from: IpAddr, trust: &Trust) -> io::Result<Self> {
        match way {
            Way::Tls | Way::Https => Self::over(way, connect(server, from).await?, trust).await,
            Way::Http3 | Way::Quic => {
                let (connection, endpoint) = quic(way, server, from, trust).await?;
                if way == Way::Quic {
                    return Ok(Self::Quic(connection, endpoint));
                }
                let (mut driver, sender) = soon(h3::client::new(h3_quinn::Connection::new(connection))).await?;
                tokio::spawn(async move { driver.wait_idle().await });
                Ok(Self::Http3(sender, url(trust, server), endpoint))
            }
        }
    }

    /// Over a TCP connection that may have carried something before.
    pub(crate) async fn over(way: Way, stream: TcpStream, trust: &Trust) -> io::Result<Self> {
        let server = stream.peer_addr()?;
        let stream = tls(way, stream, trust).await?;
        if way == Way::Tls {
            return Ok(Self::Tls(Box::new(stream)));
        }
        let (sender, connection) = soon(h2::client::handshake(stream)).await?;
        tokio::spawn(connection);
        Ok(Self::Https(sender, url(trust, server)))
    }

    /// Sends a request; `None` where the server sends no response to it, but for over TLS, where that is not told.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let framed = || [&(request.len() as u16).to_be_bytes(), request].concat();
        match self {
            Self::Tls(stream) => {
                soon(stream.write_all(&framed())).await?;
                self.receive().await.map(Some)
            }
            Self::Https(sender, url) => {
                let head = post(url, request.len());
                let mut sender = soon(sender.clone().ready()).await?;
                let (response, mut body) = sender.send_request(head, false).map_err(io::Error::other)?;
                body.send_data(Bytes::copy_from_slice(request), true).map_err(io::Error::other)?;
                let Ok(response) = timeout(PATIENCE, response).await? else { return Ok(None) };
                let mut body = response.into_body();
                let mut octets = Vec::new();
                while let Some(data) = timeout(PATIENCE, body.data()).await? {
                    octets.extend_from_slice(&data.map_err(io::Error::other)?);
                }
                Ok(Some(octets))
            }
            Self::Http3(sender, url, _) => {
                let mut stream = soon(sender.send_request(post(url, request.len()))).await?;
                soon(stream.send_data(Bytes::copy_from_slice(request))).await?;
                soon(stream.finish()).await?;
                let Ok(_) = timeout(PATIENCE, stream.recv_response()).await? else { return Ok(None) };
                let mut octets = Vec::new();
                while let Some(mut data) = soon(stream.recv_data()).await? {
                    octets.extend_from_slice(&data.copy_to_bytes(data.remaining()));
                }
                Ok(Some(octets))
            }
            Self::Quic(connection, _) => {
                let (mut send, mut receive) = soon(connection.open_bi()).await?;
                soon(send.write_all(&framed())).await?;
                send.finish().map_err(io::Error::other)?;
                let octets = soon(receive.read_to_end(70_000)).await?;
                Ok(octets.get(2..).map(<[u8]>::to_vec))
            }
        }
    }

    /// Begins a request and sends no more of it: it is open as long as what is returned.
    pub(crate) async fn begin(&mut self) -> io::Result<Box<dyn Any + Send>> {
        Ok(match self {
            Self::Tls(stream) => {
                soon(stream.write_all(&[0, 40, 0])).await?;
                Box::new(())
            }
            Self::Https(sender, url) => {
                let mut sender = soon(sender.clone().ready()).await?;
                Box::new(sender.send_request(post(url, 40), false).map_err(io::Error::other)?)
            }
            Self::Http3(sender, url, _) => {
                let mut stream = soon(sender.send_request(post(url, 40))).await?;
                soon(stream.send_data(Bytes::from_static(&[0]))).await?;
                Box::new(stream)
            }
            Self::Quic(connection, _) => {
                let (mut send, receive) = soon(connection.open_bi()).await?;
                soon(send.write_all(&[0, 40, 0])).await?;
                Box::new((send, receive))
            }
        })
    }

    /// Sends octets over TLS, one message or many.
    pub(crate) async fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        let Self::Tls(stream) = self else { panic!("one stream carries all messages over TLS only") };
        soon(stream.write_all(octets)).await
    }

    /// Receives the next message over TLS.
    pub(crate) async fn receive(&mut self) -> io::Result<Vec<u8>> {
        let Self::Tls(stream) = self else { panic!("one stream carries all messages over TLS only") };
        let len = soon(stream.read_u16()).await?;
        let mut message = vec![0; len.into()];
        soon(stream.read_exact(&mut message)).await?;
        Ok(message)
    }
}

fn url(trust: &Trust, server: SocketAddr) -> String {
    format!("https://{}:{}/dns-query", trust.name, server.port())
}

/// The head of a request (RFC 8484 §4.1).
fn post(url: &str, len: usize) -> http::Request<()> {
    let request = http::Request::post(url).header("content-type", "application/dns-message");
    request.header("accept", "application/dns-message").header("content-length", len).body(()).unwrap()
}
