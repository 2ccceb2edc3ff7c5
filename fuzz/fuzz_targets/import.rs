//! A file that describes an estate: it is refused with a reason, or what is made of it is TOML, and loads or has problems.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use vnetdns::config::{Files, load};
use vnetdns::import::{Input, Options, import};

/// A file of this process alone, in memory where the system has some.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let folder = parent.join(format!("vnetdns-fuzz-import-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder can be made");
    folder.join("fuzz.toml")
});

fuzz_target!(|input: &[u8]| {
    let inputs = [Input { file: Arc::from("fuzz.json"), bytes: input.to_vec() }];
    match import(&inputs, &Options::default()) {
        Ok(import) => {
            fs::write(&*FILE, &import.text).expect("a file can be written");
            if let Err(problems) = load(&Files::Disk(FILE.clone())) {
                for problem in problems.iter() {
                    assert!(!problem.mend.contains("toml.io"), "{problem}\n{}", import.text);
                    assert!(!problem.what.contains("unknown key"), "{problem}\n{}", import.text);
                }
            }
        }
        Err(mistakes) => assert!(!mistakes.is_empty(), "a refusal says why"),
    }
});
