//! TSIG keys (RFC 8945) and the message authentication codes computed with them.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha384, Sha512};
use smallvec::SmallVec;

use super::{Name, NameRef, wipe_stack};

/// Octets of the longest message authentication code.
const MAX_MAC: usize = 64;

/// A message authentication code.
pub type MacOctets = SmallVec<[u8; MAX_MAC]>;

/// An algorithm for message authentication codes (RFC 8945 §6). Those with MD5 and SHA-1 are not supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TsigAlgorithm {
    /// `hmac-sha256`, which every implementation has.
    HmacSha256,
    /// `hmac-sha384`.
    HmacSha384,
    /// `hmac-sha512`.
    HmacSha512,
}

impl TsigAlgorithm {
    /// All of them, the most common first.
    pub const ALL: [Self; 3] = [Self::HmacSha256, Self::HmacSha384, Self::HmacSha512];

    /// The domain name of the algorithm in a message.
    pub const fn name(self) -> NameRef<'static> {
        NameRef::constant(match self {
            Self::HmacSha256 => b"\x0bhmac-sha256\0",
            Self::HmacSha384 => b"\x0bhmac-sha384\0",
            Self::HmacSha512 => b"\x0bhmac-sha512\0",
        })
    }

    /// Octets of a full code.
    pub const fn mac_len(self) -> usize {
        match self {
            Self::HmacSha256 => 32,
            Self::HmacSha384 => 48,
            Self::HmacSha512 => 64,
        }
    }
}

impl fmt::Display for TsigAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
        })
    }
}

/// A named secret for one algorithm. It is wiped from memory when dropped, and nothing prints it.
#[derive(Clone)]
pub struct TsigKey {
    name: Name,
    keyed: Keyed,
}

/// The state of the HMAC after the secret.
#[derive(Clone)]
enum Keyed {
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
    Sha512(Hmac<Sha512>),
}

impl TsigKey {
    /// Creates a key; the secret may have any length.
    pub fn new(name: NameRef<'_>, algorithm: TsigAlgorithm, secret: &[u8]) -> Self {
        let keyed = match algorithm {
            TsigAlgorithm::HmacSha256 => Keyed::Sha256(keyed(secret)),
            TsigAlgorithm::HmacSha384 => Keyed::Sha384(keyed(secret)),
            TsigAlgorithm::HmacSha512 => Keyed::Sha512(keyed(secret)),
        };
        wipe_stack();
        Self { name: name.fold().as_ref().to_name(), keyed }
    }

    /// Its name, in lower case.
    pub fn name(&self) -> NameRef<'_> {
        self.name.as_ref()
    }

    /// The algorithm of the key.
    pub fn algorithm(&self) -> TsigAlgorithm {
        match self.keyed {
            Keyed::Sha256(_) => TsigAlgorithm::HmacSha256,
            Keyed::Sha384(_) => TsigAlgorithm::HmacSha384,
            Keyed::Sha512(_) => TsigAlgorithm::HmacSha512,
        }
    }

    /// The code over the parts in order.
    pub fn mac(&self, parts: &[&[u8]]) -> MacOctets {
        fn mac<M: Mac + Clone>(keyed: &M, parts: &[&[u8]]) -> MacOctets {
            MacOctets::from_slice(&updated(keyed, parts).finalize().into_bytes())
        }
        match &self.keyed {
            Keyed::Sha256(keyed) => mac(keyed, parts),
            Keyed::Sha384(keyed) => mac(keyed, parts),
            Keyed::Sha512(keyed) => mac(keyed, parts),
        }
    }

    /// Whether a code, possibly truncated but not empty, is valid for the parts. The time taken does not depend on the code.
    pub fn verifies(&self, parts: &[&[u8]], mac: &[u8]) -> bool {
        match &self.keyed {
            Keyed::Sha256(keyed) => updated(keyed, parts).verify_truncated_left(mac),
            Keyed::Sha384(keyed) => updated(keyed, parts).verify_truncated_left(mac),
            Keyed::Sha512(keyed) => updated(keyed, parts).verify_truncated_left(mac),
        }
        .is_ok()
    }
}

impl fmt::Debug for TsigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TsigKey")
            .field("name", &self.name)
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}

// Not inlined, so that the key block that it computes is in no long-lived stack frame.
#[inline(never)]
fn keyed<M: KeyInit>(secret: &[u8]) -> M {
    M::new_from_slice(secret).expect("HMAC takes secrets of any length (RFC 2104 §2)")
}

fn updated<M: Mac + Clone>(keyed: &M, parts: &[&[u8]]) -> M {
    let mut mac = keyed.clone();
    parts.iter().for_each(|part| mac.update(part));
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(algorithm: TsigAlgorithm, secret: &[u8]) -> TsigKey {
        TsigKey::new("N1-Key.Example".parse::<Name>().unwrap().as_ref(), algorithm, secret)
    }

    /// RFC 4231 §4.3: test case 2, and §4.7: a secret that is longer than a block.
    #[test]
    fn codes_are_those_of_the_published_vectors() {
        let jefe: [&[u8]; 2] = [b"what do ya want ", b"for nothing?"];
        let long: [&[u8]; 1] = [b"Test Using Larger Than Block-Size Key - Hash Key First"];
        for (secret, parts, algorithm, first_octets) in [
            (&b"Jefe"[..], &jefe[..], TsigAlgorithm::HmacSha256, [0x5b, 0xdc, 0xc1, 0x46]),
            (b"Jefe", &jefe, TsigAlgorithm::HmacSha384, [0xaf, 0x45, 0xd2, 0xe3]),
            (b"Jefe", &jefe, TsigAlgorithm::HmacSha512, [0x16, 0x4b, 0x7a, 0x7b]),
            (&[0xaa; 131], &long, TsigAlgorithm::HmacSha256, [0x60, 0xe4, 0x31, 0x59]),
            (&[0xaa; 131], &long, TsigAlgorithm::HmacSha384, [0x4e, 0xce, 0x08, 0x44]),
            (&[0xaa; 131], &long, TsigAlgorithm::HmacSha512, [0x80, 0xb2, 0x42, 0x63]),
        ] {
            let key = key(algorithm, secret);
            let mac = key.mac(parts);
            assert_eq!((mac.len(), &mac[..4]), (algorithm.mac_len(), &first_octets[..]), "{algorithm}");
            assert!(key.verifies(parts, &mac) && key.verifies(parts, &mac[..10]));
            assert!(!key.verifies(parts, &[]) && !key.verifies(parts, &[&mac[..], &[0]].concat()));
            let mut wrong = mac.clone();
            wrong[9] ^= 1;
            assert!(!key.verifies(parts, &wrong) && !key.verifies(parts, &wrong[..10]));
            assert!(!key.verifies(&parts[..parts.len() - 1], &mac));
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        let printed = format!(
            "{:?} {:#?}",
            key(TsigAlgorithm::HmacSha256, b"hush"),
            Some(key(TsigAlgorithm::HmacSha512, b"hush"))
        );
        assert!(printed.starts_with("TsigKey { name: n1-key.example., algorithm: HmacSha256, .. }"), "{printed}");
        for secret in ["hush", "104, 117", "68, 75"] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }
}
