//! Whether the server answers as it should: what probes ask for.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What may keep a server from answering, or from answering with what is declared now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// Not ready: nothing is served yet, or no more.
    Down(String),
    /// Ready, but something is not as it should be.
    Degraded(String),
}

/// The conditions that hold at this moment, each under the name of what it is about. Healthy is a server without any.
#[derive(Debug, Default)]
pub struct Health {
    conditions: Mutex<BTreeMap<String, Condition>>,
}

impl Health {
    /// Says that a condition holds of something; what was said of it before is no more.
    pub fn set(&self, about: impl Into<String>, condition: Condition) {
        self.conditions.lock().unwrap_or_else(PoisonError::into_inner).insert(about.into(), condition);
    }

    /// Says that something is as it should be.
    pub fn clear(&self, about: &str) {
        self.conditions.lock().unwrap_or_else(PoisonError::into_inner).remove(about);
    }

    /// What holds, by the name of what it is about.
    pub fn conditions(&self) -> Vec<(String, Condition)> {
        let conditions = self.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        conditions.iter().map(|(about, condition)| (about.clone(), condition.clone())).collect()
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
        let left: Vec<_> = health.conditions().into_iter().map(|(about, _)| about).collect();
        assert_eq!(left, ["reload"]);
    }
}
