//! Faults: what answers suffer on purpose, so that others can test what their programs make of bad days.
//!
//! A fault is written ([`Written`]), checked ([`Fault`]), and then looked up for each query ([`Faults`]), by the client's view
//! and the name that is asked for. Which of many queries it strikes follows from a seed and from the number of the query
//! among those that fit: nothing here is left to chance, and no clock is read.

mod lookup;
mod written;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::dns::Name;

pub use lookup::{Faults, Strike};
pub use written::{FaultError, Written};

/// Most faults at one time.
pub const MAX_FAULTS: usize = 100;

/// In place of a network: the clients of none.
pub const OUTSIDE_NETWORKS: &str = "outside";

/// What the configuration says of faults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultSettings {
    /// Whether there may be any.
    pub are_allowed: bool,
    /// What decides which queries a fault strikes that does not strike all.
    pub seed: u64,
    /// Those that files declare.
    pub declared: Vec<Fault>,
}

/// A fault, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    written: Written,
    effect: Effect,
    /// Names at and below these; none stands for all names.
    domains: Vec<Name>,
    /// The servers that are slow; none stands for all.
    servers: Vec<SocketAddr>,
}

/// What a fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The answer comes later.
    Delay(Duration),
    /// There is no answer.
    Drop,
    /// The answer is SERVFAIL.
    ServFail,
    /// The answer over UDP is truncated, and without records.
    Truncate,
    /// TTLs count down, as those of a resolver that keeps answers.
    CountDown,
    /// The servers that are forwarded to respond later.
    SlowServer(Duration),
    /// A private endpoint is disconnected from time to time.
    Flap(Schedule),
}

/// When a private endpoint is connected: it begins so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// How long it is connected each time.
    pub up: Duration,
    /// How long it is disconnected then.
    pub down: Duration,
}

/// A fault that is in force, with what it has done. A clone is the same.
#[derive(Clone, Debug)]
pub struct Live {
    /// The fault.
    pub fault: Arc<Fault>,
    /// Whether a file declares it; else it was made at run time.
    pub is_declared: bool,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    since: Instant,
    matched: AtomicU64,
    struck: AtomicU64,
}

impl Fault {
    /// The fault as it was written.
    pub fn written(&self) -> &Written {
        &self.written
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.written.name
    }

    /// What it does.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// What it does, in words that follow "answers".
    pub fn what(&self) -> String {
        let how_often = match (self.written.percent, self.written.times) {
            (None, None) => String::new(),
            (Some(percent), None) => format!(", {percent} of 100"),
            (None, Some(times)) => format!(", the first {times}"),
            (Some(percent), Some(times)) => format!(", {percent} of 100 until {times} were"),
        };
        let what = match self.effect {
            Effect::Delay(delay) => format!("answers come {} ms later", delay.as_millis()),
            Effect::Drop => "queries get no answer".to_owned(),
            Effect::ServFail => "answers are SERVFAIL".to_owned(),
            Effect::Truncate => "answers over UDP are truncated".to_owned(),
            Effect::CountDown => "TTLs count down".to_owned(),
            Effect::SlowServer(delay) => format!("servers that are asked respond {} ms later", delay.as_millis()),
            Effect::Flap(Schedule { up, down }) => format!(
                "the private endpoint {} is connected for {} s, then disconnected for {} s",
                self.written.private_endpoint.as_deref().unwrap_or_default(),
                up.as_secs(),
                down.as_secs()
            ),
        };
        what + &how_often
    }
}

impl Schedule {
    /// Whether the endpoint is connected so long after the beginning, and how much later that changes.
    pub fn at(&self, since: Duration) -> (bool, Duration) {
        let period = self.up + self.down;
        // Both are whole seconds.
        let into = Duration::new(since.as_secs() % period.as_secs().max(1), since.subsec_nanos());
        match self.up.checked_sub(into).filter(|left| !left.is_zero()) {
            Some(left) => (true, left),
            None => (false, period.saturating_sub(into)),
        }
    }
}

impl Live {
    /// A fault that is in force from now on.
    pub fn new(fault: Fault, is_declared: bool, now: Instant) -> Self {
        let state = State { since: now, matched: AtomicU64::new(0), struck: AtomicU64::new(0) };
        Self { fault: Arc::new(fault), is_declared, state: Arc::new(state) }
    }

    /// How many queries fitted it; of an endpoint that flaps, none.
    pub fn matched(&self) -> u64 {
        self.state.matched.load(Ordering::Relaxed)
    }

    /// How many queries it has struck; of an endpoint that flaps, how often that was disconnected.
    pub fn struck(&self) -> u64 {
        self.state.struck.load(Ordering::Relaxed)
    }

    /// Since when it is in force.
    pub fn since(&self) -> Instant {
        self.state.since
    }

    /// Counts that it has struck.
    pub fn strike(&self) {
        self.state.struck.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a query that fits it is struck. Each call is another query.
    fn strikes(&self, seed: u64) -> bool {
        let number = self.state.matched.fetch_add(1, Ordering::Relaxed);
        let Written { name, percent, times, .. } = &self.fault.written;
        if percent.is_some_and(|percent| draw(seed, name, number) >= u64::from(percent)) {
            return false;
        }
        let counted = |struck: u64| times.is_none_or(|times| struck < u64::from(times)).then_some(struck + 1);
        self.state.struck.fetch_update(Ordering::Relaxed, Ordering::Relaxed, counted).is_ok()
    }
}

/// A number below 100 that follows from the seed, the fault's name and the query's number: FNV-1a of the name, mixed as
/// SplitMix64 does.
fn draw(seed: u64, name: &str, number: u64) -> u64 {
    let name = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3));
    let mix = |number: u64| {
        let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    };
    mix(mix(mix(seed) ^ name) ^ number) % 100
}

#[cfg(test)]
mod tests;
