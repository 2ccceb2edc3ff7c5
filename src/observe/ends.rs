//! How a listener ends that operators and programs ask.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a listener heeds.
#[derive(Clone, Debug)]
pub struct Ends {
    /// Set when it is to end, with all its connections.
    pub stop: CancellationToken,
    /// Set when another process accepts in its place; connections are served to their end.
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
