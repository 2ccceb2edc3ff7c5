//! The command line.

mod catalogue;
mod certificate;
mod check;
mod clients;
mod completions;
mod config_option;
#[cfg(unix)]
mod control;
mod diff;
mod dig;
mod explain;
mod findings;
mod forwarders;
mod health;
mod import;
mod init;
mod lab;
mod log;
mod manual;
mod matrix;
#[cfg(unix)]
mod page;
mod resource;
mod resources;
mod serve;
mod state;
mod table;
mod test;
mod worlds;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::Problems;

/// An authoritative private DNS server that answers as Azure Private DNS does: by the asking virtual network.
#[derive(Debug, Parser)]
#[command(
    version,
    arg_required_else_help = true,
    after_help = "\
Examples:
  vnetdns init                                    write a starter topology, vnetdns.toml
  vnetdns import state.json --output vnetdns.toml make a topology of what you have
  vnetdns serve                                   answer for vnetdns.toml, or for the default lab, on port 5300
  vnetdns check config/lab.toml                   list everything that is wrong or doubtful
  vnetdns explain --from 10.1.0.4 NAME            say why that client gets which answer"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    log: log::LogOptions,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Init),
    Import(import::ImportCommand),
    Serve(serve::Serve),
    Check(check::Check),
    Explain(explain::Explain),
    Matrix(matrix::Matrix),
    Diff(diff::Diff),
    Test(test::Test),
    Catalogue(catalogue::CatalogueCommand),
    Forwarders(forwarders::Forwarders),
    Clients(clients::Clients),
    Resource(resource::Resource),
    Resources(resources::Resources),
    Certificate(certificate::Certificate),
    State(state::StateCommand),
    #[cfg(unix)]
    Control(control::Control),
    #[cfg(unix)]
    Page(page::PageCommand),
    Health(health::Health),
    Completions(completions::Completions),
    Man(manual::Manual),
}

/// The error of a command whose exit code 1 is an answer.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
struct NoAnswer(anyhow::Error);

/// The exit code if there is no answer, as for invalid arguments.
const NO_ANSWER: u8 = 2;

/// Runs the command in the arguments, reports on standard error what prevented it, and returns the exit code: 1 if it could not
/// run, 2 for invalid arguments, 70 after a panic. docs/operations.md lists all.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let log = match cli.log.start() {
        Ok(log) => log,
        Err(error) => {
            // The only output to standard error outside of the log: the log could not be started.
            let _ = write!(std::io::stderr(), "{}", shown(&error));
            return ExitCode::FAILURE;
        }
    };
    let command = || match cli.command {
        Command::Init(init) => init.run(),
        Command::Import(import) => import.run(),
        Command::Serve(serve) => serve.run(&log),
        Command::Check(check) => check.run(),
        Command::Explain(explain) => explain.run(),
        Command::Matrix(matrix) => matrix.run(),
        Command::Diff(diff) => diff.run(),
        Command::Test(test) => test.run(),
        Command::Catalogue(catalogue) => catalogue.run(),
        Command::Forwarders(forwarders) => forwarders.run(),
        Command::Clients(clients) => clients.run(),
        Command::Resource(resource) => resource.run(),
        Command::Resources(resources) => resources.run(),
        Command::Certificate(certificate) => certificate.run(),
        Command::State(state) => state.run(),
        #[cfg(unix)]
        Command::Control(control) => control.run(),
        #[cfg(unix)]
        Command::Page(page) => page.run(),
        Command::Health(health) => health.run(),
        Command::Completions(completions) => completions.run(&mut Cli::command()),
        Command::Man(manual) => manual.run(Cli::command()),
    };
    let (code, last) = match catch_unwind(AssertUnwindSafe(command)) {
        Ok(Ok(code)) => (code, String::new()),
        Ok(Err(error)) => {
            let has_answers = error.downcast_ref::<NoAnswer>().is_some();
            (if has_answers { ExitCode::from(NO_ANSWER) } else { ExitCode::FAILURE }, shown(&error))
        }
        // The panic has been logged.
        Err(_) => (ExitCode::from(log::EXIT_SOFTWARE), String::new()),
    };
    log.finish(&last);
    code
}

/// What prevented a command from running, in the form that all commands share.
fn shown(error: &anyhow::Error) -> String {
    let error = match error.downcast_ref::<NoAnswer>() {
        Some(NoAnswer(error)) => error,
        None => error,
    };
    // Findings of a configuration include the word error, and their place.
    match error.downcast_ref::<Problems>() {
        Some(_) => format!("{error:#}\n"),
        None => format!("error: {error:#}\n"),
    }
}

/// Writes to standard output; it is not an error if the reader has gone.
fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_an_example_in_its_help() {
        let command = Cli::command();
        command.clone().debug_assert();
        for command in command.get_subcommands().chain([&command]) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("vnetdns"), "{}", command.get_name());
        }
    }
}
