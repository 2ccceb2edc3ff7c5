//! The web page: who sees what and why, on the listener of metrics.
//!
//! It shows every private view, so it is served on loopback addresses only. Requests for other hosts and from pages of other
//! hosts are refused before (see [`observe`](crate::observe)). A GET changes nothing. A change is a POST with a session, which a
//! browser gets by a one-time link, and a token of the form: see `session`. Views are rendered on threads that may block, a few
//! at once; streams are bounded in number and time, and delay no query.

mod ask;
mod changes;
mod endpoints;
mod findings;
pub(crate) mod html;
mod live;
mod matrix;
mod queries;
mod respond;
mod session;
mod topology;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use tokio::sync::Semaphore;

use crate::config::Problems;
use crate::control::{Control, Writer};
use crate::management::{Decisions, Query};
use crate::observe::{Site, SiteAnswer};
use crate::server::QueryLog;
use crate::snapshot::Snapshot;
use crate::state::Store;
use html::{Html, Page, STYLE, html};
use respond::{bare, cookie, file, page, redirect};
use session::{Session, Sessions};

pub(crate) use matrix::answers;
pub use session::HandedSessions;

/// Maximum views that are rendered at once; others wait.
const VIEWS: usize = 2;
/// Maximum streams.
const STREAMS: usize = 8;
/// Maximum octets of a form, and time limit for receiving one.
const MAX_FORM: usize = 8 << 10;
const FORM_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum octets of a path with its query.
const MAX_TARGET: usize = 4 << 10;

const SCRIPT: &str = include_str!("script.js");
const ICON: &str = include_str!("icon.svg");

/// What the views read from, and what changes are made through.
pub struct Pages {
    control: Arc<Control>,
    query_log: Arc<QueryLog>,
    store: Option<Arc<Store>>,
    decisions: Option<Decisions>,
    sessions: Sessions,
    address: SocketAddr,
    views: Semaphore,
    streams: Arc<Semaphore>,
    /// The last findings, and the snapshot that they are about.
    findings: Mutex<Option<(Weak<Snapshot>, Arc<Problems>)>>,
}

/// A request for a view.
#[derive(Debug)]
struct Visit {
    path: String,
    query: Query,
    /// The client's address.
    client: IpAddr,
    session: Option<Session>,
}

/// A rendered view, or an error.
struct Shown {
    status: StatusCode,
    path: &'static str,
    title: String,
    main: Html,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Pages {
    /// Creates the views for a listener at `address`. Without `decisions` nothing can be changed.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(
        control: Arc<Control>,
        query_log: Arc<QueryLog>,
        writer: Option<&Writer>,
        decisions: Option<Decisions>,
        address: SocketAddr,
    ) -> Result<Self, getrandom::Error> {
        Ok(Self {
            control,
            query_log,
            store: writer.map(|writer| writer.store().clone()),
            decisions,
            sessions: Sessions::new()?,
            address,
            views: Semaphore::new(VIEWS),
            streams: Arc::new(Semaphore::new(STREAMS)),
            findings: Mutex::new(None),
        })
    }

    /// The URL of the page.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Whether a browser with a session can change something.
    pub fn is_writable(&self) -> bool {
        self.decisions.is_some()
    }

    /// Creates a link that one browser can follow once, within ten minutes, to get a session.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn link(&self) -> Result<String, getrandom::Error> {
        Ok(format!("{}open/{}", self.url(), self.sessions.link()?))
    }

    /// Gives who may change something to another process, and forgets it here.
    pub fn hand_over(&self) -> HandedSessions {
        self.sessions.hand_over()
    }

    /// Takes on who may change something from the process that this one replaces.
    pub fn take_over(&self, handed: HandedSessions) {
        self.sessions.take_over(handed);
    }

    async fn respond(self: Arc<Self>, request: Request<Incoming>, client: IpAddr) -> SiteAnswer {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        if uri.path_and_query().is_some_and(|target| target.as_str().len() > MAX_TARGET) {
            return bare(StatusCode::URI_TOO_LONG, "the address is too long\n");
        }
        let session = cookie(&request, &self.cookie_name()).and_then(|cookie| self.sessions.find(cookie));
        let query = Query::new(uri.query().unwrap_or_default());
        match (method, uri.path()) {
            (Method::GET, "/style.css") => file("text/css; charset=utf-8", STYLE),
            (Method::GET, "/script.js") => file("text/javascript; charset=utf-8", SCRIPT),
            (Method::GET, "/icon.svg") => file("image/svg+xml", ICON),
            (Method::GET, "/live") => live::stream(&self, &query),
            (Method::GET, path) => {
                let visit = Visit { path: path.to_owned(), query, client, session };
                self.show(visit).await
            }
            (Method::POST, "/open" | "/decide") => match form(request).await {
                Some(form) if uri.path() == "/open" => self.open(&form).await,
                Some(form) => self.decide(&form, session).await,
                None => bare(StatusCode::BAD_REQUEST, "the form cannot be read\n"),
            },
            _ => bare(StatusCode::METHOD_NOT_ALLOWED, "this cannot be done here\n"),
        }
    }

    /// Cookies are shared by all ports of a host, so the name contains the port.
    fn cookie_name(&self) -> String {
        format!("vnetdns-{}", self.address.port())
    }

    async fn show(self: Arc<Self>, visit: Visit) -> SiteAnswer {
        let Ok(_permit) = self.views.acquire().await else { return bare(StatusCode::SERVICE_UNAVAILABLE, "\n") };
        let pages = self.clone();
        let made = tokio::task::spawn_blocking(move || {
            let shown = pages.view(&visit);
            pages.whole(shown)
        });
        match made.await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, "a view of the page cannot be made");
                bare(StatusCode::INTERNAL_SERVER_ERROR, "the view cannot be made: the log says why\n")
            }
        }
    }

    fn view(&self, visit: &Visit) -> Shown {
        match visit.path.as_str() {
            "/" => self.ask(visit),
            "/matrix" => self.who_sees_what(visit),
            "/topology" => self.topology(visit),
            "/endpoints" => self.endpoints(visit),
            "/findings" => self.findings(visit),
            "/changes" => self.changes(),
            "/queries" => self.queries(visit),
            path => match path.strip_prefix("/open/") {
                Some(code) => opening(code),
                None => Shown::failed(StatusCode::NOT_FOUND, "Not here", "There is no such view."),
            },
        }
    }

    fn whole(&self, shown: Shown) -> SiteAnswer {
        let Shown { status, path, title, main } = shown;
        let note = format!("generation {}", self.control.published().load().generation().number());
        page(status, Page { path, title: &title, note: &note, main }.html())
    }

    /// Begins a session.
    async fn open(&self, form: &Query) -> SiteAnswer {
        match self.sessions.begin(form.get("code").unwrap_or_default()) {
            Some(session) => {
                let (name, value, seconds) = (self.cookie_name(), session.cookie(), Session::lifetime());
                let cookie = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict");
                tracing::info!("a browser may change something by the page from now on");
                redirect("/endpoints", Some(&cookie))
            }
            None => {
                let what =
                    "This link counts no longer: each counts once, for ten minutes. vnetdns page prints another.";
                self.whole(Shown::failed(StatusCode::FORBIDDEN, "Not opened", what))
            }
        }
    }

    /// The findings about the served world.
    fn all_findings(&self) -> Arc<Problems> {
        let current = self.control.published().load_full();
        let mut known = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, problems)) = known.as_ref().filter(|(snapshot, _)| snapshot.as_ptr() == Arc::as_ptr(&current)) {
            return problems.clone();
        }
        let (snapshot, problems) = self.control.findings();
        let problems = Arc::new(problems);
        *known = Some((Arc::downgrade(&snapshot), problems.clone()));
        problems
    }
}

impl Site for Pages {
    fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        client: IpAddr,
    ) -> Pin<Box<dyn Future<Output = SiteAnswer> + Send>> {
        Box::pin(self.respond(request, client))
    }
}

impl Visit {
    /// A non-empty value of the query.
    fn value(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// The requested page of a list, from 0 on, and the number of pages.
    fn page(&self, items: usize, per_page: usize) -> (usize, usize) {
        let pages = items.div_ceil(per_page).max(1);
        let wanted = self.value("page").and_then(|page| page.parse::<usize>().ok()).unwrap_or(1);
        (wanted.clamp(1, pages) - 1, pages)
    }
}

impl Shown {
    fn of(path: &'static str, title: impl Into<String>, main: Html) -> Self {
        Self { status: StatusCode::OK, path, title: title.into(), main }
    }

    fn failed(status: StatusCode, title: &str, what: &str) -> Self {
        let mut main = Html::default();
        html!(main, "<p class=\"error\" role=\"alert\">" (what) "</p>\n");
        Self { status, path: "", title: title.to_owned(), main }
    }
}

/// The view of a one-time link; following the link alone changes nothing.
fn opening(code: &str) -> Shown {
    let mut main = Html::default();
    html!(main, "<p>From here on this browser may approve and reject connections, for eight hours.</p>\n\
        <form method=\"post\" action=\"/open\"><input type=\"hidden\" name=\"code\" value=\"" (code)
        "\"><button>Open</button></form>\n");
    Shown::of("", "Open for changes", main)
}

async fn form(request: Request<Incoming>) -> Option<Query> {
    let body = Limited::new(request.into_body(), MAX_FORM).collect();
    let body = tokio::time::timeout(FORM_TIMEOUT, body).await.ok()?.ok()?.to_bytes();
    Some(Query::new(std::str::from_utf8(&body).ok()?))
}
