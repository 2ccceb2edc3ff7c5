//! Health of the server, as probes see it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A reason why the server does not answer, or not with what is declared now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// Not ready: the server does not answer, or stops doing so.
    Down(String),
    /// Ready, but degraded.
    Degraded(String),
}

/// A current condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The subject.
    pub about: String,
    /// The condition.
    pub condition: Condition,
    /// How long the subject has had a condition.
    pub lasts: Duration,
}

/// The current conditions, each under the name of its subject. A server without conditions is healthy.
#[derive(Debug, Default)]
pub struct Health {
    /// Each with the time since when its subject has had a condition.
    conditions: Mutex<BTreeMap<String, (Condition, Instant)>>,
}

impl Health {
    /// Sets the condition of a subject, in place of an earlier one. Its time counts from the first condition since the subject
    /// was last cleared.
    pub fn set(&self, about: impl Into<String>, condition: Condition) {
        let mut conditions = self.lock();
        let held = conditions.entry(about.into()).or_insert_with(|| (condition.clone(), Instant::now()));
        held.0 = condition;
    }

    /// Removes the condition of a subject.
    pub fn clear(&self, about: &str) {
        self.lock().remove(about);
    }

    /// The current conditions, sorted by subject.
    pub fn conditions(&self) -> Vec<Held> {
        let conditions = self.lock();
        let held = conditions.iter().map(|(about, (condition, since))| Held {
            about: about.clone(),
            condition: condition.clone(),
            lasts: since.elapsed(),
        });
        held.collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (Condition, Instant)>> {
        self.conditions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mended_does_not_hold_any_more() {
        let health = Health::default();
        health.set("127.0.0.1:53", Condition::Down("a UDP worker has ended".to_owned()));
        health.set("reload", Condition::Degraded("the last reload was refused".to_owned()));
        assert_eq!(health.conditions().len(), 2);
        health.clear("127.0.0.1:53");
        let left: Vec<_> = health.conditions().into_iter().map(|held| held.about).collect();
        assert_eq!(left, ["reload"]);
    }
}
