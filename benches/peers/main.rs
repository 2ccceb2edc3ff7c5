//! This server beside NSD, Knot DNS and BIND, with the same zones, on the same processor, in the same minutes.
//!
//! `cargo bench --bench peers` measures everything, prints it and writes it to `docs/performance.md`; it takes about
//! half an hour on two processors and needs Debian's packages nsd, knot, bind9, dnsdist, knot-resolver and dnsperf. With
//! `-- --help` it tells how to measure a part of it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own, which prints what it measures")]

#[cfg(target_os = "linux")]
mod changes;
#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
mod dot;
#[cfg(target_os = "linux")]
mod echo;
#[cfg(target_os = "linux")]
mod instructions;
#[cfg(target_os = "linux")]
mod links;
#[cfg(target_os = "linux")]
mod measure;
#[cfg(target_os = "linux")]
mod mmsg;
#[path = "../../tests/it/own_address.rs"]
#[cfg(target_os = "linux")]
mod own_address;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod publications;
#[cfg(target_os = "linux")]
mod reloads;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod rows;
#[cfg(target_os = "linux")]
mod seen;
#[cfg(target_os = "linux")]
mod servers;
#[cfg(target_os = "linux")]
mod tcp;
#[cfg(target_os = "linux")]
mod udp;
#[cfg(target_os = "linux")]
mod world;
#[cfg(target_os = "linux")]
mod writes;

#[cfg(target_os = "linux")]
fn main() {
    rows::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the comparison reads the accounting of Linux");
}
