//! Asks other servers on behalf of clients: the targets of a forwarding rule, custom DNS servers, the upstream.
//!
//! A [`Forwarder`] sends a question to the first target that is in use, over UDP with EDNS, and again over TCP where
//! the response is truncated (RFC 7766 §5); hickory-net does both. A target that does not respond is set aside and the
//! next one asked. What comes back is read once into a [`Reply`]: the chain of aliases from the name to the records
//! asked for, or the SOA record that says there are none. Everything else in the message is left out.
//!
//! Replies are kept for as long as their TTLs say (RFC 2308 for negative ones), failures for a few seconds (RFC 9520),
//! and equal questions in flight are asked once. Targets are a part of what is remembered: a client can be given
//! nothing that came from servers other than its own view's.
//!
//! Left to the caller: which targets a name has, whether the target of an alias is looked up anew in the client's view,
//! and the response. Not done here: following referrals, DNSSEC validation, zone transfers.

mod exchange;
mod reply;
mod targets;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use hickory_net::NetError;
use hickory_proto::op::DnsResponse;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};
use tokio::time::{Instant, timeout_at};

use crate::azure::Targets;
use crate::dns::{ExtendedError, Rcode, TypeName};
use crate::incidents::{Incident, Incidents};
use crate::permits::Permits;
use crate::resolve::{ForwardQuestion, Reply};
use targets::Health;

/// How long a failure is remembered: RFC 9520 §3.2 asks for at least 1 second and at most 5 minutes.
const FAILURE_LIFETIME: Duration = Duration::from_secs(5);
/// What an entry in memory takes besides the octets of names and records.
const ENTRY_OVERHEAD: usize = 256;

/// What forwarding may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardLimits {
    /// Most different questions that are asked at one time; each may hold three sockets. Half of them may be for one
    /// list of targets, so that the dead target of one view leaves room for the others.
    pub in_flight: usize,
    /// Most callers that wait at one time, equal questions included. Half of them may wait for one list of targets.
    pub waiting: usize,
    /// How long a target has to respond before the next one is asked.
    pub attempt_timeout: Duration,
    /// How long a question may take in all: less than a stub resolver waits.
    pub total_timeout: Duration,
    /// Most octets of memory for replies, roughly.
    pub cache_octets: usize,
}

/// Why there is no reply. The client is told SERVFAIL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// A bound of [`ForwardLimits`] is reached; nothing was sent.
    #[error("too many questions wait for their targets")]
    Busy,
    /// No target responded in time, with a message that can be read.
    #[error("no target responded in time")]
    NoResponse,
    /// A target responded, with this RCODE or, where that is NOERROR or NXDOMAIN, with nothing that answers the question.
    #[error("no target has an answer: {0}")]
    Failed(Rcode),
}

impl From<ForwardError> for ExtendedError {
    fn from(error: ForwardError) -> Self {
        match error {
            ForwardError::Busy => Self::GaveWay,
            ForwardError::NoResponse => Self::NoResponse,
            ForwardError::Failed(_) => Self::NoAnswer,
        }
    }
}

/// Asks other servers and remembers what they said. Times are those of tokio's clock.
#[derive(Debug)]
pub struct Forwarder {
    limits: ForwardLimits,
    in_flight: Arc<Permits<Targets>>,
    waiting: Arc<Permits<Targets>>,
    health: Health,
    incidents: Arc<Incidents>,
    cache: Cache<ForwardQuestion, Remembered, Octets, RandomState>,
}

/// How a question came out.
type Outcome = Result<Arc<Reply>, ForwardError>;

/// An outcome, and when it is of use.
#[derive(Clone, Debug)]
struct Remembered {
    outcome: Outcome,
    since: Instant,
    until: Instant,
}

impl Default for ForwardLimits {
    /// Fewer than 1024 sockets, which is what a process often gets, and an answer before a stub resolver's 5 seconds end.
    fn default() -> Self {
        Self {
            in_flight: 300,
            waiting: 10_000,
            attempt_timeout: Duration::from_secs(2),
            total_timeout: Duration::from_millis(4500),
            cache_octets: 16 << 20,
        }
    }
}

impl Forwarder {
    /// A forwarder that remembers nothing yet. Targets that go down or come back are incidents.
    pub fn new(limits: ForwardLimits, incidents: Arc<Incidents>) -> Self {
        let options = OptionsBuilder::new()
            .shards(8)
            .estimated_items_capacity(limits.cache_octets / (2 * ENTRY_OVERHEAD))
            .weight_capacity(limits.cache_octets as u64)
            .build()
            .expect("both capacities are set");
        Self {
            in_flight: one_list_half(limits.in_flight),
            waiting: one_list_half(limits.waiting),
            health: Health::default(),
            incidents,
            cache: Cache::with_options(options, Octets, RandomState::default(), DefaultLifecycle::default()),
            limits,
        }
    }

    /// What is remembered of a question, TTLs counted down; `None` where it has to be asked.
    pub fn cached(&self, question: &ForwardQuestion) -> Option<Result<Reply, ForwardError>> {
        let now = Instant::now();
        let remembered = self.cache.get(question)?;
        (now < remembered.until).then(|| remembered.at(now, question))
    }

    /// The reply of the question's targets, remembered or asked for, TTLs counted down.
    ///
    /// # Errors
    /// See [`ForwardError`]. Takes no longer than [`ForwardLimits::total_timeout`].
    pub async fn ask(&self, question: &ForwardQuestion) -> Result<Reply, ForwardError> {
        if let Some(result) = self.cached(question) {
            return result;
        }
        let deadline = Instant::now() + self.limits.total_timeout;
        let _waits = self.waiting.permit(question.targets.clone()).ok_or(ForwardError::Busy)?;
        self.cache.remove_if(question, |remembered| remembered.until <= Instant::now());
        let remembered = match timeout_at(deadline, self.cache.get_value_or_guard_async(question)).await {
            Ok(Ok(remembered)) => remembered,
            Ok(Err(place)) => {
                let _asks = self.in_flight.permit(question.targets.clone()).ok_or(ForwardError::Busy)?;
                let remembered = Remembered::new(self.ask_targets(question, deadline).await);
                // Who waits for the same question gets this outcome too, even one that may not be kept.
                let _ = place.insert(remembered.clone());
                remembered
            }
            Err(_) => return Err(ForwardError::NoResponse),
        };
        remembered.at(Instant::now(), question)
    }

    /// Asks one target after the other until one has an answer. The last may use all the time that is left.
    async fn ask_targets(&self, question: &ForwardQuestion, deadline: Instant) -> Outcome {
        let mut failure = ForwardError::NoResponse;
        let mut targets = self.health.in_order(&question.targets).into_iter().peekable();
        while let Some(target) = targets.next() {
            let started = Instant::now();
            let until = if targets.peek().is_some() { started + self.limits.attempt_timeout } else { deadline };
            let (qname, qtype) = (&question.qname, TypeName(question.qtype));
            match timeout_at(until.min(deadline), self.ask_target(question, target)).await {
                Ok(Ok(response)) => {
                    let rcode = response.response_code;
                    match Reply::read(&response, question) {
                        Some(reply) => return Ok(Arc::new(reply)),
                        None => failure = ForwardError::Failed(rcode),
                    }
                    tracing::debug!(%target, %qname, %qtype, %rcode, "a target has no answer");
                }
                Ok(Err(error)) => {
                    tracing::debug!(%target, %qname, %qtype, %error, "asking a target failed");
                    if self.health.failed(target, started) {
                        self.incidents.report(Incident::TargetDown, target, || format!("{target}: {error}"));
                    }
                }
                Err(_) => {
                    tracing::debug!(%target, %qname, %qtype, "a target does not respond");
                    if started.elapsed() >= self.limits.attempt_timeout && self.health.silent_since(target, started) {
                        self.incidents.report(Incident::TargetDown, target, || format!("{target}: no response"));
                    }
                }
            }
        }
        Err(failure)
    }

    /// Asks one target over UDP, and over TCP if the response is truncated. Waits without end.
    async fn ask_target(&self, question: &ForwardQuestion, target: SocketAddr) -> Result<DnsResponse, NetError> {
        let request = exchange::request(question, self.limits.attempt_timeout / 2)?;
        let response = exchange::over_udp(target, request.clone()).await?;
        // Said here, for what hinders TCP may be a firewall.
        if self.health.responded(target) {
            self.incidents.report(Incident::TargetUp, target, || target);
        }
        if response.truncation { exchange::over_tcp(target, request).await } else { Ok(response) }
    }
}

impl Remembered {
    fn new(outcome: Outcome) -> Self {
        let since = Instant::now();
        let lifetime = outcome.as_ref().map_or(FAILURE_LIFETIME, |reply| reply.lifetime());
        Self { outcome, since, until: since + lifetime }
    }

    /// The outcome at a later time, for whoever asked this question.
    fn at(&self, now: Instant, question: &ForwardQuestion) -> Result<Reply, ForwardError> {
        let age = now.saturating_duration_since(self.since);
        self.outcome.as_ref().map(|reply| reply.aged(age, &question.qname)).map_err(|error| *error)
    }
}

/// Half of the places are the most that one list of targets can have.
fn one_list_half(most: usize) -> Arc<Permits<Targets>> {
    Permits::new(most, most.div_ceil(2))
}

/// Weighs what is remembered in octets.
#[derive(Clone, Copy, Debug)]
struct Octets;

impl Weighter<ForwardQuestion, Remembered> for Octets {
    fn weight(&self, question: &ForwardQuestion, remembered: &Remembered) -> u64 {
        let reply = remembered.outcome.as_ref().map_or(0, |reply| reply.octets());
        (ENTRY_OVERHEAD + question.qname.as_wire().len() + reply) as u64
    }
}

#[cfg(test)]
mod tests;
