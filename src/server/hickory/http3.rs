//! Requests over HTTP/3 (RFC 8484, RFC 9114), by POST and by GET.

use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use data_encoding::BASE64URL_NOPAD;
use h3::error::Code;
use h3::server::{RequestResolver, RequestStream};
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use tokio::time::timeout;

use super::bounded::{Bounded, BoundedStream};
use super::quic::{Misuse, REQUEST, Requests, Streams};

/// The media type of requests and responses.
const MEDIA_TYPE: &str = "application/dns-message";
/// Maximum octets of the fields of a request, with 32 added for each (RFC 9114 §4.2.2).
const FIELDS: u64 = 8 << 10;

/// A connection.
pub(super) struct Connection {
    connection: h3::server::Connection<Bounded, Bytes>,
    path: Arc<str>,
}

impl Connection {
    /// Starts HTTP/3 on a connection.
    ///
    /// # Errors
    /// The client prevents it.
    pub(super) async fn new(connection: quinn::Connection, path: Arc<str>) -> io::Result<Self> {
        let bounded = Bounded::new(h3_quinn::Connection::new(connection));
        let connection = h3::server::builder().max_field_section_size(FIELDS).send_grease(false).build(bounded).await;
        Ok(Self { connection: connection.map_err(io::Error::other)?, path })
    }
}

impl Streams for Connection {
    type Stream = (RequestResolver<Bounded, Bytes>, Arc<str>);

    async fn next(&mut self) -> io::Result<Option<Self::Stream>> {
        let resolver = self.connection.accept().await.map_err(io::Error::other)?;
        Ok(resolver.map(|resolver| (resolver, self.path.clone())))
    }

    async fn answer((resolver, path): Self::Stream, requests: Arc<Requests>) -> Result<(), Misuse> {
        let Ok(Ok((request, mut stream))) = timeout(requests.patience, resolver.resolve_request()).await else {
            return Ok(());
        };
        // The client may be gone.
        match timeout(requests.patience, read(&request, &mut stream, &path)).await {
            Err(_) | Ok(Err(None)) => stream.stop_stream(Code::H3_REQUEST_CANCELLED),
            Ok(Err(Some(status))) => {
                let mut response = Response::builder().status(status).header(CONTENT_LENGTH, 0);
                if status == StatusCode::METHOD_NOT_ALLOWED {
                    response = response.header(ALLOW, "GET, POST");
                }
                let response = response.body(()).expect("fields that are allowed");
                let _ = stream.send_response(response).await;
                let _ = stream.finish().await;
                stream.stop_sending(Code::H3_NO_ERROR);
            }
            Ok(Ok(message)) => {
                let write = async |response: Option<Vec<u8>>| {
                    let Some(message) = response else { return stream.stop_stream(Code::H3_REQUEST_CANCELLED) };
                    let head =
                        Response::builder().header(CONTENT_TYPE, MEDIA_TYPE).header(CONTENT_LENGTH, message.len());
                    let head = head.body(()).expect("fields that are allowed");
                    let _ = stream.send_response(head).await;
                    let _ = stream.send_data(message.into()).await;
                    let _ = stream.finish().await;
                };
                requests.answer(message, write).await;
            }
        }
        Ok(())
    }

    /// HTTP errors have status codes, so the connection stays.
    fn end(&self, _: Misuse) {}
}

/// The message of a request, or the status for an invalid one; `None` if the client has cancelled it.
async fn read(
    request: &Request<()>,
    stream: &mut RequestStream<BoundedStream<h3_quinn::BidiStream<Bytes>>, Bytes>,
    path: &str,
) -> Result<Vec<u8>, Option<StatusCode>> {
    if request.uri().path() != path {
        return Err(Some(StatusCode::NOT_FOUND));
    }
    match *request.method() {
        Method::GET => {
            let fields = request.uri().query().unwrap_or_default().split('&');
            let encoded = fields.filter_map(|field| field.strip_prefix("dns=")).next();
            let message = encoded.and_then(|encoded| BASE64URL_NOPAD.decode(encoded.as_bytes()).ok());
            message.ok_or(Some(StatusCode::BAD_REQUEST))
        }
        Method::POST => {
            let media_type = request.headers().get(CONTENT_TYPE);
            if media_type.is_none_or(|media_type| !media_type.as_bytes().eq_ignore_ascii_case(MEDIA_TYPE.as_bytes())) {
                return Err(Some(StatusCode::UNSUPPORTED_MEDIA_TYPE));
            }
            let mut message = Vec::new();
            while let Some(mut data) = stream.recv_data().await.map_err(|_| None)? {
                if message.len() + data.remaining() > REQUEST {
                    return Err(Some(StatusCode::PAYLOAD_TOO_LARGE));
                }
                while data.has_remaining() {
                    let len = data.chunk().len();
                    message.extend_from_slice(data.chunk());
                    data.advance(len);
                }
            }
            Ok(message)
        }
        _ => Err(Some(StatusCode::METHOD_NOT_ALLOWED)),
    }
}
