//! Whether the server answers as it should: what probes ask for.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What may keep a server from answering, or from answering with what is declared now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// Not ready: nothing is served yet, or no more.
    Down(String),
    /// Ready, but something is not as it should be.
    Degraded(String),
}

/// A condition that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What it is about.
    pub about: String,
    /// What is not as it should be.
    pub condition: Condition,
    /// For how long that has been so.
    pub lasts: Duration,
}

/// The conditions that hold at this moment, each under the name of what it is about. Healthy is a server without any.
#[derive(Debug, Default)]
pub struct Health {
    /// Each since when.
    conditions: Mutex<BTreeMap<String, (Condition, Instant)>>,
}

impl Health {
    /// Says that a condition holds of something; what was said of it before is no more. It holds from when something was
    /// first said, until that is cleared.
    pub fn set(&self, about: impl Into<String>, condition: Condition) {
        let mut conditions = self.lock();
        let held = conditions.entry(about.into()).or_insert_with(|| (condition.clone(), Instant::now()));
        held.0 = condition;
    }

    /// Says that something is as it should be.
    pub fn clear(&self, about: &str) {
        self.lock().remove(about);
    }

    /// What holds, by the name of what it is about.
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
