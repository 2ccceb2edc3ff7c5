//! Incidents that others can cause at will: each kind is logged at most once in five seconds.
//!
//! The component that detects an incident reports it here; this counts it, and keeps the first example for a few subjects (a
//! network, a sender, a key). A task of the server logs what has accumulated. Reporting never blocks, and never logs.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use foldhash::quality::RandomState;
use smallvec::SmallVec;

/// Least time between two lines of one kind.
pub const PACE: Duration = Duration::from_secs(5);
/// Most subjects with an example in one line.
const EXAMPLES: usize = 4;
/// Longest example, in octets: strangers choose the names in it.
const EXAMPLE_LEN: usize = 300;

/// A kind of incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incident {
    /// A DNS security policy asks for an alert. By network.
    SecurityAlert,
    /// The signature of a request is invalid. By key and reason.
    InvalidSignature,
    /// A PROXY header came from a host that may not send one. By sender.
    UnlistedProxy,
    /// A PROXY header cannot be read. By sender.
    MalformedProxy,
    /// There is no PROXY header where one is required. By sender.
    MissingProxy,
    /// A query is over the `queries_per_second` of its listener. By client.
    QueryLimit,
    /// A query cannot wait for other servers, because too many do. By client.
    PendingLimit,
    /// A response over the `response_rate_limit` of its listener was dropped. By prefix and network.
    ResponseLimit,
    /// A response over the `response_rate_limit` of its listener was sent without records. By prefix and network.
    SlippedResponse,
    /// A TCP connection was refused, because too many are open. By client.
    ConnectionLimit,
    /// A TCP connection was closed to make room for another. By client.
    ConnectionClosed,
    /// Accepting a TCP connection failed. By error.
    AcceptError,
    /// Receiving datagrams failed. By error.
    ReceiveError,
    /// A response cannot be carried over its transport. By transport.
    UnsentResponse,
    /// A listener of hickory-server has ended, and is started again. By transport.
    ListenerEnded,
    /// The system dropped datagrams.
    SystemDrop,
    /// A server that is forwarded to does not respond, and did before. By server.
    TargetDown,
    /// A server that is forwarded to responds again. By server.
    TargetUp,
    /// A query that waited for other servers was dropped in favour of others, because too many wait. By client.
    ForwardLimit,
}

impl Incident {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 19] = [
        Self::SecurityAlert,
        Self::InvalidSignature,
        Self::UnlistedProxy,
        Self::MalformedProxy,
        Self::MissingProxy,
        Self::QueryLimit,
        Self::PendingLimit,
        Self::ResponseLimit,
        Self::SlippedResponse,
        Self::ConnectionLimit,
        Self::ConnectionClosed,
        Self::AcceptError,
        Self::ReceiveError,
        Self::UnsentResponse,
        Self::ListenerEnded,
        Self::SystemDrop,
        Self::TargetDown,
        Self::TargetUp,
        Self::ForwardLimit,
    ];

    /// The value of the label `kind` in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::SecurityAlert => "security_alert",
            Self::InvalidSignature => "invalid_signature",
            Self::UnlistedProxy => "unlisted_proxy",
            Self::MalformedProxy => "malformed_proxy",
            Self::MissingProxy => "missing_proxy",
            Self::QueryLimit => "query_limit",
            Self::PendingLimit => "pending_limit",
            Self::ResponseLimit => "response_limit",
            Self::SlippedResponse => "slipped_response",
            Self::ConnectionLimit => "connection_limit",
            Self::ConnectionClosed => "connection_closed",
            Self::AcceptError => "accept_error",
            Self::ReceiveError => "receive_error",
            Self::UnsentResponse => "unsent_response",
            Self::ListenerEnded => "listener_ended",
            Self::SystemDrop => "system_drop",
            Self::TargetDown => "target_down",
            Self::TargetUp => "target_up",
            Self::ForwardLimit => "forward_limit",
        }
    }

    /// What happened and, if that is not obvious, what to do; for the log.
    pub const fn text(self) -> &'static str {
        match self {
            Self::SecurityAlert => "a DNS security policy alerts",
            Self::InvalidSignature => {
                "requests with an invalid TSIG signature got no data: compare [[tsig_key]] with the client"
            }
            Self::UnlistedProxy => {
                "dropped what came with a PROXY header from a host that is no [[forwarder]] with proxy_protocol = true"
            }
            Self::MalformedProxy => "dropped what came with a PROXY header that cannot be read: version 2 can",
            Self::MissingProxy => {
                "dropped what came without a PROXY header to a listener with require_proxy_protocol = true"
            }
            Self::QueryLimit => "dropped queries over queries_per_second",
            Self::PendingLimit => {
                "dropped queries: too many wait for other servers, of one client (pending_queries) or in all"
            }
            Self::ResponseLimit => {
                "dropped responses over response_rate_limit: a client floods, or its address is forged"
            }
            Self::SlippedResponse => "sent responses over response_rate_limit without records",
            Self::ConnectionLimit => {
                "refused TCP connections: too many are open, of one client (tcp_connections_per_client) or in all \
                 (tcp_connections)"
            }
            Self::ConnectionClosed => {
                "closed idle TCP connections to make room: too many are open, of one client (tcp_connections_per_client) or in \
                 all (tcp_connections)"
            }
            Self::AcceptError => "accepting TCP connections failed",
            Self::ReceiveError => "receiving datagrams failed",
            Self::UnsentResponse => "dropped responses that cannot be sent, a bug of vnetdns: please report it",
            Self::ListenerEnded => "listeners have ended and are started again",
            Self::SystemDrop => {
                "the system dropped datagrams: more come than the UDP workers answer, or they come in bursts larger than \
                 the receive buffer (net.core.rmem_max)"
            }
            Self::TargetDown => "servers that are forwarded to do not respond",
            Self::TargetUp => "servers that are forwarded to respond again",
            Self::ForwardLimit => {
                "answered SERVFAIL: too many queries wait for other servers, and the oldest of who has most give way"
            }
        }
    }

    /// Whether it is logged as a warning; others are informational.
    const fn is_warning(self) -> bool {
        !matches!(self, Self::SecurityAlert | Self::TargetUp)
    }
}

/// Counts and logs incidents. A server has one.
#[derive(Debug)]
pub struct Incidents {
    tallies: Box<[Tally]>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Tally {
    total: AtomicU64,
    recent: Mutex<Recent>,
}

/// What was not logged yet.
#[derive(Debug, Default)]
struct Recent {
    examples: SmallVec<[Example; EXAMPLES]>,
    /// The total when it was last logged, and when that was.
    logged: u64,
    logged_at: Option<Instant>,
}

#[derive(Debug)]
struct Example {
    /// The hash of the subject, as strangers choose the names in it.
    subject: u64,
    count: u64,
    text: String,
}

impl Default for Incidents {
    fn default() -> Self {
        Self { tallies: Incident::ALL.iter().map(|_| Tally::default()).collect(), hasher: RandomState::default() }
    }
}

impl Incidents {
    /// Reports an incident; `example` formats a few words with the subject, and is rarely called. Never blocks.
    pub fn report<T: fmt::Display>(&self, incident: Incident, subject: impl Hash, example: impl FnOnce() -> T) {
        let tally = &self.tallies[incident as usize];
        tally.total.fetch_add(1, Ordering::Relaxed);
        let mut recent = match tally.recent.try_lock() {
            Ok(recent) => recent,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // It is counted, without its subject.
            Err(TryLockError::WouldBlock) => return,
        };
        let subject = self.hasher.hash_one(subject);
        if let Some(known) = recent.examples.iter_mut().find(|known| known.subject == subject) {
            known.count += 1;
        } else if recent.examples.len() < EXAMPLES {
            let mut text = example().to_string();
            shorten(&mut text);
            recent.examples.push(Example { subject, count: 1, text });
        }
    }

    /// Reports incidents that were counted elsewhere and have no subject.
    pub fn add(&self, incident: Incident, count: u64) {
        self.tallies[incident as usize].total.fetch_add(count, Ordering::Relaxed);
    }

    /// The total of a kind.
    pub fn total(&self, incident: Incident) -> u64 {
        self.tallies[incident as usize].total.load(Ordering::Relaxed)
    }

    /// Logs each kind that has news and was not logged within [`PACE`].
    pub fn log_due(&self, now: Instant) {
        for (tally, incident) in self.tallies.iter().zip(Incident::ALL) {
            let mut recent = tally.recent();
            let is_due = recent.logged_at.is_none_or(|last| now.saturating_duration_since(last) >= PACE);
            if is_due && recent.logged != tally.total.load(Ordering::Relaxed) {
                tally.log(&mut recent, incident);
                recent.logged_at = Some(now);
            }
        }
    }

    /// Logs what was not logged yet, and all totals; called at the end.
    pub fn log_totals(&self) {
        for (tally, incident) in self.tallies.iter().zip(Incident::ALL) {
            let mut recent = tally.recent();
            let total = tally.total.load(Ordering::Relaxed);
            if recent.logged != total {
                tally.log(&mut recent, incident);
            }
            if total > 0 {
                tracing::info!(total, "in this run: {}", incident.text());
            }
        }
    }
}

fn shorten(text: &mut String) {
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= EXAMPLE_LEN).last().unwrap_or(0);
    if text.len() > EXAMPLE_LEN {
        text.truncate(end);
        text.push('…');
    }
}

impl Tally {
    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self, recent: &mut Recent, incident: Incident) {
        let total = self.total.load(Ordering::Relaxed);
        let count = total - recent.logged;
        recent.logged = total;
        let examples = std::mem::take(&mut recent.examples);
        let shown: u64 = examples.iter().map(|example| example.count).sum();
        // A concurrent report may have stored its example, and be counted next time.
        let others = count.saturating_sub(shown);
        let mut words: SmallVec<[String; EXAMPLES]> = examples.into_iter().map(Example::words).collect();
        if others > 0 && !words.is_empty() {
            words.push(format!("{others} others"));
        }
        let examples = (!words.is_empty()).then(|| words.join("; "));
        if incident.is_warning() {
            tracing::warn!(count, total, examples, "{}", incident.text());
        } else {
            tracing::info!(count, total, examples, "{}", incident.text());
        }
    }
}

impl Example {
    fn words(self) -> String {
        match self.count {
            1 => self.text,
            count => format!("{} ({count} times)", self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logged::Logged;

    fn logged(log: impl FnOnce()) -> Vec<String> {
        let logged = Logged::start();
        log();
        logged.take()
    }

    #[test]
    fn the_kinds_are_numbered_in_their_order() {
        assert!(Incident::ALL.iter().enumerate().all(|(at, incident)| *incident as usize == at));
    }

    #[test]
    fn a_line_counts_what_came_since_the_last_and_shows_the_first_of_a_few_subjects() {
        let (incidents, start) = (Incidents::default(), Instant::now());
        for at in 0..1000 {
            let subject = at % 10;
            incidents.report(Incident::QueryLimit, subject, || format!("client {subject} at {at}"));
        }
        let lines = logged(|| incidents.log_due(start));
        assert_eq!(
            lines,
            [
                "WARN dropped queries over queries_per_second count=1000 total=1000 examples=\"client 0 at 0 (100 times); \
              client 1 at 1 (100 times); client 2 at 2 (100 times); client 3 at 3 (100 times); 600 others\""
            ]
        );
        incidents.report(Incident::QueryLimit, 7, || "client 7");
        // Another kind does not wait for the first one.
        incidents.add(Incident::SystemDrop, 5);
        let lines = logged(|| incidents.log_due(start + PACE / 2));
        assert!(lines.len() == 1 && lines[0].ends_with("(net.core.rmem_max) count=5 total=5"), "{lines:?}");
        let lines = logged(|| incidents.log_due(start + PACE));
        assert_eq!(lines, ["WARN dropped queries over queries_per_second count=1 total=1001 examples=\"client 7\""]);
        assert_eq!(logged(|| incidents.log_due(start + 10 * PACE)), [""; 0]);
        let lines = logged(|| incidents.log_totals());
        assert_eq!(lines[0], "INFO in this run: dropped queries over queries_per_second total=1001");
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn an_example_is_one_short_line_whatever_it_says() {
        let incidents = Incidents::default();
        incidents.report(Incident::InvalidSignature, 1, || "é\n\x1b[31m".repeat(1000));
        let lines = logged(|| incidents.log_due(Instant::now()));
        assert!(lines[0].len() < 1000 && lines[0].ends_with("…\"") && !lines[0].contains(['\n', '\x1b']), "{lines:?}");
    }
}
