//! What a reload of one changed TOML file takes: to be served, and in all.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use vnetdns::config::Files;
use vnetdns::control::{Control, Way};

use super::report::Report;

/// Private zones; the first is the large one, the others share the rest of the record sets.
const ZONES: usize = 1000;
const LARGE: usize = 24_900;
const SMALL: usize = 75;
const NETWORKS: usize = 1000;
/// Networks that each zone is linked to.
const LINKS: usize = 100;
/// Reloads of each kind, of which the median counts.
const RUNS: usize = 11;

/// One edit of a text, there and back.
struct Edit {
    what: &'static str,
    from: &'static str,
    to: &'static str,
}

const EDITS: [Edit; 6] = [
    Edit {
        what: "one record set of the zone of 25 000, changed",
        from: "{ name = \"host7\", type = \"A\", records = [\"10.0.0.4\"] }",
        to: "{ name = \"host7\", type = \"A\", records = [\"10.0.0.5\"] }",
    },
    Edit {
        what: "one record set of the zone of 25 000, removed and added",
        from: "{ name = \"host9\", type = \"A\", records = [\"10.0.0.4\"] },",
        to: "",
    },
    Edit {
        what: "one link, removed and added",
        from: "virtual_network_links = [{ virtual_network = \"v0\" }, ",
        to: "virtual_network_links = [",
    },
    Edit { what: "one network, added and removed", from: "[[virtual_network]]\nname = \"v0\"", to: MORE_NETWORKS },
    Edit { what: "a comment", from: "", to: "# A comment.\n" },
    Edit { what: "all of it (public_cname_from)", from: "", to: "public_cname_from = \"Approved\"\n" },
];
const MORE_NETWORKS: &str =
    "[[virtual_network]]\nname = \"more\"\naddress_space = [\"10.200.0.0/24\"]\n[[virtual_network]]\nname = \"v0\"";

/// Reloads after each edit.
pub(crate) fn edits(report: &mut Report) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let config = folder.path().join("vnetdns.toml");
    let text = text();
    fs::write(&config, &text).expect("room on the disk");
    let (control, _) = Control::start(Files::Disk(config.clone()), |_| {}).expect("a sound configuration");
    let rows: Vec<_> = EDITS.iter().map(|edit| row(&control, &config, &text, edit)).collect();
    let title = format!(
        "A reload of one TOML file: {ZONES} private zones with {} record sets, one of 25000, and {NETWORKS} networks with \
         {LINKS} links each",
        LARGE + (ZONES - 1) * SMALL
    );
    report.table(&title, &["edit", "ms until it is served", "ms in all", "ways"], &rows);
}

fn row(control: &Control, config: &Path, text: &str, edit: &Edit) -> Vec<String> {
    let edited = match edit.from {
        "" => format!("{}{text}", edit.to),
        from => text.replacen(from, edit.to, 1),
    };
    assert_ne!(edited, text, "{}", edit.what);
    let (mut served, mut taken, mut ways) = (Vec::new(), Vec::new(), [Way::Whole; 2]);
    for _ in 0..RUNS {
        for (at, text) in [&*edited, text].into_iter().enumerate() {
            fs::write(config, text).expect("room on the disk");
            let (until_served, in_all, way) = reload(control);
            served.push(until_served);
            taken.push(in_all);
            ways[at] = way;
        }
    }
    let median = |mut all: Vec<Duration>| {
        all.sort_unstable();
        format!("{:.1}", all[all.len() / 2].as_secs_f64() * 1e3)
    };
    vec![edit.what.to_owned(), median(served), median(taken), format!("{ways:?}")]
}

/// Reloads; returns how long it took to be served, and in all.
fn reload(control: &Control) -> (Duration, Duration, Way) {
    let before = control.published().load().generation();
    let (start, is_done) = (Instant::now(), AtomicBool::new(false));
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while control.published().load().generation() == before && !is_done.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_micros(200));
            }
            start.elapsed()
        });
        let loaded = control.reload().expect("a sound configuration");
        let in_all = start.elapsed();
        is_done.store(true, Ordering::Relaxed);
        (watcher.join().expect("it only looks"), in_all, loaded.way)
    })
}

fn text() -> String {
    let mut text = String::new();
    let mut add = |line: std::fmt::Arguments<'_>| text.write_fmt(line).expect("a string takes it");
    for network in 0..NETWORKS {
        let (upper, lower) = (network / 250, network % 250);
        add(format_args!(
            "[[virtual_network]]\nname = \"v{network}\"\naddress_space = [\"10.{upper}.{lower}.0/24\"]\n"
        ));
    }
    for zone in 0..ZONES {
        add(format_args!("[[private_dns_zone]]\nname = \"zone{zone}.contoso.internal\"\nvirtual_network_links = ["));
        // Each network has the zones that follow its own number, so that networks differ.
        for at in 0..LINKS {
            add(format_args!("{{ virtual_network = \"v{}\" }}, ", (NETWORKS + zone - at) % NETWORKS));
        }
        add(format_args!("]\nrecord_set = [\n"));
        for host in 0..if zone == 0 { LARGE } else { SMALL } {
            add(format_args!("  {{ name = \"host{host}\", type = \"A\", records = [\"10.0.0.4\"] }},\n"));
        }
        add(format_args!("]\n"));
    }
    text
}
