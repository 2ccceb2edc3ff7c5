//! Private DNS zones, their record sets and links.

use serde_json::{Value, json};

use super::collected::Said;
use super::values::{Body, Values};

/// Longest string of a TXT record, in octets. azurerm writes a longer value as several strings of this length, and joins them
/// when it reads.
const TXT_SEGMENT: usize = 254;

pub(super) fn zone() -> Said {
    Said { properties: json!({}), location: Some("global".to_owned()), ..Said::default() }
}

/// The SOA record set of a zone.
pub(super) fn soa(zone: Values<'_>) -> Option<Said> {
    let record = zone.block("soa_record");
    if !record.is_block() {
        return None;
    }
    let body = Body::default()
        .with("ttl", record.get("ttl").json())
        .with("fqdn", record.get("fqdn").json())
        .with("soaRecord.host", record.get("host_name").json())
        .with("soaRecord.email", record.get("email").json())
        .with("soaRecord.refreshTime", record.get("refresh_time").json())
        .with("soaRecord.retryTime", record.get("retry_time").json())
        .with("soaRecord.expireTime", record.get("expire_time").json())
        .with("soaRecord.minimumTtl", record.get("minimum_ttl").json())
        .with("soaRecord.serialNumber", record.get("serial_number").json());
    Some(Said { properties: body.json(), ..Said::default() })
}

pub(super) fn record_set(record_type: &str, values: Values<'_>) -> Said {
    let (records, record) = (values.get("records"), values.get("record"));
    let body = Body::default().with("ttl", values.get("ttl").json()).with("fqdn", values.get("fqdn").json());
    let body = body.with("metadata", values.get("tags").json().filter(|tags| tags != &json!({})));
    let body = match record_type {
        "A" => body.with("aRecords", each(records, |address| member("ipv4Address", address))),
        "AAAA" => body.with("aaaaRecords", each(records, |address| member("ipv6Address", address))),
        "CNAME" => body.with("cnameRecord.cname", record.json()),
        "MX" => body.with(
            "mxRecords",
            each(record, |mx| members(mx, &[("preference", "preference"), ("exchange", "exchange")])),
        ),
        "PTR" => body.with("ptrRecords", each(records, |name| member("ptrdname", name))),
        "SRV" => {
            let names = ["priority", "weight", "port", "target"].map(|name| (name, name));
            body.with("srvRecords", each(record, |srv| members(srv, &names)))
        }
        _ => body.with("txtRecords", each(record, |txt| Some(json!({ "value": strings(txt.get("value")) })))),
    };
    Said { properties: body.json(), ..Said::default() }
}

pub(super) fn link(values: Values<'_>) -> Said {
    let body = Body::default()
        .with("virtualNetwork.id", values.get("virtual_network_id").json())
        .with("registrationEnabled", values.get("registration_enabled").json())
        .with("resolutionPolicy", values.get("resolution_policy").json());
    Said { properties: body.json(), location: Some("global".to_owned()), ..Said::default() }
}

/// A list with each element transformed; unknown if the list is.
pub(super) fn each<'a>(list: Values<'a>, element: impl Fn(Values<'a>) -> Option<Value>) -> Option<Value> {
    match list.json()? {
        Value::Array(_) => Some(list.items().filter_map(element).collect()),
        not_told => Some(not_told),
    }
}

pub(super) fn member(name: &str, value: Values<'_>) -> Option<Value> {
    Some(Body::default().with(name, value.json()).json())
}

/// An object made of a block: pairs of an attribute and the path of a member.
pub(super) fn members(block: Values<'_>, names: &[(&str, &str)]) -> Option<Value> {
    let body =
        names.iter().fold(Body::default(), |body, (attribute, path)| body.with(path, block.get(attribute).json()));
    Some(body.json())
}

fn strings(value: Values<'_>) -> Value {
    let Some(text) = value.text() else { return value.json().unwrap_or_else(|| json!([""])) };
    let mut strings = Vec::new();
    let mut rest = text;
    while rest.len() > TXT_SEGMENT {
        let at = (1..=TXT_SEGMENT).rev().find(|at| rest.is_char_boundary(*at)).unwrap_or(TXT_SEGMENT);
        let (string, others) = rest.split_at(at);
        strings.push(string);
        rest = others;
    }
    strings.push(rest);
    json!(strings)
}
