//! What a hundred reloads leave behind: nothing.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::alloc::System;
use std::fmt::Write;
use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use vnetdns::config::Files;
use vnetdns::control::Control;
use vnetdns::dns::Name;
use vnetdns::snapshot::Snapshot;
use vnetdns::zone::Zone;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const HOSTS: usize = 1000;

/// Zone files of which the first has other addresses in each generation.
fn write(folder: &std::path::Path, generation: usize) {
    for (zone, last) in [("changing", generation % 100 + 100), ("same", 100)] {
        let mut text = "$TTL 300\n".to_owned();
        (0..HOSTS).for_each(|host| writeln!(text, "host-{host} A 10.0.0.{last}").unwrap());
        fs::write(folder.join(zone), text).unwrap();
    }
}

/// The compiled zone at an apex.
fn zone<'s>(snapshot: &'s Snapshot, apex: &str) -> &'s Arc<Zone> {
    let apex: Name = apex.parse().unwrap();
    let view = snapshot.networks_called("vnet").next().unwrap().0;
    &snapshot.zone(snapshot.private_zone(view, &apex.as_ref().fold()).unwrap().zone).zone
}

#[test]
fn a_reload_keeps_what_is_the_same_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("lab.toml");
    let mut text = "[[virtual_network]]\nname = \"vnet\"\naddress_space = [\"10.0.0.0/8\"]\n".to_owned();
    for zone in ["changing", "same"] {
        let links = "virtual_network_links = [{ virtual_network = \"vnet\" }]";
        writeln!(text, "[[private_dns_zone]]\nname = \"{zone}.test\"\nfile = \"{zone}\"\n{links}").unwrap();
    }
    fs::write(&config, text).unwrap();
    write(folder.path(), 0);
    let (control, _) = Control::start(Files::Disk(config), |_| {}).unwrap();
    let reload = |generation| {
        write(folder.path(), generation);
        let before = control.published().load_full();
        let zones = ["changing.test", "same.test"].map(|apex| Arc::downgrade(zone(&before, apex)));
        drop(before);
        control.reload().unwrap();
        let after = control.published().load_full();
        let start = Instant::now();
        while zones[0].upgrade().is_some() {
            assert!(start.elapsed() < Duration::from_secs(60), "the old zone stays");
            thread::sleep(Duration::from_millis(1));
        }
        assert!(zones[1].upgrade().is_some_and(|kept| Arc::ptr_eq(&kept, zone(&after, "same.test"))));
    };
    // The first ones find buffers to fill.
    (1..5).for_each(&reload);
    let region = Region::new(ALLOCATOR);
    (5..105).for_each(&reload);
    let change = region.change();
    let held = change.bytes_allocated as isize - change.bytes_deallocated as isize;
    assert!(held < 10_000, "{held} octets more are held after a hundred reloads");

    let reader = control.published().load_full();
    write(folder.path(), 105);
    control.reload().unwrap();
    assert_eq!(Arc::strong_count(&reader), 2, "a thread waits for the reader, which is not to free it");
}
