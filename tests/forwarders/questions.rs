//! What is asked through each forwarder, and what must come.

use std::time::{Duration, Instant};

use crate::client::{Response, Target, ask_as};

/// How long a forwarder may go without an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whose answers the forwarder's clients must see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Spoke1,
    Spoke2,
    Outside,
}

/// One question.
struct Case {
    /// What it is about, as the table says it.
    about: &'static str,
    name: &'static str,
    rtype: &'static str,
    expected: Expected,
}

enum Expected {
    /// The data of the asked type; the response comes over TCP where it is `true`.
    Data(&'static [&'static str], bool),
    /// This RCODE, no data of the asked type, and an SOA record with at most this TTL.
    Negative(&'static str, u32),
    /// Any RCODE that says that nobody answers.
    Unanswered,
}

use Expected::{Data, Negative, Unanswered};

const fn case(about: &'static str, name: &'static str, rtype: &'static str, expected: Expected) -> Case {
    Case { about, name, rtype, expected }
}

/// The TTL of negative answers of private zones, and of the derived public ones.
const PRIVATE: u32 = 10;
const PUBLIC: u32 = 300;

const BIG: &[&str] = &["big"];

const IN_SPOKE_1: &[Case] = &[
    case("A", "app.contoso.internal", "A", Data(&["10.1.0.20"], false)),
    case("AAAA", "app.contoso.internal", "AAAA", Data(&["fd00::20"], false)),
    case("TXT", "app.contoso.internal", "TXT", Data(&["\"v=1\""], false)),
    case("truncated TXT", "big.contoso.internal", "TXT", Data(BIG, true)),
    case("NXDOMAIN", "missing.contoso.internal", "A", Negative("NXDOMAIN", PRIVATE)),
    case("NODATA", "app.contoso.internal", "MX", Negative("NOERROR", PRIVATE)),
    case("PTR", "20.0.1.10.in-addr.arpa", "PTR", Data(&["app.contoso.internal."], false)),
    case("PTR", "20.0.168.192.in-addr.arpa", "PTR", Data(&["app.contoso.internal."], false)),
    case("private chain", "orders.database.windows.net", "A", Data(&["10.1.0.5"], false)),
    case("private chain", "secrets.vault.azure.net", "A", Data(&["10.1.0.6"], false)),
    case("NODATA after a chain", "orders.database.windows.net", "AAAA", Negative("NOERROR", PRIVATE)),
    case("public chain", "archive.blob.core.windows.net", "A", Data(&["203.0.113.11"], false)),
    case("forwarded name", "everyone.database.windows.net", "A", Data(&["198.51.100.9"], false)),
];

const IN_SPOKE_2: &[Case] = &[
    case("A", "app.contoso.internal", "A", Data(&["10.1.0.20"], false)),
    case("truncated TXT", "big.contoso.internal", "TXT", Data(BIG, true)),
    case("NXDOMAIN after a chain", "orders.database.windows.net", "A", Negative("NXDOMAIN", PRIVATE)),
    case("public chain", "secrets.vault.azure.net", "A", Data(&["203.0.113.9"], false)),
    case("private chain", "ledger.database.windows.net", "A", Data(&["10.2.0.8"], false)),
];

const OUTSIDE: &[Case] = &[
    case("refused", "app.contoso.internal", "A", Unanswered),
    case("refused", "big.contoso.internal", "TXT", Unanswered),
    case("public chain", "orders.database.windows.net", "A", Data(&["203.0.113.7"], false)),
    case("public chain", "secrets.vault.azure.net", "A", Data(&["203.0.113.9"], false)),
    case("NODATA after a chain", "orders.database.windows.net", "AAAA", Negative("NOERROR", PUBLIC)),
    case("forwarded NXDOMAIN", "missing.database.windows.net", "A", Negative("NXDOMAIN", PUBLIC)),
];

impl Seen {
    /// An address that belongs there.
    pub(crate) const fn source(self) -> &'static str {
        match self {
            Self::Spoke1 => "127.1.0.4",
            Self::Spoke2 => "127.2.0.4",
            Self::Outside => "127.3.0.4",
        }
    }

    const fn cases(self) -> &'static [Case] {
        match self {
            Self::Spoke1 => IN_SPOKE_1,
            Self::Spoke2 => IN_SPOKE_2,
            Self::Outside => OUTSIDE,
        }
    }
}

/// Asks everything and says what came out wrong: what it was about and what came instead.
pub(crate) fn ask_all(target: Target, seen: Seen) -> Vec<String> {
    ask_all_as(target, &[], seen)
}

/// The same with more arguments for dig: who asks, and how.
pub(crate) fn ask_all_as(target: Target, who: &[&str], seen: Seen) -> Vec<String> {
    let wrong = |case: &Case| {
        let start = Instant::now();
        loop {
            let response = ask_as(target, who, case.name, case.rtype, 5);
            let mistake = case.mistake(&response, who.contains(&"+tcp"))?;
            // On a busy machine a forwarder gives up, and remembers that for seconds.
            if !["", "SERVFAIL"].contains(&response.rcode.as_str()) || start.elapsed() > PATIENCE {
                return Some(format!("{}: {mistake}", case.about));
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    };
    let mut mistakes: Vec<_> = seen.cases().iter().filter_map(wrong).collect();
    mistakes.dedup();
    mistakes
}

impl Case {
    fn mistake(&self, response: &Response, is_tcp: bool) -> Option<String> {
        let rcode = &response.rcode;
        match self.expected {
            Unanswered => (!["REFUSED", "SERVFAIL"].contains(&rcode.as_str())).then(|| format!("{rcode:?}")),
            Data(expected, over_tcp) => {
                let mut data: Vec<_> = response.data(self.rtype).map(str::to_owned).collect();
                data.sort();
                let expected: Vec<_> = match expected == BIG {
                    true => ('a'..='j').map(|char| format!("\"{}\"", char.to_string().repeat(200))).collect(),
                    false => expected.iter().map(|data| (*data).to_owned()).collect(),
                };
                match () {
                    () if rcode != "NOERROR" => Some(word(rcode)),
                    () if data != expected => Some(format!("{} records", data.len())),
                    () if response.over_tcp != (over_tcp || is_tcp) => Some("not truncated".to_owned()),
                    () => None,
                }
            }
            Negative(expected, most) => match response.soa.as_slice() {
                _ if rcode != expected => Some(word(rcode)),
                _ if response.data(self.rtype).next().is_some() => Some("data".to_owned()),
                [] => Some("no SOA".to_owned()),
                [ttl, ..] if *ttl > most => Some(format!("SOA with TTL {ttl}")),
                _ => None,
            },
        }
    }
}

fn word(rcode: &str) -> String {
    if rcode.is_empty() { "no response".to_owned() } else { rcode.to_owned() }
}
