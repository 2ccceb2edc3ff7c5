//! Record sets in the configuration.

use std::net::{Ipv4Addr, Ipv6Addr};

use toml::Spanned;

use super::{DEFAULT_TTL, Declarer, NAME_MEND};
use crate::azure::{Declared, Limits, PRIVATE_TYPES, RecordSet, Writer};
use crate::codes::Code;
use crate::config::mirror::{self, Record, Text};
use crate::config::record_data;
use crate::dns::{Name, Rdatas, RecordType, Ttl, rdata};

impl Declarer<'_> {
    pub(super) fn record_set(&mut self, set: &mirror::RecordSet, apex: &Declared<Name>) -> Option<RecordSet> {
        let owner = Name::relative(set.name.get_ref(), apex.as_ref());
        let owner = self.reported(
            Code::BadName,
            &set.name,
            "a domain name",
            "write a name relative to the zone, or \"@\"",
            owner,
        );
        let ttl = set.ttl.as_ref().map_or(Ttl::from_secs(DEFAULT_TTL), |ttl| self.ttl(ttl, 0));
        let rtype = self.record_type(&set.record_type)?;
        let origin = self.origin(&set.name);
        let set_of = |owner, ttl, rdatas| RecordSet { owner, rtype, ttl, rdatas, writer: Writer::Person, origin };
        let mirror::Records::Of(records) = set.records.get_ref() else {
            if !PRIVATE_TYPES.contains(&rtype) {
                let what = format!("{} records that are not known", set.record_type.get_ref());
                self.problem(
                    Code::BadRecord,
                    &set.records,
                    what,
                    "write the records: other names depend on some of these types",
                );
            }
            return Some(set_of(owner?, ttl?, Rdatas::unknown()));
        };
        if records.is_empty() {
            self.problem(
                Code::BadRecord,
                &set.records,
                "a record set without records",
                "add a record, or remove the set",
            );
        }
        let rdatas: Vec<_> = records.iter().map(|record| self.record(rtype, record, apex)).collect();
        let rdatas = Rdatas::new(rtype, rdatas.into_iter().collect::<Option<_>>()?);
        Some(set_of(owner?, ttl?, rdatas))
    }

    /// The data of one record. Names in it are absolute, as in Azure's API.
    fn record(&mut self, rtype: RecordType, record: &Spanned<Record>, apex: &Name) -> Option<Box<[u8]>> {
        let text = match record.get_ref() {
            Record::Text(text) => text,
            Record::Strings(strings) => return self.strings(rtype, record, strings),
        };
        let words: Vec<_> = text.split_ascii_whitespace().collect();
        if rdata::has_names(rtype) && words.contains(&"@") {
            let what = format!("{text:?} has \"@\", which is the zone's own name in zone files only");
            let whole = apex.to_string();
            let mend = format!("write {:?}; names in records are whole names", whole.trim_end_matches('.'));
            self.problem(Code::BadRecord, record, what, mend);
            return None;
        }
        if !PRIVATE_TYPES.contains(&rtype) {
            return self.record_of_any_type(rtype, record, text);
        }
        let name = |word: &str| word.parse::<Name>().ok();
        let number = |word: &str| word.parse::<u16>().ok().map(u16::to_be_bytes);
        if let (RecordType::CNAME | RecordType::PTR, [target]) = (rtype, words.as_slice()) {
            let name =
                self.reported_as(Code::BadRecord, record, text, "a domain name", NAME_MEND, target.parse::<Name>())?;
            return Some(name.as_wire().into());
        }
        let parsed = match (rtype, words.as_slice()) {
            (RecordType::A, [address]) => address.parse::<Ipv4Addr>().ok().map(|address| address.octets().to_vec()),
            (RecordType::AAAA, [address]) => address.parse::<Ipv6Addr>().ok().map(|address| address.octets().to_vec()),
            (RecordType::MX, [preference, exchange]) => number(preference)
                .zip(name(exchange))
                .map(|(preference, exchange)| [&preference[..], exchange.as_wire()].concat()),
            (RecordType::SRV, [priority, weight, port, target]) => {
                let numbers: Option<Vec<_>> = [priority, weight, port].into_iter().map(|word| number(word)).collect();
                numbers.zip(name(target)).map(|(numbers, target)| [&numbers.concat(), target.as_wire()].concat())
            }
            (RecordType::TXT, _) => Some(rdata::txt(text.as_bytes())).filter(|octets| octets.len() <= 65535),
            _ => None,
        };
        if parsed.is_none() {
            let (what, mend) = match rtype {
                RecordType::A => ("an IPv4 address", "write for instance \"10.1.0.5\""),
                RecordType::AAAA => ("an IPv6 address", "write for instance \"fd00::5\""),
                RecordType::MX => ("MX data", "write preference and exchange: \"10 mail.contoso.internal\""),
                RecordType::SRV => {
                    ("SRV data", "write priority, weight, port and target: \"0 5 5060 sip.contoso.internal\"")
                }
                RecordType::TXT => {
                    let what = format!("a text of {} octets does not fit in a TXT record", text.len());
                    self.problem(Code::BadRecord, record, what, "keep it below 65000 octets");
                    return None;
                }
                _ => ("a domain name", NAME_MEND),
            };
            self.problem(Code::BadRecord, record, format!("{text:?} is not {what}"), mend);
        }
        parsed.map(Vec::into_boxed_slice)
    }

    /// The data of a TXT record given as separate strings.
    fn strings(&mut self, rtype: RecordType, record: &Spanned<Record>, strings: &[String]) -> Option<Box<[u8]>> {
        if rtype != RecordType::TXT {
            self.problem(Code::BadRecord, record, "a list in place of a record", "write one text for each record");
            return None;
        }
        if strings.is_empty() {
            self.problem(
                Code::BadRecord,
                record,
                "a TXT record without strings",
                "write at least one string, which may be empty",
            );
            return None;
        }
        let octets: Vec<u8> = strings.iter().flat_map(|string| rdata::txt(string.as_bytes())).collect();
        if octets.len() > usize::from(u16::MAX) {
            let what = format!("strings of {} octets do not fit in a TXT record", octets.len());
            self.problem(Code::BadRecord, record, what, "keep them below 65000 octets");
            return None;
        }
        Some(octets.into())
    }

    /// A type that Azure supports; any stored type if Azure's limits are off.
    fn record_type(&mut self, text: &Text) -> Option<RecordType> {
        let word = text.get_ref().to_ascii_uppercase();
        let known = record_data::rtype(word.as_bytes());
        let rtype = known.filter(|rtype| match self.limits {
            Limits::Off => record_data::is_stored(*rtype) && *rtype != RecordType::SOA,
            Limits::Azure | Limits::NationalCloud => PRIVATE_TYPES.contains(rtype),
        });
        if rtype.is_none() {
            let what = format!("a private DNS zone has no record sets of type {:?}", text.get_ref());
            let mend = "write A, AAAA, CNAME, MX, PTR, SRV or TXT; the SOA record is edited with soa = { … }";
            let is_another = known.is_some_and(|rtype| record_data::is_stored(rtype) && rtype != RecordType::SOA);
            let off = if is_another { "; other types take limits = \"off\" at the top of the file" } else { "" };
            self.problem(Code::TypeNotPrivate, text, what, format!("{mend}{off}"));
        }
        rtype
    }

    /// Data in presentation format, but with absolute names.
    fn record_of_any_type(&mut self, rtype: RecordType, record: &Spanned<Record>, text: &str) -> Option<Box<[u8]>> {
        match record_data::read_text(rtype, text) {
            Ok(rdata) => Some(rdata),
            Err((what, mend)) => {
                self.problem(Code::BadRecord, record, what, mend);
                None
            }
        }
    }
}
