//! The text of a zone file: it loads or every problem has a place in it, and what loads can be compiled.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vnetdns::config::{Files, load};
use vnetdns::snapshot::{Generation, Identity, Snapshot};

/// A folder of this process alone, in memory where the system has one there.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let folder = parent.join(format!("vnetdns-fuzz-zone-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder can be made");
    let config = "limits = \"off\"\n\
                  [[virtual_network]]\nname = \"v\"\naddress_space = [\"10.1.0.0/16\"]\n\
                  [[private_dns_zone]]\nname = \"corp.test\"\nfile = \"fuzzed.zone\"\n\
                  virtual_network_links = [{ virtual_network = \"v\" }]\n";
    fs::write(folder.join("fuzz.toml"), config).expect("a file can be written");
    folder
});

fuzz_target!(|input: &[u8]| {
    fs::write(FOLDER.join("fuzzed.zone"), input).expect("a file can be written");
    match load(&Files::Disk(FOLDER.join("fuzz.toml"))) {
        Ok(config) => {
            Snapshot::compile(config.topology, Identity::default(), Generation::FIRST).expect("a small zone");
        }
        Err(problems) => {
            let lines = input.iter().filter(|octet| **octet == b'\n').count() as u32 + 1;
            for problem in problems.iter() {
                assert!(problem.place.line <= lines.max(9), "{problem:?} of {lines} lines");
            }
        }
    }
});
