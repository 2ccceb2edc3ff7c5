//! Distributes work on many items over threads.

use std::sync::Mutex;
use std::{iter, thread};

/// Does the work for each item. At most one thread per so many items is started in addition to the calling one, with a name.
pub(crate) fn map<T: Send, R: Send>(
    items: &mut [T],
    of_a_thread: usize,
    name: &str,
    work: impl Fn(&mut T) -> R + Sync,
) -> Vec<R> {
    let threads = items.len().div_ceil(of_a_thread).saturating_sub(1);
    map_beside(items, threads, name, work, || ()).0
}

/// Does the work for each item, and first something else on the calling thread. Starts as many additional threads as there are
/// processors, up to a limit.
pub(crate) fn map_beside<T: Send, R: Send, B>(
    items: &mut [T],
    most_threads: usize,
    name: &str,
    work: impl Fn(&mut T) -> R + Sync,
    beside: impl FnOnce() -> B,
) -> (Vec<R>, B) {
    let threads = thread::available_parallelism().map_or(1, usize::from).saturating_sub(1).min(most_threads);
    let queue = Mutex::new(items.iter_mut().enumerate());
    let next = || queue.lock().expect("taking the next item does not panic").next();
    let take = || iter::from_fn(next).map(|(at, item)| (at, work(item))).collect::<Vec<_>>();
    let (mut done, beside) = thread::scope(|scope| {
        // If a thread cannot be started, the others do its share.
        let start = || thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, take);
        let others: Vec<_> = iter::repeat_with(start).take(threads).map_while(Result::ok).collect();
        let beside = beside();
        let mut done = take();
        done.extend(others.into_iter().flat_map(|thread| thread.join().expect("the work does not panic")));
        (done, beside)
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    (done.into_iter().map(|(_, result)| result).collect(), beside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items_whoever_makes_them() {
        let mut items: Vec<u32> = (0..1000).collect();
        let (doubled, beside) = map_beside(&mut items, 3, "test", |item| *item * 2, || "beside");
        assert_eq!(doubled, (0..1000).map(|item| item * 2).collect::<Vec<_>>());
        assert_eq!(beside, "beside");
        assert_eq!(map(&mut items[..1], 8, "test", |item| *item), [0]);
        assert!(map(&mut items[..0], 8, "test", |item| *item).is_empty());
    }
}
