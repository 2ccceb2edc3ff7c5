//! Record sets in the form of the management API: JSON as in Azure's REST API.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Map, Value, json};

use crate::dns::{Name, RecordType, Ttl, rdata};
use crate::management::record_value;

/// The member with the records of a type, and the members of each record.
fn members(rtype: RecordType) -> Option<(&'static str, &'static [&'static str])> {
    Some(match rtype {
        RecordType::A => ("aRecords", &["ipv4Address"]),
        RecordType::AAAA => ("aaaaRecords", &["ipv6Address"]),
        RecordType::CNAME => ("cnameRecord", &["cname"]),
        RecordType::MX => ("mxRecords", &["preference", "exchange"]),
        RecordType::PTR => ("ptrRecords", &["ptrdname"]),
        RecordType::SRV => ("srvRecords", &["priority", "weight", "port", "target"]),
        RecordType::TXT => ("txtRecords", &["value"]),
        _ => return None,
    })
}

/// The body of a record set. It keeps everything of the previous body except TTL and records. `None` if the records cannot be
/// expressed in JSON.
pub(super) fn body(rtype: RecordType, ttl: Ttl, rdatas: &[Box<[u8]>], before: Option<&[u8]>) -> Option<Box<[u8]>> {
    let (member, _) = members(rtype)?;
    let mut records: Vec<_> = rdatas.iter().map(|octets| record(rtype, octets)).collect::<Option<_>>()?;
    let records = if rtype == RecordType::CNAME { records.pop()? } else { Value::Array(records) };
    let before = before.and_then(|before| serde_json::from_slice(before).ok());
    let mut body: Map<String, Value> = before.unwrap_or_default();
    let properties = body.entry("properties").or_insert_with(|| json!({})).as_object_mut()?;
    properties.insert("ttl".to_owned(), json!(ttl.as_secs()));
    properties.insert(member.to_owned(), records);
    let octets = Value::Object(body).to_string().into_bytes().into_boxed_slice();
    // A restart must serve the same.
    (read(rtype, &octets)? == (ttl, rdatas.to_vec())).then_some(octets)
}

/// The TTL and the records of a body; `None` if there are none.
fn read(rtype: RecordType, body: &[u8]) -> Option<(Ttl, Vec<Box<[u8]>>)> {
    let (member, fields) = members(rtype)?;
    let body: Value = serde_json::from_slice(body).ok()?;
    let properties = body.get("properties")?;
    let ttl = Ttl::from_secs(u32::try_from(properties.get("ttl")?.as_u64()?).ok()?)?;
    let records = match properties.get(member)? {
        Value::Array(records) => records.as_slice(),
        record => std::slice::from_ref(record),
    };
    let rdatas = records.iter().map(|record| octets(rtype, fields, record).map(Vec::into_boxed_slice));
    Some((ttl, rdatas.collect::<Option<_>>()?))
}

/// A record as in Azure's REST API; `None` if it cannot be expressed in JSON.
fn record(rtype: RecordType, octets: &[u8]) -> Option<Value> {
    let is_text = |string: &[u8]| std::str::from_utf8(string).is_ok();
    (rtype != RecordType::TXT || rdata::strings(octets).all(is_text)).then(|| record_value(rtype, octets))?
}

fn octets(rtype: RecordType, fields: &[&str], record: &Value) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    for field in fields {
        let value = record.get(field)?;
        match value {
            Value::Number(number) => octets.extend(u16::try_from(number.as_u64()?).ok()?.to_be_bytes()),
            Value::Array(strings) => {
                for text in strings {
                    let text = text.as_str()?;
                    octets.push(u8::try_from(text.len()).ok()?);
                    octets.extend(text.bytes());
                }
            }
            Value::String(text) => match rtype {
                RecordType::A => octets.extend(text.parse::<Ipv4Addr>().ok()?.octets()),
                RecordType::AAAA => octets.extend(text.parse::<Ipv6Addr>().ok()?.octets()),
                _ => octets.extend(text.parse::<Name>().ok()?.as_wire()),
            },
            _ => return None,
        }
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_those_of_the_rest_api_and_say_what_was_written() {
        let ttl = Ttl::from_secs(300).unwrap();
        let check = |rtype, rdatas: &[&[u8]], expected: Value| {
            let rdatas: Vec<Box<[u8]>> = rdatas.iter().map(|octets| (*octets).into()).collect();
            let octets = body(rtype, ttl, &rdatas, None).unwrap();
            let written: Value = serde_json::from_slice(&octets).unwrap();
            assert_eq!(written, json!({ "properties": expected }));
            assert_eq!(read(rtype, &octets), Some((ttl, rdatas)));
        };
        // As "Private DNS, record sets, create or update" of the REST API shows them (2024-06-01).
        check(
            RecordType::A,
            &[&[1, 2, 3, 4], &[1, 2, 3, 5]],
            json!({"ttl": 300, "aRecords": [{"ipv4Address": "1.2.3.4"}, {"ipv4Address": "1.2.3.5"}]}),
        );
        check(
            RecordType::AAAA,
            &[&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]],
            json!({"ttl": 300, "aaaaRecords": [{"ipv6Address": "2001:db8::1"}]}),
        );
        check(
            RecordType::CNAME,
            &[b"\x07contoso\x03com\0"],
            json!({"ttl": 300, "cnameRecord": {"cname": "contoso.com"}}),
        );
        check(
            RecordType::MX,
            &[b"\0\0\x04mail\x07contoso\x03com\0"],
            json!({"ttl": 300, "mxRecords": [{"preference": 0, "exchange": "mail.contoso.com"}]}),
        );
        check(
            RecordType::SRV,
            &[b"\0\0\0\x0a\x1f\x90\x04test\x07contoso\x03com\0"],
            json!({"ttl": 300, "srvRecords": [{"priority": 0, "weight": 10, "port": 8080, "target": "test.contoso.com"}]}),
        );
        check(
            RecordType::TXT,
            &[b"\x07string1\x07string2"],
            json!({"ttl": 300, "txtRecords": [{"value": ["string1", "string2"]}]}),
        );
    }

    #[test]
    fn what_the_management_api_keeps_beside_stays_and_what_json_cannot_say_is_refused() {
        let ttl = Ttl::from_secs(60).unwrap();
        let before = br#"{"properties":{"ttl":5,"metadata":{"k":"v"},"aRecords":[]}}"#;
        let octets = body(RecordType::A, ttl, &[[10, 0, 0, 1].into()], Some(before)).unwrap();
        let written: Value = serde_json::from_slice(&octets).unwrap();
        assert_eq!(written["properties"]["metadata"], json!({"k": "v"}));
        assert_eq!(body(RecordType::TXT, ttl, &[b"\x02\xff\xfe".as_slice().into()], None), None);
        assert_eq!(body(RecordType::NS, ttl, &[b"\0".as_slice().into()], None), None);
    }
}
