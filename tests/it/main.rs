//! The built program, asked over real sockets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod catalogue;
mod commands;
mod lab;
mod machines;
mod managed;
mod private_link;
mod reload;
mod support;
mod tcp;
mod transports;
mod world;
