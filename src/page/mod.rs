//! The page: who sees what and why, in a browser, on the listener of metrics.
//!
//! It shows every private view, so that it is for loopback addresses alone. Requests for other hosts and from pages of other
//! hosts do not get here: see [`observe`](crate::observe). What a GET asks for is only looked at. What changes something is a
//! POST with a token of its form and a session, which a browser gets by a link for one use: see `session`. Views are made by
//! threads that may wait, a few at a time; streams are bounded in number and time, and keep no query waiting.

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

/// Views that are made at one time; others wait.
const VIEWS: usize = 2;
/// Streams at one time.
const STREAMS: usize = 8;
/// Octets of a form, and how long a client may take for one.
const MAX_FORM: usize = 8 << 10;
const FORM_TIMEOUT: Duration = Duration::from_secs(5);
/// Octets of a path and its query.
const MAX_TARGET: usize = 4 << 10;

const SCRIPT: &str = include_str!("script.js");
const ICON: &str = include_str!("icon.svg");

/// What the page shows, and by what it changes something.
pub struct Pages {
    control: Arc<Control>,
    query_log: Arc<QueryLog>,
    store: Option<Arc<Store>>,
    decisions: Option<Decisions>,
    sessions: Sessions,
    address: SocketAddr,
    views: Semaphore,
    streams: Arc<Semaphore>,
    /// The last findings, and what they are about.
    findings: Mutex<Option<(Weak<Snapshot>, Arc<Problems>)>>,
}

/// A request for a view.
#[derive(Debug)]
struct Visit {
    path: String,
    query: Query,
    /// The address that the request came from.
    client: IpAddr,
    session: Option<Session>,
}

/// A view, or what there is to say instead.
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
    /// What is to be shown on the listener of that address. Without `decisions` nothing can be changed.
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

    /// Where the page is.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Whether whoever has a session can change something.
    pub fn is_writable(&self) -> bool {
        self.decisions.is_some()
    }

    /// A link that one browser can follow once, in the next ten minutes, and may change something from then on.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn link(&self) -> Result<String, getrandom::Error> {
        Ok(format!("{}open/{}", self.url(), self.sessions.link()?))
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

    /// Cookies of one host are for all of its ports.
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

    /// What there is to say about the world that is served.
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
    /// A value of the query that is not empty.
    fn value(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// Which page of a list is asked for, from 0 on, and how many there are.
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

/// What a link for one use leads to: to follow it changes nothing yet.
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
