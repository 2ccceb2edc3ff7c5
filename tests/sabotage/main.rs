//! The fault kit: what goes wrong around a server, done to the built program on purpose, and what a good client of
//! another network sees before, during and after it. `cargo test --test sabotage -- --nocapture` prints a table for each
//! fault; a name behind `faults` runs those that contain it.
//!
//! Traffic goes to loopback addresses only, and each fault is bounded in count and time.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and prints its figures")]

#[path = "../it/api.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod api;
mod descriptors;
mod encrypted;
#[path = "../it/encrypted_client.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod encrypted_client;
mod endless_files;
mod forwarding;
#[allow(dead_code, reason = "each fault uses a part")]
mod good_client;
mod lock_out;
mod logs;
mod management;
mod never_read;
#[path = "../it/own_address.rs"]
mod own_address;
mod panics;
#[path = "../it/support.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod support;
#[path = "../it/topology.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod topology;
mod watchers;
