//! The thread that writes frames.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rtrb::Consumer;

use super::State;
use super::frames::Control;
use super::message::Identity;
use super::record::Record;
use crate::config::DnstapSettings;
use crate::observe::{Condition, Metrics};

/// How long the writer sleeps if all rings are empty.
const PAUSE: Duration = Duration::from_millis(20);
/// How long after a failure the output is opened again.
const RETRY: Duration = Duration::from_secs(1);
/// How long one call may wait for the reader before the writer checks for shutdown.
const WAIT: Duration = Duration::from_millis(200);
/// How long a reader may take to answer a handshake.
const HANDSHAKE: Duration = Duration::from_secs(2);
/// Octets after which a batch is written.
const BATCH: usize = 1 << 18;
/// Subject of the condition of a server whose frames cannot be written.
const ABOUT: &str = "dnstap";

/// See the module.
pub(super) struct Writer {
    output: DnstapSettings,
    identity: Identity,
    state: Arc<State>,
    metrics: Arc<Metrics>,
    rings: Vec<Consumer<u8>>,
    /// The ring that is served first, so that a busy ring does not delay the others.
    turn: usize,
    /// Encoded frames, and their number.
    octets: Vec<u8>,
    frames: u64,
    record: Vec<u8>,
    /// Whether the current failure has been logged.
    is_told: bool,
}

/// An open output.
enum Open {
    #[cfg(unix)]
    Socket(UnixStream),
    /// A file, and the length of its complete part.
    File(File, u64),
}

impl Writer {
    pub(super) fn new(output: DnstapSettings, identity: Identity, state: Arc<State>, metrics: Arc<Metrics>) -> Self {
        let (rings, octets, record) = (Vec::new(), Vec::new(), Vec::new());
        Self { output, identity, state, metrics, rings, turn: 0, octets, frames: 0, record, is_told: false }
    }

    /// Writes until it is stopped and everything is written.
    pub(super) fn run(mut self) {
        let (mut open, mut tried): (Option<Open>, Option<Instant>) = (None, None);
        loop {
            let is_stop = self.state.stop.load(Ordering::Acquire);
            if open.is_none() && tried.is_none_or(|tried| !is_stop && tried.elapsed() >= RETRY) {
                tried = Some(Instant::now());
                open = self.open();
            }
            let Some(output) = &mut open else {
                if is_stop {
                    return;
                }
                thread::park_timeout(PAUSE);
                continue;
            };
            if self.collect() {
                if let Err(error) = self.write(output) {
                    self.failed(&error);
                    if !output.mend(&self.state) {
                        open = None;
                    }
                }
                continue;
            }
            if is_stop {
                self.close(output);
                return;
            }
            if output.is_closed() {
                self.failed(&io::ErrorKind::ConnectionAborted.into());
                open = None;
                continue;
            }
            thread::park_timeout(PAUSE);
        }
    }

    /// Encodes a batch from the rings; `false` if they are empty.
    fn collect(&mut self) -> bool {
        self.rings.append(&mut self.state.new.lock().unwrap_or_else(PoisonError::into_inner));
        self.rings.retain(|ring| !(ring.is_abandoned() && ring.is_empty()));
        self.octets.clear();
        self.frames = 0;
        let count = self.rings.len();
        for at in 0..count {
            let at = (self.turn + at) % count;
            while self.octets.len() < BATCH
                && let Some(record) = Record::pop(&mut self.rings[at], &mut self.record)
            {
                self.frames += self.identity.push_frames(&record, &mut self.octets);
            }
        }
        self.turn = self.turn.wrapping_add(1);
        self.frames > 0
    }

    fn write(&mut self, output: &mut Open) -> io::Result<()> {
        if let (Open::File(file, whole), DnstapSettings::File { path, most_octets }) = (&mut *output, &self.output)
            && *whole + self.octets.len() as u64 > *most_octets
        {
            let mut end = Vec::new();
            Control::Stop.push(&mut end);
            let _ = file.write_all(&end);
            *output = open_file(path)?;
        }
        output.write(&self.octets, &self.state)?;
        self.state.written.fetch_add(self.frames, Ordering::Relaxed);
        self.well();
        Ok(())
    }

    fn open(&mut self) -> Option<Open> {
        let opened = match &self.output {
            #[cfg(unix)]
            DnstapSettings::Socket(path) => open_socket(path),
            #[cfg(not(unix))]
            DnstapSettings::Socket(_) => Err(io::ErrorKind::Unsupported.into()),
            DnstapSettings::File { path, .. } => open_file(path),
        };
        match opened {
            Ok(open) => {
                tracing::info!(to = %self.output.path().display(), "dnstap frames are written");
                self.well();
                Some(open)
            }
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }

    fn close(&mut self, output: &mut Open) {
        let mut end = Vec::new();
        Control::Stop.push(&mut end);
        if output.write(&end, &self.state).is_ok() {
            match output {
                #[cfg(unix)]
                Open::Socket(stream) => {
                    let _ = stream.set_read_timeout(Some(WAIT));
                    let _ = Control::Finish.expect(stream);
                }
                Open::File(file, _) => _ = file.sync_all(),
            }
        }
    }

    /// Counts what could not be written, and logs a failure once.
    fn failed(&mut self, error: &io::Error) {
        self.state.unwritten.fetch_add(std::mem::take(&mut self.frames), Ordering::Relaxed);
        let to = self.output.path().display();
        if !std::mem::replace(&mut self.is_told, true) {
            tracing::warn!(%to, %error, "dnstap frames are lost: writing fails, and is tried again each second");
        }
        self.metrics.health().set(ABOUT, Condition::Degraded(format!("frames are not written to {to}: {error}")));
    }

    fn well(&mut self) {
        if std::mem::take(&mut self.is_told) {
            self.metrics.health().clear(ABOUT);
        }
    }
}

impl Open {
    /// Writes everything, however slow the reader is, until the server stops.
    fn write(&mut self, mut octets: &[u8], state: &State) -> io::Result<()> {
        let len = octets.len() as u64;
        while !octets.is_empty() {
            let written = match self {
                #[cfg(unix)]
                Self::Socket(stream) => stream.write(octets),
                Self::File(file, _) => file.write(octets),
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => octets = &octets[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
                        && !state.stop.load(Ordering::Acquire) => {}
                Err(error) => return Err(error),
            }
        }
        if let Self::File(_, whole) = self {
            *whole += len;
        }
        Ok(())
    }

    /// Removes a partial write; `false` if the output must be opened again.
    fn mend(&mut self, state: &State) -> bool {
        match self {
            #[cfg(unix)]
            Self::Socket(_) => false,
            Self::File(file, whole) => {
                let is_mended = file.set_len(*whole).and_then(|()| file.seek(SeekFrom::Start(*whole))).is_ok();
                // After a failure, a full disk is tried again after a pause.
                let since = Instant::now();
                while since.elapsed() < RETRY && !state.stop.load(Ordering::Acquire) {
                    thread::park_timeout(RETRY);
                }
                is_mended
            }
        }
    }

    /// Whether the reader is gone: it sends nothing else within a stream.
    fn is_closed(&mut self) -> bool {
        match self {
            #[cfg(unix)]
            Self::Socket(stream) => {
                use std::io::Read;
                let _ = stream.set_nonblocking(true);
                let said = stream.read(&mut [0; 64]);
                let _ = stream.set_nonblocking(false);
                said.is_ok() || said.is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock)
            }
            Self::File(..) => false,
        }
    }
}

#[cfg(unix)]
fn open_socket(path: &Path) -> io::Result<Open> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_write_timeout(Some(WAIT))?;
    stream.set_read_timeout(Some(HANDSHAKE))?;
    let mut octets = Vec::new();
    Control::Ready.push(&mut octets);
    stream.write_all(&octets)?;
    Control::Accept.expect(&mut stream)?;
    octets.clear();
    Control::Start.push(&mut octets);
    stream.write_all(&octets)?;
    Ok(Open::Socket(stream))
}

/// Opens a new file; an existing one is renamed, since frames cannot be appended to an ended stream.
fn open_file(path: &Path) -> io::Result<Open> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_file() => fs::rename(path, old(path))?,
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "what is there is no regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let mut octets = Vec::new();
    Control::Start.push(&mut octets);
    file.write_all(&octets)?;
    Ok(Open::File(file, octets.len() as u64))
}

fn old(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".old");
    name.into()
}
