//! Forwarders that ask over TLS, and whether they look whose certificate they get.

use std::path::Path;
use std::thread;

use crate::client::ask;
use crate::lab::Lab;
use crate::programs::{Edit, Forwarder, Running, Start};
use crate::questions::{Seen, ask_all};
use crate::resolved::{self, Namespaces, RESOLVED};
use crate::{installed, table};

/// The name that the server's certificate is for.
pub(crate) const HOST: &str = "dns.lab.test";
/// A name that it is not for.
const OTHER: &str = "dns.other.test";

const HEAD: &str = "| program | zones | answers | a certificate for another name |";

/// Those that a test can run anywhere.
const ANYWHERE: [(&str, &str, &str); 4] = [
    ("unbound", "forward", "forward-zone"),
    ("unbound", "stub", "stub-zone"),
    ("dnsdist", "forward", "pool"),
    ("knot-resolver", "forward", "policy.TLS_FORWARD"),
];
/// It asks over TLS at port 853 only, which is free in a namespace.
const AT_ITS_PORT: (&str, &str, &str) = ("pdns-recursor", "forward", "forward-zones-recurse");

fn row((program, _, zones): (&str, &str, &str), answers: &str, other: &str) -> String {
    format!("| {program} | {zones} | {answers} | {other} |")
}

/// What a forwarder answers that checks the right name, and one that checks another.
fn ask_both(mut right: Running, wrong: &Running) -> (String, &'static str) {
    right.wait_until_ready(true).unwrap();
    let answers = table::answers(&ask_all(right.target, Seen::Spoke1));
    // It has run as long, and has not answered before.
    let other = match ask(wrong.target, "app.contoso.internal", "A", 5).data("A").count() {
        0 => "refused",
        _ => "taken",
    };
    (answers, other)
}

fn for_another_name(printed: String) -> String {
    assert!(printed.contains(HOST), "{printed}");
    printed.replace(HOST, OTHER)
}

#[test]
fn forwarders_ask_over_tls_and_look_whose_certificate_it_is() {
    let Some(installed) = installed() else { return };
    let lab = &Lab::start();
    let mut rows: Vec<String> = thread::scope(|scope| {
        let known = |(program, kind): (&str, &str)| {
            installed.iter().find(|forwarder| (forwarder.program, forwarder.kind) == (program, kind))
        };
        let here = ANYWHERE.into_iter().filter_map(|row| Some((row, *known((row.0, row.1))?)));
        let asked: Vec<_> = here
            .map(|(named, forwarder)| {
                scope.spawn(move || {
                    let start = |edit| Start {
                        lab,
                        forwarder,
                        persona: "tls",
                        tell: None,
                        source: Seen::Spoke1.source(),
                        namespace: None,
                        edit,
                    };
                    let wrong = start(Some(&for_another_name as Edit<'_>)).spawn();
                    let (answers, other) = ask_both(start(None).spawn(), &wrong);
                    assert_eq!(other, "refused", "{forwarder:?}\n{}", wrong.log());
                    assert!(answers == "all" || forwarder.kind == "stub", "{forwarder:?}: {answers}");
                    row(named, &answers, other)
                })
            })
            .collect();
        asked.into_iter().map(|row| row.join().unwrap()).collect()
    });
    let recursor =
        installed.iter().find(|forwarder| (forwarder.program, forwarder.kind) == (AT_ITS_PORT.0, AT_ITS_PORT.1));
    rows.extend(recursor.and_then(|recursor| at_its_port(*recursor)));
    rows.extend(resolved::program().map(|program| through_resolved(&program)));
    table::check("over TLS", HEAD, &rows);
}

/// PowerDNS Recursor checks nothing: nothing that is printed for it could be another name.
fn at_its_port(forwarder: Forwarder) -> Option<String> {
    let Some(namespaces) = Namespaces::new() else {
        crate::say("skipped: PowerDNS Recursor asks over TLS at port 853 only (root, unshare, nsenter, ip)");
        return None;
    };
    let namespace = Some(namespaces.process());
    let lab = Lab::start_in(namespace, "10.1.0.53");
    let start = Start { lab: &lab, forwarder, persona: "tls", tell: None, source: "10.1.0.4", namespace, edit: None };
    let running = start.and_wait();
    let answers = table::answers(&ask_all(running.target, Seen::Spoke1));
    assert_eq!(answers, "all", "{}", running.log());
    Some(row(AT_ITS_PORT, &answers, "taken: it checks none"))
}

fn through_resolved(program: &Path) -> String {
    let start = |edit: fn(String) -> String| {
        let namespaces = Namespaces::new().unwrap();
        let lab = Lab::start_in(Some(namespaces.process()), "10.1.0.53");
        let server = lab.address("tls").to_string();
        let printed = edit(lab.printed(RESOLVED.program, RESOLVED.kind, &server, &["--over", "tls"]));
        let running = resolved::start(program, &namespaces, &lab, &printed);
        (running, lab, namespaces)
    };
    let (wrong, _lab, _namespaces) = start(for_another_name);
    let (right, _lab, _namespaces) = start(|printed| printed);
    let (answers, other) = ask_both(right, &wrong);
    assert_eq!((&*answers, other), ("all", "refused"), "{}", wrong.log());
    row((RESOLVED.program, RESOLVED.kind, RESOLVED.zones), &answers, other)
}

#[test]
fn dnsdist_tells_of_its_clients_over_tls() {
    let Some(installed) = installed() else { return };
    let Some(forwarder) = installed.into_iter().find(|forwarder| forwarder.program == "dnsdist") else { return };
    for tell in ["client-subnet", "proxy-protocol"] {
        let mut lab = Lab::start();
        let key = tell.replace('-', "_");
        lab.believe(&format!(
            "[[forwarder]]\nname = \"edge\"\naddresses = [\"127.9.0.53\"]\n{key} = true\nvirtual_networks = [\"spoke-1\", \
             \"spoke-2\"]\n"
        ));
        let source = "127.9.0.53";
        let start =
            Start { lab: &lab, forwarder, persona: "tls", tell: Some(tell), source, namespace: None, edit: None };
        let running = start.and_wait();
        for seen in [Seen::Spoke1, Seen::Spoke2, Seen::Outside] {
            let mistakes = crate::questions::ask_all_as(running.target, &["-b", seen.source()], seen);
            assert!(mistakes.is_empty(), "{tell} {seen:?}: {mistakes:?}\n{}", running.log());
        }
    }
}
