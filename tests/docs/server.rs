//! The server of a page.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_vnetdns");

/// A server on ports of its own, which ends when it is dropped.
pub(crate) struct Serving {
    child: Child,
    /// The port over IPv4.
    pub(crate) port: u16,
    /// What it printed, as if its port were 5300.
    pub(crate) welcome: String,
}

impl Serving {
    #[track_caller]
    pub(crate) fn start(folder: &Path, arguments: &[String]) -> Self {
        let mut child = Command::new(PROGRAM)
            .arg("serve")
            .args(arguments)
            .args(["--listen", "127.0.0.1:0", "--listen", "[::1]:0"])
            .current_dir(folder)
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut welcome: Vec<String> = lines.by_ref().take(2).collect();
        let ports: Vec<String> = welcome[1].split([' ', ',']).filter_map(port).collect();
        // Where networks can be played from this host, commands are suggested: three for the default lab.
        if welcome[0].contains("the default lab") {
            welcome.extend(lines.take(5));
        } else if arguments.iter().any(|argument| argument == "--loopback") {
            welcome.extend(lines.take(2));
        }
        let text = ports.iter().fold(welcome.join("\n"), |text, port| text.replace(port.as_str(), "5300"));
        Self { child, port: ports[0].parse().unwrap(), welcome: text }
    }
}

/// The port of an address of a socket.
fn port(word: &str) -> Option<String> {
    let (_, port) = word.rsplit_once(':')?;
    port.parse::<u16>().ok().map(|port| port.to_string())
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
