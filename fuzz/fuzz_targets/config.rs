//! The text of a configuration: it loads or every problem has a place in it, and what loads can be compiled.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::{Corpus, fuzz_target};
use vnetdns::config::{Files, load};
use vnetdns::snapshot::{Generation, Identity, Snapshot};

/// A file of this process alone, in memory where the system has some.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let folder = parent.join(format!("vnetdns-fuzz-config-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder can be made");
    folder.join("fuzz.toml")
});

fuzz_target!(|input: &[u8]| -> Corpus {
    // The fuzzer may find the names of other files, which are none of its business.
    if input.windows(4).any(|octets| octets == b"file") {
        return Corpus::Reject;
    }
    fs::write(&*FILE, input).expect("a file can be written");
    match load(&Files::Disk(FILE.clone())) {
        Ok(config) => {
            Snapshot::compile(config.topology, Identity::default(), Generation::FIRST).expect("a small topology");
        }
        Err(problems) => {
            let lines = input.iter().filter(|octet| **octet == b'\n').count() as u32 + 1;
            assert!(problems.iter().next().is_some(), "a refusal says why");
            for problem in problems.iter() {
                assert!(problem.place.line <= lines, "{problem:?} of {lines} lines");
            }
        }
    }
    Corpus::Keep
});
