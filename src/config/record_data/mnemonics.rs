//! Mnemonics for numbers in RDATA.

/// RFC 4398 §2.1.
pub(super) const CERTIFICATE_TYPES: [(&str, u16); 10] = [
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPKIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
];

/// RFC 2535 §7.1.
pub(super) const KEY_PROTOCOLS: [(&str, u8); 6] =
    [("NONE", 0), ("TLS", 1), ("EMAIL", 2), ("DNSSEC", 3), ("IPSEC", 4), ("ALL", 255)];

/// RFC 9859 §6.2.
pub(super) const SYNC_SCHEMES: [(&str, u8); 1] = [("NOTIFY", 1)];

/// The mnemonics of protocols (RFC 1035 §3.4.2).
pub(super) const PROTOCOLS: [(&str, u8); 3] = [("ICMP", 1), ("TCP", 6), ("UDP", 17)];

/// Services that WKS records often name, by port (IANA, Service Name and Transport Protocol Port Number Registry).
pub(super) const PORTS: [(&str, u16); 24] = [
    ("echo", 7),
    ("discard", 9),
    ("systat", 11),
    ("daytime", 13),
    ("netstat", 15),
    ("chargen", 19),
    ("ftp-data", 20),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("time", 37),
    ("domain", 53),
    ("tftp", 69),
    ("gopher", 70),
    ("finger", 79),
    ("http", 80),
    ("pop3", 110),
    ("sunrpc", 111),
    ("nntp", 119),
    ("ntp", 123),
    ("imap", 143),
    ("snmp", 161),
    ("https", 443),
];

/// BIND's mnemonics for algorithms besides those of IANA's registry.
pub(super) const ALGORITHMS: [(&str, u8); 3] = [("NSEC3DSA", 6), ("NSEC3RSASHA1", 7), ("ECCGOST", 12)];

/// RFC 2535 §7.1; those with a number, `FLAG2` and `SIG15`, are computed. The last one is BIND's, for RFC 4034 §2.1.1.
const KEY_FLAGS: [(&str, u16); 9] = [
    ("NOCONF", 0x4000),
    ("NOAUTH", 0x8000),
    ("NOKEY", 0xc000),
    ("EXTEND", 0x1000),
    ("USER", 0x0000),
    ("ZONE", 0x0100),
    ("HOST", 0x0200),
    ("NTYP3", 0x0300),
    ("KSK", 0x0001),
];

/// The number of a mnemonic.
pub(super) fn find<T: Copy>(words: &[(&str, T)], word: &[u8]) -> Option<T> {
    words.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(word)).map(|(_, number)| *number)
}

/// The flags of a key: mnemonics separated by `|`, each for some bits.
pub(super) fn key_flags(word: &[u8]) -> Option<u16> {
    let numbered = |word: &[u8]| {
        let word = std::str::from_utf8(word).ok()?.to_ascii_uppercase();
        let number = |word: &str| word.parse::<u16>().ok();
        match (word.strip_prefix("FLAG").and_then(number), word.strip_prefix("SIG").and_then(number)) {
            (Some(bit @ (2 | 4 | 5 | 8..=11)), _) => Some(0x8000 >> bit),
            (_, Some(signatory @ 0..=15)) => Some(signatory),
            _ => None,
        }
    };
    let mut parts = word.split(|octet| *octet == b'|');
    parts.try_fold(0, |flags, part| Some(flags | find(&KEY_FLAGS, part).or_else(|| numbered(part))?))
}
