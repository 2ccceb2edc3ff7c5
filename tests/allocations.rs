//! How often the server asks for memory while it answers over UDP: not at all.
#![allow(clippy::unwrap_used, reason = "a test")]
#![cfg(target_os = "linux")]

use std::alloc::System;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio_util::sync::CancellationToken;
use vnetdns::config::Files;
use vnetdns::control::Control;
use vnetdns::dns::Name;
use vnetdns::server::Server;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Queries of one kind in one round.
const QUERIES: usize = 512;
/// Queries that are sent before the first response is waited for: two batches of a worker, so that one is full.
const AT_ONCE: usize = 128;
/// Whatever else the program does now and then, it does not do in each of so many rounds.
const ROUNDS: usize = 20;

/// Starts a server of the default lab and returns its address.
fn start(stop: CancellationToken) -> (SocketAddr, thread::JoinHandle<()>) {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let (control, _) = Control::start(Files::default(), move |settings| settings.listen = vec![any.into()]).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (settings, published) = (control.settings().clone(), control.published().clone());
    let metrics = control.metrics().clone();
    let server = runtime.block_on(async { Server::bind(settings, published, metrics) }).unwrap();
    let address = server.addresses().next().unwrap();
    let running = runtime.block_on(async { server.start(stop) }).unwrap();
    (address, thread::spawn(move || runtime.block_on(running.stopped())))
}

#[test]
fn a_query_over_udp_needs_no_memory() {
    let stop = CancellationToken::new();
    let (address, server) = start(stop.clone());
    // In vnet-n1 of the lab.
    let socket = UdpSocket::bind("127.1.0.4:0").unwrap();
    socket.connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let subnet = b"\0\0\x29\x04\xd0\0\0\0\0\0\x0b\0\x08\0\x07\0\x01\x18\0\x0a\x01\x02";
    let cookie = b"\0\0\x29\x04\xd0\0\0\0\0\0\x1c\0\x0a\0\x1812345678\x01\0\0\x00123456789abc";
    let none = b"";
    // What is asked, with EDNS or without, and the counts of the sections of the response.
    for (what, qname, qtype, opt, expected) in [
        ("a hit", "www.contoso.internal", 1, &none[..], [1, 0, 0]),
        ("a hit with client subnet", "www.contoso.internal", 1, subnet, [1, 0, 1]),
        ("a hit with a cookie", "www.contoso.internal", 1, cookie, [1, 0, 1]),
        ("NXDOMAIN with a cookie", "nohost.contoso.internal", 1, cookie, [0, 1, 1]),
        ("a chain", "k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com", 1, none, [2, 0, 0]),
        ("NODATA", "mail.contoso.internal", 28, none, [0, 1, 0]),
        ("NODATA of a rare type", "www.contoso.internal", 4711, none, [0, 1, 0]),
        ("NXDOMAIN", "nohost.contoso.internal", 1, none, [0, 1, 0]),
        ("a name that nobody holds", "www.example.org", 1, none, [0, 0, 0]),
        ("a zone transfer", "contoso.internal", 252, none, [0, 0, 0]),
    ] {
        let qname: Name = qname.parse().unwrap();
        let head = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(!opt.is_empty())];
        let query = [&head, qname.as_wire(), &u16::to_be_bytes(qtype), &[0, 1], opt].concat();
        let mut buffer = [0; 1232];
        let mut ask = |at_once: usize| {
            (0..at_once).for_each(|_| assert_eq!(socket.send(&query).unwrap(), query.len()));
            for _ in 0..at_once {
                socket.recv(&mut buffer).unwrap();
                assert_eq!([7, 9, 11].map(|at| buffer[at]), expected, "{what}");
            }
        };
        // The first ones find buffers to fill: each place of a batch has one.
        (0..QUERIES / AT_ONCE).for_each(|_| ask(AT_ONCE));
        let round = |at: usize| {
            let at_once = [1, AT_ONCE][at % 2];
            let region = Region::new(ALLOCATOR);
            (0..QUERIES / at_once).for_each(|_| ask(at_once));
            let change = region.change();
            change.allocations + change.reallocations
        };
        let allocations: Vec<_> = (0..ROUNDS).map(round).collect();
        for (at, how) in ["one by one", "in batches"].into_iter().enumerate() {
            let least = allocations.iter().skip(at).step_by(2).min();
            assert_eq!(least, Some(&0), "allocations for {QUERIES} queries {how}: {what}");
        }
    }
    stop.cancel();
    server.join().unwrap();
}
