//! Questions in flight: equal questions are sent once, and all callers share the outcome.

use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};

use super::{ForwardError, Remembered};
use crate::resolve::ForwardQuestion;

/// A question in flight. Every holder drives it; it is cancelled when all have dropped it.
pub(super) type Flight = Shared<BoxFuture<'static, Remembered>>;

/// The questions in flight.
#[derive(Default)]
pub(super) struct Flights(Mutex<Started>);

#[derive(Default)]
struct Started {
    /// Number of the next flight.
    next: u64,
    by_question: HashMap<ForwardQuestion, (u64, WeakShared<BoxFuture<'static, Remembered>>), RandomState>,
}

/// Removes a question from the list when it completes or is cancelled.
struct Entry {
    flights: Arc<Flights>,
    question: ForwardQuestion,
    number: u64,
}

impl Flights {
    /// Joins the question in flight, or starts a new one with `start`.
    pub(super) fn join(
        self: &Arc<Self>,
        question: &ForwardQuestion,
        start: impl Future<Output = Remembered> + Send + 'static,
    ) -> Flight {
        let mut started = self.lock();
        if let Some(flight) = started.by_question.get(question).and_then(|(_, flight)| flight.upgrade()) {
            return flight;
        }
        let number = started.next;
        started.next += 1;
        let entry = Entry { flights: self.clone(), question: question.clone(), number };
        let flight = async move {
            let _entry = entry;
            // A panic is the outcome of this question, and does not spread to its callers.
            let outcome = AssertUnwindSafe(start).catch_unwind().await;
            outcome.unwrap_or_else(|_| Remembered::new(Err(ForwardError::Panicked)))
        };
        let flight = flight.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            started.by_question.insert(question.clone(), (number, weak));
        }
        flight
    }

    /// The number of questions in flight.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().by_question.len()
    }

    fn lock(&self) -> MutexGuard<'_, Started> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut started = self.flights.lock();
        // If all callers had dropped it, a new one may have taken its place.
        if started.by_question.get(&self.question).is_some_and(|(number, _)| *number == self.number) {
            started.by_question.remove(&self.question);
        }
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Flights").field(&self.lock().by_question.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::Targets;
    use crate::dns::RecordType;

    #[tokio::test]
    async fn a_panic_costs_a_question_its_outcome_and_nobody_panics_with_it() {
        let flights = Arc::new(Flights::default());
        let targets = Targets::from([([127, 0, 0, 1], 53).into()].as_slice());
        let question = ForwardQuestion { targets, qname: "www".parse().unwrap(), qtype: RecordType::A };
        let first = flights.join(&question, async { panic!("on purpose") });
        let second = flights.join(&question, async { unreachable!("it is in flight") });
        for flight in [first, second] {
            assert_eq!(flight.await.outcome, Err(ForwardError::Panicked));
        }
        assert_eq!(flights.len(), 0);
    }
}
