//! Rate limit buckets in a table of fixed size, however many addresses are forged.

use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use governor::nanos::Nanos;
use governor::state::StateStore;

/// Buckets of one place in the table.
const WAYS: usize = 8;
/// Number of places in the table.
const PLACES: usize = 4096;

/// The buckets of one limit by key, in a table that never grows.
///
/// If a place has no room, the bucket closest to full is replaced, which is that of the least active key: it starts full when it
/// is needed again. So a flood from forged addresses cannot make the table forget who is over the limit.
#[derive(Clone, Debug)]
pub(super) struct Buckets<K>(Arc<Table<K>>);

#[derive(Debug)]
struct Table<K> {
    places: Box<[Mutex<Place<K>>]>,
    /// Keyed, so that nobody can choose the place of an address.
    hasher: foldhash::fast::RandomState,
}

type Place<K> = [Option<Bucket<K>>; WAYS];

#[derive(Clone, Copy, Debug)]
struct Bucket<K> {
    key: K,
    /// When it will be full again, by the limiter's clock.
    full_at: Nanos,
    /// Number of events over the limit.
    limited: u32,
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    pub(super) fn new() -> Self {
        Self::with_places(PLACES)
    }

    fn with_places(places: usize) -> Self {
        let places = (0..places).map(|_| Mutex::new([None; WAYS])).collect();
        Self(Arc::new(Table { places, hasher: foldhash::fast::RandomState::default() }))
    }

    /// Counts an event over the limit, from 1 on.
    pub(super) fn limited(&self, key: &K) -> u32 {
        let mut place = self.place(key);
        let Some(bucket) = find(&mut place, key) else { return 1 };
        bucket.limited = bucket.limited.wrapping_add(1);
        bucket.limited
    }

    fn place(&self, key: &K) -> MutexGuard<'_, Place<K>> {
        let Table { places, hasher } = &*self.0;
        let at = hasher.hash_one(key) as usize % places.len();
        places[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash> StateStore for Buckets<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut place = self.place(key);
        if let Some(bucket) = find(&mut place, key) {
            let (outcome, full_at) = decide(Some(bucket.full_at))?;
            bucket.full_at = full_at;
            return Ok(outcome);
        }
        let (outcome, full_at) = decide(None)?;
        // An unused bucket is taken first.
        let bucket = place.iter_mut().min_by_key(|bucket| bucket.map(|bucket| bucket.full_at));
        *bucket.expect("there is more than one way") = Some(Bucket { key: *key, full_at, limited: 0 });
        Ok(outcome)
    }
}

fn find<'a, K: Eq>(place: &'a mut Place<K>, key: &K) -> Option<&'a mut Bucket<K>> {
    place.iter_mut().flatten().find(|bucket| bucket.key == *key)
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;
    use governor::middleware::NoOpMiddleware;
    use governor::{Quota, RateLimiter};

    use super::*;

    const RATE: u32 = 10;

    type Key = (u32, u32);
    type Limiter = RateLimiter<Key, Buckets<Key>, FakeRelativeClock, NoOpMiddleware<Nanos>>;

    fn limiter(places: usize) -> (Limiter, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let quota = Quota::per_second(NonZero::new(RATE).unwrap());
        (RateLimiter::new(quota, Buckets::with_places(places), clock.clone()), clock)
    }

    fn key(number: u32, view: u32) -> Key {
        (number, view)
    }

    #[test]
    fn a_prefix_has_its_rate_and_a_burst_of_a_second_in_each_view() {
        let (limiter, clock) = limiter(64);
        let admitted = |key: Key| (0..100).filter(|_| limiter.check_key(&key).is_ok()).count() as u32;
        assert_eq!(admitted(key(1, 0)), RATE);
        assert_eq!(admitted(key(1, 1)), RATE);
        assert_eq!(admitted(key(2, 0)), RATE);
        assert_eq!(admitted(key(1, 0)), 0);
        clock.advance(Duration::from_millis(500));
        assert_eq!(admitted(key(1, 0)), RATE / 2);
        clock.advance(Duration::from_secs(60));
        assert_eq!(admitted(key(1, 0)), RATE);
    }

    #[test]
    fn who_is_over_the_limit_is_not_forgotten_for_those_who_ask_once() {
        // All share one place.
        let (limiter, clock) = limiter(1);
        let greedy = key(0, 0);
        while limiter.check_key(&greedy).is_ok() {}
        for other in 1..1000 {
            assert!(limiter.check_key(&key(other, 0)).is_ok(), "{other}");
            assert!(limiter.check_key(&greedy).is_err(), "forgotten for {other}");
            clock.advance(Duration::from_micros(10));
        }
        let place = *limiter.into_state_store().place(&greedy);
        assert!(place.iter().flatten().any(|bucket| bucket.key == greedy));
    }

    #[test]
    fn what_is_over_the_limit_is_counted_for_each() {
        let (limiter, _) = limiter(1);
        let buckets = {
            while limiter.check_key(&key(1, 0)).is_ok() {}
            while limiter.check_key(&key(2, 0)).is_ok() {}
            limiter.into_state_store()
        };
        assert_eq!([1, 2, 1, 1, 2].map(|number| buckets.limited(&key(number, 0))), [1, 1, 2, 3, 2]);
    }
}
