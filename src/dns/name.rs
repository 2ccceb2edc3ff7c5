//! Domain names in wire format (RFC 1035 §3.1), compared without regard to letter case (RFC 4343).
//!
//! [`Name`] owns its bytes, [`NameRef`] borrows them from a zone or a request, [`Folded`] is the lower-case
//! copy on the stack that look-ups use. All three hold a complete, uncompressed name that ends in the root label.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use smallvec::SmallVec;

/// Longest name in octets, the root label included (RFC 1035 §2.3.4).
const MAX_NAME: usize = 255;
/// Longest label in octets (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// An owned domain name; letter case is kept, comparisons ignore it. Clones share their octets.
#[derive(Clone)]
pub struct Name(Arc<[u8]>);

/// A borrowed domain name.
#[derive(Clone, Copy)]
pub struct NameRef<'a>(&'a [u8]);

/// A lower-case copy of a name on the stack: the form in which every index is searched.
#[derive(Clone, Copy)]
pub struct Folded {
    octets: [u8; FOLDED],
    len: u8,
}

/// Capacity for the longest name, in whole chunks.
const FOLDED: usize = MAX_NAME.next_multiple_of(FOLD_CHUNK);
/// Octets that are turned into lower case at once: the compiler vectorizes a loop of this fixed length.
const FOLD_CHUNK: usize = 32;

/// Why a text is not a domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There is nothing between two dots, or the text is empty.
    #[error("a label is empty")]
    EmptyLabel,
    /// A label is longer than 63 octets.
    #[error("a label is longer than 63 octets")]
    LongLabel,
    /// The name is longer than 255 octets in wire format.
    #[error("the name is longer than 255 octets")]
    LongName,
    /// A backslash is not followed by a character or by three digits up to 255.
    #[error("a backslash is not followed by a character or three digits up to 255")]
    BadEscape,
    /// A space, a control character or a character outside ASCII is not escaped.
    #[error("the character {0:?} does not belong in a domain name")]
    BadCharacter(char),
    /// The text is `@`, which stands for the origin of a zone file, and there is no origin.
    #[error("it stands for the origin of a zone file, and there is none here")]
    NoOrigin,
}

impl Name {
    /// The root name.
    pub fn root() -> Self {
        Self(Arc::new([0]))
    }

    /// An owned name from octets that must be exactly one name in wire format.
    ///
    /// Returns `None` if they are not.
    pub fn from_wire(octets: &[u8]) -> Option<Self> {
        match NameRef::parse(octets) {
            Some(name) if name.0.len() == octets.len() => Some(Self(octets.into())),
            _ => None,
        }
    }

    /// Reads text as a name below `parent`, where `@` stands for `parent` itself (RFC 1035 §5.1).
    ///
    /// A text that ends in a dot is absolute: `parent` is not appended.
    ///
    /// # Errors
    /// See [`NameError`].
    pub fn relative(text: &str, parent: NameRef<'_>) -> Result<Self, NameError> {
        if text == "@" {
            return Ok(parent.to_name());
        }
        let wire = read(text)?;
        if is_absolute(text) {
            return Ok(Self(wire.as_slice().into()));
        }
        NameRef(&wire).join(parent).ok_or(NameError::LongName)
    }

    /// Puts labels in wire format, without a root label, in front of a name; `None` if the result is too long.
    fn concat(labels: &[u8], parent: NameRef<'_>) -> Option<Self> {
        let mut octets = [0; MAX_NAME];
        let octets = octets.get_mut(..labels.len() + parent.0.len())?;
        octets[..labels.len()].copy_from_slice(labels);
        octets[labels.len()..].copy_from_slice(parent.0);
        Some(Self((&*octets).into()))
    }

    /// The borrowed form.
    pub fn as_ref(&self) -> NameRef<'_> {
        NameRef(&self.0)
    }

    /// The bytes in wire format, root label included.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }
}

impl<'a> NameRef<'a> {
    /// Takes wire format that is a literal of the program; must be one whole name.
    pub(crate) const fn constant(wire: &'a [u8]) -> Self {
        Self(wire)
    }

    /// Parses an uncompressed name at the start of `octets`; the octets behind it are ignored.
    ///
    /// Returns `None` for a compression pointer, an unknown label type, a name that is too long or one that is cut off.
    pub fn parse(octets: &'a [u8]) -> Option<Self> {
        let octets = &octets[..octets.len().min(MAX_NAME)];
        let mut at = 0;
        loop {
            let len = usize::from(*octets.get(at)?);
            at += 1 + len;
            // One comparison for both ends of a name, the root label and a length that there is not.
            if !(1..=MAX_LABEL).contains(&len) {
                return (len == 0).then(|| Self(&octets[..at]));
            }
        }
    }

    /// Whether these are the octets of the name, letter case included.
    // Without a call, so that callers keep what they have in registers.
    #[inline(always)]
    pub(crate) fn is_spelled(self, octets: &[u8]) -> bool {
        let (own, other) = (self.0.as_chunks::<16>().0, octets.as_chunks::<16>().0);
        self.0.len() == octets.len()
            && match (self.0.last_chunk::<16>(), octets.last_chunk::<16>()) {
                // Some of these octets are compared twice, which is cheaper than a loop over the others.
                (Some(last), Some(other_last)) => {
                    last == other_last && own.iter().zip(other).all(|(one, other)| one == other)
                }
                _ => self.0 == octets,
            }
    }

    /// The bytes in wire format, root label included.
    pub fn as_wire(self) -> &'a [u8] {
        self.0
    }

    /// Whether this is the root name.
    pub fn is_root(self) -> bool {
        self.0.len() == 1
    }

    /// Labels from left to right, without the root label.
    pub fn labels(self) -> Labels<'a> {
        Labels(self.0)
    }

    /// The name without its leftmost label; `None` for the root.
    pub fn parent(self) -> Option<Self> {
        match usize::from(self.0[0]) {
            0 => None,
            len => Some(Self(&self.0[1 + len..])),
        }
    }

    /// The leftmost label and the rest; the name must not be the root.
    fn split_label(self) -> (&'a [u8], Self) {
        let (label, rest) = self.0.split_at(1 + usize::from(self.0[0]));
        (&label[1..], Self(rest))
    }

    /// The name itself, then its parent, and so on up to the root.
    pub fn ancestors(self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self), |name| name.parent())
    }

    /// Whether this name is `apex` or lies below it.
    pub fn is_within(self, apex: NameRef<'_>) -> bool {
        let Some(cut) = self.0.len().checked_sub(apex.0.len()) else {
            return false;
        };
        self.0[cut..].eq_ignore_ascii_case(apex.0) && self.ancestors().any(|name| name.0.len() == apex.0.len())
    }

    /// Whether the leftmost label is `*` (RFC 4592 §2.1.1).
    pub fn is_wildcard(self) -> bool {
        self.0.starts_with(b"\x01*")
    }

    /// This name's labels followed by those of `parent`; `None` if that is too long.
    pub fn join(self, parent: NameRef<'_>) -> Option<Name> {
        let labels = &self.0[..self.0.len() - 1];
        Name::concat(labels, parent)
    }

    /// Replaces the suffix `from` by `to`, as a DNAME record does (RFC 6672 §2.2); `None` if the result is too long.
    ///
    /// The name must lie within `from`.
    pub fn with_suffix(self, from: NameRef<'_>, to: NameRef<'_>) -> Option<Name> {
        let labels = &self.0[..self.0.len() - from.0.len()];
        Name::concat(labels, to)
    }

    /// The lower-case copy that lookups use.
    pub fn fold(self) -> Folded {
        let mut folded = Folded { octets: [0; FOLDED], len: self.0.len() as u8 };
        folded.octets[..self.0.len()].copy_from_slice(self.0);
        let (chunks, _) = folded.octets.as_chunks_mut::<FOLD_CHUNK>();
        for chunk in &mut chunks[..self.0.len().div_ceil(FOLD_CHUNK)] {
            // A length octet is at most 63, and so never an upper-case letter.
            for octet in chunk {
                *octet |= u8::from(octet.is_ascii_uppercase()) << 5;
            }
        }
        folded
    }

    /// Feeds the name to a hasher, sixteen octets at a time and without a copy. Names that differ in letter case only give the
    /// same hash, and so do a few others: a lookup by this hash must compare the names.
    #[inline]
    pub fn hash_folded(self, hasher: &mut impl Hasher) {
        // The bit that distinguishes an upper-case letter from its lower-case form.
        const CASE: u128 = u128::from_ne_bytes([0x20; 16]);
        let (chunks, rest) = self.0.as_chunks::<16>();
        for chunk in chunks {
            hasher.write_u128(u128::from_le_bytes(*chunk) | CASE);
        }
        match self.0.last_chunk::<16>() {
            // Some of these octets were fed before, which is cheaper than a loop over the rest.
            Some(last) => hasher.write_u128(u128::from_le_bytes(*last) | CASE),
            None => hasher.write_u128(rest.iter().fold(0, |word, octet| word << 8 | u128::from(*octet)) | CASE),
        }
    }

    /// A number for sorting names below an apex: if two names have different numbers, the one with the lower number comes first
    /// in canonical order. It is made of the first octets of the label next to the apex; 0 for names that are not below it.
    pub fn order_hint(self, apex: NameRef<'_>) -> u128 {
        let below = self.ancestors().take_while(|name| name.0.len() > apex.0.len()).last();
        let label = below.filter(|_| self.is_within(apex)).and_then(|name| name.labels().next()).unwrap_or_default();
        let mut octets = [0; 16];
        let known = label.len().min(octets.len());
        octets[..known].copy_from_slice(&label[..known]);
        octets.make_ascii_lowercase();
        u128::from_be_bytes(octets)
    }

    /// An owned copy.
    pub fn to_name(self) -> Name {
        Name(self.0.into())
    }
}

impl Folded {
    /// The folded name.
    pub fn as_ref(&self) -> NameRef<'_> {
        NameRef(&self.octets[..usize::from(self.len)])
    }
}

/// Iterator over the labels of a name, left to right, without the root label.
pub struct Labels<'a>(&'a [u8]);

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let len = usize::from(self.0[0]);
        let label = &self.0[1..1 + len];
        (len > 0).then(|| {
            self.0 = &self.0[1 + len..];
            label
        })
    }
}

impl FromStr for Name {
    type Err = NameError;

    /// Reads presentation format (RFC 1035 §5.1): every name is absolute, a dot at the end changes nothing.
    fn from_str(text: &str) -> Result<Self, NameError> {
        if text == "@" {
            return Err(NameError::NoOrigin);
        }
        Ok(Self(read(text)?.as_slice().into()))
    }
}

/// Reads presentation format into wire format, on the stack unless the name is very long.
fn read(text: &str) -> Result<SmallVec<[u8; 128]>, NameError> {
    let mut wire = SmallVec::from_slice(&[0]);
    if text == "." {
        return Ok(wire);
    }
    let mut start = 0;
    let mut chars = text.chars().peekable();
    loop {
        match chars.next() {
            None | Some('.') => {
                close_label(&mut wire, start)?;
                start = wire.len();
                // A place for the length of the next label, or the root label.
                wire.push(0);
                if chars.peek().is_none() {
                    break;
                }
            }
            Some('\\') => wire.push(escaped(&mut chars)?),
            Some(char) if char.is_ascii_graphic() => wire.push(char as u8),
            Some(char) => return Err(NameError::BadCharacter(char)),
        }
    }
    if wire.len() > MAX_NAME {
        return Err(NameError::LongName);
    }
    Ok(wire)
}

/// Whether a text ends in a dot that is not escaped.
fn is_absolute(text: &str) -> bool {
    text.strip_suffix('.').is_some_and(|rest| {
        let backslashes = rest.len() - rest.trim_end_matches('\\').len();
        backslashes % 2 == 0
    })
}

/// Writes the length octet of the label that began at `start`.
fn close_label(wire: &mut [u8], start: usize) -> Result<(), NameError> {
    match wire.len() - start - 1 {
        0 => Err(NameError::EmptyLabel),
        len if len > MAX_LABEL => Err(NameError::LongLabel),
        len => {
            wire[start] = len as u8;
            Ok(())
        }
    }
}

fn escaped(chars: &mut impl Iterator<Item = char>) -> Result<u8, NameError> {
    let first = chars.next().ok_or(NameError::BadEscape)?;
    let Some(hundreds) = first.to_digit(10) else {
        return u8::try_from(first).map_err(|_| NameError::BadEscape);
    };
    let mut digit = || chars.next().and_then(|char| char.to_digit(10)).ok_or(NameError::BadEscape);
    let value = hundreds * 100 + digit()? * 10 + digit()?;
    u8::try_from(value).map_err(|_| NameError::BadEscape)
}

impl fmt::Display for NameRef<'_> {
    /// Presentation format with the dot at the end, special characters escaped (RFC 1035 §5.1).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for label in self.labels() {
            for &octet in label {
                match octet {
                    b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => write!(f, "\\{}", octet as char)?,
                    0x21..=0x7e => write!(f, "{}", octet as char)?,
                    _ => write!(f, "\\{octet:03}")?,
                }
            }
            f.write_str(".")?;
        }
        Ok(())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl fmt::Debug for NameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for NameRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        // Most equal names are equal octet by octet as well, which takes fewer instructions to compare.
        self.0 == other.0 || self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for NameRef<'_> {}

impl Ord for NameRef<'_> {
    /// Canonical order (RFC 4034 §6.1): by labels from the right, so that a zone's names stand together.
    fn cmp(&self, other: &Self) -> Ordering {
        let (mut ours, mut theirs) = (*self, *other);
        // The labels in front of the longest common suffix, which all names of a zone share.
        let (mut our_label, mut their_label): (&[u8], &[u8]) = (&[], &[]);
        loop {
            let (our_len, their_len) = (ours.0.len(), theirs.0.len());
            if our_len == their_len && (ours.0 == theirs.0 || ours == theirs) {
                break;
            }
            if our_len >= their_len {
                (our_label, ours) = ours.split_label();
            }
            if their_len >= our_len {
                (their_label, theirs) = theirs.split_label();
            }
        }
        // A name without a label left is an ancestor of the other one and comes first, as an empty label does. Most names of a
        // zone have a common prefix, which is skipped eight octets at a time.
        let (ours, theirs) = (our_label.as_chunks::<8>().0, their_label.as_chunks::<8>().0);
        let alike = 8 * ours.iter().zip(theirs).take_while(|(ours, theirs)| ours == theirs).count();
        let (ours, theirs) = (our_label[alike..].iter(), their_label[alike..].iter());
        ours.map(u8::to_ascii_lowercase).cmp(theirs.map(u8::to_ascii_lowercase))
    }
}

impl PartialOrd for NameRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_ref() == other.as_ref()
    }
}

impl Eq for Name {}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_ref().cmp(&other.as_ref())
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for NameRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash_folded(state);
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_ref().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn text_and_wire_are_the_same_name() {
        for (text, wire) in [
            (".", &b"\0"[..]),
            ("a.", b"\x01a\0"),
            ("a.example", b"\x01a\x07example\0"),
            (r"a\.b.c.", b"\x03a.b\x01c\0"),
            (r"\000\255.c.", b"\x02\x00\xff\x01c\0"),
        ] {
            assert_eq!(name(text).as_wire(), wire, "{text}");
            assert_eq!(name(text).to_string().parse::<Name>().unwrap().as_wire(), wire, "{text}");
        }
    }

    #[test]
    fn bad_text_is_refused_with_its_reason() {
        for (text, error) in [
            ("", NameError::EmptyLabel),
            (".a", NameError::EmptyLabel),
            ("a..b", NameError::EmptyLabel),
            ("a..", NameError::EmptyLabel),
            (r"a\", NameError::BadEscape),
            (r"\256", NameError::BadEscape),
            ("a b", NameError::BadCharacter(' ')),
            ("ä", NameError::BadCharacter('ä')),
        ] {
            assert_eq!(text.parse::<Name>().unwrap_err(), error, "{text:?}");
        }
        assert_eq!("x".repeat(64).parse::<Name>().unwrap_err(), NameError::LongLabel);
        assert!("x".repeat(63).parse::<Name>().is_ok());
        let long = ["x".repeat(63), "x".repeat(63), "x".repeat(63), "x".repeat(61)].join(".");
        assert_eq!(name(&long).as_wire().len(), 255);
        assert_eq!(format!("{long}x").parse::<Name>().unwrap_err(), NameError::LongName);
    }

    #[test]
    fn a_text_that_ends_in_a_dot_is_absolute_unless_the_dot_is_escaped() {
        let apex = name("example");
        let relative = |text| Name::relative(text, apex.as_ref()).unwrap();
        assert_eq!(relative("a"), name("a.example"));
        assert_eq!(relative("a."), name("a"));
        assert_eq!(relative("@"), apex);
        assert_eq!(relative(r"a\."), name(r"a\..example"));
        assert_eq!(relative(r"a\\."), name(r"a\\"));
    }

    #[test]
    fn letter_case_never_matters() {
        assert_eq!(name("WwW.Example."), name("www.eXample"));
        assert_eq!(name("A.B").as_ref().fold().as_ref().as_wire(), b"\x01a\x01b\0");
        assert_eq!(name("b.A").cmp(&name("B.a")), Ordering::Equal);
    }

    #[test]
    fn names_of_every_length_hash_without_regard_to_letter_case() {
        use std::hash::BuildHasher;
        let keyed = foldhash::fast::RandomState::default();
        let hash = |name: &Name| {
            let mut hasher = keyed.build_hasher();
            name.as_ref().hash_folded(&mut hasher);
            hasher.finish()
        };
        let mut hashes = std::collections::HashSet::new();
        for len in 1..=60 {
            let text = format!("{}.{}", "a".repeat(len), "b".repeat(len));
            assert_eq!(hash(&name(&text)), hash(&name(&text.to_uppercase())), "{text}");
            // One octet more or less at either end is another name.
            for other in [format!("{text}c"), format!("c{text}"), text.replacen("a.", "c.", 1), text] {
                hashes.insert(hash(&name(&other)));
            }
        }
        assert_eq!(hashes.len(), 4 * 60);
    }

    #[test]
    fn a_name_is_within_its_ancestors_at_label_borders_only() {
        let apex = name("example.com");
        assert!(name("example.com").as_ref().is_within(apex.as_ref()));
        assert!(name("A.EXAMPLE.com").as_ref().is_within(apex.as_ref()));
        assert!(!name("badexample.com").as_ref().is_within(apex.as_ref()));
        assert!(!name("com").as_ref().is_within(apex.as_ref()));
        // The octets of the apex occur inside one label here.
        assert!(!name(r"x\007example\003com").as_ref().is_within(apex.as_ref()));
    }

    #[test]
    fn canonical_order_keeps_a_subtree_together() {
        // RFC 4034 §6.1, its own example.
        let sorted = [
            "example",
            "a.example",
            "yljkjljk.a.example",
            "Z.a.example",
            "zABC.a.EXAMPLE",
            "z.example",
            r"\001.z.example",
            "*.z.example",
            r"\200.z.example",
        ];
        let mut names: Vec<Name> = sorted.iter().rev().map(|text| name(text)).collect();
        names.sort();
        assert_eq!(names, sorted.iter().map(|text| name(text)).collect::<Vec<_>>());
    }

    #[test]
    fn wire_parsing_refuses_pointers_and_cut_off_names() {
        assert!(NameRef::parse(b"\xc0\x0c").is_none());
        assert!(NameRef::parse(b"\x03ab").is_none());
        assert!(NameRef::parse(b"\x01a").is_none());
        assert!(NameRef::parse(b"").is_none());
        assert_eq!(NameRef::parse(b"\x01a\0rest").unwrap().as_wire(), b"\x01a\0");
    }
}
