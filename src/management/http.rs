//! The listener: HTTP/1.1 and HTTP/2 over TLS, with bounds on connections, requests, octets and time.
//!
//! Some clients open a connection for each request and leave it idle: if there are too many, the one that has been idle for
//! longest is closed. A request with a `Host` that is neither an address nor listed is refused, so that a page in a browser on
//! this machine cannot write under a name of its own (DNS rebinding).

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONNECTION, HOST};
use hyper::service::service_fn;
use hyper::{Method, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::{interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::Clock;
use super::arm::Arm;
use super::audit::Audit;
use super::authority::{Authority, AuthorityError};
use super::connections::{CONNECTIONS, Connection, Connections};
use super::decisions::Decisions;
use super::error::ApiError;
use super::identity::Identity;
use super::request::Request;
use super::room::{self, Room, Taken};
use crate::config::ManagementSettings;
use crate::control::Writer;
use crate::observe::Ends;

/// Time limit for a handshake, for the head of a request, and for its body.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Interval between checks for idle connections.
const SWEEP: Duration = Duration::from_secs(5);
/// Maximum octets of the head of a request.
const MAX_HEAD: usize = 32 << 10;
/// Maximum concurrent requests on one connection.
const STREAMS: u32 = 128;
/// Interval between checks whether a connection has had a request.
const LOOK: Duration = Duration::from_millis(20);
/// Pause after an accept call failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listener could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum ManagementBindError {
    /// The address is in use, or not one of this host.
    #[error("cannot listen on {address} for the management API; choose another address with [management] listen")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// There is no certificate.
    #[error("the management API has no certificate to show")]
    Authority(#[from] AuthorityError),
}

/// A bound listener that does not accept connections yet.
#[derive(Debug)]
pub struct ManagementListener {
    listener: TcpListener,
    address: SocketAddr,
    settings: ManagementSettings,
    authority: Authority,
    audit: Audit,
}

/// The state shared by all connections.
struct Shared {
    arm: Arc<Arm>,
    hosts: Vec<String>,
    resources: Room,
    forms: Room,
    requests: AtomicU64,
    /// Cancelled when another process takes over.
    released: CancellationToken,
}

impl ManagementListener {
    /// Maximum file descriptors in use.
    pub const DESCRIPTORS: usize = 2 + CONNECTIONS;

    /// Binds the address of the settings; port 0 takes a free one. `bound` is an inherited socket.
    ///
    /// # Errors
    /// See [`ManagementBindError`].
    pub fn bind(settings: &ManagementSettings, bound: Option<TcpListener>) -> Result<TcpListener, ManagementBindError> {
        let address = settings.listen;
        let failed = |source| ManagementBindError::Bind { address, source };
        let listener = bound.map_or_else(|| TcpListener::bind(address), Ok).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(listener)
    }

    /// A listener on a bound socket. Its certificate is in the state folder.
    ///
    /// # Errors
    /// See [`ManagementBindError`].
    pub fn on(listener: TcpListener, settings: ManagementSettings, folder: &Path) -> Result<Self, ManagementBindError> {
        let failed = |source| ManagementBindError::Bind { address: settings.listen, source };
        let address = listener.local_addr().map_err(failed)?;
        let authority = Authority::open(folder, &settings, address.ip(), now() / 1000)?;
        Ok(Self { listener, address, settings, authority, audit: Audit::new(folder) })
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes the API ready to serve; writes go to `writer`. Once `released` is cancelled, connections are closed after their next
    /// answer.
    pub fn with_writer(self, writer: Writer, released: CancellationToken) -> ManagementApi {
        let Self { listener, address, settings, authority, audit } = self;
        let hosts = settings.hosts.clone();
        let identity = Identity::new(authority.tokens(), settings.clients.clone());
        let shared = Arc::new(Shared {
            arm: Arc::new(Arm::new(writer, identity, settings, audit, Clock(Arc::new(now)))),
            hosts,
            resources: Room::new(room::RESOURCES),
            forms: Room::new(room::FORMS),
            requests: AtomicU64::new(0),
            released,
        });
        ManagementApi { listener, address, shared, acceptor: TlsAcceptor::from(authority.server_config()) }
    }
}

/// The management API, ready to serve.
pub struct ManagementApi {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: TlsAcceptor,
}

impl ManagementApi {
    /// Carries out decisions about connections from other sources than the API.
    pub fn decisions(&self) -> Decisions {
        Decisions(self.shared.arm.clone())
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The socket, to share with another process.
    pub fn socket(&self) -> &TcpListener {
        &self.listener
    }

    /// Serves until `ends` says otherwise. If another process accepts in its place, connections are closed after their next
    /// answer.
    pub async fn serve(self, ends: Ends) {
        let Ends { stop, released, connections: tracked } = ends;
        let Self { listener, address: _, shared, acceptor } = self;
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "the management API is not served");
                return;
            }
        };
        let connections = Arc::new(Connections::default());
        let mut sweep = interval(SWEEP);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = sweep.tick() => {
                    connections.close_idle();
                    continue;
                }
                () = released.cancelled() => {
                    drop(listener);
                    stop.cancelled().await;
                    break;
                }
                () = stop.cancelled() => break,
            };
            let Ok((stream, peer)) = accepted else {
                sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let connection = connections.enter();
            let (shared, acceptor) = (shared.clone(), acceptor.clone());
            tracked.spawn(async move {
                let closed = connection.close.clone();
                let served = tokio::select! {
                    served = shared.serve(stream, &acceptor, &connection) => served,
                    () = closed.cancelled() => Ok(()),
                };
                if let Err(error) = served {
                    tracing::debug!(client = %peer, error, "a connection of the management API ended");
                }
            });
        }
        connections.close_all();
    }
}

impl Shared {
    async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        acceptor: &TlsAcceptor,
        connection: &Connection,
    ) -> Result<(), String> {
        let _ = stream.set_nodelay(true);
        let handshake = timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await;
        let stream =
            handshake.map_err(|_| "the handshake took too long".to_owned())?.map_err(|error| error.to_string())?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let answer = service_fn(|request| {
            let (shared, busy) = (self.clone(), connection.busy());
            async move {
                let answer = shared.answer(request).await;
                drop(busy);
                Ok::<_, Infallible>(answer)
            }
        });
        let io = TokioIo::new(stream);
        let served = match is_http2 {
            true => {
                let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                server.timer(TokioTimer::new()).max_concurrent_streams(STREAMS).max_header_list_size(MAX_HEAD as u32);
                let mut served = pin!(server.serve_connection(io, answer));
                tokio::select! {
                    served = served.as_mut() => served,
                    () = self.is_to_close(connection) => {
                        served.as_mut().graceful_shutdown();
                        served.await
                    }
                }
            }
            false => {
                let mut server = hyper::server::conn::http1::Builder::new();
                server.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(MAX_HEAD);
                let mut served = pin!(server.serve_connection(io, answer));
                tokio::select! {
                    served = served.as_mut() => served,
                    () = self.is_to_close(connection) => {
                        served.as_mut().graceful_shutdown();
                        served.await
                    }
                }
            }
        };
        served.map_err(|error| error.to_string())
    }

    /// Waits until another process takes over and the connection has had a request: a new client still gets an answer here.
    async fn is_to_close(&self, connection: &Connection) {
        self.released.cancelled().await;
        while !connection.has_asked() {
            sleep(LOOK).await;
        }
    }

    async fn answer(self: Arc<Self>, request: hyper::Request<Incoming>) -> hyper::Response<Full<Bytes>> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let id = format!("00000000-0000-4000-8000-{number:012x}");
        let (is_head, is_http1) = (request.method() == Method::HEAD, request.version() < Version::HTTP_2);
        let mut answer = match self.read(request).await {
            // Its body has its room until then.
            Ok((request, _taken)) => self.arm.clone().answer(request).await,
            Err(error) => error.into(),
        };
        if is_head {
            answer.body = None;
        }
        if is_http1 && self.released.is_cancelled() {
            answer = answer.with(CONNECTION, "close");
        }
        answer.into_http(&id)
    }

    /// Reads a request with its body, if it is for this server.
    async fn read(&self, request: hyper::Request<Incoming>) -> Result<(Request, Taken<'_>), ApiError> {
        let authority = self.own_host(&request).ok_or_else(|| {
            let message = "This host is not served here: list it in [management] hosts.";
            ApiError::front(StatusCode::MISDIRECTED_REQUEST, "InvalidHost", message)
        })?;
        if is_of_foreign_page(&request, &authority) {
            let message = "Pages of other hosts are not answered.";
            return Err(ApiError::front(StatusCode::FORBIDDEN, "InvalidOrigin", message));
        }
        let (parts, body) = request.into_parts();
        let head = Request::new(parts.method, &parts.uri, parts.headers, Bytes::new(), &authority)?;
        let room = match self.arm.is_about_identity(&head) {
            true => &self.forms,
            // An unauthenticated client is refused before its body is read.
            false => self.arm.admit(head.header(AUTHORIZATION)).map(|()| &self.resources)?,
        };
        let read = timeout(BODY_TIMEOUT, room.read(body)).await;
        let (body, taken) = read.map_err(|_| {
            let message = "The request content did not come in time.";
            ApiError::front(StatusCode::REQUEST_TIMEOUT, "RequestTimeout", message)
        })??;
        Ok((Request { body, ..head }, taken))
    }

    /// The host and port of a request, if they are those of this server: an address, which a foreign name cannot be, `localhost`,
    /// or a listed name.
    fn own_host(&self, request: &hyper::Request<Incoming>) -> Option<String> {
        let mut hosts = request.headers().get_all(HOST).iter();
        let host = match (request.uri().authority(), hosts.next(), hosts.next()) {
            (Some(authority), None, None) => authority.as_str(),
            (None, Some(host), None) => host.to_str().ok()?,
            (Some(authority), Some(host), None) if host.as_bytes() == authority.as_str().as_bytes() => {
                authority.as_str()
            }
            _ => return None,
        };
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => name,
            _ => host,
        };
        let address = name.trim_start_matches('[').trim_end_matches(']');
        let is_own = address.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|listed| listed.eq_ignore_ascii_case(name));
        is_own.then(|| host.to_owned())
    }
}

/// The time in milliseconds since 1970 in UTC.
fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis() as u64)
}

/// Whether a browser sends the request for a page of another host.
fn is_of_foreign_page(request: &hyper::Request<Incoming>, own: &str) -> bool {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    let is_own = |origin: &str| origin.split_once("://").is_some_and(|(_, host)| host.eq_ignore_ascii_case(own));
    header("origin").is_some_and(|origin| !is_own(origin))
        || header("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"))
}
