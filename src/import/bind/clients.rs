//! The addresses that see each view. As in BIND, a client gets the first view whose list matches its address (BIND 9
//! Administrator Reference Manual, "view Block Definition and Usage", "Address Match Lists").

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::syntax::Statement;

/// Most prefixes of all lists together.
const MAX_PREFIXES: usize = 4_096;
/// Most lists nested in each other by name.
const MAX_DEPTH: u32 = 16;

/// The prefixes of each view, by its number.
pub(super) struct Clients {
    views: BTreeMap<usize, Vec<String>>,
}

/// An element of a list.
enum Element {
    Prefix(IpNet),
    List(Vec<(bool, Self)>),
}

type List = Vec<(bool, Element)>;

impl Clients {
    pub(super) fn new(
        statements: &[Statement],
        views: &[&Statement],
        mut leave_out: impl FnMut(String, &str, String),
    ) -> Self {
        let acls = statements.iter().filter(|statement| statement.is("acl"));
        let acls: HashMap<_, _> =
            acls.filter_map(|acl| Some((acl.word(1)?.to_ascii_lowercase(), acl.block()))).collect();
        let mut lists = Vec::new();
        for view in views {
            let name = view.word(1).unwrap_or_default();
            let mut note = |what: &str, why: String| leave_out(format!("view \"{name}\" match-clients"), what, why);
            let clients = view.block().iter().find(|statement| statement.is("match-clients"));
            let list = clients.map_or_else(everybody, |clients| list(clients.block(), &acls, 0, &mut note));
            lists.push(list);
        }
        let mut prefixes = BTreeSet::new();
        lists.iter().for_each(|list| collect(list, &mut prefixes));
        if prefixes.len() > MAX_PREFIXES {
            let why = format!("there are more than {MAX_PREFIXES} prefixes");
            leave_out(String::new(), "match-clients", why);
            return Self { views: BTreeMap::new() };
        }
        // Between a prefix and those within it, all addresses match the same elements.
        let view_of = |prefix: &IpNet| lists.iter().position(|list| matches(list, prefix) == Some(true));
        let of: BTreeMap<_, _> = prefixes.iter().map(|prefix| (*prefix, view_of(prefix))).collect();
        let mut result: BTreeMap<usize, Vec<IpNet>> = BTreeMap::new();
        for (prefix, view) in &of {
            let around = of.iter().filter(|(other, _)| *other != prefix && other.contains(prefix));
            let around = around.max_by_key(|(other, _)| other.prefix_len()).and_then(|(_, of)| *of);
            let Some(view) = view.as_ref().filter(|view| around != Some(**view)) else { continue };
            // The narrowest prefix that holds an address decides. Addresses that no view matches are cut out of the prefixes
            // around them.
            let mut pieces = vec![*prefix];
            let within = of.iter().filter(|(other, of)| of.is_none() && prefix.contains(*other));
            for (hole, _) in within {
                pieces = pieces.into_iter().flat_map(|piece| without(piece, *hole)).collect();
            }
            result.entry(*view).or_default().extend(pieces);
        }
        let shown = |prefixes: Vec<IpNet>| prefixes.iter().map(IpNet::to_string).collect();
        Self { views: result.into_iter().map(|(view, prefixes)| (view, shown(prefixes))).collect() }
    }

    /// The prefixes of a view.
    pub(super) fn of_view(&self, number: usize) -> Vec<String> {
        self.views.get(&number).cloned().unwrap_or_default()
    }

    /// Every address.
    pub(super) fn of_all(&self) -> Vec<String> {
        vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()]
    }
}

fn everybody() -> List {
    let (v4, v6) = (IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default()));
    vec![(false, Element::Prefix(v4)), (false, Element::Prefix(v6))]
}

fn list(
    elements: &[Statement],
    acls: &HashMap<String, &[Statement]>,
    depth: u32,
    note: &mut dyn FnMut(&str, String),
) -> List {
    let mut made = List::new();
    for element in elements {
        let is_not = element.is("!");
        let words = &element.words()[usize::from(is_not)..];
        let word = words.first().map_or("", String::as_str);
        let lower = word.to_ascii_lowercase();
        if words.is_empty() && !element.block().is_empty() {
            made.push((is_not, Element::List(list(element.block(), acls, depth + 1, note))));
        } else if let Some(prefix) = prefix(word) {
            made.push((is_not, Element::Prefix(prefix)));
        } else if let Some(acl) = acls.get(&lower).filter(|_| depth < MAX_DEPTH) {
            made.push((is_not, Element::List(list(acl, acls, depth + 1, note))));
        } else {
            match lower.as_str() {
                "any" => made.push((is_not, Element::List(everybody()))),
                "none" => made.push((!is_not, Element::List(everybody()))),
                "localhost" => {
                    let own = ["127.0.0.0/8", "::1/128"].iter().filter_map(|own| prefix(own));
                    made.push((is_not, Element::List(own.map(|own| (false, Element::Prefix(own))).collect())));
                }
                "key" => {
                    let name = words.get(1).map_or("", String::as_str);
                    let why = format!("whoever signs with the key \"{name}\" is told by a [[tsig_key]] with its file");
                    note("key", why);
                }
                "localnets" => note("localnets", "the networks of the host are not in the file".to_owned()),
                other => note(other, "it is no prefix and no list that the file has".to_owned()),
            }
        }
    }
    made
}

/// `10.1.0.0/16`, `10.1/16` or one address.
fn prefix(word: &str) -> Option<IpNet> {
    let (address, length) = word.split_once('/').map_or((word, None), |(address, length)| (address, Some(length)));
    let dots = address.bytes().filter(|octet| *octet == b'.').count();
    let is_short = dots < 3 && length.is_some() && !address.contains(':');
    let address = if is_short { format!("{address}{}", ".0".repeat(3 - dots)) } else { address.to_owned() };
    let address = address.parse().ok()?;
    let length = match length {
        Some(length) => length.parse().ok()?,
        None => IpNet::from(address).prefix_len(),
    };
    Some(IpNet::new(address, length).ok()?.trunc())
}

fn collect(list: &List, into: &mut BTreeSet<IpNet>) {
    for (_, element) in list {
        match element {
            Element::Prefix(prefix) => {
                into.insert(*prefix);
            }
            Element::List(list) => collect(list, into),
        }
    }
}

/// Whether a list accepts or refuses the addresses of a prefix: the first element that matches decides. A nested list that
/// refuses them does not decide.
fn matches(list: &List, prefix: &IpNet) -> Option<bool> {
    list.iter().find_map(|(is_not, element)| {
        let is_in = match element {
            Element::Prefix(other) => other.contains(prefix),
            Element::List(list) => matches(list, prefix) == Some(true),
        };
        is_in.then_some(!is_not)
    })
}

/// The parts of a prefix that remain when another one within it is taken out.
fn without(prefix: IpNet, hole: IpNet) -> Vec<IpNet> {
    if hole.contains(&prefix) {
        return Vec::new();
    }
    let mut pieces = Vec::new();
    let mut rest = prefix;
    while rest.contains(&hole) && rest != hole {
        let Ok(halves) = rest.subnets(rest.prefix_len() + 1) else { break };
        let halves: Vec<_> = halves.collect();
        let (with, others): (Vec<_>, Vec<_>) = halves.into_iter().partition(|half| half.contains(&hole));
        pieces.extend(others);
        match with.first() {
            Some(half) => rest = *half,
            None => return pieces,
        }
    }
    if rest != hole {
        pieces.push(rest);
    }
    pieces
}
