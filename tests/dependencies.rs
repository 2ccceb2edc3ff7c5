//! What the dependencies are allowed to be: their licences, where they come from, which compiler they need; one provider of
//! cryptography.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use spdx::{Expression, LicenseReq, ParseMode};

/// Licences that let a binary with these parts be given to anyone, without more than a notice.
const LICENCES: [&str; 8] =
    ["Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "Unicode-3.0", "Unlicense", "Zlib"];
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// All packages of the lock file, for every platform, with those that tests need.
fn packages(manifest: &str) -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--manifest-path", manifest])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let Value::Array(packages) = metadata["packages"].take() else { panic!("cargo metadata lists packages") };
    packages
}

fn named(package: &Value) -> String {
    format!("{} {}", package["name"].as_str().unwrap(), package["version"].as_str().unwrap())
}

#[test]
fn every_dependency_has_a_licence_of_the_list_and_comes_from_the_registry() {
    // The fuzzer's runtime is LLVM's, and part of no binary that is given to anyone.
    for (manifest, of_tools) in [("Cargo.toml", ""), ("fuzz/Cargo.toml", "NCSA")] {
        let is_allowed = |licence: &LicenseReq| {
            let is_listed = |name: &str| LICENCES.contains(&name) || name == of_tools;
            licence.license.id().is_some_and(|id| is_listed(id.name)) && licence.addition.is_none()
        };
        let packages = packages(manifest);
        assert!(packages.len() > 50, "{manifest} has more dependencies than that");
        for package in &packages {
            let named = named(package);
            let licence = package["license"].as_str();
            match package["source"].as_str() {
                Some(source) => assert_eq!(source, REGISTRY, "{named}"),
                // The project's own packages; the one for fuzzing is not published.
                None => assert!(named.starts_with("vnetdns"), "{named} is not from the registry"),
            }
            let Some(licence) = licence else {
                assert!(named.starts_with("vnetdns-fuzz"), "{named} has no licence");
                continue;
            };
            let expression = Expression::parse_mode(licence, ParseMode::LAX).unwrap();
            assert!(expression.evaluate(is_allowed), "{named}: {licence} is not on the list of this test");
        }
    }
}

#[test]
fn the_rust_version_is_what_the_dependencies_need() {
    let packages = packages("Cargo.toml");
    let version = |package: &Value| -> Option<Vec<u32>> {
        let text = package["rust_version"].as_str()?;
        let mut parts: Vec<u32> = text.split('.').map(|part| part.parse().unwrap()).collect();
        parts.resize(3, 0);
        Some(parts)
    };
    let (ours, others): (Vec<_>, Vec<_>) = packages.iter().partition(|package| package["name"] == "vnetdns");
    let needed = others.iter().filter_map(|package| Some((version(package)?, named(package)))).max().unwrap();
    assert_eq!(version(ours[0]), Some(needed.0), "rust-version of Cargo.toml; {} needs the most", needed.1);
}

#[test]
fn there_is_one_provider_of_cryptography() {
    // With two of them rustls cannot tell which to take, and panics at the first handshake.
    const PROVIDERS: [&str; 9] = [
        "aws-lc-rs",
        "aws-lc-sys",
        "boring",
        "graviola",
        "native-tls",
        "openssl",
        "openssl-sys",
        "ring",
        "rustls-rustcrypto",
    ];
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges", "normal,build", "--target", "all", "--prefix", "none", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let packages: BTreeSet<_> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    let named = |name: &str| packages.iter().filter(|package| package.split(' ').next() == Some(name)).count();
    let found: Vec<_> = PROVIDERS.into_iter().filter(|provider| named(provider) > 0).collect();
    assert_eq!(found, ["ring"]);
    assert_eq!(["ring", "rustls"].map(named), [1, 1], "two versions cannot share a provider");
}
