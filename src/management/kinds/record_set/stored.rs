//! Record sets as their documents have them, read without a tree of what they say: a server may start with a million.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::azure::{Origin, RecordSet, Writer};
use crate::dns::{Name, Rdatas, RecordType, Ttl};

/// What is kept of a record set of the usual types. Whatever else a document says has it read by the kind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    #[serde(borrow)]
    properties: Properties<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Properties<'a> {
    ttl: u32,
    #[serde(rename = "metadata")]
    _metadata: Option<IgnoredAny>,
    #[serde(borrow)]
    a_records: Option<Vec<V4<'a>>>,
    #[serde(borrow)]
    aaaa_records: Option<Vec<V6<'a>>>,
    #[serde(borrow)]
    cname_record: Option<Alias<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct V4<'a> {
    #[serde(rename = "ipv4Address")]
    address: &'a str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct V6<'a> {
    #[serde(rename = "ipv6Address")]
    address: &'a str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Alias<'a> {
    cname: &'a str,
}

/// The record set of a name in a zone that a document makes, as [`Kind::changes`](super::Kind::changes) makes it. `None` where
/// that is to be asked.
pub(in crate::management) fn stored_set(rtype: RecordType, name: &str, apex: &Name, body: &[u8]) -> Option<RecordSet> {
    // Two such names may be one.
    if name.contains('\\') || name.ends_with('.') {
        return None;
    }
    let Body { properties } = serde_json::from_slice(body).ok()?;
    let rdatas = match rtype {
        RecordType::A => addresses(rtype, properties.a_records?, |record| {
            record.address.parse().map(|address: Ipv4Addr| address.octets())
        }),
        RecordType::AAAA => addresses(rtype, properties.aaaa_records?, |record| {
            record.address.parse().map(|address: Ipv6Addr| address.octets())
        }),
        RecordType::CNAME => {
            let target: Name = properties.cname_record?.cname.parse().ok()?;
            (!target.as_ref().is_root()).then(|| Rdatas::one(target.as_wire()))
        }
        _ => None,
    };
    Some(RecordSet {
        owner: Name::relative(name, apex.as_ref()).ok()?,
        rtype,
        ttl: Ttl::from_secs(properties.ttl)?,
        rdatas: rdatas?,
        writer: Writer::Person,
        origin: Origin::API,
    })
}

/// `None` where there is none, or one of them is no address.
fn addresses<T, const N: usize, E>(
    rtype: RecordType,
    records: Vec<T>,
    octets: impl Fn(&T) -> Result<[u8; N], E>,
) -> Option<Rdatas> {
    match records.as_slice() {
        [] => None,
        [record] => Some(Rdatas::one(octets(record).ok()?)),
        records => {
            let rdatas = records.iter().map(|record| octets(record).map(Box::from));
            Some(Rdatas::new(rtype, rdatas.collect::<Result<_, _>>().ok()?))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::super::{Kind, Put};
    use super::super::RecordSets;
    use super::*;
    use crate::azure::{Catalogue, Change, Declaration, ResourceId, Topology, types};
    use crate::management::state::Stored;
    use crate::state::{Revision, Store};

    /// What the kind makes of a document.
    fn by_kind(rtype: RecordType, id: &ResourceId, body: &Value) -> Option<RecordSet> {
        let catalogue = Catalogue::embedded();
        let nothing = Declaration { incomplete: true, ..Declaration::default() };
        let (topology, _) = Topology::new(nothing, &catalogue).unwrap();
        let store = Store::in_memory().unwrap();
        store.commit(Revision(0), &[Vec::new()]).unwrap();
        let state = Stored { reader: &store.read().unwrap(), topology: &topology, catalogue: &catalogue };
        let put = Put { id, body, before: None, is_declared: false, completes: None };
        let mut changes = RecordSets(rtype).changes(&put, body, &state).ok()?;
        match changes.pop()? {
            Change::PutRecordSet { record_set, .. } => Some(record_set),
            _ => None,
        }
    }

    #[test]
    fn a_document_makes_the_record_set_that_its_kind_makes_of_it() {
        let address = json!({ "ipv4Address": "10.0.0.4" });
        let good = [
            (RecordType::A, "web", json!({ "ttl": 30, "aRecords": [address] })),
            (RecordType::A, "@", json!({ "ttl": 0, "metadata": { "a": "b" }, "aRecords": [address, address] })),
            (
                RecordType::A,
                "*.Up",
                json!({ "aRecords": [{ "ipv4Address": "10.0.0.9" }, address], "ttl": 2_147_483_647 }),
            ),
            (RecordType::AAAA, "v6", json!({ "ttl": 1, "aaaaRecords": [{ "ipv6Address": "fd00::4" }] })),
            (RecordType::CNAME, "alias", json!({ "ttl": 1, "cnameRecord": { "cname": "Web.corp.test" } })),
        ];
        let others = [
            (RecordType::A, r"w\101b", json!({ "ttl": 30, "aRecords": [address] })),
            (RecordType::A, "web.", json!({ "ttl": 30, "aRecords": [address] })),
            (RecordType::A, "web", json!({ "ttl": 30, "aRecords": [] })),
            (RecordType::A, "web", json!({ "ttl": 30, "aRecords": [{ "ipv4Address": "fd00::4" }] })),
            (RecordType::A, "web", json!({ "ttl": 2_147_483_648_u32, "aRecords": [address] })),
            (RecordType::A, "web", json!({ "ttl": 30, "ARecords": [address] })),
            (RecordType::CNAME, "alias", json!({ "ttl": 1, "cnameRecord": { "cname": "." } })),
            (RecordType::TXT, "text", json!({ "ttl": 1, "txtRecords": [{ "value": ["a"] }] })),
        ];
        let text = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/lab/providers";
        let zone: ResourceId = format!("{text}/{}/Corp.test", types::PRIVATE_DNS_ZONE).parse().unwrap();
        let apex: Name = "Corp.test".parse().unwrap();
        for ((rtype, name, properties), is_usual) in
            good.into_iter().map(|it| (it, true)).chain(others.into_iter().map(|it| (it, false)))
        {
            let body = json!({ "properties": properties });
            let id = zone.child(&crate::dns::TypeName(rtype).to_string(), name).unwrap();
            let stored = stored_set(rtype, name, &apex, body.to_string().as_bytes());
            assert_eq!(stored.is_some(), is_usual, "{body}");
            if let Some(set) = stored {
                let made = by_kind(rtype, &id, &body).unwrap();
                assert_eq!(format!("{set:?}"), format!("{made:?}"));
                assert_eq!(set.owner.as_wire(), made.owner.as_wire());
            }
        }
        let over = json!({ "properties": { "ttl": 1, "aRecords": [address] }, "overGroup": true });
        assert!(stored_set(RecordType::A, "web", &apex, over.to_string().as_bytes()).is_none());
    }
}
