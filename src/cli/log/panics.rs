//! Logs panics, and ends the process after too many.
//!
//! A panic is a bug that aborts one piece of work: a query, a connection, a reload. The component continues or is restarted, in
//! the server or here. If that does not help, a process that looks healthy and answers nobody would be worse than one that ends
//! and is restarted by its supervisor.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::VecDeque;
use std::panic::PanicHookInfo;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::LogWriter;
use crate::incidents::PACE;
use crate::server::HICKORY_THREAD;

/// The exit code after too many panics: `EX_SOFTWARE` of BSD's sysexits.
pub(in crate::cli) const EXIT_SOFTWARE: u8 = 70;
/// Most panics within [`WINDOW`].
const MOST: usize = 10;
const WINDOW: Duration = Duration::from_secs(60);
/// Threads whose panics do not count: those that answer nobody, as their work can fail again and again while the published data
/// is still served; and those of hickory-server, whose panics cost one connection and may be caused by others.
const APART: [&str; 5] = ["reload", "compile", "retire", "ready", HICKORY_THREAD];

/// The times of the last panics.
#[derive(Debug, Default)]
struct Recent(VecDeque<Instant>);

impl Recent {
    /// Records a panic, and returns whether it is one too many.
    fn is_too_many(&mut self, now: Instant) -> bool {
        while self.0.front().is_some_and(|first| now.saturating_duration_since(*first) >= WINDOW) {
            self.0.pop_front();
        }
        self.0.push_back(now);
        self.0.len() > MOST
    }
}

/// Logs panics from here on, and ends the process after too many.
pub(super) fn log_to(log: LogWriter) {
    let recent = Mutex::new(Recent::default());
    let of_library = Mutex::new(Seldom::default());
    std::panic::set_hook(Box::new(move |panic| {
        let unlogged = match thread::current().name() {
            Some(HICKORY_THREAD) => of_library.lock().unwrap_or_else(PoisonError::into_inner).log(Instant::now()),
            _ => Some(0),
        };
        if let Some(unlogged) = unlogged {
            log_panic(panic, unlogged);
        }
        if is_apart() {
            return;
        }
        if recent.lock().unwrap_or_else(PoisonError::into_inner).is_too_many(Instant::now()) {
            tracing::error!(
                "more than {MOST} panics within {WINDOW:?}: the process ends with exit code {EXIT_SOFTWARE}"
            );
            log.finish("");
            std::process::exit(EXIT_SOFTWARE.into());
        }
    }));
}

fn is_apart() -> bool {
    thread::current().name().is_some_and(|name| APART.contains(&name))
}

/// For panics that others may cause: at most one is logged per interval, as for other incidents.
#[derive(Debug, Default)]
struct Seldom {
    last: Option<Instant>,
    unlogged: u64,
}

impl Seldom {
    /// The number that were not logged since the last one that was; `None` if this one is not to be logged either.
    fn log(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < PACE) {
            self.unlogged += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.unlogged))
    }
}

fn log_panic(panic: &PanicHookInfo<'_>, unlogged: u64) {
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("a panic without words");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = thread::current();
    // If RUST_BACKTRACE asks for it.
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    let unlogged = (unlogged > 0).then_some(unlogged);
    tracing::error!(place, thread = thread.name(), backtrace, unlogged, "a bug of vnetdns, please report it: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_panics_in_a_minute_are_borne_and_more_are_not() {
        let (mut recent, start) = (Recent::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for second in 0..10 {
            assert!(!recent.is_too_many(at(second)));
        }
        // The first is a minute ago.
        assert!(!recent.is_too_many(at(60)));
        assert!(recent.is_too_many(at(60)));
        for minute in 2..100 {
            assert!(!recent.is_too_many(at(60 * minute)));
        }
    }

    #[test]
    fn panics_that_others_may_cause_are_logged_seldom_and_all_counted() {
        let (mut seldom, start) = (Seldom::default(), Instant::now());
        assert_eq!(seldom.log(start), Some(0));
        assert_eq!([1, 2, 3].map(|_| seldom.log(start + PACE / 2)), [None; 3]);
        assert_eq!(seldom.log(start + PACE), Some(3));
        assert_eq!(seldom.log(start + 2 * PACE), Some(0));
    }
}
