//! The built program, asked over real sockets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod addresses;
mod api;
mod azure_clients;
mod belonging;
mod bounds;
mod catalogue;
mod certificate;
mod changes;
mod clients;
mod commands;
mod connections;
#[cfg(unix)]
mod control;
mod cookies;
mod custom_dns;
#[cfg(unix)]
mod dnstap;
mod documents;
mod encrypted;
#[allow(dead_code, reason = "other tests use the rest")]
mod encrypted_client;
mod explanations;
mod extended_errors;
mod faults;
#[cfg(target_os = "linux")]
mod full_disk;
#[cfg(unix)]
mod harness;
mod hostile;
mod identity;
mod import;
mod imported_formats;
mod incidents;
mod independence;
mod kills;
mod lab;
mod labs;
mod layers;
mod listen;
mod listeners;
mod loopback;
mod machines;
mod managed;
mod management;
mod metrics;
mod monitoring;
mod name_servers;
mod own_address;
#[cfg(unix)]
mod page;
mod persona;
#[cfg(unix)]
mod place;
mod private_link;
mod private_zones;
mod proxy;
#[cfg(unix)]
mod query_log;
mod questions;
mod rate_limits;
#[cfg(unix)]
mod readiness;
mod reload;
#[cfg(unix)]
mod replace;
mod rulesets;
#[cfg(target_os = "linux")]
mod sandbox;
mod schemas;
mod security_policies;
mod service_names;
mod service_types;
mod shared_names;
mod shells;
mod starter;
#[cfg(unix)]
mod state_socket;
mod statements;
mod support;
mod targets;
mod tcp;
mod terraform;
mod told;
mod topology;
mod transparent;
mod transports;
mod tsig;
mod unknown_names;
mod update;
mod upstream;
mod world;
