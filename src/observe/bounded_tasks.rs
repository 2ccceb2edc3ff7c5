//! A bound on an operator's connections: of too many, the oldest is closed.
//!
//! Idle connections cannot lock anybody out: a new client that sends its request at once gets an answer before enough newer
//! connections have come to close its own.

use std::collections::VecDeque;

use tokio::task::JoinHandle;

/// A bounded set of tasks.
#[derive(Debug)]
pub(crate) struct BoundedTasks {
    most: usize,
    /// Ordered by age, the oldest first.
    tasks: VecDeque<JoinHandle<()>>,
}

impl BoundedTasks {
    /// A set of at most `most` tasks; at least 1.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, tasks: VecDeque::with_capacity(most) }
    }

    /// Starts a task. If there are too many, the oldest is aborted first, and everything that it holds is freed.
    pub(crate) async fn start(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.retain(|task| !task.is_finished());
        if self.tasks.len() >= self.most
            && let Some(oldest) = self.tasks.pop_front()
        {
            oldest.abort();
            // Its result does not matter.
            let _ = oldest.await;
        }
        self.tasks.push_back(tokio::spawn(task));
    }
}

impl Drop for BoundedTasks {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn the_oldest_ends_where_there_are_too_many() {
        struct Held(Arc<AtomicUsize>);
        impl Drop for Held {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let (mut bounded_tasks, held) = (BoundedTasks::new(3), Arc::new(AtomicUsize::new(0)));
        let mut ends = Vec::new();
        for _ in 0..10 {
            held.fetch_add(1, Ordering::Relaxed);
            let (one, (end, ended)) = (Held(held.clone()), tokio::sync::oneshot::channel::<()>());
            ends.push(end);
            bounded_tasks
                .start(async move {
                    let _one = one;
                    let _ = ended.await;
                })
                .await;
            assert!(held.load(Ordering::Relaxed) <= 3, "{held:?}");
        }
        let is_gone: Vec<_> = ends.iter().map(tokio::sync::oneshot::Sender::is_closed).collect();
        assert_eq!(is_gone, [[true; 7].to_vec(), [false; 3].to_vec()].concat());
    }
}
