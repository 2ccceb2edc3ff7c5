//! The `vnetdns` program: see `vnetdns --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    vnetdns::cli::run().unwrap_or_else(|error| {
        // The one place outside the log that writes to standard error: nothing else has said why it ends.
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "{error:#}");
        ExitCode::FAILURE
    })
}
