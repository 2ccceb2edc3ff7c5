//! A server whose configuration a test writes and changes.

use std::fs;
use std::path::PathBuf;

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;

use crate::support::{Server, show};

/// A server and its configuration file.
pub(crate) struct World {
    _folder: tempfile::TempDir,
    path: PathBuf,
    server: Server,
    generation: usize,
}

impl World {
    /// Starts a server with a configuration.
    pub(crate) fn serve(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("world.toml");
        fs::write(&path, config).unwrap();
        let server = Server::start(&["--config", path.to_str().unwrap()]);
        Self { _folder: folder, path, server, generation: 1 }
    }

    /// Replaces the configuration and waits until it is served.
    #[track_caller]
    pub(crate) fn change(&mut self, config: &str) {
        fs::write(&self.path, config).unwrap();
        self.generation += 1;
        self.server.signal("HUP");
        self.server.wait_for_log(&format!("reloaded generation={} ", self.generation));
    }

    /// Asks over UDP.
    #[track_caller]
    pub(crate) fn ask(&self, from: &str, name: &str, qtype: RecordType) -> Message {
        self.server.ask(from, name, qtype)
    }

    /// Asks over both transports, which must say the same; `expected` is as [`show`] has it.
    #[track_caller]
    pub(crate) fn check(&self, from: &str, name: &str, qtype: RecordType, expected: &[&str]) {
        assert_eq!(show(&self.server.ask(from, name, qtype)), expected, "{name} {qtype} from {from}");
        assert_eq!(show(&self.server.ask_tcp(from, name, qtype)), expected, "{name} {qtype} from {from} over TCP");
    }
}

/// A text with one part of it replaced, which must be there.
#[track_caller]
pub(crate) fn with(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} is not in {text}");
    text.replace(from, to)
}
