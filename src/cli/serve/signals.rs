//! Signals to the server.

#[cfg(not(unix))]
pub(super) use other::{Signals, hold};
#[cfg(unix)]
pub(super) use unix::{Signals, hold};

#[cfg(unix)]
mod unix {
    use std::io;
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use nix::sys::signal::{SigSet, Signal as NixSignal};
    use tokio::signal::unix::{Signal, SignalKind, signal};
    use tokio::sync::oneshot;
    use tokio::time::{Instant, sleep_until};
    use tokio_util::sync::CancellationToken;

    use crate::cli::serve::{Reloads, notify, reload};

    /// While this exists, signals are kept pending: reading a configuration may take a while, and a signal at that time would end
    /// the process.
    pub(crate) struct Held(SigSet);

    /// Holds the signals that a server handles, except those that stop it, until [`Signals`] are installed.
    pub(crate) fn hold() -> Held {
        let signals: SigSet = [NixSignal::SIGHUP, NixSignal::SIGUSR1, NixSignal::SIGUSR2].into_iter().collect();
        let _ = signals.thread_block();
        Held(signals)
    }

    impl Drop for Held {
        fn drop(&mut self) {
            let _ = self.0.thread_unblock();
        }
    }

    /// How long a reload runs before the log says that it still does; doubled after each message.
    const SLOW: Duration = Duration::from_secs(5);

    /// A running reload.
    struct Running {
        /// Resolves at its end, with an error if it panicked.
        end: oneshot::Receiver<()>,
        start: Instant,
        /// The time after which the log says that it still runs.
        patience: Duration,
    }

    /// The signals that a server handles, except those that stop it.
    pub(crate) struct Signals {
        hangup: Signal,
        user: [Signal; 2],
    }

    impl Signals {
        /// Must be called within a runtime.
        pub(crate) fn install() -> io::Result<Self> {
            Ok(Self {
                hangup: signal(SignalKind::hangup())?,
                user: [signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?],
            })
        }

        /// From here on SIGTERM and SIGINT stop the server in order. Before, they end the process.
        pub(crate) fn with_stop(self) -> io::Result<StoppingSignals> {
            let terminate = signal(SignalKind::terminate())?;
            Ok(StoppingSignals { signals: self, terminate, interrupt: signal(SignalKind::interrupt())? })
        }
    }

    /// The signals that a server handles.
    pub(crate) struct StoppingSignals {
        signals: Signals,
        terminate: Signal,
        interrupt: Signal,
    }

    impl StoppingSignals {
        /// Reloads on SIGHUP, one reload at a time; returns when the server has to stop, even if a reload still runs.
        pub(crate) async fn handle(self, reloads: Arc<Reloads>, stop: &CancellationToken) {
            let Self { signals: Signals { mut hangup, user: [mut user_1, mut user_2] }, mut terminate, mut interrupt } =
                self;
            let mut running: Option<Running> = None;
            let mut asked_again = false;
            loop {
                tokio::select! {
                    _ = hangup.recv() => {
                        asked_again = true;
                        if running.is_some() {
                            tracing::info!("a reload is running: another one follows");
                        }
                    }
                    ended = async { running.as_mut().expect("checked").look().await }, if running.is_some() => {
                        running = None;
                        // A panic there is a bug, but the old data is still served.
                        if ended.is_err() {
                            tracing::error!("the reload failed, the old configuration is served on");
                        }
                    }
                    // Other servers use these signals for statistics or to reopen logs; by default they would end the process.
                    _ = user_1.recv() => ignored("SIGUSR1"),
                    _ = user_2.recv() => ignored("SIGUSR2"),
                    _ = terminate.recv() => break,
                    _ = interrupt.recv() => break,
                    // Requests of the control socket.
                    () = stop.cancelled() => break,
                }
                if asked_again && running.is_none() {
                    asked_again = false;
                    match Running::start(reloads.clone()) {
                        Ok(started) => running = Some(started),
                        Err(error) => tracing::error!(
                            %error,
                            help = "allow the process more threads and send SIGHUP again",
                            "a reload cannot start, the old configuration is served on"
                        ),
                    }
                }
            }
            tracing::info!("stopping");
            notify::stopping();
            stop.cancel();
        }
    }

    fn ignored(signal: &str) {
        tracing::info!(
            help = "SIGHUP loads the configuration again, SIGTERM stops the server",
            "{signal} does nothing here"
        );
    }

    impl Running {
        /// Starts one, in a thread of its own: the runtime's threads for blocking work panic if they cannot be started.
        fn start(reloads: Arc<Reloads>) -> io::Result<Self> {
            let (ended, end) = oneshot::channel();
            let run = move || {
                // The result is logged by the reload.
                let _ = reload(&reloads, false);
                let _ = ended.send(());
            };
            thread::Builder::new().name("reload".to_owned()).spawn(run)?;
            Ok(Self { end, start: Instant::now(), patience: SLOW })
        }

        /// Waits for its end, and logs if that takes long.
        async fn look(&mut self) -> Result<(), oneshot::error::RecvError> {
            loop {
                tokio::select! {
                    ended = &mut self.end => return ended,
                    () = sleep_until(self.start + self.patience) => {
                        let seconds = self.start.elapsed().as_secs();
                        tracing::warn!(seconds, "the reload is still running, the old configuration is served meanwhile");
                        self.patience *= 2;
                    }
                }
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::logged::Logged;

        #[tokio::test(start_paused = true)]
        async fn a_reload_that_takes_long_says_so_ever_more_seldom() {
            let logged = Logged::start();
            let (ended, end) = oneshot::channel();
            let mut running = Running { end, start: Instant::now(), patience: SLOW };
            // Runs alongside everything else.
            for _ in 0..3 {
                assert!(tokio::time::timeout(Duration::from_secs(15), running.look()).await.is_err());
            }
            let seconds: Vec<_> =
                logged.take().iter().map(|line| line.rsplit_once("seconds=").unwrap().1.to_owned()).collect();
            assert_eq!(seconds, ["5", "10", "20", "40"]);
            drop(ended);
            assert!(running.look().await.is_err());
        }
    }
}

#[cfg(not(unix))]
mod other {
    use std::io;
    use std::sync::Arc;

    use tokio_util::sync::CancellationToken;

    use crate::cli::serve::Reloads;

    /// There is nothing to hold on this system.
    pub(crate) struct Held;

    pub(crate) fn hold() -> Held {
        Held
    }

    /// Ctrl-C; this system has no signal for reloads.
    pub(crate) struct Signals;

    impl Signals {
        pub(crate) fn install() -> io::Result<Self> {
            Ok(Self)
        }

        pub(crate) fn with_stop(self) -> io::Result<Self> {
            Ok(self)
        }

        pub(crate) async fn handle(self, _: Arc<Reloads>, stop: &CancellationToken) {
            if let Err(error) = tokio::signal::ctrl_c().await {
                tracing::error!(%error, "cannot wait for Ctrl-C");
            }
            stop.cancel();
        }
    }
}
