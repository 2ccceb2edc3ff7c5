//! The lab in `deploy/`, as far as it can be checked without an engine for containers: what its files name exists, and
//! their addresses agree. `deploy/lab` runs it in network namespaces.
//!
//! `VNETDNS_BLESS=1` writes what `vnetdns forwarders` prints into `deploy/unbound-vnetdns.conf`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ipnet::IpNet;
use saphyr::{LoadableYamlNode, Yaml};

/// The host that vnetdns is, in every network.
const SERVER: &str = "vnetdns";

/// A service's networks, and its address in each.
type Addresses = BTreeMap<String, IpAddr>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

fn read(file: &str) -> String {
    fs::read_to_string(folder().join(file)).unwrap()
}

fn vnetdns() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vnetdns"));
    command.current_dir(folder()).env_remove("RUST_LOG");
    command
}

fn printed(arguments: &[&str]) -> String {
    let output = vnetdns().args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn with_compose(check: impl FnOnce(&Yaml<'_>)) {
    let text = read("compose.yaml");
    check(&Yaml::load_from_str(&text).unwrap()[0]);
}

/// Keys and values of a mapping.
fn entries<'a>(yaml: &'a Yaml<'a>) -> impl Iterator<Item = (&'a str, &'a Yaml<'a>)> {
    yaml.as_mapping().unwrap().iter().map(|(key, value)| (key.as_str().unwrap(), value))
}

/// A text, or the texts of a list; nothing where there is neither.
fn texts<'a>(yaml: Option<&'a Yaml<'a>>) -> Vec<&'a str> {
    let list = yaml.and_then(|yaml| yaml.as_sequence()).into_iter().flatten().map(|text| text.as_str().unwrap());
    yaml.and_then(|yaml| yaml.as_str()).into_iter().chain(list).collect()
}

fn services<'a>(compose: &'a Yaml<'a>) -> impl Iterator<Item = (&'a str, &'a Yaml<'a>)> {
    entries(&compose["services"])
}

/// By service; those that are in no network are left out.
fn addresses(compose: &Yaml<'_>) -> BTreeMap<String, Addresses> {
    let of = |service: &Yaml<'_>| -> Option<Addresses> {
        let networks = entries(service.as_mapping_get("networks")?);
        Some(
            networks
                .map(|(name, at)| (name.to_owned(), at["ipv4_address"].as_str().unwrap().parse().unwrap()))
                .collect(),
        )
    };
    services(compose).filter_map(|(name, service)| Some((name.to_owned(), of(service)?))).collect()
}

#[test]
fn the_configuration_has_no_warnings() {
    assert_eq!(printed(&["check", "lab.toml"]).lines().last(), Some("0 errors, 0 warnings"));
}

#[test]
fn the_forwarder_has_what_is_printed() {
    let now = printed(&["forwarders", "--for", "unbound", "--server", "10.0.0.4", "--config", "lab.toml"]);
    if std::env::var_os("VNETDNS_BLESS").is_some() {
        fs::write(folder().join("unbound-vnetdns.conf"), &now).unwrap();
    }
    assert!(read("unbound-vnetdns.conf") == now, "VNETDNS_BLESS=1 cargo test --test deploy writes it anew");
    assert!(read("unbound.conf").lines().any(|line| line == "include: \"unbound-vnetdns.conf\""));
}

#[test]
fn what_compose_names_exists() {
    with_compose(|compose| {
        for (name, service) in services(compose) {
            let build = &service["build"];
            let context = build.as_str().or_else(|| build["context"].as_str()).unwrap();
            let dockerfile = fs::read_to_string(folder().join(context).join("Dockerfile")).unwrap();
            if let Some(target) = build.as_mapping_get("target") {
                let stage = format!(" AS {}", target.as_str().unwrap());
                assert!(dockerfile.lines().any(|line| line.ends_with(&stage)), "{name}: no stage{stage}");
            }
            for (context, from) in build.as_mapping_get("additional_contexts").into_iter().flat_map(entries) {
                assert!(dockerfile.contains(&format!("COPY --from={context} ")), "{name}: {context} is not used");
                let from = from.as_str().unwrap().strip_prefix("service:").unwrap();
                assert!(services(compose).any(|(other, _)| other == from), "{name}: no service {from}");
            }
            for other in texts(service.as_mapping_get("depends_on")) {
                assert!(services(compose).any(|(name, _)| name == other), "{name}: no service {other}");
            }
            // Where a file of this folder is named by its place in the container.
            let mounts: Vec<_> = texts(service.as_mapping_get("volumes"))
                .into_iter()
                .map(|volume| volume.split_once(':').unwrap())
                .map(|(outside, inside)| (outside, inside.strip_suffix(":ro").unwrap()))
                .collect();
            let working = service.as_mapping_get("working_dir").map_or("", |folder| folder.as_str().unwrap());
            for word in texts(service.as_mapping_get("command")) {
                let path = Path::new(working).join(word);
                let inside = mounts.iter().find_map(|(at, to)| Some((at, path.strip_prefix(to).ok()?)));
                if let Some((outside, rest)) = inside.filter(|_| word.contains(['.', '/'])) {
                    assert!(folder().join(outside).join(rest).is_file(), "{name}: no file {word}");
                }
            }
        }
    });
}

#[test]
fn compose_starts_the_server_with_arguments_that_it_takes() {
    with_compose(|compose| {
        let service = &compose["services"][SERVER];
        assert_eq!(texts(service.as_mapping_get("volumes")), [".:/etc/vnetdns:ro"]);
        let words = texts(service.as_mapping_get("command"));
        let here = words.iter().map(|word| word.replace("/etc/vnetdns/", "").replace("0.0.0.0:53", "127.0.0.1:0"));
        let mut child = vnetdns().args(here).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(line.contains(": 3 virtual networks"), "{line:?}");
    });
}

#[test]
fn addresses_in_compose_lie_in_their_networks() {
    with_compose(|compose| {
        let subnets: BTreeMap<&str, IpNet> = entries(&compose["networks"])
            .map(|(name, network)| (name, network["ipam"]["config"][0]["subnet"].as_str().unwrap().parse().unwrap()))
            .collect();
        let mut taken = BTreeMap::new();
        for (service, addresses) in addresses(compose) {
            for (network, address) in addresses {
                let subnet = subnets[network.as_str()];
                assert!(subnet.contains(&address), "{service}: {address} is not in {subnet}");
                // The first host is Docker's gateway.
                assert_ne!(Some(address), subnet.hosts().next(), "{service}");
                let other = taken.insert(address, service.clone());
                assert_eq!(other, None, "{service} has the same address {address}");
            }
        }
        for (name, subnet) in &subnets {
            let overlapping = subnets.iter().filter(|(_, other)| other.contains(subnet) || subnet.contains(*other));
            assert_eq!(overlapping.count(), 1, "{name} overlaps another network");
        }
    });
}

#[test]
fn clients_in_compose_ask_a_server_of_their_network() {
    with_compose(|compose| {
        let addresses = addresses(compose);
        for (name, service) in services(compose).filter(|(_, service)| service.as_mapping_get("dns").is_some()) {
            let server: IpAddr = service["dns"].as_str().unwrap().parse().unwrap();
            let host = if name == "office" { "forwarder" } else { SERVER };
            let network = addresses[name].keys().next().unwrap();
            assert_eq!(addresses[host].get(network), Some(&server), "{name}");
        }
        assert_eq!(addresses[SERVER]["hub"].to_string(), "10.0.0.4", "the inbound endpoint");
        let forwarder = &addresses["forwarder"];
        assert!(read("unbound.conf").contains(&format!("    interface: {}\n", forwarder["on-premises"])));
        assert!(read("lab.toml").contains(&format!("target_dns_servers = [\"{}\"]", forwarder["on-premises"])));
    });
}

/// The last record of the answer from a client's network.
fn answer(from: IpAddr, name: &str) -> String {
    let explained = printed(&["explain", "--config", "lab.toml", "--from", &from.to_string(), name]);
    let records = explained.lines().skip_while(|line| *line != ";; ANSWER SECTION:").skip(1);
    let last = records.take_while(|line| !line.is_empty()).last().unwrap_or_else(|| panic!("{explained}"));
    last.split_whitespace().last().unwrap().to_owned()
}

#[test]
fn clients_in_compose_are_known_by_their_addresses() {
    with_compose(|compose| {
        let addresses = addresses(compose);
        for (service, network, data, vault) in [
            ("hub", "hub", "10.0.0.36", "203.0.113.12"),
            ("forwarder", "hub", "10.0.0.36", "203.0.113.12"),
            ("spoke-a", "spoke-a", "10.1.0.5", "10.1.0.7"),
            ("spoke-b", "spoke-b", "10.1.0.6", "203.0.113.12"),
            ("outside", "internet", "203.0.113.13", "203.0.113.12"),
        ] {
            let from = addresses[service][network];
            assert_eq!(answer(from, "contosodata.blob.core.windows.net"), data, "{service}");
            assert_eq!(answer(from, "contoso-vault.vault.azure.net"), vault, "{service}");
        }
    });
}

#[test]
fn the_python_package_has_the_version_of_the_program() {
    let project = fs::read_to_string(folder().with_file_name("python").join("pyproject.toml")).unwrap();
    let version = format!("version = \"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(project.lines().any(|line| line == version), "write {version} into python/pyproject.toml");
}

#[test]
fn a_fresh_installation_refuses_everybody_and_is_yet_to_be_given_its_topology() {
    for file in ["packages/vnetdns.toml", "packages/container.toml"] {
        let lines = printed(&["check", file]);
        assert!(lines.contains("nothing is declared: every query would be refused"), "{file}: {lines}");
        assert_eq!(lines.lines().last(), Some("0 errors, 1 warning"), "{file}: {lines}");
    }
}

#[test]
fn the_image_is_built_of_all_that_the_program_is_built_of() {
    let root = folder().join("..");
    let text = |file: &str| fs::read_to_string(root.join(file)).unwrap();
    // The crate is built of what this lists, which `deploy/packages/crate` tries.
    let manifest: toml::Table = text("Cargo.toml").parse().unwrap();
    let listed = manifest["package"]["include"].as_array().unwrap();
    let listed = listed.iter().map(|path| path.as_str().unwrap().trim_start_matches('/'));
    let folders: Vec<_> = listed.filter(|path| root.join(path).is_dir()).collect();
    assert!(folders.contains(&"src") && folders.len() > 1, "{folders:?}");
    let (dockerfile, ignore) = (text("Dockerfile"), text(".dockerignore"));
    for folder in folders {
        assert!(dockerfile.lines().any(|line| line == format!("COPY {folder} {folder}")), "Dockerfile: {folder}");
        assert!(ignore.lines().any(|line| line == format!("!{folder}")), ".dockerignore: {folder}");
    }
}
