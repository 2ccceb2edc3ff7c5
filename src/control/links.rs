//! Links in progress: each is completed when its time has come, without anybody asking.

use std::convert::Infallible;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{io, thread};

use super::{ApplyError, Control, Held};

/// How often the clock is looked at while a link is in progress: somebody may have set it.
const PAUSE: Duration = Duration::from_secs(30);

/// Has the thread look that completes links, once there is one.
#[derive(Debug, Default)]
pub(super) struct Completion(OnceLock<Sender<()>>);

impl Completion {
    /// There may be another link in progress.
    pub(super) fn look(&self) {
        if let Some(thread) = self.0.get() {
            // It ends with what it completes links of.
            let _ = thread.send(());
        }
    }
}

/// Milliseconds since 1970 in UTC.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

impl Control {
    /// Starts to complete links when their time has come, for as long as this is there. Once is enough.
    ///
    /// # Errors
    /// There can be no more threads.
    pub fn complete_links_in_time(self: &Arc<Self>) -> io::Result<()> {
        let (sender, looks) = mpsc::channel();
        if self.completion.0.set(sender).is_err() {
            return Ok(());
        }
        let control = Arc::downgrade(self);
        thread::Builder::new().name("links".to_owned()).spawn(move || complete(&control, &looks))?;
        Ok(())
    }

    /// Completes the links whose time has come by a moment, in milliseconds since 1970 in UTC, and publishes that. Returns when
    /// the next one is due, if there is one. Not for a thread that serves.
    pub fn complete_links(&self, now: u64) -> Option<u64> {
        let mut held = self.hold();
        let Held { world, slots, .. } = &mut *held;
        let finish = |snapshot| self.finish(snapshot, slots).map_err(ApplyError::<Infallible>::from);
        match world.complete_links(now, finish) {
            Ok(None) => {}
            Ok(Some(_)) => {
                held.is_quiet &= held.world.is_quiet();
                self.retirement.retire(self.published.swap(held.world.snapshot().clone()));
            }
            // Whatever a link may not be, it may not be in progress either.
            Err(error) => tracing::error!("links stay in progress: {error}"),
        }
        held.world.topology().links_in_progress().map(|(until, ..)| until).min()
    }
}

fn complete(control: &Weak<Control>, looks: &Receiver<()>) {
    loop {
        let Some(served) = control.upgrade() else { return };
        let next = served.complete_links(now());
        drop(served);
        let looked = match next {
            None => looks.recv().map_err(|_| RecvTimeoutError::Disconnected),
            // What could not be completed is tried again, but not at once.
            Some(next) => match next.saturating_sub(now()) {
                0 => looks.recv_timeout(PAUSE),
                left => looks.recv_timeout(Duration::from_millis(left).min(PAUSE)),
            },
        };
        if looked == Err(RecvTimeoutError::Disconnected) {
            return;
        }
        // One look is for all.
        while looks.try_recv().is_ok() {}
    }
}
