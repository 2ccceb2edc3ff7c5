//! Reads regular files only: a device may be endless, and a pipe without a writer or a file of the system may block.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use crate::sandbox;

/// Maximum octets of a file whose size is reported as zero, as in /proc.
const MAX_UNSAID: u64 = 1 << 20;

/// A regular file, open for reading.
#[derive(Debug)]
pub(super) struct RegularFile {
    file: File,
    metadata: Metadata,
}

impl RegularFile {
    /// Opens a file without blocking, whatever the path names, even if that changes meanwhile.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // Opening a device can have side effects, so it is not even tried.
        check(&fs::metadata(path)?)?;
        let mut options = OpenOptions::new();
        options.read(true);
        #[cfg(target_os = "linux")]
        {
            use std::os::unix::fs::OpenOptionsExt;
            // Opening a pipe without a writer would block.
            options.custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY);
        }
        let file = options.open(path)?;
        // The path may name another file by now.
        let metadata = file.metadata()?;
        check(&metadata)?;
        sandbox::note(path);
        Ok(Self { file, metadata })
    }

    /// The file's metadata.
    pub(super) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Reads the whole file, at most `most` octets.
    pub(super) fn read(self, most: u64) -> io::Result<Vec<u8>> {
        let len = self.metadata.len();
        let bound = if len == 0 { MAX_UNSAID.min(most) } else { most };
        let mut octets = Vec::new();
        octets.try_reserve_exact(len.min(bound) as usize + 1)?;
        self.file.take(bound + 1).read_to_end(&mut octets).map_err(not_regular)?;
        if octets.len() as u64 > bound {
            return Err(match bound < most {
                true => io::Error::new(io::ErrorKind::InvalidInput, "a file of size 0 that does not end"),
                false => io::Error::new(io::ErrorKind::FileTooLarge, "too large"),
            });
        }
        Ok(octets)
    }

    /// Fills `room` from the file, and returns the number of octets. They are in no other buffer.
    pub(super) fn read_into(mut self, mut room: &mut [u8]) -> io::Result<usize> {
        let whole = room.len();
        while !room.is_empty() {
            match self.file.read(room) {
                Ok(0) => break,
                Ok(len) => room = &mut room[len..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(not_regular(error)),
            }
        }
        Ok(whole - room.len())
    }
}

fn check(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(())
}

/// A file that would block is not regular, whatever its metadata says.
fn not_regular(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => {
            io::Error::new(io::ErrorKind::InvalidInput, "not a regular file: whoever reads it waits")
        }
        _ => error,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(path: &Path, most: u64) -> Result<usize, String> {
        let octets = RegularFile::open(path).and_then(|file| file.read(most));
        octets.map(|octets| octets.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_no_regular_file_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let socket = folder.path().join("socket");
        let _bound = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for path in [&pipe, &socket, Path::new("/dev/zero"), Path::new("/dev/null")] {
            let error = read(path, 100).unwrap_err();
            assert!(error == "not a regular file", "{}: {error}", path.display());
        }
        assert!(read(folder.path(), 100).unwrap_err().contains("directory"));
    }

    #[test]
    fn a_pipe_that_takes_the_place_of_a_file_is_seen_when_it_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let (path, pipe) = (folder.path().join("file"), folder.path().join("pipe"));
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let new = folder.path().join("new");
                    fs::write(&new, "text").unwrap();
                    fs::rename(&new, &path).unwrap();
                    let link = folder.path().join("link");
                    std::os::unix::fs::symlink(&pipe, &link).unwrap();
                    fs::rename(&link, &path).unwrap();
                }
            });
            for _ in 0..2000 {
                match read(&path, 100) {
                    Ok(len) => assert_eq!(len, 4),
                    Err(error) => assert!(error == "not a regular file" || error.contains("No such file"), "{error}"),
                }
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }

    #[test]
    fn a_file_is_read_to_its_bound() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&[b'x'; 100]).unwrap();
        assert_eq!(read(file.path(), 100), Ok(100));
        assert_eq!(read(file.path(), 99), Err("too large".to_owned()));
        assert_eq!(read(Path::new("/proc/self/status"), 1 << 20).map(|len| len > 0), Ok(true));
        // A file of the system that says nothing of its size, and has some megabytes.
        assert_eq!(fs::metadata("/proc/kallsyms").unwrap().len(), 0);
        let endless = Err("a file of size 0 that does not end".to_owned());
        if fs::read("/proc/kallsyms").is_ok_and(|octets| octets.len() as u64 > MAX_UNSAID) {
            assert_eq!(read(Path::new("/proc/kallsyms"), 1 << 30), endless);
        }
        let read_into = |room: &mut [u8]| RegularFile::open(file.path()).unwrap().read_into(room).unwrap();
        assert_eq!((read_into(&mut [0; 101]), read_into(&mut [0; 7])), (100, 7));
    }
}
