//! Domain names as lists of labels, left to right, without the root label: slow, and nothing to get wrong.

/// A domain name.
pub(crate) type Labels = Vec<Vec<u8>>;

/// Most octets of a name in wire format (RFC 1035 §2.3.4).
pub(crate) const MAX_NAME: usize = 255;

/// The labels of a name without escapes.
pub(crate) fn labels(text: &str) -> Labels {
    text.split('.').filter(|label| !label.is_empty()).map(|label| label.as_bytes().to_vec()).collect()
}

/// Uncompressed wire format (RFC 1035 §3.1).
pub(crate) fn to_wire(name: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = Vec::new();
    for label in name {
        octets.push(label.len() as u8);
        octets.extend(label);
    }
    octets.push(0);
    octets
}

/// The name at the start of octets that hold no compression pointer.
pub(crate) fn from_wire(octets: &[u8]) -> Labels {
    let mut name = Vec::new();
    let mut at = 0;
    while octets[at] != 0 {
        let end = at + 1 + usize::from(octets[at]);
        name.push(octets[at + 1..end].to_vec());
        at = end;
    }
    name
}

/// The name in lower case: names compare without regard to case (RFC 4343).
pub(crate) fn lower(name: &[Vec<u8>]) -> Labels {
    name.iter().map(|label| label.to_ascii_lowercase()).collect()
}

/// The name with the letters in upper case whose turn the bits of `mask` say.
pub(crate) fn in_case(name: &[Vec<u8>], mask: u64) -> Labels {
    let mut turns = (0..u64::BITS).cycle();
    let mut turn = |octet: &u8| {
        let upper = turns.next().is_some_and(|bit| mask >> bit & 1 == 1);
        if upper { octet.to_ascii_uppercase() } else { octet.to_ascii_lowercase() }
    };
    name.iter().map(|label| label.iter().map(&mut turn).collect()).collect()
}

/// Whether `name` is `apex` or lies below it; both in lower case.
pub(crate) fn is_within(name: &[Vec<u8>], apex: &[Vec<u8>]) -> bool {
    name.ends_with(apex)
}

/// `labels` in front of `parent`.
pub(crate) fn join(labels: &[Vec<u8>], parent: &[Vec<u8>]) -> Labels {
    [labels, parent].concat()
}

/// Presentation format, for people who read a failure.
pub(crate) fn text(name: &[Vec<u8>]) -> String {
    name.iter().map(|label| format!("{}.", label.escape_ascii())).collect::<String>()
        + if name.is_empty() { "." } else { "" }
}
