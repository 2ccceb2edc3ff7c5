//! Notifications to the service manager (sd_notify): readiness, reloads, stopping, and the watchdog. Does nothing without a
//! service manager.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::observe::Metrics;

/// Set when another process has taken over, which notifies the service manager from then on.
static HAS_LEFT: AtomicBool = AtomicBool::new(false);

/// Notifies that queries are answered.
pub(super) fn ready() {
    notify(&[sd_notify::NotifyState::Ready]);
}

/// Notifies that this process is the main process now, and answers queries.
pub(super) fn taken_over() {
    notify(&[sd_notify::NotifyState::MainPid(std::process::id()), sd_notify::NotifyState::Ready]);
}

/// Notifies that another process is the main process; no more notifications follow.
pub(super) fn leave(process: u32) {
    notify(&[sd_notify::NotifyState::MainPid(process)]);
    HAS_LEFT.store(true, Ordering::Relaxed);
}

/// Notifies that a reload has begun; [`ready`] ends it.
pub(super) fn reloading() {
    if let Ok(now) = sd_notify::NotifyState::monotonic_usec_now() {
        notify(&[sd_notify::NotifyState::Reloading, now]);
    }
}

/// Notifies that the server is stopping.
pub(super) fn stopping() {
    notify(&[sd_notify::NotifyState::Stopping]);
}

/// Notifies at half the watchdog interval that the server is alive, as long as every worker responds; a server with a hanging
/// worker is restarted by the service manager.
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

/// The service manager's watchdog interval for this process.
pub(super) fn patience() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if HAS_LEFT.load(Ordering::Relaxed) {
        return;
    }
    // Does nothing if NOTIFY_SOCKET is not set.
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
