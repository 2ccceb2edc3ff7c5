//! The listener for metrics and health: HTTP/1.1, `GET /metrics`, `/livez` and `/readyz`, and nothing else.
//!
//! It shows what all networks ask for in all, so it belongs on a loopback address; elsewhere metrics want a bearer token.
//! Requests whose `Host` is a name that is not listed are refused, so that no page that a browser on this machine shows can
//! read them under a name of its own (DNS rebinding).

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;

use super::{Condition, Ends, Held, Metrics, Turns};
use crate::config::MetricsSettings;
use crate::snapshot::Published;

/// Connections at one time; of more the oldest is closed.
const CONNECTIONS: usize = 32;
/// How long a client may take for the head of a request, and how long a connection may last in all.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);
/// Octets of the head of a request, at most.
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

/// A bound listener that does not answer yet.
#[derive(Debug)]
pub struct MetricsListener {
    listener: TcpListener,
    address: SocketAddr,
    settings: MetricsSettings,
}

/// What is shown.
struct Shown {
    metrics: Arc<Metrics>,
    published: Arc<Published>,
    settings: MetricsSettings,
}

impl MetricsListener {
    /// Most file descriptors that it has open at one time.
    pub const DESCRIPTORS: usize = 2 + CONNECTIONS;

    /// Binds the address of the settings; port 0 takes a free one. `bound` is a socket that is there already.
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

    /// The socket, for another process to share.
    pub fn socket(&self) -> &TcpListener {
        &self.listener
    }

    /// The address that was bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until it is to end.
    pub async fn serve(self, metrics: Arc<Metrics>, published: Arc<Published>, ends: Ends) {
        let Ends { stop, released, connections } = ends;
        let listener = match tokio::net::TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "metrics and health are not shown");
                return;
            }
        };
        let shown = Arc::new(Shown { metrics, published, settings: self.settings });
        let mut turns = Turns::new(CONNECTIONS);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = released.cancelled() => {
                    // Whoever is connected has its answer.
                    stop.cancelled().await;
                    return;
                }
                () = stop.cancelled() => return,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let shown = shown.clone();
            let connection = async move {
                let answer =
                    service_fn(|request| std::future::ready(Ok::<_, std::convert::Infallible>(shown.answer(&request))));
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_TIMEOUT)
                    .max_buf_size(MAX_HEAD)
                    .serve_connection(TokioIo::new(stream), answer);
                let _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection).await;
            };
            turns.start(connections.track_future(connection)).await;
        }
    }
}

type Answer = Response<Full<Bytes>>;

impl Shown {
    fn answer(&self, request: &Request<Incoming>) -> Answer {
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

    /// Whether the request is for this server: an address, which no foreign name can be, `localhost`, or a listed name.
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

/// Whether a browser sends the request for a page of another host: it would not show the response to the page, which may
/// learn from how long it takes, or from what fails, all the same.
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
