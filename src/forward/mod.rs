//! Asks other servers on behalf of clients: the targets of a forwarding rule, custom DNS servers, the upstream.
//!
//! [`Upstreams`] sends a question to the first target that is in use, over UDP with EDNS, and again over TCP where
//! the response is truncated (RFC 7766 §5), too long, or may be another's. A target that does not respond is set aside and
//! the next one asked. What comes back is read once into a [`Reply`]: the chain of aliases from the name to the records
//! asked for, or the SOA record that says there are none. Everything else in the message is left out.
//!
//! Replies are kept for as long as their TTLs say (RFC 2308 for negative ones), failures for a few seconds (RFC 9520),
//! and equal questions in flight are asked once. Targets are a part of what is remembered: a client can be given
//! nothing that came from servers other than its own view's.
//!
//! Left to the caller: which targets a name has, whether the target of an alias is looked up anew in the client's view,
//! how many callers there are, and the response. Not done here: following referrals, DNSSEC validation, zone transfers.

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
use tokio::time::{Instant, timeout, timeout_at};

use crate::dns::{ExtendedError, Rcode, TypeName};
use crate::incidents::Incidents;
use crate::resolve::{ForwardQuestion, Reply};
use exchange::{ExchangeError, OverUdp};
use flights::Flights;
use query::{Response, Spelling};
use targets::{Asking, Health, NO_RESPONSE};

pub use counts::{TargetCounts, TargetOutcome};

/// How long a failure is remembered: RFC 9520 §3.2 asks for at least 1 second and at most 5 minutes.
const FAILURE_LIFETIME: Duration = Duration::from_secs(5);
/// What an entry in memory takes besides the octets of names and records.
const ENTRY_OVERHEAD: usize = 256;

/// What forwarding may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardLimits {
    /// Most questions that are asked at one time, others wait for their turn; and most queries that wait for one.
    pub in_flight: usize,
    /// Most queries of one network that wait.
    pub in_flight_of_network: usize,
    /// Most queries of one client that wait, where its listener says nothing else.
    pub in_flight_of_client: usize,
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
    /// No target responded in time.
    #[error("no target responded in time")]
    NoResponse,
    /// No target could be asked: none is reached, or what came over TCP cannot be used.
    #[error("no target could be asked")]
    Network,
    /// This host could not ask: it has no socket left, or the question's turn did not come. Nothing is known of targets, so
    /// that this is not remembered.
    #[error("this host could not ask")]
    Local,
    /// A target responded, with this RCODE or, where that is NOERROR or NXDOMAIN, with nothing that answers the question.
    #[error("no target has an answer: {0}")]
    Failed(Rcode),
    /// Asking has panicked.
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

/// Asks other servers and remembers what they said. Times are those of tokio's clock. A clone shares
/// all of it.
#[derive(Clone, Debug)]
pub struct Upstreams(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: ForwardLimits,
    flights: Arc<Flights>,
    /// A permit for each question that is asked.
    in_flight: Semaphore,
    /// A permit for each socket that a question has beside its first.
    spare_sockets: Semaphore,
    health: Health,
    cache: Cache<ForwardQuestion, Remembered, Octets, RandomState>,
}

/// How a question came out.
type AskResult = Result<Arc<Reply>, ForwardError>;

/// An outcome, and when it is of use.
#[derive(Clone, Debug)]
struct Remembered {
    outcome: AskResult,
    since: Instant,
    until: Instant,
}

impl Default for ForwardLimits {
    /// An answer, or its failure, before a stub resolver's 5 seconds end.
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
    /// Most sockets that are open at one time: one for each question, and half as many again for those that are asked
    /// another time while the response to the first datagram may still come.
    pub const fn sockets(&self) -> usize {
        self.in_flight + self.spare_sockets()
    }

    const fn spare_sockets(&self) -> usize {
        self.in_flight / 2
    }
}

impl Upstreams {
    /// Other servers of which nothing is remembered yet. Targets that go down or come back are incidents.
    pub fn new(limits: ForwardLimits, incidents: Arc<Incidents>) -> Self {
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
        }))
    }

    /// What is remembered of a question, TTLs counted down; `None` where it has to be asked.
    pub fn cached(&self, question: &ForwardQuestion) -> Option<Result<Reply, ForwardError>> {
        let now = Instant::now();
        let remembered = self.0.cache.get(question)?;
        (now < remembered.until).then(|| remembered.at(now, question))
    }

    /// The reply of the question's targets, remembered or asked for, TTLs counted down. Equal questions are asked once;
    /// a caller that goes away does not disturb the others.
    ///
    /// # Errors
    /// See [`ForwardError`]. Takes no longer than [`ForwardLimits::total_timeout`].
    pub async fn ask(&self, question: &ForwardQuestion) -> Result<Reply, ForwardError> {
        if let Some(result) = self.cached(question) {
            return result;
        }
        let (inner, asked) = (self.0.clone(), question.clone());
        let flight = self.0.flights.join(question, async move { inner.fly(asked).await });
        flight.await.at(Instant::now(), question)
    }

    /// What the targets that were asked since the start were asked, and how that came out; `None` is those past the first
    /// thousand, together.
    pub fn targets(&self) -> Vec<(Option<SocketAddr>, TargetCounts)> {
        self.0.health.counted.all()
    }

    /// Whether a target is set aside: others are asked before it.
    pub fn is_set_aside(&self, target: SocketAddr) -> bool {
        self.0.health.is_aside(target)
    }
}

impl Inner {
    /// Asks a question when its turn comes, and remembers how it came out.
    async fn fly(&self, question: ForwardQuestion) -> Remembered {
        // It may have come out between a caller's look and this.
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

    /// Asks one target after the other until one has an answer. The last may use all the time that is left.
    async fn ask_targets(&self, question: &ForwardQuestion, deadline: Instant) -> AskResult {
        let mut failure = ForwardError::NoResponse;
        let mut targets = self.health.in_order(&question.targets).into_iter().peekable();
        while let Some(target) = targets.next() {
            let is_last = targets.peek().is_none();
            let until = if is_last { deadline } else { Instant::now() + self.limits.attempt_timeout };
            let (qname, qtype) = (&question.qname, TypeName(question.qtype));
            let mut asking = self.health.asking(target);
            match timeout_at(until.min(deadline), self.ask_target(question, &mut asking, is_last)).await {
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

    /// Asks one target over UDP, and over TCP where that is needed. Waits without end.
    ///
    /// A name that comes back in another letter case may be a guess, so that a connection tells. A target that changes the
    /// case there too is asked in lower case from then on, and so is this question where there is no connection.
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
        // Said here, for what hinders TCP may be a firewall.
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

    /// The outcome at a later time, for whoever asked this question.
    fn at(&self, now: Instant, question: &ForwardQuestion) -> Result<Reply, ForwardError> {
        let age = now.saturating_duration_since(self.since);
        self.outcome.as_ref().map(|reply| reply.aged(age, &question.qname)).map_err(|error| *error)
    }
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
