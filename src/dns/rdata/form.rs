//! The format of each type's RDATA. One table defines how text is parsed, how octets are checked and where names are.

use domain::base::Rtype;

use crate::dns::{NameRef, RecordType};

/// The form of a type's RDATA.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// An example in presentation format.
    pub(crate) example: &'static str,
    /// Its fields in order, each with the words that messages use for it.
    pub(crate) fields: &'static [(&'static str, Field)],
}

/// A field of RDATA, as octets and as text. A plural field reaches to the end of the RDATA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    U8,
    U16,
    U32,
    /// 32 bits of seconds, also written with units: `1h30m`.
    Period,
    /// 32 bits of seconds since 1970, also written as `YYYYMMDDHHmmSS` (RFC 4034 §3.2).
    Time,
    /// A record type.
    Type,
    /// An octet, the algorithm of a DNSSEC key (RFC 4034 appendix A.1).
    Algorithm,
    /// 16 bits, the type of a certificate (RFC 4398 §2.1).
    CertificateType,
    /// 16 bits, the flags of a key (RFC 2535 §7.1).
    KeyFlags,
    /// An octet, the protocol that a key is for (RFC 2535 §3.1.3).
    KeyProtocol,
    /// An octet, the scheme of a synchronization endpoint (RFC 9859 §2.1).
    SyncScheme,
    Ipv4,
    Ipv6,
    /// A name that is compared without regard to letter case (RFC 4034 §6.2).
    Name,
    OptionalName,
    /// A name that is compared octet by octet (RFC 3597 §6).
    ExactName,
    /// Any number of them.
    ExactNames,
    /// Pairs of hexadecimal digits with hyphens between them: 6 or 8 octets (RFC 7043).
    Eui48,
    Eui64,
    /// Four groups of hexadecimal digits with colons between them (RFC 6742 §2.1.2).
    Locator,
    /// A character-string (RFC 1035 §3.3).
    String,
    OptionalString,
    Strings,
    /// A character-string of letters and digits (RFC 8659 §4.1).
    Tag,
    /// Octets to the end, written as one string.
    Text,
    /// Octets to the end, at least one.
    Hex,
    Base64,
    OptionalBase64,
    /// A length and that many octets, written in hexadecimal digits or as `-` (RFC 5155 §3.3).
    Salt,
    /// A length and that many octets, written in base32 (RFC 5155 §3.3).
    Hash,
    /// A bit map of record types (RFC 4034 §4.1.2).
    Types,
    /// The bit map of RFC 2535 §5.2.
    OldTypes,
    /// RFC 1876.
    Location,
    /// RFC 3123.
    Prefixes,
    /// A protocol and a bit map of ports (RFC 1035 §3.4.2).
    Services,
    /// Algorithm, host identity tag and public key (RFC 8005 §5).
    HostIdentity,
    /// Gateway type, algorithm and gateway (RFC 4025 §2).
    Gateway,
    /// Discovery bit, type and relay (RFC 8777 §4.2).
    Relay,
    /// Service parameters (RFC 9460 §2.2).
    Parameters,
    /// Prefix length and the end of an IPv6 address (RFC 2874 §3.1).
    AddressSuffix,
    /// `0x` and hexadecimal digits with dots between them (RFC 1706 §5).
    Nsap,
}

/// The format of a type's RDATA; `None` if text of it cannot be parsed.
pub(crate) fn form(rtype: RecordType) -> Option<Form> {
    use Field::*;
    let (example, fields): (_, &'static [_]) = match Rtype::from_int(rtype.into()) {
        Rtype::A => ("10.1.0.5", &[("an IPv4 address", Ipv4)]),
        Rtype::AAAA => ("fd00::5", &[("an IPv6 address", Ipv6)]),
        Rtype::NS
        | Rtype::CNAME
        | Rtype::PTR
        | Rtype::DNAME
        | Rtype::MB
        | Rtype::MG
        | Rtype::MR
        | Rtype::MD
        | Rtype::MF => ("host.example.", &[("one domain name", Name)]),
        Rtype::NSAPPTR => ("host.example.", &[("one domain name", ExactName)]),
        Rtype::SOA => (
            "ns hostmaster 1 3600 300 2419200 10",
            &[
                ("server", Name),
                ("mailbox", Name),
                ("serial", U32),
                ("refresh", Period),
                ("retry", Period),
                ("expire", Period),
                ("minimum", Period),
            ],
        ),
        Rtype::WKS => ("10.1.0.5 TCP 25 80", &[("address", Ipv4), ("protocol and ports", Services)]),
        Rtype::HINFO => ("\"Generic PC\" Linux", &[("CPU", String), ("operating system", String)]),
        Rtype::MINFO => ("admin.example. errors.example.", &[("mailbox", Name), ("mailbox for errors", Name)]),
        Rtype::MX => ("10 mail", &[("preference", U16), ("exchange", Name)]),
        Rtype::TXT | Rtype::SPF | Rtype::NINFO | Rtype::AVC | Rtype::RESINFO | Rtype::WALLET | Rtype::CLA => {
            ("\"a text\"", &[("strings, in quotes where they hold spaces", Strings)])
        }
        Rtype::RP => ("admin.example. about.example.", &[("mailbox", Name), ("name with TXT records", Name)]),
        Rtype::AFSDB => ("1 afs", &[("subtype", U16), ("server", Name)]),
        Rtype::X25 => ("311061700956", &[("PSDN address", String)]),
        Rtype::ISDN => ("150862028003217 004", &[("ISDN address", String), ("subaddress", OptionalString)]),
        Rtype::RT => ("10 relay", &[("preference", U16), ("intermediate host", Name)]),
        Rtype::NSAP => ("0x47.0005.80.005a00.0000.0001.e133.ffffff000161.00", &[("NSAP address", Nsap)]),
        Rtype::SIG | Rtype::RRSIG => (
            "A 13 2 3600 20300101000000 20200101000000 1 example. c2lnbmF0dXJl",
            &[
                ("type covered", Type),
                ("algorithm", Algorithm),
                ("labels", U8),
                ("original TTL", Period),
                ("expiration", Time),
                ("inception", Time),
                ("key tag", U16),
                ("signer", Name),
                ("signature in base64", Base64),
            ],
        ),
        Rtype::KEY | Rtype::RKEY => (
            "256 3 13 a2V5",
            &[
                ("flags", KeyFlags),
                ("protocol", KeyProtocol),
                ("algorithm", Algorithm),
                ("key in base64", OptionalBase64),
            ],
        ),
        Rtype::DNSKEY | Rtype::CDNSKEY => (
            "256 3 13 a2V5",
            &[("flags", KeyFlags), ("protocol", KeyProtocol), ("algorithm", Algorithm), ("key in base64", Base64)],
        ),
        Rtype::PX => (
            "10 map822.example. mapx400.example.",
            &[("preference", U16), ("RFC 822 domain", Name), ("X.400 domain", Name)],
        ),
        Rtype::GPOS => ("-32.6882 116.8652 10.0", &[("longitude", String), ("latitude", String), ("altitude", String)]),
        Rtype::LOC => {
            ("52 22 23 N 4 53 32 E -2m", &[("degrees of latitude and longitude, altitude in metres", Location)])
        }
        Rtype::NXT => ("host.example. A MX", &[("next name", Name), ("types", OldTypes)]),
        Rtype::EID | Rtype::NIMLOC => ("0a0b0c", &[("octets in hexadecimal digits", Hex)]),
        Rtype::SRV => ("0 5 5060 sip", &[("priority", U16), ("weight", U16), ("port", U16), ("target", Name)]),
        Rtype::NAPTR => (
            "100 10 S SIP+D2U \"\" _sip._udp",
            &[
                ("order", U16),
                ("preference", U16),
                ("flags", String),
                ("services", String),
                ("regexp", String),
                ("replacement", Name),
            ],
        ),
        Rtype::KX => ("10 exchanger", &[("preference", U16), ("exchanger", Name)]),
        Rtype::CERT => (
            "PKIX 1 13 Y2VydGlmaWNhdGU=",
            &[("type", CertificateType), ("key tag", U16), ("algorithm", Algorithm), ("certificate in base64", Base64)],
        ),
        Rtype::A6 => (
            "64 ::1 subnet.example.",
            &[("prefix length and address suffix", AddressSuffix), ("prefix name", OptionalName)],
        ),
        Rtype::SINK => (
            "1 0 0 ZGF0YQ==",
            &[("meaning", U8), ("coding", U8), ("subcoding", U8), ("data in base64", OptionalBase64)],
        ),
        Rtype::APL => ("1:10.1.0.0/16 !2:fd00::/8", &[("address prefixes", Prefixes)]),
        Rtype::DS | Rtype::CDS | Rtype::TA | Rtype::DLV => (
            "60485 13 2 d4b7d520e7bb5f0f67674a0cceb1e3e0614b93c4f9e99b8383f6a1e4469da50a",
            &[("key tag", U16), ("algorithm", Algorithm), ("digest type", U8), ("digest in hexadecimal digits", Hex)],
        ),
        Rtype::SSHFP => (
            "4 2 123456789abcdef67890123456789abcdef67890123456789abcdef67890aabb",
            &[("algorithm", U8), ("fingerprint type", U8), ("fingerprint in hexadecimal digits", Hex)],
        ),
        Rtype::IPSECKEY => (
            "10 1 2 192.0.2.38 a2V5",
            &[("precedence", U8), ("gateway type, algorithm and gateway", Gateway), ("key in base64", OptionalBase64)],
        ),
        Rtype::NSEC => ("host.example. A MX RRSIG NSEC", &[("next name", ExactName), ("types", Types)]),
        Rtype::DHCID => ("AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=", &[("identifier in base64", Base64)]),
        Rtype::NSEC3 => (
            "1 0 0 - 2vptu5timamqttgl4luu9kg21e0aor3s A RRSIG",
            &[
                ("hash algorithm", U8),
                ("flags", U8),
                ("iterations", U16),
                ("salt in hexadecimal digits", Salt),
                ("next hash in base32", Hash),
                ("types", Types),
            ],
        ),
        Rtype::NSEC3PARAM => (
            "1 0 0 -",
            &[("hash algorithm", U8), ("flags", U8), ("iterations", U16), ("salt in hexadecimal digits", Salt)],
        ),
        Rtype::TLSA | Rtype::SMIMEA => (
            "3 1 1 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971",
            &[("usage", U8), ("selector", U8), ("matching type", U8), ("certificate data in hexadecimal digits", Hex)],
        ),
        Rtype::HIP => (
            "2 200100107b1a74df365639cc39f1d578 AwEAAbdx rendezvous.example.",
            &[("algorithm, host identity tag and public key", HostIdentity), ("rendezvous servers", ExactNames)],
        ),
        Rtype::TALINK => ("before.example. after.example.", &[("previous name", ExactName), ("next name", ExactName)]),
        Rtype::OPENPGPKEY => ("a2V5", &[("key in base64", Base64)]),
        Rtype::HHIT | Rtype::BRID => ("gwppSA==", &[("data in base64", Base64)]),
        Rtype::CSYNC => ("66 3 A NS AAAA", &[("serial", U32), ("flags", U16), ("types", Types)]),
        Rtype::ZONEMD => (
            "2024010101 1 1 c68090d90a7aed716bc459f9340e3d7c1370d4d24b7e2fc3a1ddc0b9a87153b9a9713b3c9ae5cc27777f98b8e730044c",
            &[("serial", U32), ("scheme", U8), ("hash algorithm", U8), ("digest in hexadecimal digits", Hex)],
        ),
        Rtype::SVCB | Rtype::HTTPS => (
            "1 . alpn=h2,h3 port=8443",
            &[("priority", U16), ("target", ExactName), ("service parameters", Parameters)],
        ),
        Rtype::DSYNC => (
            "CDS NOTIFY 5359 receiver.example.",
            &[("type", Type), ("scheme", SyncScheme), ("port", U16), ("target", ExactName)],
        ),
        Rtype::NID => ("10 0014:4fff:ff20:ee64", &[("preference", U16), ("node ID", Locator)]),
        Rtype::L32 => ("10 10.1.2.0", &[("preference", U16), ("32-bit locator", Ipv4)]),
        Rtype::L64 => ("10 2001:0db8:1140:1000", &[("preference", U16), ("64-bit locator", Locator)]),
        Rtype::LP => ("10 l64-subnet1", &[("preference", U16), ("name with locators", ExactName)]),
        Rtype::EUI48 => ("00-00-5e-00-53-2a", &[("an EUI-48 address", Eui48)]),
        Rtype::EUI64 => ("00-00-5e-ef-10-00-00-2a", &[("an EUI-64 address", Eui64)]),
        Rtype::URI => {
            ("10 1 \"https://www.example/\"", &[("priority", U16), ("weight", U16), ("target in quotes", Text)])
        }
        Rtype::CAA => ("0 issue \"ca.example\"", &[("flags", U8), ("tag", Tag), ("value in quotes", Text)]),
        Rtype::AMTRELAY => ("10 0 1 203.0.113.15", &[("precedence", U8), ("discovery bit, type and relay", Relay)]),
        _ => return None,
    };
    Some(Form { example, fields })
}

impl Field {
    /// Whether it is a name that is compared without regard to letter case.
    pub(super) fn is_folded(self) -> bool {
        matches!(self, Self::Name | Self::OptionalName)
    }

    /// Whether it is a name, or may contain one.
    pub(super) fn holds_names(self) -> bool {
        let is_exact = matches!(self, Self::ExactName | Self::ExactNames);
        self.is_folded() || is_exact || matches!(self, Self::Gateway | Self::Relay)
    }

    /// Octets of the field at the start of `octets`, which is the rest of the RDATA; `None` if the field is malformed.
    pub(crate) fn extent(self, octets: &[u8]) -> Option<usize> {
        let all = |is_good: bool| is_good.then_some(octets.len());
        let length = || octets.first().map(|length| usize::from(*length));
        let extent = match self {
            Self::U8 | Self::Algorithm | Self::KeyProtocol | Self::SyncScheme => 1,
            Self::U16 | Self::Type | Self::CertificateType | Self::KeyFlags => 2,
            Self::U32 | Self::Period | Self::Time | Self::Ipv4 => 4,
            Self::Eui48 => 6,
            Self::Eui64 | Self::Locator => 8,
            Self::Ipv6 => 16,
            Self::OptionalName if octets.is_empty() => 0,
            Self::Name | Self::OptionalName | Self::ExactName => NameRef::parse(octets)?.as_wire().len(),
            Self::ExactNames => repeated(octets, |rest| Self::ExactName.extent(rest))?,
            Self::String | Self::Salt => 1 + length()?,
            Self::OptionalString if octets.is_empty() => 0,
            Self::OptionalString => 1 + length()?,
            Self::Strings => repeated(octets, |rest| Self::String.extent(rest)).filter(|_| !octets.is_empty())?,
            Self::Tag => {
                let tag = octets.get(1..1 + length()?)?;
                (!tag.is_empty() && tag.iter().all(u8::is_ascii_alphanumeric)).then_some(1 + tag.len())?
            }
            Self::Text | Self::OptionalBase64 => octets.len(),
            Self::Hex | Self::Base64 | Self::Nsap => all(!octets.is_empty())?,
            Self::Hash => 1 + length().filter(|length| *length > 0)?,
            Self::Types => types(octets)?,
            Self::OldTypes => all((1..=16).contains(&octets.len()))?,
            // Other versions may have another format (RFC 1876 §2).
            Self::Location => all(octets.len() == 16 || octets.first().is_some_and(|version| *version > 0))?,
            Self::Prefixes => repeated(octets, |rest| {
                let [family_high, family_low, prefix, length, ..] = *rest else { return None };
                let (bits, most) = match u16::from_be_bytes([family_high, family_low]) {
                    1 => (32, 4),
                    2 => (128, 16),
                    _ => (u8::MAX, 127),
                };
                let length = usize::from(length & 0x7f);
                (prefix <= bits && length <= most).then_some(4 + length)
            })?,
            Self::Services => all((1..=1 + 8192).contains(&octets.len()))?,
            Self::HostIdentity => {
                let [tag, _, key_high, key_low, ..] = *octets else { return None };
                let key = usize::from(u16::from_be_bytes([key_high, key_low]));
                (tag > 0 && key > 0).then_some(4 + usize::from(tag) + key)?
            }
            Self::Gateway => 2 + host(*octets.first()?, octets.get(2..)?)?,
            Self::Relay => 1 + host(*octets.first()? & 0x7f, &octets[1..])?,
            Self::Parameters => {
                let mut last = None;
                repeated(octets, |rest| {
                    let [key_high, key_low, length_high, length_low, ..] = *rest else { return None };
                    let key = u16::from_be_bytes([key_high, key_low]);
                    let is_next = last.replace(key).is_none_or(|last| last < key);
                    is_next.then_some(4 + usize::from(u16::from_be_bytes([length_high, length_low])))
                })?
            }
            Self::AddressSuffix => length().filter(|prefix| *prefix <= 128).map(|prefix| 17 - prefix / 8)?,
        };
        (extent <= octets.len()).then_some(extent)
    }
}

/// The number of octets, if they are a sequence of well-formed parts.
fn repeated(octets: &[u8], mut extent: impl FnMut(&[u8]) -> Option<usize>) -> Option<usize> {
    let mut rest = octets;
    while !rest.is_empty() {
        rest = rest.get(extent(rest)?..)?;
    }
    Some(octets.len())
}

/// Octets of a gateway or relay by its type: none, an IPv4 address, an IPv6 address or a name.
fn host(kind: u8, octets: &[u8]) -> Option<usize> {
    match kind {
        0 => Some(0),
        1 => Some(4),
        2 => Some(16),
        3 => Some(NameRef::parse(octets)?.as_wire().len()),
        _ => None,
    }
}

/// The number of octets, if they are a bit map whose windows are in order.
fn types(octets: &[u8]) -> Option<usize> {
    let mut last = None;
    repeated(octets, |rest| {
        let [window, length, ..] = *rest else { return None };
        let is_next = last.replace(window).is_none_or(|last| last < window);
        (is_next && (1..=32).contains(&length)).then_some(2 + usize::from(length))
    })
}
