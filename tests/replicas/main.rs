//! Replicas that share their state in etcd: three of them, on clusters of three members on loopback, which are killed,
//! stopped, compacted, restored and swapped. `cargo test --features etcd --test replicas -- --nocapture` prints the figures.

#![cfg(all(target_os = "linux", feature = "etcd"))]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and prints its figures")]

mod etcd;
mod outages;
mod replaced;
mod replica;
#[path = "../it/support.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod support;
mod together;
