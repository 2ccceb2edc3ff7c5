//! The servers that questions go to, and which of them respond.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use smallvec::SmallVec;
use tokio::time::Instant;

use crate::azure::Targets;

/// How long a target that did not respond is left alone.
///
/// Microsoft Learn, "Azure DNS Private Resolver endpoints and rulesets": the first target of a rule is used unless it
/// is unresponsive, and is then not used for 30 minutes.
const ASIDE: Duration = Duration::from_secs(30 * 60);

/// What is known of each target that was ever used: as many as configurations have named.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<HashMap<SocketAddr, TargetHealth>>);

#[derive(Clone, Copy, Debug, Default)]
struct TargetHealth {
    last_response: Option<Instant>,
    aside_until: Option<Instant>,
    /// Whether it failed and has not responded since.
    is_down: bool,
}

impl Health {
    /// The targets in use in their order, then those that are set aside, which are better than none.
    pub(super) fn in_order(&self, targets: &Targets) -> SmallVec<[SocketAddr; 6]> {
        let now = Instant::now();
        let health = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_aside =
            |target: &SocketAddr| health.get(target).and_then(|target| target.aside_until).is_some_and(|end| now < end);
        let mut ordered = SmallVec::from(targets.addresses());
        // The sort is stable.
        ordered.sort_by_key(is_aside);
        ordered
    }

    /// Notes a response, whatever it said: the target is in use again. Returns whether it was down.
    pub(super) fn responded(&self, target: SocketAddr) -> bool {
        let mut health = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = TargetHealth { last_response: Some(Instant::now()), ..TargetHealth::default() };
        health.insert(target, now).is_some_and(|before| before.is_down)
    }

    /// Notes that a target let a question of that time go unanswered, unless it has responded to another since: then it
    /// is the question that is slow. Returns whether the target has gone down by that.
    pub(super) fn failed(&self, target: SocketAddr, asked: Instant) -> bool {
        let mut health = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let target = health.entry(target).or_default();
        let is_down = target.last_response.is_none_or(|response| response < asked);
        is_down && !std::mem::replace(&mut target.is_down, true)
    }

    /// As [`Health::failed`], for a target that was silent as long as it may be: sets it aside.
    pub(super) fn silent_since(&self, target: SocketAddr, asked: Instant) -> bool {
        let is_news = self.failed(target, asked);
        let mut health = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(target) = health.get_mut(&target).filter(|target| target.is_down) {
            target.aside_until = Some(Instant::now() + ASIDE);
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> ([SocketAddr; 3], Targets) {
        let addresses = [1, 2, 3].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        (addresses, Targets::from(addresses.as_slice()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_target_is_last_for_half_an_hour() {
        let ([a, b, c], targets) = three();
        let health = Health::default();
        assert_eq!(health.in_order(&targets).as_slice(), [a, b, c]);
        health.silent_since(a, Instant::now());
        assert_eq!(health.in_order(&targets).as_slice(), [b, c, a]);
        tokio::time::advance(ASIDE - Duration::from_secs(1)).await;
        assert_eq!(health.in_order(&targets).as_slice(), [b, c, a]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(health.in_order(&targets).as_slice(), [a, b, c]);
    }

    #[tokio::test(start_paused = true)]
    async fn targets_that_are_all_aside_keep_their_order_and_a_response_brings_one_back() {
        let ([a, b, c], targets) = three();
        let health = Health::default();
        for target in [c, a, b] {
            health.silent_since(target, Instant::now());
        }
        assert_eq!(health.in_order(&targets).as_slice(), [a, b, c]);
        assert!(health.responded(b));
        assert_eq!(health.in_order(&targets).as_slice(), [b, a, c]);
    }

    #[tokio::test(start_paused = true)]
    async fn going_down_and_coming_back_are_news_once() {
        let ([a, b, _], _) = three();
        let health = Health::default();
        assert!(health.failed(a, Instant::now()) && health.silent_since(b, Instant::now()));
        assert!(!health.failed(b, Instant::now()) && !health.silent_since(a, Instant::now()));
        assert!(health.responded(a) && health.responded(b));
        assert!(!health.responded(a) && !health.responded(b));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(health.failed(a, Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn one_slow_question_does_not_set_a_target_aside_that_answers_others() {
        let ([a, b, c], targets) = three();
        let health = Health::default();
        let asked = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        health.responded(a);
        health.silent_since(a, asked);
        assert_eq!(health.in_order(&targets).as_slice(), [a, b, c]);
        tokio::time::advance(Duration::from_secs(1)).await;
        health.silent_since(a, Instant::now());
        assert_eq!(health.in_order(&targets).as_slice(), [b, c, a]);
    }
}
