//! The labs beside the default one: what their networks are told, over UDP and TCP.

mod aks_monitoring;
mod classic_mistakes;
mod hub_and_spokes;

use std::fs;
use std::process::Command;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;

use crate::support::{PROGRAM, Server, show};

const OUTSIDE: &str = "127.0.0.1";

/// A lab that is served.
struct Lab(Server);

impl Lab {
    fn serve(name: &str) -> Self {
        Self(Server::start(&["--lab", name]))
    }

    /// Compares a whole answer over both transports: its RCODE, unless that is NOERROR, and its records as `owner TTL
    /// TYPE data`, names without their last dot.
    #[track_caller]
    fn check(&self, from: &str, name: &str, expected: &[&str]) {
        assert_eq!(lines(&self.0.ask(from, name, RecordType::A)), expected, "{name} from {from}");
        assert_eq!(lines(&self.0.ask_tcp(from, name, RecordType::A)), expected, "{name} from {from} over TCP");
    }

    /// Checks that a name leads through its privatelink name to a private address.
    #[track_caller]
    fn check_private(&self, from: &str, (public, ttl, privatelink): (&str, u32, &str), address: &str) {
        let step = format!("{public} {ttl} CNAME {privatelink}");
        self.check(from, public, &[&step, &format!("{privatelink} 10 A {address}")]);
    }

    /// Checks that a name leads through its privatelink name into a private zone that does not hold that.
    #[track_caller]
    fn check_lost(&self, from: &str, (public, ttl, privatelink): (&str, u32, &str), zone: &str) {
        let step = format!("{public} {ttl} CNAME {privatelink}");
        self.check(from, public, &["NXDomain", &step, &private_soa(zone)]);
    }
}

fn lines(message: &Message) -> Vec<String> {
    // Nothing is left to others but what is refused.
    assert_eq!(message.metadata.authoritative, message.metadata.response_code != ResponseCode::Refused);
    let plain = |line: String| {
        let line = line.trim_start_matches("answer: ").trim_end_matches(" aa").replace(" IN ", " ");
        line.split(' ').map(|word| word.trim_end_matches('.')).collect::<Vec<_>>().join(" ")
    };
    show(message).into_iter().map(plain).filter(|line| line != "NoError").collect()
}

/// The SOA record of a private zone in a negative answer.
fn private_soa(zone: &str) -> String {
    format!("authority: {zone} 10 SOA azureprivatedns.net azureprivatedns-host.microsoft.com 1 3600 300 2419200 10")
}

/// The SOA record of a public zone in a negative answer.
fn public_soa(zone: &str) -> String {
    let rest = "300 SOA ns1-01.azure-dns.com azuredns-hostmaster.microsoft.com 1 3600 300 2419200 300";
    format!("authority: {zone} {rest}")
}

/// What `vnetdns check` says of a lab: each warning without its place, and the last line.
fn warnings(arguments: &[&str]) -> Vec<String> {
    let output = Command::new(PROGRAM).arg("check").args(arguments).output().unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{report}");
    let lines = report.lines().filter(|line| !line.starts_with("  help: "));
    lines.map(|line| line.split_once("]: ").map_or(line, |(_, what)| what).to_owned()).collect()
}

#[test]
fn the_labs_that_are_right_have_no_warnings() {
    for name in ["default", "hub-and-spokes", "aks-monitoring", "data-explorer"] {
        let allowed = if name == "default" { ", 2 allowed" } else { "" };
        assert_eq!(warnings(&["--lab", name]), [format!("0 errors, 0 warnings{allowed}")], "{name}");
    }
}

#[test]
fn a_lab_is_the_file_of_the_repository() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/config");
    for name in ["hub-and-spokes", "aks-monitoring", "data-explorer", "classic-mistakes"] {
        let file = format!("{folder}/{name}.toml");
        assert_eq!(warnings(&[&file]), warnings(&["--lab", name]));
        let server = Server::start(&["--config", &file]);
        assert_eq!(show(&server.ask(OUTSIDE, "nobody.example", RecordType::A)), ["Refused"]);
    }
    let output = Command::new(PROGRAM).args(["serve", "--lab", "default", "--config", "x.toml"]).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("cannot be used with"), "{message}");
}

/// The outputs that `docs/labs.md` shows are those of the labs that it says are served.
#[test]
fn the_documentation_shows_what_the_labs_answer() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/labs.md")).unwrap();
    let mut lab = None;
    let mut shown = 0;
    let mut rest = text.lines().peekable();
    while let Some(line) = rest.next() {
        if let Some(name) = line.strip_prefix("$ vnetdns serve --lab ").filter(|name| !name.contains(' ')) {
            lab = Some(Lab::serve(name));
        }
        let Some((from, name)) = line.strip_prefix("$ ask ").and_then(|question| question.split_once(' ')) else {
            continue;
        };
        let message = lab.as_ref().expect("a lab is served before").0.ask(from, name, RecordType::A);
        let rcode = format!("{:?}", message.metadata.response_code).to_uppercase();
        let mut expected = vec![format!("status: {rcode}")];
        expected.extend(message.answers.iter().map(ToString::to_string));
        let is_output = |line: &&str| !line.is_empty() && !line.starts_with("```") && !line.starts_with('$');
        let output: Vec<_> = std::iter::from_fn(|| rest.next_if(is_output)).collect();
        assert_eq!(output, expected, "{line}");
        shown += 1;
    }
    assert!(shown > 40, "{shown}");
}
