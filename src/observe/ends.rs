//! Shutdown of the listeners for operators and programs.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What ends a listener.
#[derive(Clone, Debug)]
pub struct Ends {
    /// Cancelled when the listener and all its connections must end.
    pub stop: CancellationToken,
    /// Cancelled when another process accepts in place of this one; connections are served until they end.
    pub released: CancellationToken,
    /// Its connections.
    pub connections: TaskTracker,
}

impl Default for Ends {
    fn default() -> Self {
        let connections = TaskTracker::new();
        Self { stop: CancellationToken::new(), released: CancellationToken::new(), connections }
    }
}
