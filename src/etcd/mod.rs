//! Replicas that share their state in etcd (version 3).
//!
//! Every replica accepts writes and serves all of them. Each keeps a local copy of the store, from which it reads: while etcd is
//! away, it continues to answer, even after a restart, but refuses writes. `cluster` defines the layout in etcd and commits to
//! it; `join` brings a starting replica up to date; `follow` applies what others commit. `grpc`, `message` and `client` implement
//! as much of etcd's API as that needs.

mod client;
mod cluster;
mod follow;
mod grpc;
mod join;
mod known;
mod message;

pub use client::BadTls;
pub use cluster::{Cluster, ClusterError};
pub use follow::Follower;
