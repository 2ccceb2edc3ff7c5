//! Time limits of connections.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;

/// How long a listener or a connection may be silent during a shutdown.
pub(super) const DRAIN_SILENCE: Duration = Duration::from_millis(100);

/// The time limit of a connection: it ends when the client has sent no whole message, or read nothing, for the idle time-out;
/// much earlier during a shutdown.
pub(in crate::server) struct Patience {
    time_out: Duration,
    timer: Pin<Box<Sleep>>,
    stop: CancellationToken,
    is_stopping: bool,
}

impl Patience {
    pub(super) fn new(time_out: Duration, stop: CancellationToken) -> Self {
        Self { time_out, timer: Box::pin(sleep(time_out)), stop, is_stopping: false }
    }

    /// Restarts the time-out.
    pub(in crate::server) fn renew(&mut self) {
        self.timer.as_mut().reset(Instant::now() + self.time_out);
    }

    /// Waits for the time-out.
    pub(in crate::server) async fn end(&mut self) {
        if !self.is_stopping {
            tokio::select! {
                () = self.timer.as_mut() => return,
                () = self.stop.cancelled() => {}
            }
            self.is_stopping = true;
            self.time_out = DRAIN_SILENCE;
            self.renew();
        }
        self.timer.as_mut().await;
    }
}
