//! Whose answers the clients of a forwarder get, for each way in which their network is known; and whether a client that
//! claims to be in another network is believed.

use std::thread;

use crate::client::{Target, ask_as};
use crate::lab::Lab;
use crate::programs::{Edit, Forwarder, Running, Start};
use crate::questions::{Seen, ask_all, ask_all_as};
use crate::{PERSONAS, installed, start, table};

const HEAD: &str = "| program | way | in spoke-1 | in spoke-2 | outside | a client's own claim |";
const PLACES: [Seen; 3] = [Seen::Spoke1, Seen::Spoke2, Seen::Outside];
const OUTSIDE: &str = Seen::Outside.source();

/// How often everything is asked: first over UDP, then over TCP, and again while the answers to others are kept.
const ROUNDS: [&[&str]; 4] = [&[], &["+tcp"], &[], &["+tcp"]];

/// A forwarder that tells of its clients.
#[derive(Clone, Copy, Debug)]
struct Teller {
    program: &'static str,
    /// As `--tell` knows it.
    tell: &'static str,
    /// Where it asks from. That lies in spoke-1, so that a client of whom it does not tell would get what is seen there;
    /// but for dnsmasq, which does not tell of clients that sign their queries.
    source: &'static str,
}

const TELLERS: [Teller; 5] = [
    Teller { program: "dnsdist", tell: "client-subnet", source: "127.1.53.1" },
    Teller { program: "dnsdist", tell: "proxy-protocol", source: "127.1.53.2" },
    Teller { program: "dnsmasq", tell: "client-subnet", source: "127.3.53.3" },
    Teller { program: "pdns-recursor", tell: "client-subnet", source: "127.1.53.4" },
    Teller { program: "unbound", tell: "client-subnet", source: "127.1.53.5" },
];

/// The only one that does not keep its clients from telling of themselves.
const CREDULOUS: &str = "unbound";

/// Programs that cannot tell and reach the listener of each network.
const AT_LISTENERS: [&str; 2] = ["bind", "unbound"];

impl Teller {
    fn way(self) -> &'static str {
        if self.tell == "client-subnet" { "EDNS Client Subnet" } else { "PROXY protocol" }
    }

    /// The printed `[[forwarder]]`, with the address of this one.
    fn table(self, lab: &Lab) -> String {
        let printed =
            lab.printed(self.program, "forward", &lab.address(PERSONAS[0]).to_string(), &["--tell", self.tell]);
        let lines = printed.lines().skip_while(|line| !line.ends_with("[[forwarder]]"));
        let table: String = lines
            .map_while(|line| line.strip_prefix("--   ").or_else(|| line.strip_prefix("#   ")))
            .flat_map(|line| [line, "\n"])
            .collect();
        assert!(table.contains("\"ADDRESS\""), "{printed}");
        let name = format!("{} {}", self.program, self.tell);
        table.replacen(&format!("{:?}", self.program), &format!("{name:?}"), 1).replace("ADDRESS", self.source)
    }

    fn start(self, lab: &Lab, installed: &[Forwarder], edit: Option<Edit<'_>>) -> Running {
        let forwarder = *default(installed, self.program).unwrap();
        let Self { tell, source, .. } = self;
        Start { lab, forwarder, persona: PERSONAS[0], tell: Some(tell), source, namespace: None, edit }.and_wait()
    }
}

fn default<'a>(installed: &'a [Forwarder], program: &str) -> Option<&'a Forwarder> {
    installed.iter().find(|forwarder| forwarder.is_default && forwarder.program == program)
}

/// A lab that believes these.
fn believing(tellers: &[Teller]) -> Lab {
    let mut lab = Lab::start();
    let tables: String = tellers.iter().map(|teller| teller.table(&lab)).collect();
    lab.believe(&tables);
    lab
}

/// What a client may write into a query to pass for another: addresses of both networks, in several forms; none, so that
/// the forwarder's own address would count; two at one time; and a signature, with which some pass it on as it is.
const CLAIMS: [&[&str]; 7] = [
    &["+subnet=10.1.0.4/32"],
    &["+subnet=10.2.0.4/32", "+tcp"],
    &["+subnet=127.1.0.4/32"],
    &["+subnet=::ffff:10.1.0.4/128"],
    &["+subnet=0.0.0.0/0"],
    &["+ednsopt=8:000120000a010004", "+ednsopt=8:000120000a010004"],
    &["-y", "hmac-sha256:stranger:c2VjcmV0IG9mIGEgc3RyYW5nZXI="],
];

/// Whether a client outside gets a private address by such a claim.
fn is_believed(target: Target) -> bool {
    let names = [
        "app.contoso.internal",
        "orders.database.windows.net",
        "ledger.database.windows.net",
        "secrets.vault.azure.net",
    ];
    let gets = |claim: &[&str], name: &str| {
        let who = [&["-b", OUTSIDE], claim].concat();
        ask_as(target, &who, name, "A", 2).data("A").any(|address| address.starts_with("10."))
    };
    CLAIMS.iter().any(|claim| names.iter().any(|name| gets(claim, name)))
}

/// A row of the table.
fn text(program: &str, way: &str, places: &[String; 3], is_believed: bool) -> String {
    let [first, second, outside] = places;
    let claim = if is_believed { "**believed**" } else { "ignored" };
    format!("| {program} | {way} | {first} | {second} | {outside} | {claim} |")
}

/// Asks one forwarder as clients of the three places, all at one time and again and again, while a fourth claims to be
/// in another place.
fn ask_interleaved(running: &Running, what: &str) -> ([String; 3], bool) {
    let target = running.target;
    let mut mistakes: [Vec<String>; 3] = Default::default();
    let mut believed = false;
    for round in ROUNDS {
        thread::scope(|scope| {
            let forger = scope.spawn(|| is_believed(target));
            let places = PLACES
                .map(|seen| scope.spawn(move || ask_all_as(target, &[&["-b", seen.source()], round].concat(), seen)));
            for (all, place) in mistakes.iter_mut().zip(places) {
                all.extend(place.join().unwrap());
            }
            believed |= forger.join().unwrap();
        });
    }
    for mistakes in &mut mistakes {
        mistakes.sort();
        mistakes.dedup();
        assert!(mistakes.is_empty() || what.contains(CREDULOUS), "{what}: {mistakes:?}\n{}", running.log());
    }
    assert!(!believed || what.contains(CREDULOUS), "{what} believes its clients:\n{}", running.log());
    (mistakes.map(|mistakes| table::answers(&mistakes)), believed)
}

/// A forwarder for each place, which the server knows by its source address, or by the listener that it asks.
fn ask_apart(lab: &Lab, forwarder: Forwarder, by_listener: bool) -> ([String; 3], bool) {
    let documented = table::documented(forwarder);
    let ask = |seen| {
        let listener = match seen {
            Seen::Spoke1 => "spoke-1",
            Seen::Spoke2 => "spoke-2",
            Seen::Outside => PERSONAS[0],
        };
        let running = match by_listener {
            true => start(lab, forwarder, listener, Seen::Outside, None),
            false => start(lab, forwarder, PERSONAS[0], seen, None),
        };
        let mistakes = ask_all(running.target, seen);
        assert!(
            mistakes.iter().all(|mistake| documented.contains(mistake)),
            "{forwarder:?} {seen:?}: {mistakes:?}\n{}",
            running.log()
        );
        (table::answers(&mistakes), seen == Seen::Outside && is_believed(running.target))
    };
    let ask = &ask;
    let answers =
        thread::scope(|scope| PLACES.map(|seen| scope.spawn(move || ask(seen))).map(|answers| answers.join().unwrap()));
    let believed = answers.iter().any(|(_, believed)| *believed);
    assert!(!believed, "{forwarder:?} believes its clients");
    (answers.map(|(answers, _)| answers), believed)
}

#[test]
fn clients_of_three_places_get_their_own_answers() {
    let Some(installed) = installed() else { return };
    let installed = &installed;
    let tellers: Vec<_> = TELLERS.into_iter().filter(|teller| default(installed, teller.program).is_some()).collect();
    let lab = &believing(&tellers);
    let rows: Vec<String> = thread::scope(|scope| {
        let by_source = installed.iter().filter(|forwarder| forwarder.is_default).map(|forwarder| (forwarder, false));
        let by_listener =
            AT_LISTENERS.iter().filter_map(|program| default(installed, program)).map(|forwarder| (forwarder, true));
        let mut rows: Vec<_> = by_source
            .chain(by_listener)
            .map(|(forwarder, by_listener)| {
                scope.spawn(move || {
                    let (places, believed) = ask_apart(lab, *forwarder, by_listener);
                    let way = if by_listener { "listener" } else { "source address" };
                    text(forwarder.program, way, &places, believed)
                })
            })
            .collect();
        rows.extend(tellers.iter().map(|teller| {
            scope.spawn(move || {
                let running = teller.start(lab, installed, None);
                let (places, believed) = ask_interleaved(&running, &format!("{teller:?}"));
                text(teller.program, teller.way(), &places, believed)
            })
        }));
        rows.into_iter().map(|row| row.join().unwrap()).collect()
    });
    table::check("ways", HEAD, &rows);
}

#[test]
fn without_the_printed_protection_a_client_is_believed() {
    let Some(installed) = installed() else { return };
    let edits = [("dnsdist", "setECSOverride(true)\n", ""), ("pdns-recursor", "edns-subnet=no", "edns-subnet=yes")];
    for (program, printed, edited) in edits {
        let Some(teller) = TELLERS.into_iter().find(|teller| teller.program == program) else { continue };
        if default(&installed, program).is_none() {
            continue;
        }
        let lab = believing(&[teller]);
        let edit = |text: String| {
            assert!(text.contains(printed), "{text}");
            text.replace(printed, edited)
        };
        let running = teller.start(&lab, &installed, Some(&edit));
        assert!(is_believed(running.target), "{program}: {}", running.log());
    }
}
