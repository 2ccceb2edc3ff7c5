//! Documents, and how they are stored.

use std::fmt;

use sha2::{Digest, Sha256};

/// The number of a transaction; each store counts its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// The ID of a store: random, and the same on all replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreId(pub [u8; 16]);

/// The key of a document: its resource ID in lower case, since Azure compares IDs without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Box<str>);

/// A resource as a client wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its resource ID, in the letter case in which it was written.
    pub id: Box<str>,
    /// JSON that the management API made; not interpreted here.
    pub body: Box<[u8]>,
    /// The transaction that created it.
    pub created: Revision,
    /// The transaction that last wrote it.
    pub modified: Revision,
}

/// What a document says, where it lies in the store.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// See [`Document::id`].
    pub id: &'a str,
    /// See [`Document::body`].
    pub body: &'a [u8],
    /// See [`Document::created`].
    pub created: Revision,
}

/// An edit of one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Creates the document, or replaces the one with the same key.
    Put {
        /// Its resource ID.
        id: Box<str>,
        /// The new body.
        body: Box<[u8]>,
    },
    /// Deletes the document, if it exists.
    Delete(Key),
}

impl Revision {
    pub(super) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StoreId {
    /// The octets of the ETag of a document that `modified` last wrote: equal on all replicas, and different in every other
    /// store.
    pub fn etag(self, modified: Revision) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(modified.0.to_be_bytes());
        let hash = hash.finalize();
        let (first, _) = hash.split_first_chunk().expect("SHA-256 has 32 octets");
        *first
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl Key {
    /// The key of the document with that ID.
    pub fn new(id: &str) -> Self {
        Self(id.to_ascii_lowercase().into())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Document {
    /// The key of the document.
    pub fn key(&self) -> Key {
        Key::new(&self.id)
    }

    /// The octets that are stored under its key: both revisions; a bit map of the capital letters in the ID, after its length in
    /// octets; the body.
    pub fn encode(&self) -> Vec<u8> {
        let capitals = capitals(&self.id);
        let mut octets = Vec::with_capacity(18 + capitals.len() + self.body.len());
        octets.extend(self.created.0.to_be_bytes());
        octets.extend(self.modified.0.to_be_bytes());
        octets.extend(u16::try_from(capitals.len()).unwrap_or(u16::MAX).to_be_bytes());
        octets.extend(capitals);
        octets.extend(&self.body);
        octets
    }

    /// Parses stored octets; `None` if they are malformed.
    pub fn decode(key: &str, octets: &[u8]) -> Option<Self> {
        let mut id = String::new();
        let (Stored { id, body, created }, modified) = stored(key, octets, &mut id)?;
        Some(Self { id: id.into(), body: body.into(), created, modified })
    }
}

impl<'a> Stored<'a> {
    /// `None` where the octets are not those of a document. `id` is where its ID is put.
    pub fn decode(key: &str, octets: &'a [u8], id: &'a mut String) -> Option<Self> {
        Some(stored(key, octets, id)?.0)
    }
}

fn stored<'a>(key: &str, octets: &'a [u8], id: &'a mut String) -> Option<(Stored<'a>, Revision)> {
    let (created, octets) = octets.split_first_chunk()?;
    let (modified, octets) = octets.split_first_chunk()?;
    let (length, octets) = octets.split_first_chunk()?;
    let (capitals, body) = octets.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    id.clear();
    id.push_str(key);
    for (group, bits) in capitals.iter().enumerate() {
        let mut bits = *bits;
        while bits != 0 {
            let at = 8 * group + bits.trailing_zeros() as usize;
            if let Some(letter) = id.get_mut(at..=at) {
                letter.make_ascii_uppercase();
            }
            bits &= bits - 1;
        }
    }
    let revision = |octets: &[u8; 8]| Revision(u64::from_be_bytes(*octets));
    Some((Stored { id, body, created: revision(created) }, revision(modified)))
}

/// A bit for each octet of an ID; trailing zero octets are omitted.
fn capitals(id: &str) -> Vec<u8> {
    let mut bits = vec![0; id.len().div_ceil(8)];
    for (at, _) in id.bytes().enumerate().filter(|(_, octet)| octet.is_ascii_uppercase()) {
        bits[at / 8] |= 1 << (at % 8);
    }
    bits.truncate(bits.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1));
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_keeps_the_letters_of_its_id() {
        for id in ["/subscriptions/A/resourceGroups/lab", "", "/x", "/ÄÖ/Web", "/sUBSCRIPTIONs/0/Z"] {
            let document =
                Document { id: id.into(), body: b"{}".as_slice().into(), created: Revision(3), modified: Revision(9) };
            let octets = document.encode();
            assert_eq!(Document::decode(document.key().as_str(), &octets), Some(document));
            for short in 0..octets.len().min(18) {
                assert_eq!(Document::decode(id, &octets[..short]), None);
            }
        }
    }

    #[test]
    fn etags_differ_by_store_and_by_revision() {
        let (one, other) = (StoreId([1; 16]), StoreId([2; 16]));
        assert_eq!(one.etag(Revision(1)), one.etag(Revision(1)));
        assert_ne!(one.etag(Revision(1)), one.etag(Revision(2)));
        assert_ne!(one.etag(Revision(1)), other.etag(Revision(1)));
    }
}
