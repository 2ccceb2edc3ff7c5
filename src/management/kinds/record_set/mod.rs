//! Record sets of private DNS zones.

mod data;
mod stored;

use std::collections::BTreeSet;

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::zone::{apex, bad_request};
use super::{Found, Kind, Manner, Put, Shown, key};
use crate::azure::{Change, Origin, PRIVATE_TYPES, RecordSet, ResourceId, Writer, ZoneContents, ZoneKey, types};
use crate::dns::{Name, RecordType, Ttl, TypeName};
use crate::management::body::{get, property, texts_by_name};
use crate::management::error::ApiError;
use crate::management::provider::Provider;
use crate::management::state::{Edit, State, Unavailable, Written};

pub(crate) use data::record_value;
pub(in crate::management) use stored::stored_set;

/// Record sets of one type.
pub(in crate::management) struct RecordSets(RecordType);

/// The types of record sets, as Azure spells them.
const NAMES: [(&str, RecordType); 8] = [
    ("A", RecordType::A),
    ("AAAA", RecordType::AAAA),
    ("CNAME", RecordType::CNAME),
    ("MX", RecordType::MX),
    ("PTR", RecordType::PTR),
    ("SRV", RecordType::SRV),
    ("TXT", RecordType::TXT),
    ("SOA", RecordType::SOA),
];

/// The member that says that a set was written over one of a zone group, beside `properties`.
const OVER_GROUP: &str = "overGroup";

/// The sort key of a record set within its zone: whether it is not the SOA record, the type, and the name in lower case.
pub(in crate::management) type SetKey = (bool, String, String);

impl RecordSets {
    /// The kind for a type's name in lower case.
    pub(in crate::management) fn of(name: &str) -> Option<Self> {
        let (_, rtype) = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(Self(*rtype))
    }

    /// The type.
    pub(in crate::management) fn rtype(&self) -> RecordType {
        self.0
    }
}

impl Kind for RecordSets {
    fn resource_type(&self) -> String {
        format!("{}/{}", types::PRIVATE_DNS_ZONE, TypeName(self.0))
    }

    fn provider(&self) -> Provider {
        Provider::PrivateDns("Record set")
    }

    fn manner(&self) -> Manner {
        Manner::AtOnce
    }

    fn keep(&self, put: &Put<'_>, state: &dyn State) -> Result<Value, ApiError> {
        let properties = get(put.body, "properties").unwrap_or(&Value::Null);
        let owner = owner(put.id)?;
        if self.0 == RecordType::SOA && put.id.name() != "@" {
            return Err(bad_request("An SOA record set is at the apex of its zone: its name is '@'."));
        }
        let before = put.before.and_then(|before| property(before, "ttl"));
        let ttl = get(properties, "ttl").or(before).cloned().unwrap_or_else(|| json!(3600));
        if ttl.as_u64().and_then(|ttl| Ttl::from_secs(u32::try_from(ttl).ok()?)).is_none() {
            return Err(bad_request(format!("The TTL '{ttl}' is invalid: it is a number from 0 to 2147483647.")));
        }
        let mut kept = Map::from_iter([("ttl".to_owned(), ttl)]);
        if let Some(metadata) = get(properties, "metadata") {
            let metadata = texts_by_name(metadata, "metadata")?;
            if !metadata.is_empty() {
                kept.insert("metadata".to_owned(), Value::Object(metadata));
            }
        }
        if let Some((member, records)) = data::kept(self.0, properties, put.before)? {
            kept.insert(member.to_owned(), records);
        }
        let mut body = json!({ "properties": kept });
        let contents = put.id.parent().and_then(|zone| state.topology().zone_and_contents(&zone));
        let written = contents.and_then(|(_, contents)| writer(contents, &owner, self.0));
        if matches!(written, Some(Writer::PrivateEndpoint(_) | Writer::Client)) {
            body[OVER_GROUP] = json!(true);
        }
        Ok(body)
    }

    fn check(&self, put: &Put<'_>, kept: &Value, state: &dyn State) -> Result<(), ApiError> {
        let zone_id = put.id.parent().ok_or_else(|| ApiError::not_found(put.id))?;
        let owner = owner(put.id)?;
        let found = state.topology().zone_and_contents(&zone_id);
        let (zone, contents) = found.ok_or_else(|| ApiError::parent_not_found(put.id, &zone_id))?;
        state.looks_at(&ZoneKey::Private(zone_id), &owner);
        match data::rdatas(self.0, property_object(kept))?.is_empty() {
            // The world would see no change to refuse.
            true if zone.locked => Err(ApiError::scope_locked(put.id, "a file, in a zone with locked = true")),
            true => match writer(contents, &owner, self.0) {
                Some(Writer::PrivateEndpoint(endpoint)) => Err(conflict(format!(
                    "The record set '{}' is kept by the zone group of private endpoint '{endpoint}': it cannot be empty.",
                    put.id.name()
                ))),
                _ => Ok(()),
            },
            false => alias_beside_others(contents, &owner, self.0),
        }
    }

    fn rank(&self) -> u8 {
        2
    }

    fn changes(&self, put: &Put<'_>, kept: &Value, state: &dyn State) -> Result<Vec<Change>, ApiError> {
        let zone_id = put.id.parent().ok_or_else(|| ApiError::not_found(put.id))?;
        let owner = owner(put.id)?;
        let rdatas = data::rdatas(self.0, property_object(kept))?;
        if rdatas.is_empty() {
            // The set exists in the API, but has no records to serve.
            let contents = state.topology().zone_and_contents(&zone_id).map(|(_, contents)| contents);
            let writer = contents.and_then(|contents| writer(contents, &owner, self.0));
            let (is_there, zone) = (writer.is_some_and(|writer| writer.is_person()), ZoneKey::Private(zone_id));
            let gone = is_there.then_some(Change::DeleteRecordSet { zone, owner, rtype: self.0 });
            return Ok(gone.into_iter().collect());
        }
        let zone = ZoneKey::Private(zone_id);
        let ttl = property(kept, "ttl").and_then(Value::as_u64).and_then(|ttl| u32::try_from(ttl).ok());
        let ttl = ttl.and_then(Ttl::from_secs).ok_or_else(|| bad_request("The TTL is invalid."))?;
        let record_set = RecordSet {
            owner,
            rtype: self.0,
            ttl,
            rdatas: crate::dns::Rdatas::new(self.0, rdatas),
            writer: if kept.get(OVER_GROUP).is_some() { Writer::Client } else { Writer::Person },
            origin: Origin::API,
        };
        Ok(vec![Change::PutRecordSet { zone, record_set }])
    }

    fn delete(&self, id: &ResourceId, _: &Value, state: &dyn State) -> Result<Written, ApiError> {
        if self.0 == RecordType::SOA {
            return Err(bad_request("The SOA record set at the apex of a zone cannot be deleted."));
        }
        let zone_id = id.parent().ok_or_else(|| ApiError::not_found(id))?;
        let owner = owner(id)?;
        state.looks_at(&ZoneKey::Private(zone_id.clone()), &owner);
        let contents = state.topology().zone_and_contents(&zone_id).map(|(_, contents)| contents);
        let changes = match contents.and_then(|contents| writer(contents, &owner, self.0)) {
            None => Vec::new(),
            Some(Writer::Person | Writer::Client) => {
                vec![Change::DeleteRecordSet { zone: ZoneKey::Private(zone_id), owner, rtype: self.0 }]
            }
            Some(writer) => {
                return Err(conflict(format!("The record set '{}' cannot be deleted: it is {writer}.", id.name())));
            }
        };
        Ok(Written { edits: Vec::new(), changes })
    }

    fn declared(&self, id: &ResourceId, state: &dyn State) -> Option<Value> {
        let (_, contents) = state.topology().zone_and_contents(&id.parent()?)?;
        let owner = owner(id).ok()?;
        let (_, rrset) = contents.compiled()?.rrset(owner.as_ref(), self.0)?;
        let rdatas: Vec<_> = rrset.rdatas().collect();
        let mut properties = Map::from_iter([("ttl".to_owned(), json!(rrset.ttl().as_secs()))]);
        let (member, records) = data::shown(self.0, &rdatas);
        properties.insert(member.to_owned(), records);
        match contents.writer(&owner, self.0) {
            Writer::PrivateEndpoint(endpoint) => {
                let creator = format!("created by private endpoint {endpoint}");
                properties.insert("metadata".to_owned(), json!({ "creator": creator }));
            }
            Writer::VirtualMachine(_) => {
                properties.insert("isAutoRegistered".to_owned(), json!(true));
            }
            _ => {}
        }
        Some(json!({ "properties": properties }))
    }

    fn all_declared(&self, parent: Option<&ResourceId>, state: &dyn State) -> Vec<ResourceId> {
        let Some(zone) = parent else { return Vec::new() };
        let names = names(zone, Some(self.0), state).unwrap_or_default();
        names.iter().filter_map(|(_, rtype, name)| zone.child(rtype, name).ok()).collect()
    }

    fn show(&self, found: &Found, shown: &mut Shown, state: &dyn State) -> Result<(), Unavailable> {
        // What the platform has written in place of a client's records is shown.
        if !found.is_declared && self.0 != RecordType::SOA && platform_wrote(&found.id, self.0, state) {
            let written = self.declared(&found.id, state);
            for (name, value) in
                written.as_ref().and_then(|body| property_object(body).as_object()).into_iter().flatten()
            {
                shown.properties().insert(name.clone(), value.clone());
            }
        }
        self.complete(found, shown);
        Ok(())
    }

    fn is_complete_alone(&self, id: &ResourceId, state: &dyn State) -> bool {
        !platform_wrote(id, self.0, state)
    }

    fn complete(&self, found: &Found, shown: &mut Shown) {
        shown.members.remove(OVER_GROUP);
        let zone = found.id.parent().map(|zone| zone.name().trim_end_matches('.').to_owned()).unwrap_or_default();
        let fqdn = match found.id.name() {
            "@" => format!("{zone}."),
            name => format!("{name}.{zone}."),
        };
        let properties = shown.properties();
        properties.insert("fqdn".to_owned(), json!(fqdn));
        properties.entry("isAutoRegistered").or_insert(json!(false));
    }
}

/// The record sets of a zone, of one type or all, in the order of lists: the SOA record first.
pub(in crate::management) fn names(
    zone: &ResourceId,
    rtype: Option<RecordType>,
    state: &dyn State,
) -> Result<BTreeSet<SetKey>, Unavailable> {
    let mut found = BTreeSet::new();
    let wanted = |known: RecordType| {
        rtype.is_none_or(|rtype| rtype == known) && (known == RecordType::SOA || PRIVATE_TYPES.contains(&known))
    };
    let prefix = format!("{}/", key(zone));
    for document in state.keys(&prefix)? {
        let Some((rtype, name)) = document[prefix.len()..].split_once('/') else { continue };
        if RecordSets::of(rtype).is_some_and(|RecordSets(rtype)| wanted(rtype)) {
            found.insert(set_key(rtype, name));
        }
    }
    let contents = state.topology().zone_and_contents(zone).and_then(|(_, contents)| contents.compiled());
    for (owner, rrset) in contents.into_iter().flat_map(|zone| zone.rrsets()) {
        if let Some(name) = relative(owner, zone).filter(|_| wanted(rrset.rtype())) {
            found.insert(set_key(&TypeName(rrset.rtype()).to_string(), &name));
        }
    }
    Ok(found)
}

fn set_key(rtype: &str, name: &str) -> SetKey {
    (!rtype.eq_ignore_ascii_case("SOA"), rtype.to_ascii_lowercase(), name.to_ascii_lowercase())
}

/// The name of a record set relative to its zone.
fn relative(owner: crate::dns::NameRef<'_>, zone: &ResourceId) -> Option<String> {
    let apex = apex(zone)?;
    let name = owner.with_suffix(apex.as_ref(), Name::root().as_ref())?.to_string().replace('/', "\\047");
    Some(match name.strip_suffix('.') {
        None | Some("") => "@".to_owned(),
        Some(name) => name.to_owned(),
    })
}

/// The owner name of a record set.
fn owner(id: &ResourceId) -> Result<Name, ApiError> {
    let invalid = || bad_request(format!("The record set name '{}' is invalid.", id.name()));
    let apex = id.parent().and_then(|zone| apex(&zone)).ok_or_else(invalid)?;
    match id.name() {
        "@" => Ok(apex),
        name if name.ends_with('.') => Err(invalid()),
        name => Name::relative(name, apex.as_ref()).map_err(|_| invalid()),
    }
}

/// Who wrote a served record set.
fn writer(contents: &ZoneContents, owner: &Name, rtype: RecordType) -> Option<Writer> {
    contents.compiled()?.rrset(owner.as_ref(), rtype)?;
    Some(contents.writer(owner, rtype))
}

fn platform_wrote(id: &ResourceId, rtype: RecordType, state: &dyn State) -> bool {
    let contents = id.parent().and_then(|zone| state.topology().zone_and_contents(&zone));
    let owner = owner(id).ok();
    let writer = contents.zip(owner).and_then(|((_, contents), owner)| writer(contents, &owner, rtype));
    writer.is_some_and(|writer| !writer.is_person())
}

/// Refuses other data beside an alias (RFC 1034 §3.6.2).
fn alias_beside_others(contents: &ZoneContents, owner: &Name, rtype: RecordType) -> Result<(), ApiError> {
    let Some(zone) = contents.compiled() else { return Ok(()) };
    let is_there = |rtype: RecordType| zone.rrset(owner.as_ref(), rtype).is_some();
    if rtype == RecordType::CNAME {
        let others = PRIVATE_TYPES.into_iter().chain([RecordType::SOA]).filter(|other| *other != rtype);
        return match others.into_iter().find(|other| is_there(*other)) {
            None => Ok(()),
            Some(_) => Err(conflict(
                "The record could not be created because a record with the same name already exists in this zone: a \
                 CNAME record cannot stand beside it.",
            )),
        };
    }
    match is_there(RecordType::CNAME) {
        true => Err(conflict(
            "The record could not be created because a CNAME record with the same name already exists in this zone.",
        )),
        false => Ok(()),
    }
}

fn conflict(message: impl Into<String>) -> ApiError {
    ApiError::flat(StatusCode::CONFLICT, "Conflict", message)
}

fn property_object(body: &Value) -> &Value {
    body.get("properties").unwrap_or(&Value::Null)
}

/// When a zone group writes again: the edits that delete those sets with these names that clients have written over its own.
pub(super) fn written_over(
    zone: &ResourceId,
    names: &[(RecordType, Name)],
    state: &dyn State,
) -> (Vec<Edit>, Vec<Change>) {
    let Some((_, contents)) = state.topology().zone_and_contents(zone) else { return Default::default() };
    let over = names.iter().filter(|(rtype, owner)| writer(contents, owner, *rtype) == Some(Writer::Client));
    let gone = over.filter_map(|(rtype, owner)| {
        let id = crate::control::record_set_id(zone, owner, *rtype)?;
        let zone = ZoneKey::Private(zone.clone());
        Some((Edit::Delete(key(&id)), Change::DeleteRecordSet { zone, owner: owner.clone(), rtype: *rtype }))
    });
    gone.unzip()
}
