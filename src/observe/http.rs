//! The listener for metrics and health: HTTP/1.1, `GET /metrics`, `/livez` and `/readyz`, and the paths of a [`Site`].
//!
//! Metrics reveal how much each network asks, so the listener belongs on a loopback address; elsewhere metrics require a bearer
//! token. A request with a `Host` that is neither an address nor listed is refused, so that a page in a browser on this machine
//! cannot read them under a name of its own (DNS rebinding).

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{BoundedTasks, Condition, Ends, Held, Metrics};
use crate::config::MetricsSettings;
use crate::snapshot::Published;

/// Maximum connections; the oldest is closed for a new one.
const CONNECTIONS: usize = 32;
/// Time limits for the head of a request, for a connection, and for a connection on which the site streams.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);
const STREAM_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// Maximum octets of the head of a request.
const MAX_HEAD: usize = 16 << 10;
/// Pause after an accept call failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The metrics listener could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for metrics; choose another address with [metrics] listen")]
pub struct MetricsBindError {
    address: SocketAddr,
    #[source]
    source: io::Error,
}

/// A bound listener that does not accept connections yet.
#[derive(Debug)]
pub struct MetricsListener {
    listener: TcpListener,
    address: SocketAddr,
    settings: MetricsSettings,
}

/// The body of a response, whole or streamed.
pub type SiteBody = UnsyncBoxBody<Bytes, Infallible>;

/// The answer of a site.
#[derive(Debug)]
pub struct SiteAnswer {
    /// The response.
    pub response: Response<SiteBody>,
    /// Whether the body is streamed; then the connection may last for 15 minutes.
    pub streams: bool,
}

/// Serves the paths other than those of metrics and health. Requests for other hosts, or from pages of other hosts, do not reach
/// it.
pub trait Site: Send + Sync + 'static {
    /// Answers a request of a client at this address.
    fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        client: IpAddr,
    ) -> Pin<Box<dyn Future<Output = SiteAnswer> + Send>>;
}

/// What all connections share.
struct Shown {
    metrics: Arc<Metrics>,
    published: Arc<Published>,
    settings: MetricsSettings,
    site: Option<Arc<dyn Site>>,
}

impl MetricsListener {
    /// Maximum file descriptors in use.
    pub const DESCRIPTORS: usize = 2 + CONNECTIONS;

    /// Binds the address of the settings; port 0 takes a free one. `bound` is an inherited socket.
    ///
    /// # Errors
    /// See [`MetricsBindError`].
    pub fn bind(settings: MetricsSettings, bound: Option<TcpListener>) -> Result<Self, MetricsBindError> {
        let address = settings.listen;
        let failed = |source| MetricsBindError { address, source };
        let listener = bound.map_or_else(|| TcpListener::bind(address), Ok).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, settings })
    }

    /// The socket, to share with another process.
    pub fn socket(&self) -> &TcpListener {
        &self.listener
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `ends` says otherwise; `site` answers for all paths other than those of metrics and health.
    pub async fn serve(
        self,
        metrics: Arc<Metrics>,
        published: Arc<Published>,
        site: Option<Arc<dyn Site>>,
        ends: Ends,
    ) {
        let Ends { stop, released, connections } = ends;
        let listener = match tokio::net::TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "metrics and health are not shown");
                return;
            }
        };
        let shown = Arc::new(Shown { metrics, published, settings: self.settings, site });
        let mut bounded_tasks = BoundedTasks::new(CONNECTIONS);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = released.cancelled() => {
                    // Existing connections are served until they end.
                    stop.cancelled().await;
                    return;
                }
                () = stop.cancelled() => return,
            };
            let Ok((stream, peer)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let connection = shown.clone().connection(stream, peer.ip(), released.clone());
            bounded_tasks.start(connections.track_future(connection)).await;
        }
    }
}

type Answer = Response<Full<Bytes>>;

impl Shown {
    async fn connection(self: Arc<Self>, stream: TcpStream, client: IpAddr, released: CancellationToken) {
        let streams = Arc::new(AtomicBool::new(false));
        let answer = service_fn(|request| {
            let (shown, streams) = (self.clone(), streams.clone());
            async move {
                let answer = shown.answer(request, client).await;
                streams.store(answer.streams, Ordering::Relaxed);
                Ok::<_, Infallible>(answer.response)
            }
        });
        let mut server = hyper::server::conn::http1::Builder::new();
        server.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(MAX_HEAD);
        let mut connection = pin!(server.serve_connection(TokioIo::new(stream), answer));
        // If another process accepts in place of this one, streams are closed, so that clients reconnect to it.
        let stream_released = async {
            released.cancelled().await;
            while !streams.load(Ordering::Relaxed) {
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        };
        let served = async {
            let in_time = tokio::time::timeout(CONNECTION_TIMEOUT, connection.as_mut()).await;
            if in_time.is_err() && streams.load(Ordering::Relaxed) {
                connection.as_mut().graceful_shutdown();
                let _ = tokio::time::timeout(STREAM_TIMEOUT, connection).await;
            }
        };
        tokio::select! {
            () = served => {}
            () = stream_released => {}
        }
    }

    async fn answer(&self, request: Request<Incoming>, client: IpAddr) -> SiteAnswer {
        match &self.site {
            Some(site) if self.is_for_site(&request) => site.clone().answer(request, client).await,
            _ => SiteAnswer { response: self.answer_itself(&request).map(|body| body.boxed_unsync()), streams: false },
        }
    }

    fn is_for_site(&self, request: &Request<Incoming>) -> bool {
        let is_own = matches!(request.uri().path(), "/metrics" | "/livez" | "/readyz");
        !is_own && self.is_own_host(request) && !is_of_foreign_page(request)
    }

    fn answer_itself(&self, request: &Request<Incoming>) -> Answer {
        if !self.is_own_host(request) {
            return text(StatusCode::MISDIRECTED_REQUEST, "this host is not served here; list it in [metrics] hosts\n");
        }
        if is_of_foreign_page(request) {
            return text(StatusCode::FORBIDDEN, "pages of other hosts are not answered\n");
        }
        if request.method() != Method::GET {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered\n");
        }
        match request.uri().path() {
            "/metrics" if !self.is_authorized(request) => {
                let mut answer = text(StatusCode::UNAUTHORIZED, "metrics want the bearer token of the configuration\n");
                answer.headers_mut().insert("www-authenticate", HeaderValue::from_static("Bearer"));
                answer
            }
            "/metrics" => {
                let mut answer = text(StatusCode::OK, &self.metrics.encode());
                let openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(openmetrics));
                answer
            }
            "/livez" => text(StatusCode::OK, "live\n"),
            "/readyz" => self.readiness(),
            _ => text(StatusCode::NOT_FOUND, "/metrics, /livez and /readyz are here\n"),
        }
    }

    fn readiness(&self) -> Answer {
        let conditions = self.metrics.conditions();
        let why = |wanted: fn(&Condition) -> Option<&String>| -> Vec<_> {
            let held = conditions.iter().filter_map(|held| Some((held, wanted(&held.condition)?)));
            let shown = held.map(
                |(Held { about, lasts, .. }, why)| json!({ "about": about, "why": why, "seconds": lasts.as_secs() }),
            );
            shown.collect()
        };
        let down = why(|condition| if let Condition::Down(why) = condition { Some(why) } else { None });
        let degraded = why(|condition| if let Condition::Degraded(why) = condition { Some(why) } else { None });
        let body = json!({
            "schema": "vnetdns.readiness/1",
            "ready": down.is_empty(),
            "generation": self.published.load().generation().number(),
            "down": down,
            "degraded": degraded,
        });
        let status = if down.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let mut answer = text(status, &format!("{body}\n"));
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer
    }

    /// Whether the `Host` is this server: an address, which a foreign name cannot be, `localhost`, or a listed name.
    fn is_own_host(&self, request: &Request<Incoming>) -> bool {
        let mut hosts = request.headers().get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
        let Ok(host) = host.to_str() else { return false };
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => name,
            _ => host,
        };
        let address = name.trim_start_matches('[').trim_end_matches(']');
        address.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.settings.hosts.iter().any(|listed| listed.eq_ignore_ascii_case(name))
    }

    fn is_authorized(&self, request: &Request<Incoming>) -> bool {
        let Some(token) = &self.settings.bearer_token else { return true };
        let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.split_once(' '));
        given.is_some_and(|(scheme, given)| scheme.eq_ignore_ascii_case("bearer") && token.is(given.trim()))
    }
}

/// Whether a browser sends the request for a page of another host. The browser would hide the response from the page, but the
/// page could still learn from the time it takes and from errors.
fn is_of_foreign_page(request: &Request<Incoming>) -> bool {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    let own = header("host").unwrap_or_default();
    let is_own = |origin: &str| origin.split_once("://").is_some_and(|(_, host)| host.eq_ignore_ascii_case(own));
    header("origin").is_some_and(|origin| !is_own(origin))
        || header("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"))
}

fn text(status: StatusCode, body: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::copy_from_slice(body.as_bytes())));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    answer
}
