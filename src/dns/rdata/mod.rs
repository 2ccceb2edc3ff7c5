//! RDATA in uncompressed wire format: its fields by type, and equality.

use std::borrow::Cow;
use std::collections::HashSet;
use std::net::IpAddr;
use std::ops::Deref;

use data_encoding::HEXUPPER;
use domain::base::iana::Rtype;
use domain::base::name::ParsedName;
use domain::base::rdata::ParseAnyRecordData;
use domain::base::zonefile_fmt::{DisplayKind, ZonefileFmt};
use domain::dep::octseq::Parser;
use domain::rdata::AllRecordData;
use smallvec::SmallVec;

use super::{Name, NameRef, RecordType};

mod form;

pub(crate) use form::{Field, Form, form};

/// The data of a record set without duplicates (RFC 2181 §5): the first of equal records is kept. Empty if the set exists but its
/// records are not known. Most sets have one record, which is stored inline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rdatas(SmallVec<[Box<[u8]>; 1]>);

impl Rdatas {
    /// The data of one record.
    pub fn one(rdata: impl Into<Box<[u8]>>) -> Self {
        Self(SmallVec::from_buf([rdata.into()]))
    }

    /// The data of a set whose records are not known.
    pub fn unknown() -> Self {
        Self(SmallVec::new())
    }

    /// Whether the records are not known.
    pub fn is_unknown(&self) -> bool {
        self.0.is_empty()
    }

    /// The data of records of one owner and type.
    pub fn new(rtype: RecordType, rdatas: Vec<Box<[u8]>>) -> Self {
        let mut rdatas = rdatas;
        if rdatas.len() > 1 {
            let mut seen = HashSet::with_capacity_and_hasher(rdatas.len(), foldhash::fast::RandomState::default());
            let is_first: Vec<bool> = rdatas.iter().map(|rdata| seen.insert(canonical(rtype, rdata))).collect();
            drop(seen);
            let mut is_first = is_first.into_iter();
            rdatas.retain(|_| is_first.next().unwrap_or(true));
        }
        Self(rdatas.into_iter().collect())
    }

    /// Whether both are the same records in the same order.
    pub fn is_equal(&self, rtype: RecordType, other: &Self) -> bool {
        let canonical =
            |rdatas: &Self| rdatas.iter().map(|rdata| canonical(rtype, rdata).into_owned()).collect::<Vec<_>>();
        canonical(self) == canonical(other)
    }

    /// Adds records.
    pub fn extend(&mut self, rtype: RecordType, more: impl IntoIterator<Item = Box<[u8]>>) {
        self.0.extend(more);
        *self = Self::new(rtype, std::mem::take(&mut self.0).into_vec());
    }
}

impl Deref for Rdatas {
    type Target = [Box<[u8]>];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// RDATA in presentation format; in the generic format of RFC 3597 if it is malformed or the type is unknown.
pub fn display(rtype: RecordType, rdata: &[u8]) -> String {
    let mut parser = Parser::from_ref(rdata);
    let rtype = Rtype::from_int(rtype.into());
    let parsed = AllRecordData::<_, ParsedName<_>>::parse_any_rdata(rtype, &mut parser);
    match parsed {
        Ok(data) => data.display_zonefile(DisplayKind::Simple).to_string(),
        Err(_) => format!("\\# {} {}", rdata.len(), HEXUPPER.encode(rdata)),
    }
}

/// RDATA in the form in which it is compared with other RDATA of its type: names are in lower case, except for types that are
/// compared octet by octet (RFC 4034 §6.2, RFC 3597 §6). Malformed RDATA is not changed.
pub fn canonical(rtype: RecordType, rdata: &[u8]) -> Cow<'_, [u8]> {
    let Some(form) = form(rtype).filter(|form| form.fields.iter().any(|(_, field)| field.is_folded())) else {
        return Cow::Borrowed(rdata);
    };
    let mut octets = rdata.to_vec();
    let mut at = 0;
    for (_, field) in form.fields {
        let Some(len) = field.extent(&rdata[at..]) else { return Cow::Borrowed(rdata) };
        if field.is_folded() {
            // A length octet is at most 63, and so never an upper-case letter.
            octets[at..at + len].make_ascii_lowercase();
        }
        at += len;
    }
    Cow::Owned(octets)
}

/// Whether RDATA of this type contains names.
pub fn has_names(rtype: RecordType) -> bool {
    form(rtype).is_some_and(|form| form.fields.iter().any(|(_, field)| field.holds_names()))
}

/// Whether RDATA is well-formed; true for types whose format is unknown.
pub fn is_well_formed(rtype: RecordType, rdata: &[u8]) -> bool {
    let Some(form) = form(rtype) else { return true };
    let mut fields = form.fields.iter();
    let rest = fields.try_fold(rdata, |rest, (_, field)| rest.get(field.extent(rest)?..));
    rest.is_some_and(<[u8]>::is_empty)
}

/// Octets before the name inside RDATA that a server may compress (RFC 1035 §4.1.4, RFC 3597 §4).
pub const fn compressible_at(rtype: RecordType) -> Option<usize> {
    match rtype {
        RecordType::CNAME | RecordType::NS | RecordType::PTR | RecordType::SOA => Some(0),
        RecordType::MX => Some(2),
        _ => None,
    }
}

/// The address of an A or AAAA record.
pub fn address(rdata: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(rdata).map(IpAddr::from).ok();
    v4().or_else(|| <[u8; 16]>::try_from(rdata).map(IpAddr::from).ok())
}

/// The name whose addresses belong in the additional section (RFC 1035 §3.3.9, §3.3.11; RFC 2782). `None` for types without such
/// a name, and for the root, which means that there is no service.
pub fn additional_name(rtype: RecordType, rdata: &[u8]) -> Option<NameRef<'_>> {
    let at = match rtype {
        RecordType::NS => 0,
        RecordType::MX => 2,
        RecordType::SRV => 6,
        _ => return None,
    };
    NameRef::parse(rdata.get(at..)?).filter(|name| !name.is_root())
}

/// The name that a CNAME or DNAME record leads to.
pub fn target(rdata: &[u8]) -> Option<NameRef<'_>> {
    NameRef::parse(rdata)
}

/// SRV RDATA (RFC 2782) of a service's only target: priority and weight are 0.
pub fn srv(port: u16, target: &Name) -> Vec<u8> {
    let [high, low] = port.to_be_bytes();
    [&[0, 0, 0, 0, high, low], target.as_wire()].concat()
}

/// SOA RDATA (RFC 1035 §3.3.13): five numbers are serial, refresh, retry, expire and minimum.
pub fn soa(mname: &Name, rname: &Name, numbers: [u32; 5]) -> Vec<u8> {
    let mut octets = [mname.as_wire(), rname.as_wire()].concat();
    octets.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
    octets
}

/// The minimum field of SOA RDATA: the bound on the TTL of negative answers (RFC 2308 §4).
pub fn soa_minimum(rdata: &[u8]) -> Option<u32> {
    rdata.last_chunk().map(|octets| u32::from_be_bytes(*octets))
}

/// The strings of TXT RDATA (RFC 1035 §3.3.14).
pub fn strings(rdata: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = rdata;
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first()?;
        let (string, after) = after.split_at_checked(usize::from(*length))?;
        rest = after;
        Some(string)
    })
}

/// TXT RDATA of one text, split into strings of at most 255 octets (RFC 1035 §3.3.14).
pub fn txt(text: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len() + 1);
    if text.is_empty() {
        octets.push(0);
    }
    for string in text.chunks(255) {
        octets.push(string.len() as u8);
        octets.extend_from_slice(string);
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_becomes_strings_of_255_octets() {
        let octets = txt(&[b'x'; 300]);
        assert_eq!((octets[0], octets[256], octets.len()), (255, 45, 302));
        assert_eq!(txt(b""), [0]);
    }

    /// How many records are left of two.
    #[track_caller]
    fn check(rtype: u16, one: &[u8], other: &[u8], expected: usize) {
        let rdatas = Rdatas::new(RecordType::from(rtype), vec![one.into(), other.into()]);
        assert_eq!(rdatas.len(), expected);
        assert_eq!(*rdatas[0], *one, "the first is kept");
    }

    /// RFC 4034 §6.2 lists the types whose names are in lower case in canonical form; RFC 6840 §5.1 takes NSEC out.
    #[test]
    fn names_in_data_are_compared_without_case_in_the_types_that_rfc_4034_lists() {
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, DNAME
        for rtype in [2, 3, 4, 5, 7, 8, 9, 12, 39] {
            check(rtype, b"\x03Abc\0", b"\x03aBC\0", 1);
            check(rtype, b"\x03abc\0", b"\x03abd\0", 2);
        }
        // MX, AFSDB, RT, KX: a number and a name. MINFO, RP: two names. PX: a number and two names.
        for rtype in [15, 18, 21, 36] {
            check(rtype, b"\0A\x01A\0", b"\0A\x01a\0", 1);
            check(rtype, b"\0A\x01A\0", b"\0a\x01a\0", 2);
        }
        for rtype in [14, 17] {
            check(rtype, b"\x01a\0\x01B\0", b"\x01A\0\x01b\0", 1);
        }
        check(26, b"\0A\x01a\0\x01B\0", b"\0A\x01A\0\x01b\0", 1);
        // SRV, NAPTR, SOA, NXT, A6
        check(33, b"\0A\0B\0C\x01A\0", b"\0A\0B\0C\x01a\0", 1);
        check(35, b"\0A\0B\x01S\x01T\x01R\x01A\0", b"\0A\0B\x01S\x01T\x01R\x01a\0", 1);
        check(35, b"\0A\0B\x01S\x01T\x01R\x01A\0", b"\0A\0B\x01s\x01T\x01R\x01a\0", 2);
        check(
            6,
            &soa(&"A".parse().unwrap(), &"b".parse().unwrap(), [65; 5]),
            b"\x01a\0\x01B\0\0\0\0A\0\0\0A\0\0\0A\0\0\0A\0\0\0A",
            1,
        );
        check(30, b"\x01A\0B", b"\x01a\0B", 1);
        check(38, b"\x80\x01A\0", b"\x80\x01a\0", 1);
        // SIG, RRSIG: the signer's name, but not the signature.
        let signature =
            |name: &[u8], signature: &[u8]| [b"\0\x01\x08\x02\0\0\0A\0\0\0B\0\0\0C\0D", name, signature].concat();
        for rtype in [24, 46] {
            check(rtype, &signature(b"\x01A\0", b"s"), &signature(b"\x01a\0", b"s"), 1);
            check(rtype, &signature(b"\x01A\0", b"s"), &signature(b"\x01a\0", b"S"), 2);
        }
    }

    #[test]
    fn other_data_is_compared_octet_by_octet() {
        // NSEC, TXT, LP, SVCB, a type without a form
        for (rtype, one, other) in [
            (47, &b"\x01A\0\0\x01\x40"[..], &b"\x01a\0\0\x01\x40"[..]),
            (16, b"\x01A", b"\x01a"),
            (107, b"\0\x01\x01A\0", b"\0\x01\x01a\0"),
            (64, b"\0\x01\x01A\0", b"\0\x01\x01a\0"),
            (65280, b"\x01A\0", b"\x01a\0"),
        ] {
            check(rtype, one, other, 2);
            check(rtype, one, one, 1);
        }
    }

    #[test]
    fn the_order_of_records_stays() {
        let rdatas = [5, 3, 5, 9, 3, 1].map(|octet| Box::from([octet; 4]));
        let mut rdatas = Rdatas::new(RecordType::A, rdatas.into());
        rdatas.extend(RecordType::A, [9, 7].map(|octet| Box::from([octet; 4])));
        assert_eq!(rdatas.iter().map(|rdata| rdata[0]).collect::<Vec<_>>(), [5, 3, 9, 1, 7]);
    }
}
