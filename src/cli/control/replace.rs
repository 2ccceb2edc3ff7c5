//! `vnetdns control replace`: starts this program with the running server's arguments, to take its place.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::cli::print;

/// Starts a process that takes the place of the server with this status, and waits until it serves or has failed with a message
/// on standard error. The process keeps running.
pub(super) fn replace(status: &Value, socket: &Path) -> anyhow::Result<ExitCode> {
    let arguments = status["arguments"].as_array();
    let arguments: Option<Vec<_>> = arguments.and_then(|all| all.iter().map(|argument| argument.as_str()).collect());
    let (Some(arguments), Some(folder)) = (arguments, status["folder"].as_str()) else {
        bail!("the running server does not say how it was started: restart it");
    };
    if has_standard_input(&arguments) {
        bail!("the server has its configuration from standard input: start serve --replace with it");
    }
    if arguments.iter().any(|argument| argument.contains(char::REPLACEMENT_CHARACTER)) {
        bail!("the arguments of the server are no text: start serve --replace with them");
    }
    let program = std::env::current_exe().context("this program does not know where it is")?;
    let mut command = Command::new(program);
    command.args(&arguments).current_dir(folder);
    if !arguments.contains(&"--replace") {
        command.arg("--replace");
    }
    // Signals for this command, such as that of Ctrl-C, must not reach the server.
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().context("the new process cannot be started")?;
    // Nothing is written there before it serves.
    let mut first = [0];
    let read = child.stdout.take().map_or(Ok(0), |mut output| output.read(&mut first));
    if read.unwrap_or(0) == 0 {
        let ended = child.wait().context("the new process is lost")?;
        bail!(
            "the new process has not started ({ended}), and has said why: the server at {} serves on",
            socket.display()
        );
    }
    let response = json!({ "ok": true, "schema": super::SCHEMA, "process": child.id(), "replaced": status["process"] });
    print(&format!("{response}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Whether a command line reads a file from standard input.
fn has_standard_input(arguments: &[&str]) -> bool {
    let follows = arguments.windows(2).any(|pair| matches!(pair, ["--config", "-"]));
    follows || arguments.contains(&"--config=-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_input_is_told_from_files() {
        assert!(has_standard_input(&["serve", "--config", "a.toml", "--config", "-"]));
        assert!(has_standard_input(&["serve", "--config=-"]));
        assert!(!has_standard_input(&["serve", "--config", "a.toml", "--state", "-"]));
    }
}
