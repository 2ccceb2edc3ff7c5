//! gRPC over HTTP/2, as far as etcd needs it: unary calls and streams of responses.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE};
use hyper::{Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Time limit for a connection with its handshakes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum octets of a message: a page of documents of the largest size that etcd takes.
const MAX_MESSAGE: usize = 256 << 20;

/// The gRPC codes that are distinguished.
pub(super) const INVALID_ARGUMENT: u32 = 3;
pub(super) const RESOURCE_EXHAUSTED: u32 = 8;
pub(super) const OUT_OF_RANGE: u32 = 11;
pub(super) const UNAUTHENTICATED: u32 = 16;

/// Why a call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Nothing was sent.
    #[error("{0}")]
    Connect(String),
    /// The connection ended or took too long: whether the call was carried out is unknown.
    #[error("{0}")]
    Lost(String),
    /// The server refused the call.
    #[error("{message} (code {code})")]
    Status { code: u32, message: String },
}

/// A connection to one member. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    send: SendRequest<Full<Bytes>>,
    endpoint: Uri,
    pub(super) token: Option<HeaderValue>,
}

impl Channel {
    /// Connects to a member.
    pub(super) async fn open(endpoint: &Uri, tls: Option<&Arc<ClientConfig>>) -> Result<Self, Failure> {
        let opened = timeout(CONNECT_TIMEOUT, Self::connect(endpoint, tls)).await;
        let opened = opened.unwrap_or_else(|_| Err("the connection takes too long".to_owned()));
        let send = opened.map_err(|why| Failure::Connect(format!("{endpoint}: {why}")))?;
        Ok(Self { send, endpoint: endpoint.clone(), token: None })
    }

    async fn connect(endpoint: &Uri, tls: Option<&Arc<ClientConfig>>) -> Result<SendRequest<Full<Bytes>>, String> {
        let host = endpoint.host().unwrap_or_default().trim_matches(['[', ']']);
        let stream = TcpStream::connect((host, endpoint.port_u16().unwrap_or_default()));
        let stream = stream.await.map_err(|error| error.to_string())?;
        let _ = stream.set_nodelay(true);
        let Some(tls) = tls.filter(|_| endpoint.scheme_str() == Some("https")) else {
            return handshake(stream).await;
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let stream = TlsConnector::from(tls.clone()).connect(name, stream);
        handshake(stream.await.map_err(|error| error.to_string())?).await
    }

    /// A unary call.
    pub(super) async fn call<A: Message + Default>(
        &self,
        path: &'static str,
        question: &impl Message,
    ) -> Result<A, Failure> {
        let response = self.send(path, question).await?;
        let (parts, body) = response.into_parts();
        status(&parts.headers)?;
        let collected = http_body_util::Limited::new(body, MAX_MESSAGE).collect().await;
        let collected = collected.map_err(|error| Failure::Lost(error.to_string()))?;
        if let Some(trailers) = collected.trailers() {
            status(trailers)?;
        }
        let mut octets = BytesMut::from(collected.to_bytes().as_ref());
        let message = take(&mut octets)?.ok_or_else(|| Failure::Lost("the answer is cut off".to_owned()))?;
        A::decode(message).map_err(|error| Failure::Lost(error.to_string()))
    }

    /// A call with a stream of responses.
    pub(super) async fn stream(&self, path: &'static str, question: &impl Message) -> Result<Messages, Failure> {
        let (parts, body) = self.send(path, question).await?.into_parts();
        status(&parts.headers)?;
        Ok(Messages { body, octets: BytesMut::new() })
    }

    async fn send(&self, path: &'static str, question: &impl Message) -> Result<Response<Incoming>, Failure> {
        let mut framed = vec![0];
        let length = u32::try_from(question.encoded_len()).unwrap_or(u32::MAX);
        framed.extend(length.to_be_bytes());
        framed.extend(question.encode_to_vec());
        let (scheme, authority) = (self.endpoint.scheme_str(), self.endpoint.authority());
        let authority = authority.map_or("", |authority| authority.as_str());
        let uri = format!("{}://{authority}{path}", scheme.unwrap_or("http"));
        let mut request = Request::post(uri)
            .body(Full::new(Bytes::from(framed)))
            .map_err(|error| Failure::Connect(error.to_string()))?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        if let Some(token) = &self.token {
            headers.insert("token", token.clone());
        }
        let mut send = self.send.clone();
        send.ready().await.map_err(|error| Failure::Connect(format!("{}: {error}", self.endpoint)))?;
        let sent = send.send_request(request).await;
        sent.map_err(|error| Failure::Lost(format!("{}: {error}", self.endpoint)))
    }
}

async fn handshake<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    // A page of documents is received without waiting for window updates.
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(4 << 20).initial_connection_window_size(8 << 20);
    let (send, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to etcd ended");
        }
    });
    Ok(send)
}

/// The responses of a streaming call.
#[derive(Debug)]
pub(super) struct Messages {
    body: Incoming,
    octets: BytesMut,
}

impl Messages {
    /// The next response. Cancel safe: what was received is kept.
    pub(super) async fn next<A: Message + Default>(&mut self) -> Result<A, Failure> {
        loop {
            if let Some(message) = take(&mut self.octets)? {
                return A::decode(message).map_err(|error| Failure::Lost(error.to_string()));
            }
            let frame = self.body.frame().await;
            let frame = frame.ok_or_else(|| Failure::Lost("the watch has ended".to_owned()))?;
            let frame = frame.map_err(|error| Failure::Lost(error.to_string()))?;
            match frame.into_data() {
                Ok(data) => self.octets.extend_from_slice(&data),
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        status(&trailers)?;
                    }
                }
            }
        }
    }
}

/// Takes a whole message from the front.
fn take(octets: &mut BytesMut) -> Result<Option<Bytes>, Failure> {
    let Some(head) = octets.first_chunk::<5>() else { return Ok(None) };
    let [compressed, length @ ..] = *head;
    let length = u32::from_be_bytes(length) as usize;
    if compressed != 0 || length > MAX_MESSAGE {
        return Err(Failure::Lost("a message that was not asked for so".to_owned()));
    }
    if octets.len() - 5 < length {
        return Ok(None);
    }
    octets.advance(5);
    Ok(Some(octets.split_to(length).freeze()))
}

/// The status of a call; without one, the call continues.
fn status(headers: &HeaderMap) -> Result<(), Failure> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("grpc-status").map(|code| code.parse().unwrap_or(2)) {
        None | Some(0) => Ok(()),
        Some(code) => {
            let message = text("grpc-message").unwrap_or_default().replace("%20", " ");
            Err(Failure::Status { code, message })
        }
    }
}
