//! Zone files of octoDNS: YAML with the records of one zone, whose name is the file's name.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Options, Place, Read, Refusal, Resource};

/// TTL of records without one, in seconds, as in octoDNS.
const DEFAULT_TTL: u64 = 3600;
/// Octets of one string of a TXT record.
const MAX_STRING: usize = 255;
/// Types that octoDNS supports and a private zone cannot hold.
const OTHER_TYPES: [&str; 14] = [
    "ALIAS",
    "CAA",
    "DNAME",
    "DS",
    "HTTPS",
    "LOC",
    "NAPTR",
    "NS",
    "OPENPGPKEY",
    "SPF",
    "SSHFP",
    "SVCB",
    "TLSA",
    "URLFWD",
];
/// Types that a private zone can hold, each with its member in Azure's record set.
const TYPES: [(&str, &str); 7] = [
    ("A", "aRecords"),
    ("AAAA", "aaaaRecords"),
    ("CNAME", "cnameRecord"),
    ("MX", "mxRecords"),
    ("PTR", "ptrRecords"),
    ("SRV", "srvRecords"),
    ("TXT", "txtRecords"),
];

/// Whether a document is a zone file of octoDNS: records by name, each with its type.
pub(super) fn is_zone(document: &Value) -> bool {
    let is_known = |record: &Value| {
        let kind = record.get("type").and_then(Value::as_str).unwrap_or_default();
        TYPES.iter().any(|(known, _)| *known == kind) || OTHER_TYPES.contains(&kind)
    };
    let has_records = |records: &Value| match records {
        Value::Array(records) => !records.is_empty() && records.iter().all(is_known),
        record => is_known(record),
    };
    document.as_object().is_some_and(|names| !names.is_empty() && names.values().any(has_records))
}

/// Whether a document is a configuration of octoDNS itself.
pub(super) fn is_configuration(document: &Value) -> bool {
    ["providers", "zones"].iter().all(|member| document.get(member).is_some_and(Value::is_object))
}

/// Reads a zone.
///
/// # Errors
/// If the file's name is not a zone's.
pub(super) fn read(file: &Arc<str>, document: &Value, options: &Options) -> Result<Read, Refusal> {
    let zone = zone_of(file).ok_or_else(|| {
        Refusal("records of octoDNS, which has the zone in the name of the file: call it ZONE.yaml, such as corp.example.yaml".to_owned())
    })?;
    let subscription = options.subscription.as_deref().unwrap_or("00000000-0000-0000-0000-000000000000");
    let group = options.resource_group.as_deref().unwrap_or("octodns");
    let id = format!(
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network/privateDnsZones/{zone}"
    );
    let mut read = Read::default();
    let add = |read: &mut Read, id: String, kind: &str, properties: Value, place: Place| {
        let (kind, location) = (format!("Microsoft.Network/privateDnsZones{kind}"), Some("global".to_owned()));
        read.resources.push(Resource { id, kind, location, properties, extra: Map::new(), place });
    };
    add(&mut read, id.clone(), "", json!({}), Place::new(file, ""));
    for (name, records) in document.as_object().into_iter().flatten() {
        let records = match records {
            Value::Array(records) => records.as_slice(),
            record => std::slice::from_ref(record),
        };
        let shown = if name.is_empty() { "@" } else { name };
        for record in records {
            let kind = record.get("type").and_then(Value::as_str).unwrap_or("no type");
            let place = Place::new(file, format!("{shown} {kind}"));
            if record.pointer("/octodns/ignored") == Some(&Value::Bool(true)) {
                read.leave_out(place, shown, "it is `ignored` by octoDNS");
                continue;
            }
            match properties(kind, record) {
                Ok(properties) => {
                    add(&mut read, format!("{id}/{kind}/{shown}"), &format!("/{kind}"), properties, place.clone())
                }
                Err(why) => {
                    read.leave_out(place, shown, why);
                    continue;
                }
            }
            for member in ["geo", "dynamic"] {
                if record.get(member).is_some() {
                    let why = format!(
                        "its `{member}` answers by place or health, as no private zone does: `value` counts alone"
                    );
                    read.leave_out(place.clone(), shown, why);
                }
            }
        }
    }
    Ok(read)
}

/// The zone of a file `ZONE.yaml`, or of a file in a directory `ZONE.`, as octoDNS splits large zones.
fn zone_of(file: &str) -> Option<String> {
    let path = Path::new(file);
    let folder = path.parent().and_then(Path::file_name).and_then(|folder| folder.to_str());
    let split = folder.and_then(|folder| folder.strip_suffix('.'));
    let stem = path.file_stem()?.to_str()?;
    let zone = split.unwrap_or_else(|| stem.trim_start_matches('$').trim_end_matches('.'));
    let is_name = !zone.is_empty()
        && zone.split('.').all(|label| {
            let is_letter = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'/');
            (1..=63).contains(&label.len()) && label.bytes().all(is_letter)
        });
    (is_name && zone != "-").then(|| zone.to_ascii_lowercase())
}

/// The properties of a record set in Azure's shape.
fn properties(kind: &str, record: &Value) -> Result<Value, String> {
    let Some((_, member)) = TYPES.iter().find(|(known, _)| *known == kind) else {
        return Err(match kind {
            "no type" => "it has no `type`".to_owned(),
            kind => format!("a private zone holds no records of type {kind}"),
        });
    };
    let values = match (record.get("values"), record.get("value")) {
        (Some(Value::Array(values)), _) => values.iter().collect(),
        (Some(value), _) | (None, Some(value)) => vec![value],
        (None, None) => return Err("it has neither `value` nor `values`".to_owned()),
    };
    let ttl = match record.get("ttl") {
        None => DEFAULT_TTL,
        Some(ttl) => ttl.as_u64().ok_or_else(|| format!("its `ttl` is {ttl}, which is no number of seconds"))?,
    };
    let records = values.into_iter().map(|value| one(kind, value)).collect::<Result<Vec<_>, _>>()?;
    let records = if kind == "CNAME" {
        match <[Value; 1]>::try_from(records) {
            Ok([record]) => record,
            Err(records) => return Err(format!("a CNAME record has one value, not {}", records.len())),
        }
    } else {
        records.into()
    };
    Ok(json!({ "ttl": ttl, *member: records }))
}

/// One value in Azure's shape.
fn one(kind: &str, value: &Value) -> Result<Value, String> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(format!("{other} is no value of a record of type {kind}")),
    };
    // Names are absolute, with or without the final dot.
    let name =
        |value: &Value| text(value).map(|name| if name == "." { name } else { name.trim_end_matches('.').to_owned() });
    let member = |names: &[&str]| {
        let found = names.iter().find_map(|name| value.get(*name));
        found.ok_or_else(|| format!("a value of type {kind} has no `{}`", names[0]))
    };
    let number = |names: &[&str]| {
        let number = member(names)?;
        let number = number.as_u64().filter(|number| *number <= u64::from(u16::MAX));
        number.ok_or_else(|| format!("`{}` of a value of type {kind} is no number from 0 to 65535", names[0]))
    };
    Ok(match kind {
        "A" => json!({ "ipv4Address": text(value)? }),
        "AAAA" => json!({ "ipv6Address": text(value)? }),
        "CNAME" => json!({ "cname": name(value)? }),
        "PTR" => json!({ "ptrdname": name(value)? }),
        // `priority` and `value` are older names of these members.
        "MX" => json!({
            "preference": number(&["preference", "priority"])?,
            "exchange": name(member(&["exchange", "value"])?)?,
        }),
        "SRV" => json!({
            "priority": number(&["priority"])?,
            "weight": number(&["weight"])?,
            "port": number(&["port"])?,
            "target": name(member(&["target"])?)?,
        }),
        _ => json!({ "value": strings(&text(value)?) }),
    })
}

/// The strings of a TXT record: octoDNS escapes semicolons with a backslash, and splits long texts itself.
fn strings(text: &str) -> Vec<String> {
    let unquoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let text = unquoted.map_or_else(|| text.to_owned(), |text| text.replace("\" \"", "")).replace("\\;", ";");
    let mut strings = vec![String::new()];
    for letter in text.chars() {
        let is_full = strings.last().is_none_or(|last| last.len() + letter.len_utf8() > MAX_STRING);
        if is_full {
            strings.push(String::new());
        }
        if let Some(last) = strings.last_mut() {
            last.push(letter);
        }
    }
    strings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::yaml;

    const ZONE: &str = r"---
'':
  - {type: A, ttl: 300, values: [10.1.0.4, 10.1.0.5]}
  - type: NS
    values: [ns1.tailspin.example.]
  - type: MX
    values:
      - {exchange: mail.tailspin.example., preference: 10}
      - {value: other.example., priority: 20}
'*.apps': {type: CNAME, value: www.tailspin.example.}
_sip._tcp:
  type: SRV
  values: [{port: 5060, priority: 0, weight: 5, target: sip.tailspin.example.}]
txt:
  type: TXT
  ttl: 60
  values: ['v=DKIM1\;k=rsa', plain]
old: {type: A, value: 10.1.0.9, octodns: {ignored: true}}
bad: {type: MX, value: x}
geo: {type: A, value: 10.1.0.6, geo: {AF: [10.1.0.7]}}
";

    /// The shapes of the records are those of octoDNS's documentation ("Records").
    #[test]
    fn records_have_azures_shape() {
        let document = yaml::parse(ZONE).expect("YAML");
        assert!(is_zone(&document) && !is_configuration(&document));
        let read = read(&"zones/Tailspin.example.yaml".into(), &document, &Options::default()).expect("a zone");
        let zone = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/octodns/providers/Microsoft.Network/\
                    privateDnsZones/tailspin.example";
        let made: Vec<_> = read.resources.iter().map(|r| (r.id.replace(zone, ""), &r.properties)).collect();
        let expected = [
            ("", json!({})),
            ("/A/@", json!({"ttl": 300, "aRecords": [{"ipv4Address": "10.1.0.4"}, {"ipv4Address": "10.1.0.5"}]})),
            (
                "/MX/@",
                json!({"ttl": 3600, "mxRecords": [{"preference": 10, "exchange": "mail.tailspin.example"},
                {"preference": 20, "exchange": "other.example"}]}),
            ),
            ("/CNAME/*.apps", json!({"ttl": 3600, "cnameRecord": {"cname": "www.tailspin.example"}})),
            (
                "/SRV/_sip._tcp",
                json!({"ttl": 3600, "srvRecords": [{"priority": 0, "weight": 5, "port": 5060,
                "target": "sip.tailspin.example"}]}),
            ),
            ("/A/geo", json!({"ttl": 3600, "aRecords": [{"ipv4Address": "10.1.0.6"}]})),
            ("/TXT/txt", json!({"ttl": 60, "txtRecords": [{"value": ["v=DKIM1;k=rsa"]}, {"value": ["plain"]}]})),
        ];
        let expected: Vec<_> = expected.iter().map(|(id, properties)| ((*id).to_owned(), properties)).collect();
        assert_eq!(made, expected);
        let left_out: Vec<_> = read.left_out.iter().map(|left| left.place.address.as_str()).collect();
        assert_eq!(left_out, ["@ NS", "bad MX", "geo A", "old A"]);
    }

    #[test]
    fn the_file_or_its_folder_names_the_zone() {
        for (file, zone) in [
            ("corp.example.yaml", Some("corp.example")),
            ("config/corp.example.yml", Some("corp.example")),
            ("config/corp.example./www.yaml", Some("corp.example")),
            ("config/corp.example./$corp.example.yaml", Some("corp.example")),
            ("10/28.2.0.192.in-addr.arpa.yaml", Some("28.2.0.192.in-addr.arpa")),
            ("-", None),
            ("a b.yaml", None),
        ] {
            assert_eq!(zone_of(file).as_deref(), zone, "{file}");
        }
    }

    #[test]
    fn a_long_text_is_cut_into_strings() {
        let long = "é".repeat(200);
        assert_eq!(strings(&long).iter().map(String::len).collect::<Vec<_>>(), [254, 146]);
        assert_eq!(strings("\"a\" \"b\""), ["ab"]);
    }

    #[test]
    fn octodns_itself_is_configured_by_another_file() {
        let text = "providers:\n  config: {class: octodns.provider.yaml.YamlProvider}\nzones:\n  a.example.: {sources: [config]}\n";
        let document = yaml::parse(text).expect("YAML");
        assert!(is_configuration(&document) && !is_zone(&document));
    }
}
