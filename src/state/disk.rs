//! A simulated disk for tests: it loses writes and refuses operations on demand.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use redb::{BackendError, Builder, StorageBackend};

use super::{OpenError, Store};

/// A disk that may lose writes since the last flush when the power is cut, and that can refuse operations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Mutex<Platter>>);

#[derive(Debug, Default)]
struct Platter {
    now: Vec<u8>,
    flushed: Vec<u8>,
    /// Since the last flush.
    writes: Vec<Write>,
    operations: usize,
    /// Every operation from this one on is refused.
    refuses_from: Option<usize>,
}

#[derive(Clone, Debug)]
enum Write {
    At(usize, Vec<u8>),
    Length(usize),
}

impl Write {
    fn on(&self, octets: &mut Vec<u8>) {
        match self {
            Self::Length(length) => octets.resize(*length, 0),
            Self::At(at, data) => {
                octets.resize(octets.len().max(at + data.len()), 0);
                octets[*at..at + data.len()].copy_from_slice(data);
            }
        }
    }
}

impl Platter {
    fn operate(&mut self) -> Result<(), BackendError> {
        self.operations += 1;
        match self.refuses_from {
            Some(from) if self.operations > from => Err(io::Error::from(io::ErrorKind::StorageFull).into()),
            _ => Ok(()),
        }
    }

    fn write(&mut self, write: Write) -> Result<(), BackendError> {
        self.operate()?;
        write.on(&mut self.now);
        self.writes.push(write);
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.0.lock().unwrap().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let at = usize::try_from(offset).unwrap();
        let platter = self.0.lock().unwrap();
        out.copy_from_slice(platter.now.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), io::Error> {
        self.0.lock().unwrap().write(Write::Length(usize::try_from(length).unwrap())).map_err(io_error)
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        let mut platter = self.0.lock().unwrap();
        platter.operate().map_err(io_error)?;
        platter.flushed = platter.now.clone();
        platter.writes.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.0.lock().unwrap().write(Write::At(usize::try_from(offset).unwrap(), data.to_vec())).map_err(io_error)
    }
}

fn io_error(error: BackendError) -> io::Error {
    match error {
        BackendError::Io(error) => error,
        _ => io::Error::other("refused"),
    }
}

impl Disk {
    /// Opens the state on it.
    pub(crate) fn open(&self) -> Result<Store, OpenError> {
        let disk = self.clone();
        Store::with(Path::new("a disk"), move || {
            Builder::new().set_cache_size(1 << 20).create_with_backend(disk.clone())
        })
    }

    /// The disk after a power cut: what was flushed, and those later writes that `kept` selects.
    pub(crate) fn after_power_cut(&self, kept: impl Fn(usize) -> bool) -> Self {
        let platter = self.0.lock().unwrap();
        let mut octets = platter.flushed.clone();
        let writes = platter.writes.iter().enumerate().filter(|(at, _)| kept(*at));
        writes.for_each(|(_, write)| write.on(&mut octets));
        Self(Arc::new(Mutex::new(Platter { now: octets.clone(), flushed: octets, ..Platter::default() })))
    }

    /// Counts operations from now on, and refuses those from `operation` on.
    pub(crate) fn refuse_from(&self, operation: Option<usize>) {
        let mut platter = self.0.lock().unwrap();
        platter.operations = 0;
        platter.refuses_from = operation;
    }
}
