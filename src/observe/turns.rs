//! Connections to what an operator asks, which are few: of those that are too many the oldest ends.
//!
//! Whoever holds connections without asking anything holds up nobody: who has just come, and asks at once, has an answer
//! before so many others have come.

use std::collections::VecDeque;

use tokio::task::JoinHandle;

/// Tasks of which so many go on at one time.
#[derive(Debug)]
pub(crate) struct Turns {
    most: usize,
    /// The oldest first.
    tasks: VecDeque<JoinHandle<()>>,
}

impl Turns {
    /// At most so many, at least 1.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, tasks: VecDeque::with_capacity(most) }
    }

    /// Starts one more; where that is too many, the oldest ends first, with all that it holds.
    pub(crate) async fn start(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.retain(|task| !task.is_finished());
        if self.tasks.len() >= self.most
            && let Some(oldest) = self.tasks.pop_front()
        {
            oldest.abort();
            // How it ended is of no interest.
            let _ = oldest.await;
        }
        self.tasks.push_back(tokio::spawn(task));
    }
}

impl Drop for Turns {
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
        let (mut turns, held) = (Turns::new(3), Arc::new(AtomicUsize::new(0)));
        let mut ends = Vec::new();
        for _ in 0..10 {
            held.fetch_add(1, Ordering::Relaxed);
            let (one, (end, ended)) = (Held(held.clone()), tokio::sync::oneshot::channel::<()>());
            ends.push(end);
            turns
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
