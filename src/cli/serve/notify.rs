//! What the service manager is told (sd_notify): readiness, reloads, the stop, and that the server is alive. Nothing where
//! there is no service manager.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::observe::Metrics;

/// Set when another process has taken over, of which the service manager hears from then on.
static HAS_LEFT: AtomicBool = AtomicBool::new(false);

/// Says that queries are answered.
pub(super) fn ready() {
    notify(&[sd_notify::NotifyState::Ready]);
}

/// Says that this process is the server now, and answers queries.
pub(super) fn taken_over() {
    notify(&[sd_notify::NotifyState::MainPid(std::process::id()), sd_notify::NotifyState::Ready]);
}

/// Says that another process is the server, and nothing any more.
pub(super) fn leave(process: u32) {
    notify(&[sd_notify::NotifyState::MainPid(process)]);
    HAS_LEFT.store(true, Ordering::Relaxed);
}

/// Says that a reload has begun; [`ready`] ends it.
pub(super) fn reloading() {
    if let Ok(now) = sd_notify::NotifyState::monotonic_usec_now() {
        notify(&[sd_notify::NotifyState::Reloading, now]);
    }
}

/// Says that the server stops.
pub(super) fn stopping() {
    notify(&[sd_notify::NotifyState::Stopping]);
}

/// Says at half the time that the service manager gives that the server is alive, as long as every worker answers; a server
/// of which one hangs is started again by the service manager.
pub(super) async fn watchdog(patience: Option<Duration>, metrics: Arc<Metrics>, stop: CancellationToken) {
    let Some(patience) = patience else { return };
    while tokio::time::timeout((patience / 2).max(Duration::from_millis(1)), stop.cancelled()).await.is_err() {
        let stalled = metrics.stalled_workers();
        if stalled.is_empty() {
            notify(&[sd_notify::NotifyState::Watchdog]);
        } else {
            tracing::error!(?stalled, "workers do not go on: the service manager's watchdog is not answered");
        }
    }
}

/// The time that the service manager gives this process.
pub(super) fn patience() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if HAS_LEFT.load(Ordering::Relaxed) {
        return;
    }
    // Where NOTIFY_SOCKET is not set this does nothing.
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
