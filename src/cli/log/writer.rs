//! A log writer that never blocks its callers: lines go into a bounded queue, and a thread writes them.
//!
//! Lines that do not fit the queue, or that the system does not accept, are dropped and counted; the count is logged as soon as
//! writing works again. So a full disk, a closed pipe or a stalled reader does not affect the server's threads.
//!
//! tracing-appender's non-blocking writer does less: its queue is bounded in lines, not octets; it does not count what a full
//! disk drops, and does not report it; and at its end it prints to standard output, which panics if that is closed.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use tracing_subscriber::fmt::MakeWriter;

/// Most lines in the queue.
const LINES: usize = 4096;
/// Most octets in the queue.
const OCTETS: usize = 1 << 20;
/// Least time between two reports of dropped lines.
const LOST_PACE: Duration = Duration::from_secs(5);
/// Pause before retrying an output in non-blocking mode that accepts nothing.
const BUSY_PAUSE: Duration = Duration::from_millis(10);
/// How long a server waits at its end for the last lines to be written.
pub(in crate::cli) const LAST_LINES: Duration = Duration::from_millis(200);

/// The sender of the queue.
#[derive(Clone, Debug)]
pub(in crate::cli) struct LogWriter {
    queue: SyncSender<Message>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Octets in the queue.
    waiting: AtomicUsize,
    /// Lines dropped since that was last logged.
    lost: AtomicU64,
    /// Lines dropped in all.
    lost_in_all: AtomicU64,
    is_serving: AtomicBool,
}

impl State {
    fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.lost_in_all.fetch_add(1, Ordering::Relaxed);
    }
}

impl Collector for LogWriter {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let lost = ConstCounter::new(self.state.lost_in_all.load(Ordering::Relaxed));
        let help = "Log lines that were lost: more came than could be written, or writing failed";
        lost.encode(encoder.encode_descriptor("lost_log_lines", help, None, lost.metric_type())?)
    }
}

/// A message to the writing thread.
type Rest = (Output<Box<dyn Write + Send>>, Receiver<Message>);

enum Message {
    Line(Box<[u8]>),
    /// Another thread continues; this is its way to the queue.
    Move(SyncSender<Rest>),
    /// Everything before it has to be written, and then this is dropped.
    Flush(#[expect(dead_code, reason = "its end is the message")] SyncSender<()>),
}

thread_local! {
    /// While a thread is in [`line_of`]: that line.
    static OWN_LINE: Cell<Option<Vec<u8>>> = const { Cell::new(None) };
}

impl LogWriter {
    /// Starts the thread that writes to `output`; `lost_line` formats the report of dropped lines.
    ///
    /// # Errors
    /// The system cannot start a thread.
    pub(super) fn start(output: impl Write + Send + 'static, lost_line: fn(u64) -> Vec<u8>) -> io::Result<Self> {
        let (queue, messages) = sync_channel(LINES);
        let state = Arc::new(State::default());
        let output: Box<dyn Write + Send> = Box::new(output);
        let output = Output { output, state: state.clone(), lost_line, last_lost: None, is_cut: false };
        start_thread((output, messages))?;
        Ok(Self { queue, state })
    }

    /// Moves writing to a new thread, which inherits the restrictions of the calling thread.
    ///
    /// # Errors
    /// The system cannot start a thread; nothing is logged any more then.
    pub(in crate::cli) fn move_here(&self) -> io::Result<()> {
        let (sender, rest) = sync_channel(1);
        let sent = self.queue.send(Message::Move(sender));
        let rest = sent.ok().and_then(|()| rest.recv().ok());
        rest.map_or_else(|| Err(io::ErrorKind::BrokenPipe.into()), start_thread)
    }

    /// From here on, the program waits at its end for the last lines at most [`LAST_LINES`]. A command that serves nobody may be
    /// held up by the program that reads its errors.
    pub(in crate::cli) fn set_serving(&self) {
        self.state.is_serving.store(true, Ordering::Relaxed);
    }

    /// Queues a line, or drops it.
    fn put(&self, line: &[u8]) {
        if let Some(mut own) = OWN_LINE.take() {
            own.extend_from_slice(line);
            OWN_LINE.set(Some(own));
            return;
        }
        if !self.try_put(line) {
            self.state.lose();
        }
    }

    fn try_put(&self, line: &[u8]) -> bool {
        let waiting = self.state.waiting.fetch_add(line.len(), Ordering::Relaxed);
        let is_taken = waiting + line.len() <= OCTETS && self.queue.try_send(Message::Line(line.into())).is_ok();
        if !is_taken {
            self.state.waiting.fetch_sub(line.len(), Ordering::Relaxed);
        }
        is_taken
    }

    /// Ends the log with a text that is not an event, and waits until everything is written: without a limit, or, once the
    /// program serves, at most [`LAST_LINES`].
    pub(in crate::cli) fn finish(&self, last: &str) {
        let start = Instant::now();
        let has_time = || !self.state.is_serving.load(Ordering::Relaxed) || start.elapsed() < LAST_LINES;
        for line in last.split_inclusive('\n') {
            while !self.try_put(line.as_bytes()) {
                if !has_time() {
                    return;
                }
                thread::sleep(Duration::from_millis(1));
            }
        }
        let (flushed, is_flushed) = sync_channel(0);
        let mut message = Message::Flush(flushed);
        while let Err(refused) = self.queue.try_send(message) {
            let (TrySendError::Full(again) | TrySendError::Disconnected(again)) = refused;
            if !has_time() {
                return;
            }
            message = again;
            thread::sleep(Duration::from_millis(1));
        }
        while has_time() && is_flushed.recv_timeout(LAST_LINES) == Err(RecvTimeoutError::Timeout) {}
    }
}

fn start_thread((mut output, messages): Rest) -> io::Result<()> {
    let write = move || {
        block_signals();
        loop {
            // A panic costs a line.
            if let Ok(next) = catch_unwind(AssertUnwindSafe(|| output.write_all(&messages))) {
                if let Some(next) = next {
                    let _ = next.send((output, messages));
                }
                return;
            }
        }
    };
    thread::Builder::new().name("log".to_owned()).spawn(write).map(|_| ())
}

impl Write for &LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

/// The output.
struct Output<W> {
    output: W,
    state: Arc<State>,
    lost_line: fn(u64) -> Vec<u8>,
    /// When dropped lines were last reported.
    last_lost: Option<Instant>,
    /// Whether only a part of the last line was written.
    is_cut: bool,
}

impl<W: Write> Output<W> {
    /// Writes until the queue is closed, or another thread continues.
    fn write_all(&mut self, messages: &Receiver<Message>) -> Option<SyncSender<Rest>> {
        loop {
            let message = if self.state.lost.load(Ordering::Relaxed) > 0 {
                messages.recv_timeout(LOST_PACE)
            } else {
                messages.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match message {
                Ok(Message::Line(line)) => {
                    let is_written = self.write(&line);
                    self.state.waiting.fetch_sub(line.len(), Ordering::Relaxed);
                    if !is_written {
                        self.state.lose();
                    } else if self.last_lost.is_none_or(|last| last.elapsed() >= LOST_PACE) {
                        self.log_lost();
                    }
                }
                Ok(Message::Move(next)) => return Some(next),
                Ok(Message::Flush(_)) | Err(RecvTimeoutError::Timeout) => self.log_lost(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Reports dropped lines, if any.
    fn log_lost(&mut self) {
        let lost = self.state.lost.swap(0, Ordering::Relaxed);
        if lost == 0 {
            return;
        }
        let line = (self.lost_line)(lost);
        if self.write(&line) {
            self.last_lost = Some(Instant::now());
        } else {
            self.state.lost.fetch_add(lost, Ordering::Relaxed);
        }
    }

    /// Writes a line, and returns whether that worked; waits as long as the output does.
    fn write(&mut self, line: &[u8]) -> bool {
        // The rest of a line that was cut must not spoil this one.
        let start: &[u8] = if self.is_cut { b"\n" } else { b"" };
        for mut octets in [start, line] {
            while !octets.is_empty() {
                match self.output.write(octets) {
                    Ok(0) => return false,
                    Ok(written) => {
                        octets = &octets[written..];
                        self.is_cut = true;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(BUSY_PAUSE),
                    Err(_) => return false,
                }
            }
        }
        self.is_cut = false;
        true
    }
}

/// Formats an event as a line, without queueing it.
pub(super) fn line_of(log: impl FnOnce()) -> Vec<u8> {
    OWN_LINE.set(Some(Vec::new()));
    log();
    OWN_LINE.take().unwrap_or_default()
}

/// Blocks signals that a write may cause, so that it fails instead: SIGXFSZ, if the log has reached the largest size of a file,
/// would end the process, and SIGTTOU, from a terminal, would stop it.
fn block_signals() {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::signal::{SigSet, Signal};
        let signals: SigSet = [Signal::SIGXFSZ, Signal::SIGTTOU].into_iter().collect();
        let _ = signals.thread_block();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// An output that a test can stop, fill up and look at.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<DiskState>>);

    #[derive(Default)]
    struct DiskState {
        written: Vec<u8>,
        room: usize,
    }

    impl Disk {
        fn with_room(room: usize) -> Self {
            let disk = Self::default();
            disk.make_room(room);
            disk
        }

        fn make_room(&self, room: usize) {
            self.0.lock().unwrap().room = room;
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().written.clone()).unwrap()
        }
    }

    impl Write for Disk {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.lock().unwrap();
            let len = octets.len().min(disk.room);
            if len == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.room -= len;
            disk.written.extend_from_slice(&octets[..len]);
            Ok(len)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn start(output: impl Write + Send + 'static) -> LogWriter {
        LogWriter::start(output, |lost| format!("lost={lost}\n").into_bytes()).unwrap()
    }

    #[test]
    fn a_full_disk_loses_lines_and_says_how_many_when_it_has_room_again() {
        let disk = Disk::with_room(10);
        let log = start(disk.clone());
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            log.put(line.as_bytes());
        }
        log.finish("");
        assert_eq!(disk.text(), "one\ntwo\nth");
        disk.make_room(1000);
        log.put(b"five\n");
        log.finish("");
        assert_eq!(disk.text(), "one\ntwo\nth\nfive\nlost=2\n");
    }

    /// An output that takes nothing while somebody holds the other end.
    struct Stalled(Receiver<()>, Disk);

    impl Write for Stalled {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stalled_reader_costs_lines_beyond_the_bounds_and_nobody_waits_for_it() {
        let (stall, stalled) = sync_channel(0);
        let disk = Disk::with_room(usize::MAX);
        let log = start(Stalled(stalled, disk.clone()));
        log.set_serving();
        let line = [&[b'x'; 999][..], b"\n"].concat();
        for _ in 0..3000 {
            log.put(&line);
        }
        assert!(log.state.waiting.load(Ordering::Relaxed) <= OCTETS);
        let lost = 3000 - OCTETS / line.len();
        assert_eq!(log.state.lost.load(Ordering::Relaxed), lost as u64);
        let start = Instant::now();
        log.finish("the end\n");
        assert!(start.elapsed() >= LAST_LINES);
        assert_eq!(disk.text(), "");
        drop(stall);
        // Whoever has time finds all that was queued, and the count of what was not.
        log.state.is_serving.store(false, Ordering::Relaxed);
        log.finish("");
        let text = disk.text();
        assert_eq!(text.matches("xxx\n").count(), 3000 - lost);
        assert!(text.contains(&format!("\nlost={lost}\n")), "{text}");
    }

    #[test]
    fn an_output_that_does_not_block_is_tried_again() {
        struct Busy(Disk, bool);
        impl Write for Busy {
            fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
                self.1 = !self.1;
                if self.1 { Err(io::ErrorKind::WouldBlock.into()) } else { self.0.write(&octets[..1]) }
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let disk = Disk::with_room(usize::MAX);
        let log = start(Busy(disk.clone(), false));
        log.put(b"one\n");
        log.finish("two\nthree");
        assert_eq!(disk.text(), "one\ntwo\nthree");
    }
}
