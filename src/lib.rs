//! An authoritative private DNS server that answers as Azure Private DNS does: by the asking virtual network.
//!
//! A declared topology is compiled into an immutable snapshot; every query is answered by one pure function of
//! (snapshot, client, request bytes), which makes the response bytes. Everything else is plumbing around that.
//!
//! ```text
//! a change: TOML, zone files                      a query: datagram, stream
//!   │ config    text → declaration                  │ server    bytes in
//!   │ azure     checks, records of the platform     │ respond   the steps of a query, in order
//!   │ snapshot  compiled zones and views            │   wire      bytes → request
//!   │ control   publishes                           │   view      source → view
//!   ▼                                               │   resolve   view and question → answer
//! Published (one pointer swap) ── one load ──────▶  │   wire      answer → bytes
//!                                                   ▼ server    bytes out
//! ```
//!
//! Invariants:
//! - [`dns`], [`azure`], [`zone`], [`view`], [`snapshot`], [`resolve`], [`wire`] and [`respond`] know no sockets, files,
//!   clock, tasks, globals or logs.
//! - [`mod@resolve`] cannot fail: what can go wrong with the data is found when it is loaded.
//! - A query loads the snapshot once and keeps it. On its way no lock is held, no text parsed, nothing sorted.
//! - A view sees its linked zones and the public ones, and nothing else.
//! - Every name between an owner and its apex is a node. Every walk along aliases has a bound.
//! - What is put out is ordered; the order of the configuration decides nothing but which private endpoint came last.

pub mod azure;
pub mod cli;
pub mod codes;
pub mod config;
pub mod control;
pub mod dns;
#[cfg(feature = "etcd")]
pub mod etcd;
pub mod faults;
pub mod forward;
pub mod import;
pub mod incidents;
#[cfg(test)]
mod logged;
pub mod management;
pub mod observe;
pub mod page;
mod parallel;
pub mod questions;
pub mod resolve;
pub mod respond;
mod sabotage;
pub mod sandbox;
pub mod server;
pub mod snapshot;
pub mod state;
mod test_server;
mod time;
pub mod tls;
pub mod trail;
pub mod view;
pub mod wire;
pub mod world;
pub mod zone;

pub use test_server::{TestServer, TestServerError};
