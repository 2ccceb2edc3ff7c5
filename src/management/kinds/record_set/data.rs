//! The records of a record set, as members of its properties and as RDATA.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Map, Value, json};

use super::bad_request;
use crate::dns::{Name, NameRef, RecordType, rdata};
use crate::management::body::{get, list, property, text};
use crate::management::error::ApiError;

/// Azure's default values in an SOA record.
const SOA_NUMBERS: [(&str, u32); 4] =
    [("refreshTime", 3600), ("retryTime", 300), ("expireTime", 2_419_200), ("minimumTtl", 10)];
const SOA_HOST: &str = "azureprivatedns.net";
const SOA_EMAIL: &str = "azureprivatedns-host.microsoft.com";
const SOA_SERIAL: u32 = 1;

/// The member with the records of a type.
fn member(rtype: RecordType) -> &'static str {
    match rtype {
        RecordType::A => "aRecords",
        RecordType::AAAA => "aaaaRecords",
        RecordType::CNAME => "cnameRecord",
        RecordType::MX => "mxRecords",
        RecordType::PTR => "ptrRecords",
        RecordType::SRV => "srvRecords",
        RecordType::TXT => "txtRecords",
        _ => "soaRecord",
    }
}

/// The members of one record.
fn fields(rtype: RecordType) -> &'static [&'static str] {
    match rtype {
        RecordType::A => &["ipv4Address"],
        RecordType::AAAA => &["ipv6Address"],
        RecordType::CNAME => &["cname"],
        RecordType::MX => &["preference", "exchange"],
        RecordType::PTR => &["ptrdname"],
        RecordType::SRV => &["priority", "weight", "port", "target"],
        _ => &["value"],
    }
}

/// The records to keep, as they were sent. `None` for an alias without a target.
pub(super) fn kept(
    rtype: RecordType,
    properties: &Value,
    before: Option<&Value>,
) -> Result<Option<(&'static str, Value)>, ApiError> {
    let member = member(rtype);
    let sent = get(properties, member);
    let kept = match rtype {
        RecordType::SOA => Some(soa(sent, before)),
        RecordType::CNAME => sent.filter(|record| get(record, "cname").is_some()).map(|record| named(rtype, record)),
        _ => {
            if sent.is_some_and(|records| !records.is_array()) {
                return Err(bad_request(format!("The property '{member}' is not a list.")));
            }
            Some(list(properties, member).iter().map(|record| named(rtype, record)).collect())
        }
    };
    let Some(kept) = kept else { return Ok(None) };
    rdatas(rtype, &json!({ member: kept }))?;
    Ok(Some((member, kept)))
}

/// A record with only its known members.
fn named(rtype: RecordType, record: &Value) -> Value {
    let field = |name: &&'static str| Some(((*name).to_owned(), get(record, name)?.clone()));
    Value::Object(fields(rtype).iter().filter_map(field).collect())
}

/// The SOA record to keep: host and serial number are Azure's.
fn soa(sent: Option<&Value>, before: Option<&Value>) -> Value {
    let before = before.and_then(|before| property(before, "soaRecord"));
    let find = |name| sent.and_then(|sent| get(sent, name)).or_else(|| before.and_then(|before| get(before, name)));
    let mut record = Map::from_iter([
        ("host".to_owned(), json!(SOA_HOST)),
        ("serialNumber".to_owned(), json!(SOA_SERIAL)),
        ("email".to_owned(), find("email").cloned().unwrap_or_else(|| json!(SOA_EMAIL))),
    ]);
    for (name, default) in SOA_NUMBERS {
        record.insert(name.to_owned(), find(name).cloned().unwrap_or_else(|| json!(default)));
    }
    Value::Object(record)
}

/// The RDATA of all records.
pub(super) fn rdatas(rtype: RecordType, properties: &Value) -> Result<Vec<Box<[u8]>>, ApiError> {
    let records = match get(properties, member(rtype)) {
        None => &[],
        Some(Value::Array(records)) => records.as_slice(),
        Some(record) => std::slice::from_ref(record),
    };
    records.iter().map(|record| rdata_of(rtype, record).map(Vec::into_boxed_slice)).collect()
}

fn rdata_of(rtype: RecordType, record: &Value) -> Result<Vec<u8>, ApiError> {
    Ok(match rtype {
        RecordType::A => address::<Ipv4Addr>(record, "ipv4Address")?.octets().to_vec(),
        RecordType::AAAA => address::<Ipv6Addr>(record, "ipv6Address")?.octets().to_vec(),
        RecordType::CNAME => name(record, "cname")?.as_wire().to_vec(),
        RecordType::PTR => name(record, "ptrdname")?.as_wire().to_vec(),
        RecordType::MX => {
            let mut octets = number(record, "preference")?.to_be_bytes().to_vec();
            octets.extend(name(record, "exchange")?.as_wire());
            octets
        }
        RecordType::SRV => {
            let mut octets = Vec::new();
            for field in ["priority", "weight", "port"] {
                octets.extend(number(record, field)?.to_be_bytes());
            }
            octets.extend(name(record, "target")?.as_wire());
            octets
        }
        RecordType::TXT => {
            let mut octets = Vec::new();
            for value in list(record, "value") {
                let text = value.as_str().ok_or_else(|| bad_request("A value of a TXT record is not a string."))?;
                let length = u8::try_from(text.len())
                    .map_err(|_| bad_request("A value of a TXT record is longer than 255 octets."))?;
                octets.push(length);
                octets.extend(text.bytes());
            }
            if octets.is_empty() {
                return Err(bad_request("A TXT record has no value."));
            }
            octets
        }
        _ => {
            let host = SOA_HOST.parse().map_err(|_| bad_request("The host is invalid."))?;
            let mut numbers = [SOA_SERIAL, 0, 0, 0, 0];
            for (place, (field, _)) in numbers[1..].iter_mut().zip(SOA_NUMBERS) {
                let value = get(record, field).and_then(Value::as_u64).and_then(|value| u32::try_from(value).ok());
                *place =
                    value.ok_or_else(|| bad_request(format!("The property '{field}' is no number of seconds.")))?;
            }
            let email = text(record, "email").unwrap_or_default();
            let mailbox = email.replacen('@', ".", 1).parse::<Name>();
            let mailbox = mailbox.map_err(|_| bad_request(format!("The email '{email}' is invalid.")))?;
            rdata::soa(&host, &mailbox, numbers)
        }
    })
}

fn address<A: std::str::FromStr>(record: &Value, field: &str) -> Result<A, ApiError> {
    let sent = text(record, field).unwrap_or_default();
    sent.parse().map_err(|_| bad_request(format!("The property '{field}' has the invalid value '{sent}'.")))
}

fn name(record: &Value, field: &str) -> Result<Name, ApiError> {
    let sent = text(record, field).unwrap_or_default();
    let is_whole = |name: &Name| !name.as_ref().is_root();
    let read = sent.parse::<Name>().ok().filter(is_whole);
    read.ok_or_else(|| bad_request(format!("The domain name '{sent}' is invalid.")))
}

fn number(record: &Value, field: &str) -> Result<u16, ApiError> {
    let sent = get(record, field).and_then(Value::as_u64).and_then(|number| u16::try_from(number).ok());
    sent.ok_or_else(|| bad_request(format!("The property '{field}' is not a number from 0 to 65535.")))
}

/// The member for records that no client wrote.
pub(super) fn shown(rtype: RecordType, rdatas: &[&[u8]]) -> (&'static str, Value) {
    let records = rdatas.iter().filter_map(|octets| record_value(rtype, octets));
    let value = match rtype {
        RecordType::CNAME | RecordType::SOA => records.into_iter().next().unwrap_or(Value::Null),
        _ => records.collect(),
    };
    (member(rtype), value)
}

/// A record as in Azure's REST API; `None` if the RDATA is malformed.
pub(crate) fn record_value(rtype: RecordType, octets: &[u8]) -> Option<Value> {
    let number = |at: usize| Some(u16::from_be_bytes(*octets.get(at..)?.first_chunk()?));
    let name = |at: usize| Some(printed(NameRef::parse(octets.get(at..)?)?));
    Some(match rtype {
        RecordType::A => json!({ "ipv4Address": Ipv4Addr::from(*octets.first_chunk()?).to_string() }),
        RecordType::AAAA => json!({ "ipv6Address": Ipv6Addr::from(*octets.first_chunk()?).to_string() }),
        RecordType::CNAME => json!({ "cname": name(0)? }),
        RecordType::PTR => json!({ "ptrdname": name(0)? }),
        RecordType::MX => json!({ "preference": number(0)?, "exchange": name(2)? }),
        RecordType::SRV => {
            json!({ "priority": number(0)?, "weight": number(2)?, "port": number(4)?, "target": name(6)? })
        }
        RecordType::TXT => {
            let strings = rdata::strings(octets).map(|text| String::from_utf8_lossy(text).into_owned());
            json!({ "value": strings.collect::<Vec<_>>() })
        }
        _ => {
            let host = NameRef::parse(octets)?;
            let rest = &octets[host.as_wire().len()..];
            let email = NameRef::parse(rest)?;
            let (numbers, _) = rest[email.as_wire().len()..].as_chunks::<4>();
            let [serial, refresh, retry, expire, minimum] = numbers else { return None };
            let number = |octets: &[u8; 4]| u32::from_be_bytes(*octets);
            json!({
                "host": printed(host), "email": printed(email), "serialNumber": number(serial),
                "refreshTime": number(refresh), "retryTime": number(retry), "expireTime": number(expire),
                "minimumTtl": number(minimum),
            })
        }
    })
}

/// A name as clients of Azure write it, without the dot at the end.
fn printed(name: NameRef<'_>) -> String {
    let text = name.to_name().to_string();
    text.strip_suffix('.').filter(|text| !text.is_empty()).unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_shown_as_they_can_be_written() {
        for (rtype, properties) in [
            (RecordType::A, json!({"aRecords": [{"ipv4Address": "10.0.0.4"}, {"ipv4Address": "10.0.0.1"}]})),
            (RecordType::AAAA, json!({"aaaaRecords": [{"ipv6Address": "fd00::4"}]})),
            (RecordType::CNAME, json!({"cnameRecord": {"cname": "web.corp.test"}})),
            (RecordType::MX, json!({"mxRecords": [{"preference": 10, "exchange": "mail.corp.test"}]})),
            (RecordType::PTR, json!({"ptrRecords": [{"ptrdname": "web.corp.test"}]})),
            (RecordType::SRV, json!({"srvRecords": [{"priority": 1, "weight": 2, "port": 3, "target": "a.test"}]})),
            (RecordType::TXT, json!({"txtRecords": [{"value": ["a b", "\"c\""]}]})),
            (
                RecordType::SOA,
                json!({"soaRecord": {
                    "host": "azureprivatedns.net", "email": "a.b.test", "serialNumber": 1, "refreshTime": 4,
                    "retryTime": 3, "expireTime": 1, "minimumTtl": 2,
                }}),
            ),
        ] {
            let octets = rdatas(rtype, &properties).unwrap();
            let octets: Vec<_> = octets.iter().map(|octets| &**octets).collect();
            let (member, records) = shown(rtype, &octets);
            assert_eq!(json!({ member: records }), properties);
        }
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let long = "a".repeat(256);
        for (rtype, properties) in [
            (RecordType::A, json!({"aRecords": [{"ipv4Address": "fd00::4"}]})),
            (RecordType::A, json!({"aRecords": [{}]})),
            (RecordType::A, json!({"aRecords": {"ipv4Address": "10.0.0.4"}})),
            (RecordType::AAAA, json!({"aaaaRecords": [{"ipv6Address": "10.0.0.4"}]})),
            (RecordType::CNAME, json!({"cnameRecord": {"cname": "a..b"}})),
            (RecordType::CNAME, json!({"cnameRecord": {"cname": ""}})),
            (RecordType::MX, json!({"mxRecords": [{"preference": 65536, "exchange": "a.test"}]})),
            (RecordType::SRV, json!({"srvRecords": [{"priority": 1, "weight": 2, "port": -3, "target": "a.test"}]})),
            (RecordType::TXT, json!({"txtRecords": [{"value": []}]})),
            (RecordType::TXT, json!({"txtRecords": [{"value": [long]}]})),
            (RecordType::SOA, json!({"soaRecord": {"email": "a..b"}})),
            (RecordType::SOA, json!({"soaRecord": {"refreshTime": -1}})),
        ] {
            assert!(kept(rtype, &properties, None).is_err(), "{properties}");
        }
    }
}
