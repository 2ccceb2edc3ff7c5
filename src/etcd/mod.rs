//! Replicas that share their state in etcd (version 3).
//!
//! Every replica takes writes and serves all of them. What it knows of the cluster is in its local store, which all reads come
//! from: while etcd is away, answers go on from there, also after a restart, and writes are refused. `cluster` says what is
//! in etcd and commits to it; `join` brings a replica that starts to where the cluster is; `follow` takes over what others
//! commit. `grpc`, `message` and `client` are as much of etcd's API as that needs.

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
