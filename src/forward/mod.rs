//! Queries to other servers on behalf of clients: the targets of forwarding rules, custom DNS servers, the upstream.
//!
//! [`Upstreams`] sends a question to the first usable target over UDP with EDNS, and over TCP if the response is truncated (RFC
//! 7766 §5), too long or possibly forged. A target that does not respond is set aside, and the next one is asked. A response is
//! parsed once into a [`Reply`]: the chain of aliases from the name to the records asked for, or the SOA record of a negative
//! answer. Everything else in the message is discarded.
//!
//! Replies are cached for their TTL (RFC 2308 for negative ones), failures for a few seconds (RFC 9520), and equal questions in
//! flight are sent once. The targets are a part of the cache key: a client never gets data from servers other than those of its
//! own view.
//!
//! Left to the caller: the targets of a name, whether the target of an alias is looked up again in the client's view, the bound
//! on waiting queries, and the response. Not implemented: following referrals, DNSSEC validation, zone transfers.

mod counts;
mod exchange;
mod flights;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod query;
mod reply;
mod targets;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::dns::{ExtendedError, Rcode, TypeName};
use crate::incidents::Incidents;
use crate::resolve::{ForwardQuestion, Reply};
use crate::snapshot::Published;
use exchange::{ExchangeError, OverUdp};
use flights::Flights;
use query::{Response, Spelling};
use targets::{Asking, Health, NO_RESPONSE};

pub use counts::{TargetCounts, TargetOutcome};

/// How long a failure is cached: RFC 9520 §3.2 asks for 1 second to 5 minutes.
const FAILURE_LIFETIME: Duration = Duration::from_secs(5);
/// Memory of a cache entry besides the octets of names and records.
const ENTRY_OVERHEAD: usize = 256;

/// Limits of forwarding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardLimits {
    /// Maximum questions in flight, while others wait their turn; and maximum queries that wait for one.
    pub in_flight: usize,
    /// Maximum waiting queries of one network.
    pub in_flight_of_network: usize,
    /// Maximum waiting queries of one client, unless its listener sets another limit.
    pub in_flight_of_client: usize,
    /// How long a target may take before the next one is asked.
    pub attempt_timeout: Duration,
    /// How long a question may take in all: less than stub resolvers wait.
    pub total_timeout: Duration,
    /// Approximate maximum octets of cached replies.
    pub cache_octets: usize,
}

/// Why there is no reply. The client gets SERVFAIL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// No target responded in time.
    #[error("no target responded in time")]
    NoResponse,
    /// No target could be asked: none can be reached, or the response over TCP is unusable.
    #[error("no target could be asked")]
    Network,
    /// This host could not ask: it has no socket left, or the question's turn did not come in time. Not cached, since it says
    /// nothing about the targets.
    #[error("this host could not ask")]
    Local,
    /// A target responded with this RCODE or, if that is NOERROR or NXDOMAIN, without an answer to the question.
    #[error("no target has an answer: {0}")]
    Failed(Rcode),
    /// The task that asked has panicked.
    #[error("asking ended by a panic")]
    Panicked,
}

impl From<ForwardError> for ExtendedError {
    fn from(error: ForwardError) -> Self {
        match error {
            ForwardError::NoResponse => Self::NoResponse,
            ForwardError::Network | ForwardError::Local => Self::Network,
            ForwardError::Failed(_) | ForwardError::Panicked => Self::NoAnswer,
        }
    }
}

/// Asks other servers and caches their replies. Times are those of tokio's clock. Clones share all state.
#[derive(Clone, Debug)]
pub struct Upstreams(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: ForwardLimits,
    flights: Arc<Flights>,
    /// A permit for each question in flight.
    in_flight: Semaphore,
    /// A permit for each socket of a question besides its first.
    spare_sockets: Semaphore,
    health: Health,
    cache: Cache<ForwardQuestion, Remembered, Octets, RandomState>,
    /// What is served, for the faults in it; without it there are none.
    published: Option<Arc<Published>>,
}

/// The outcome of a question.
type AskResult = Result<Arc<Reply>, ForwardError>;

/// An outcome with its period of validity.
#[derive(Clone, Debug)]
struct Remembered {
    outcome: AskResult,
    since: Instant,
    until: Instant,
}

impl Default for ForwardLimits {
    /// The answer or its failure comes before a stub resolver's time-out of 5 seconds.
    fn default() -> Self {
        Self {
            in_flight: 2000,
            in_flight_of_network: 1000,
            in_flight_of_client: 500,
            attempt_timeout: Duration::from_secs(2),
            total_timeout: Duration::from_millis(4500),
            cache_octets: 16 << 20,
        }
    }
}

impl ForwardLimits {
    /// Maximum open sockets: one for each question, and half as many for questions that are sent again while the response to the
    /// first datagram may still arrive.
    pub const fn sockets(&self) -> usize {
        self.in_flight + self.spare_sockets()
    }

    const fn spare_sockets(&self) -> usize {
        self.in_flight / 2
    }
}

impl Upstreams {
    /// Without cached replies. Targets that go down or come back are reported as incidents.
    pub fn new(limits: ForwardLimits, incidents: Arc<Incidents>) -> Self {
        Self::with_faults_of(None, limits, incidents)
    }

    /// As [`Upstreams::new`], where servers may be slow on purpose, as the snapshot says that is served then.
    pub fn with_faults_of(published: Option<Arc<Published>>, limits: ForwardLimits, incidents: Arc<Incidents>) -> Self {
        let options = OptionsBuilder::new()
            .shards(8)
            .estimated_items_capacity(limits.cache_octets / (2 * ENTRY_OVERHEAD))
            .weight_capacity(limits.cache_octets as u64)
            .build()
            .expect("both capacities are set");
        Self(Arc::new(Inner {
            flights: Arc::default(),
            in_flight: Semaphore::new(limits.in_flight),
            spare_sockets: Semaphore::new(limits.spare_sockets()),
            health: Health::new(limits.attempt_timeout, incidents),
            cache: Cache::with_options(options, Octets, RandomState::default(), DefaultLifecycle::default()),
            limits,
            published,
        }))
    }

    /// The cached outcome of a question, with TTLs counted down; `None` if it must be asked.
    pub fn cached(&self, question: &ForwardQuestion) -> Option<Result<Reply, ForwardError>> {
        let now = Instant::now();
        let remembered = self.0.cache.get(question)?;
        (now < remembered.until).then(|| remembered.at(now, question))
    }

    /// The reply to a question, cached or asked for, with TTLs counted down. Equal questions are asked once; a caller that is
    /// dropped does not affect the others.
    ///
    /// # Errors
    /// See [`ForwardError`]. Takes no longer than [`ForwardLimits::total_timeout`].
    pub async fn ask(&self, question: &ForwardQuestion) -> Result<Reply, ForwardError> {
        if let Some(result) = self.cached(question) {
            return result;
        }
        let (inner, asked) = (self.0.clone(), question.clone());
        let flight = self.0.flights.join(question, async move { inner.ask_in_turn(asked).await });
        flight.await.at(Instant::now(), question)
    }

    /// The number of questions to each target since the start, by outcome; `None` is for all targets past the first thousand.
    pub fn targets(&self) -> Vec<(Option<SocketAddr>, TargetCounts)> {
        self.0.health.counted.all()
    }

    /// Whether a target is set aside, so that others are asked before it.
    pub fn is_set_aside(&self, target: SocketAddr) -> bool {
        self.0.health.is_aside(target)
    }
}

impl Inner {
    /// Waits for a permit, asks the question and caches the outcome.
    async fn ask_in_turn(&self, question: ForwardQuestion) -> Remembered {
        // Another task may have completed it since the caller looked into the cache.
        if let Some(remembered) = self.cache.get(&question).filter(|remembered| Instant::now() < remembered.until) {
            return remembered;
        }
        let deadline = Instant::now() + self.limits.total_timeout;
        let outcome = match timeout_at(deadline, self.in_flight.acquire()).await {
            Ok(_permit) => self.ask_targets(&question, deadline).await,
            Err(_) => Err(ForwardError::Local),
        };
        let remembered = Remembered::new(outcome);
        self.cache.insert(question, remembered.clone());
        remembered
    }

    /// How much later a target responds, on purpose.
    fn slowness(&self, target: SocketAddr, question: &ForwardQuestion) -> Duration {
        let snapshot = self.published.as_ref().map(|published| published.load());
        let faults = snapshot.as_ref().and_then(|snapshot| snapshot.faults());
        faults.map_or(Duration::ZERO, |faults| faults.slowness(target, question.qname.as_ref()))
    }

    /// Asks the targets in turn until one answers. The last one may use all the remaining time.
    async fn ask_targets(&self, question: &ForwardQuestion, deadline: Instant) -> AskResult {
        let mut failure = ForwardError::NoResponse;
        let mut targets = self.health.in_order(&question.targets).into_iter().peekable();
        while let Some(target) = targets.next() {
            let is_last = targets.peek().is_none();
            let until = if is_last { deadline } else { Instant::now() + self.limits.attempt_timeout };
            let (qname, qtype) = (&question.qname, TypeName(question.qtype));
            let mut asking = self.health.asking(target);
            let slowness = self.slowness(target, question);
            let ask = async {
                if !slowness.is_zero() {
                    sleep(slowness).await;
                }
                self.ask_target(question, &mut asking, is_last).await
            };
            match timeout_at(until.min(deadline), ask).await {
                Ok(Ok(response)) => {
                    let rcode = response.message.response_code;
                    match Reply::read(&response, question) {
                        Some(reply) => {
                            asking.ended(TargetOutcome::Answered);
                            return Ok(Arc::new(reply));
                        }
                        None => failure = ForwardError::Failed(rcode),
                    }
                    asking.ended(TargetOutcome::NoAnswer);
                    tracing::debug!(%target, %qname, %qtype, %rcode, "a target has no answer");
                }
                Ok(Err(error)) => {
                    asking.ended(TargetOutcome::Failed);
                    tracing::debug!(%target, %qname, %qtype, %error, "asking a target failed");
                    if error.is_of_target() {
                        asking.failed(&error);
                    }
                    if matches!(failure, ForwardError::NoResponse | ForwardError::Local) {
                        failure = if error.is_local() { ForwardError::Local } else { ForwardError::Network };
                    }
                }
                Err(_) => {
                    asking.ended(TargetOutcome::TimedOut);
                    tracing::debug!(%target, %qname, %qtype, "a target does not respond");
                    asking.failed(&NO_RESPONSE);
                }
            }
        }
        Err(failure)
    }

    /// Asks one target over UDP, and over TCP if needed. The caller limits the time.
    ///
    /// A response whose name has another letter case may be forged, so the question is asked over TCP. If the target changes the
    /// case there too, it is asked in lower case from then on. If TCP fails, this question is asked in lower case.
    async fn ask_target(
        &self,
        question: &ForwardQuestion,
        asking: &mut Asking<'_>,
        is_last: bool,
    ) -> Result<Box<Response>, ExchangeError> {
        let (target, spelling) = (asking.target(), asking.spelling());
        let retransmit = self.limits.attempt_timeout / 2;
        let over_udp =
            |spelling| exchange::over_udp(target, question, spelling, retransmit, &self.spare_sockets, !is_last);
        let mut outcome = over_udp(spelling).await?;
        // Noted before TCP is tried, which a firewall may block.
        asking.responded();
        if spelling == Spelling::Random {
            let kept = !matches!(outcome, OverUdp::OtherCase);
            asking.kept_case(kept);
            if !kept {
                tracing::debug!(%target, qname = %question.qname, "a name came back in another letter case");
                match timeout(retransmit, exchange::over_tcp(target, question, Spelling::Random)).await {
                    Ok(Ok((response, keeps_case))) => {
                        if !keeps_case {
                            asking.changes_case();
                        }
                        return Ok(response);
                    }
                    Ok(Err(_)) | Err(_) => outcome = over_udp(Spelling::LowerCase).await?,
                }
            }
        }
        match outcome {
            OverUdp::Response(response) => Ok(response),
            OverUdp::AskOverTcp | OverUdp::OtherCase => {
                exchange::over_tcp(target, question, spelling).await.map(|(response, _)| response)
            }
        }
    }
}

impl Remembered {
    fn new(outcome: AskResult) -> Self {
        let since = Instant::now();
        let lifetime = match &outcome {
            Ok(reply) => reply.lifetime(),
            Err(ForwardError::Local | ForwardError::Panicked) => Duration::ZERO,
            Err(_) => FAILURE_LIFETIME,
        };
        Self { outcome, since, until: since + lifetime }
    }

    /// The outcome at a later time, with the spelling of this question.
    fn at(&self, now: Instant, question: &ForwardQuestion) -> Result<Reply, ForwardError> {
        let age = now.saturating_duration_since(self.since);
        self.outcome.as_ref().map(|reply| reply.aged(age, &question.qname)).map_err(|error| *error)
    }
}

/// The memory of cache entries in octets.
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
