//! The old process's side: handing over to the process that takes its place.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::unistd::geteuid;
use tokio::runtime::Handle;

use super::{Answers, Offer, Offered, Reply, SCHEMA, Secrets, Wants, receive_line, send_descriptors, send_line};
use crate::cli::serve::notify;
use crate::control::{Control, Writer};
use crate::management::made;
use crate::observe::Ends;
use crate::page::Pages;
use crate::server::{Given, Listeners, Place, QuicKeys};

/// How long the new process may take from the release of the state to its first answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the new process may take to compile, while this one accepts writes.
const COMPILING: Duration = Duration::from_secs(600);
/// How long the new process may take to notify the service manager.
const LAST_WORD: Duration = Duration::from_secs(5);
/// How often connections are checked for having ended.
const LOOK: Duration = Duration::from_millis(20);

/// Everything that another process can take over.
#[derive(Debug)]
pub(in crate::cli::serve) struct Handover {
    pub(in crate::cli::serve) control: Arc<Control>,
    pub(in crate::cli::serve) writer: Option<Writer>,
    pub(in crate::cli::serve) listeners: Arc<Listeners>,
    /// Sockets that do not carry DNS.
    pub(in crate::cli::serve) others: Vec<(Place, OwnedFd)>,
    pub(in crate::cli::serve) pages: Option<Arc<Pages>>,
    pub(in crate::cli::serve) ends: Ends,
    pub(in crate::cli::serve) quic: QuicKeys,
    pub(in crate::cli::serve) watchdog: Option<Duration>,
    pub(in crate::cli::serve) runtime: Handle,
    pub(in crate::cli::serve) is_busy: AtomicBool,
}

impl Handover {
    /// Hands over to the process behind a connection. Returns when that has taken over and all connections here have ended, or
    /// when it failed and this process continues. Not to be called on a thread of the runtime.
    pub(in crate::cli::serve) fn carry_out(
        &self,
        stream: &UnixStream,
        control_socket: OwnedFd,
        is_given: &AtomicBool,
        later: bool,
    ) {
        if self.is_busy.swap(true, Ordering::Relaxed) {
            let error = Some("another process is replacing it already".to_owned());
            let _ = send_line(stream, &Reply { ok: false, error, page: None });
            return;
        }
        tracing::info!("another process is to take over");
        let answers = match self.offer(stream, control_socket, later) {
            Ok(answers) => answers,
            Err(error) => {
                if let Some(writer) = &self.writer
                    && let Err(error) = writer.take_back(made)
                {
                    tracing::error!("not all of the state is served: {error}");
                }
                self.is_busy.store(false, Ordering::Relaxed);
                tracing::error!("the other process cannot take over, and this one serves on: {error:#}");
                return;
            }
        };
        // The point of no return: both processes answer already.
        is_given.store(true, Ordering::Relaxed);
        notify::leave(answers.process);
        self.ends.released.cancel();
        let is_taken = |number| answers.taken.contains(&number);
        self.listeners.release(is_taken);
        let page = self.pages.as_ref().map(|pages| pages.hand_over());
        let told = send_line(stream, &Reply { page, ..Reply::DONE });
        self.runtime.block_on(self.listeners.quic_has_ended());
        let told = told.and_then(|()| send_line(stream, &Reply::DONE));
        let start = Instant::now();
        tracing::info!(
            process = answers.process,
            "another process has taken over: connections are served to their end"
        );
        if told.is_ok() {
            let _ = stream.set_read_timeout(Some(LAST_WORD));
            // Closing the connection is its last message.
            let _ = receive_line::<Reply>(stream);
        }
        let grace = self.control.settings().tcp_idle_timeout;
        while start.elapsed() < grace
            && !(self.listeners.are_idle() && self.ends.connections.is_empty())
            && !self.ends.stop.is_cancelled()
        {
            thread::sleep(LOOK);
        }
        self.ends.stop.cancel();
    }

    /// Sends the offer, and waits until the other process answers. The state is released at once, or `later` when it is asked for.
    fn offer(&self, stream: &UnixStream, control_socket: OwnedFd, later: bool) -> anyhow::Result<Answers> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let given = self.listeners.share().context("its sockets cannot be shared")?;
        let sockets = given.iter().map(|Given { place, descriptors }| (place.clone(), descriptors.len()));
        let others = self.others.iter().map(|(place, _)| (place.clone(), 1));
        let sockets = sockets.chain(others).chain([(Place::other("control", ""), 1)]);
        let offer = Offer {
            schema: SCHEMA.to_owned(),
            process: std::process::id(),
            user: geteuid().as_raw(),
            watchdog: self.watchdog.and_then(|watchdog| u64::try_from(watchdog.as_micros()).ok()),
            sockets: sockets.map(|(place, descriptors)| Offered { place, descriptors }).collect(),
            later,
        };
        let release = || self.writer.iter().for_each(Writer::release);
        if !later {
            release();
        }
        send_line(stream, &offer)?;
        let descriptors = given.iter().flat_map(|given| given.descriptors.iter());
        let descriptors = descriptors.chain(self.others.iter().map(|(_, other)| other)).chain([&control_socket]);
        let descriptors: Vec<_> = descriptors.map(AsFd::as_fd).collect();
        send_descriptors(stream, &descriptors)?;
        Secrets { cookies: self.control.cookie_secret().signing(), quic: self.quic.clone() }.send(stream)?;
        drop(given);
        if later {
            stream.set_read_timeout(Some(COMPILING))?;
            let Wants { .. } = receive_line(stream)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            release();
            send_line(stream, &Reply::DONE)?;
        }
        receive_line(stream)
    }
}
