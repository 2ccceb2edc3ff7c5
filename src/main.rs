//! The `vnetdns` program: see `vnetdns --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    vnetdns::cli::run()
}
