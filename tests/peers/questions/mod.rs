//! What is asked: every owner name of every zone, names made up around them, and messages that are odd.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr;
use vnetdns::dns::Name;

use super::reply::{A, AAAA, ANY, CNAME, DNAME, DS, NS, SOA};
use super::servers::Zones;

mod odd;

/// A message to send.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// For people: what is asked and how.
    pub(crate) label: String,
    pub(crate) octets: Vec<u8>,
    pub(crate) transport: Transport,
    /// In lower case, as in decoded replies; empty for odd messages.
    pub(crate) qname: String,
    pub(crate) qtype: u16,
    /// What is odd about it, if anything is.
    pub(crate) odd: Option<&'static str>,
    /// Whether no reply is a reply, too.
    pub(crate) may_be_ignored: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// How a plain question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Over UDP, with this payload size and DO bit.
    Edns(u16, bool),
    Plain,
    Tcp,
}

const MX: u16 = 15;
const TXT: u16 = 16;
const SRV: u16 = 33;
const UNKNOWN: u16 = 65_280;
/// Asked of every name.
const TYPES: [u16; 12] = [A, AAAA, NS, SOA, MX, TXT, CNAME, DNAME, DS, SRV, ANY, UNKNOWN];
/// Asked of every name in all forms.
const FEW_TYPES: [u16; 4] = [A, NS, TXT, MX];
/// Asked of the names in the zone of types: PTR, HINFO, RP, LOC, NAPTR, SSHFP, TLSA, SVCB, HTTPS, CAA, TYPE65281.
const MORE_TYPES: [u16; 11] = [12, 13, 17, 29, 35, 44, 52, 64, 65, 257, 65_281];

impl Question {
    pub(crate) fn over_tcp(&self) -> Self {
        Self { transport: Transport::Tcp, label: format!("{} again over TCP", self.label), ..self.clone() }
    }

    fn plain(name: &Name, qtype: u16, form: Form, id: u16) -> Self {
        let (transport, edns) = match form {
            Form::Edns(size, dnssec_ok) => (Transport::Udp, Some((size, dnssec_ok))),
            Form::Plain => (Transport::Udp, None),
            Form::Tcp => (Transport::Tcp, None),
        };
        let name = rr::Name::from_labels(name.as_ref().labels()).unwrap();
        Self {
            label: format!("{name} {} {form:?}", rr::RecordType::from(qtype)),
            qname: name.to_lowercase().to_ascii(),
            octets: message(name, qtype, edns, id),
            transport,
            qtype,
            odd: None,
            may_be_ignored: false,
        }
    }
}

fn message(name: rr::Name, qtype: u16, edns: Option<(u16, bool)>, id: u16) -> Vec<u8> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(name, qtype.into()));
    if let Some((size, dnssec_ok)) = edns {
        let mut edns = Edns::new();
        edns.set_max_payload(size).set_dnssec_ok(dnssec_ok);
        message.set_edns(edns);
    }
    message.to_vec().unwrap()
}

/// Asks whether a server answers for a zone.
pub(crate) fn soa_query(apex: &str) -> Vec<u8> {
    message(rr::Name::from_ascii(format!("{apex}.")).unwrap(), SOA, None, 1)
}

/// All questions.
pub(crate) fn all(zones: &Zones) -> Vec<Question> {
    let mut questions = Vec::new();
    let mut ask = |name: &Name, qtype, form| {
        let id = questions.len() as u16;
        questions.push(Question::plain(name, qtype, form, id));
    };
    let mut asked = BTreeSet::new();
    for (apex, path) in &zones.files {
        let apex: Name = apex.parse().unwrap();
        let owners = owners(&apex, path);
        let made_up: BTreeSet<Name> = owners.iter().flat_map(made_up).collect();
        for name in owners.iter().chain(&made_up).filter(|name| asked.insert((*name).clone())) {
            TYPES.iter().for_each(|qtype| ask(name, *qtype, Form::Edns(1232, false)));
        }
        for name in &owners {
            for form in [Form::Plain, Form::Edns(512, false), Form::Edns(1232, true), Form::Tcp] {
                FEW_TYPES.iter().for_each(|qtype| ask(name, *qtype, form));
            }
            ask(&alternating_case(name), A, Form::Edns(1232, false));
            ask(&alternating_case(name), ANY, Form::Plain);
            ask(name, ANY, Form::Tcp);
            if apex == "types.test".parse().unwrap() {
                MORE_TYPES.iter().for_each(|qtype| ask(name, *qtype, Form::Edns(1232, false)));
            }
        }
        for name in &made_up {
            ask(name, A, Form::Tcp);
            ask(&alternating_case(name), A, Form::Plain);
        }
    }
    for name in NOT_HELD {
        for form in [Form::Plain, Form::Edns(1232, true), Form::Tcp] {
            TYPES.iter().for_each(|qtype| ask(&name.parse().unwrap(), *qtype, form));
        }
    }
    for name in long_names() {
        [A, CNAME, DNAME, ANY].iter().for_each(|qtype| ask(&name, *qtype, Form::Edns(1232, false)));
    }
    questions.extend(odd::messages());
    questions
}

/// Each type of each name, in all forms.
pub(crate) fn of(names: &[&str]) -> Vec<Question> {
    let mut questions = Vec::new();
    for name in names {
        let name: Name = name.parse().unwrap();
        for form in [Form::Edns(1232, false), Form::Edns(512, false), Form::Edns(1232, true), Form::Plain, Form::Tcp] {
            questions.extend(TYPES.iter().map(|qtype| Question::plain(&name, *qtype, form, *qtype)));
        }
    }
    questions
}

const NOT_HELD: [&str; 8] =
    [".", "test", "invalid", "www.elsewhere.invalid", "examples", "xexample", "delegation.tes", "com"];

/// Owner names of a master file and the names between them and the apex.
fn owners(apex: &Name, path: &Path) -> BTreeSet<Name> {
    let text = fs::read_to_string(path).unwrap();
    let mut origin = apex.clone();
    let mut owners = BTreeSet::from([apex.clone()]);
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("$ORIGIN") => origin = words.next().unwrap().parse().unwrap(),
            // In these files, lines that continue an entry begin with space.
            Some(word) if line.starts_with(word) && !word.starts_with(['$', ';']) => {
                let owner = Name::relative(word, origin.as_ref()).unwrap();
                let ancestors = owner.as_ref().ancestors().take_while(|name| name.is_within(apex.as_ref()));
                owners.extend(ancestors.map(|name| name.to_name()));
            }
            _ => {}
        }
    }
    owners
}

/// Names below and beside a name, and the asterisk label asked literally.
fn made_up(name: &Name) -> Vec<Name> {
    let below = ["x-made-up", "*", "y.x-made-up", "x.*", "*.x-made-up", "www", "ns.www"];
    let mut names: Vec<Name> = below.iter().filter_map(|labels| Name::relative(labels, name.as_ref()).ok()).collect();
    if let Some(parent) = name.as_ref().parent().filter(|parent| !parent.is_root()) {
        let first = name.as_ref().labels().next().unwrap();
        let longer = [first, b"0"].concat();
        let label = longer.iter().map(|octet| format!("\\{octet:03}")).collect::<String>();
        names.extend(Name::relative(&label, parent));
    }
    names
}

fn alternating_case(name: &Name) -> Name {
    let mut octets = name.as_wire().to_vec();
    for octet in octets.iter_mut().step_by(2) {
        // Length octets are below 64: no letters.
        if octet.is_ascii_alphabetic() {
            *octet ^= 0x20;
        }
    }
    Name::from_wire(&octets).unwrap()
}

/// Names below DNAME owners that become as long as a name may be, and longer.
fn long_names() -> impl Iterator<Item = Name> {
    (20..=63).map(|len| format!("{}.long.dname.test", "n".repeat(len)).parse().unwrap())
}
