//! The built program, asked over real sockets.

mod commands;
mod lab;
mod reload;
mod support;
mod tcp;
mod transports;
