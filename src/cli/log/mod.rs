//! Logs on standard error.

mod panics;
mod writer;

use std::io::{self, IsTerminal, Write};

use anyhow::Context;
use clap::{ArgAction, Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

pub(super) use panics::EXIT_SOFTWARE;
pub(super) use writer::LogWriter;

/// What is logged, and how.
#[derive(Debug, Args)]
pub(super) struct LogOptions {
    /// Log more: -v debug, -vv every query; RUST_LOG, if set, wins
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Form of the log on standard error
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

impl LogOptions {
    /// Sends events of the whole program, including panics, to standard error.
    pub(super) fn start(&self) -> anyhow::Result<LogWriter> {
        let level = match self.verbose {
            0 => LevelFilter::INFO,
            1 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        };
        // From libraries only errors are logged, unless RUST_LOG asks for more. Their warnings are about what strangers send, or,
        // in hickory-server, about each query and each broken connection: strangers could fill the log.
        let quiet = "h2=error,h3=error,hickory_net=error,hickory_proto=error,hickory_server=off,quinn=error,\
                     quinn_proto=error,quinn_udp=error,rustls=error";
        let default = format!("warn,{quiet},{}={level}", env!("CARGO_CRATE_NAME"));
        let from_environment = EnvFilter::try_from_default_env();
        let error = from_environment.as_ref().err().map(ToString::to_string);
        let misread = error.filter(|_| std::env::var_os("RUST_LOG").is_some());
        let filter = from_environment.unwrap_or_else(|_| EnvFilter::new(default));
        let writer = LogWriter::start(standard_error(), lost_line).context("cannot start the thread that logs")?;
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer.clone());
        match self.log_format {
            LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).init(),
            LogFormat::Json => log.json().flatten_event(true).init(),
        }
        panics::log_to(writer.clone());
        if let Some(error) = misread {
            tracing::warn!(error, "RUST_LOG is not understood and left alone");
        }
        Ok(writer)
    }
}

/// Standard error without the lock that other writers take, as a write may never return.
fn standard_error() -> Box<dyn Write + Send> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        if let Ok(own) = io::stderr().as_fd().try_clone_to_owned() {
            return Box::new(std::fs::File::from(own));
        }
    }
    Box::new(io::stderr())
}

fn lost_line(lost: u64) -> Vec<u8> {
    writer::line_of(|| tracing::warn!(lost, "log lines were lost: more came than could be written, or writing failed"))
}
