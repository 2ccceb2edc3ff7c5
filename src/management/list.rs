//! Lists of resources in a scope, in pages.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::body::get;
use super::error::ApiError;
use super::identity::Principal;
use super::kinds::{self, Kind, record_set};
use super::path::Scope;
use super::request::{ApiVersion, Request};
use super::response::Response;
use super::state::{State, Unavailable};
use crate::azure::{ResourceId, Subscription, types};

/// Default elements of a page.
const PAGE: usize = 100;
/// Maximum elements of a page.
const MAX_PAGE: usize = 1000;

/// The part of a list that is asked for.
#[derive(Debug)]
pub(super) struct Page {
    top: usize,
    /// Elements after this key.
    after: Option<String>,
    suffix: Option<String>,
}

impl Page {
    /// The page that a request asks for.
    ///
    /// # Errors
    /// Its token is invalid.
    pub(super) fn of(request: &Request) -> Result<Self, ApiError> {
        let invalid = |name: &str, value: &str| {
            ApiError::bad_request("InvalidQueryParameterValue", format!("The value '{value}' of '{name}' is invalid."))
        };
        let top = match request.query.get("$top") {
            None => PAGE,
            Some(text) => {
                let top = text.parse().ok().filter(|top| *top > 0);
                top.map(|top: usize| top.min(MAX_PAGE)).ok_or_else(|| invalid("$top", text))?
            }
        };
        let after = match request.query.get("$skipToken") {
            None => None,
            Some(text) => {
                let octets = BASE64URL_NOPAD.decode(text.as_bytes()).ok();
                let key = octets.and_then(|octets| String::from_utf8(octets).ok());
                Some(key.ok_or_else(|| invalid("$skipToken", text))?)
            }
        };
        let suffix = request.query.get("$recordsetnamesuffix").filter(|suffix| !suffix.is_empty());
        Ok(Self { top, after, suffix: suffix.map(str::to_ascii_lowercase) })
    }

    /// The requested page of elements, by key.
    pub(super) fn of_values(&self, mut values: BTreeMap<String, Value>, request: &Request) -> Value {
        if let Some(after) = &self.after {
            values.retain(|key, _| key > after);
        }
        let is_last = values.len() <= self.top;
        let shown: Vec<_> = values.into_iter().take(self.top).collect();
        let last = shown.last().filter(|_| !is_last).map(|(key, _)| key.clone());
        self.answer(shown.into_iter().map(|(_, value)| value).collect(), last.as_deref(), request)
    }

    fn answer(&self, value: Vec<Value>, last: Option<&str>, request: &Request) -> Value {
        let mut answer = json!({ "value": value });
        if let Some(last) = last {
            let mut url = format!("{}{}?", request.base, request.path);
            for name in ["api-version", "$top", "$recordsetnamesuffix", "$expand", "$filter"] {
                if let Some(value) = request.query.get(name) {
                    url.push_str(&format!("{}={}&", encoded(name), encoded(value)));
                }
            }
            url.push_str(&format!("%24skipToken={}", BASE64URL_NOPAD.encode(last.as_bytes())));
            answer["nextLink"] = json!(url);
        }
        answer
    }
}

/// Percent-encodes a text for a query (RFC 3986 §2.1).
fn encoded(text: &str) -> String {
    let octet = |octet: u8| match octet {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(octet).to_string(),
        octet => format!("%{octet:02X}"),
    };
    text.bytes().map(octet).collect()
}

/// The distinct segments that follow a prefix in the IDs of all documents.
///
/// # Errors
/// The state cannot be read.
pub(super) fn first_segments(state: &dyn State, prefix: &str) -> Result<Vec<String>, Unavailable> {
    let (mut found, mut after) = (BTreeSet::new(), prefix.to_owned());
    while let Some(key) = state.keys_after(prefix, Some(&after), 1)?.pop() {
        let first = key[prefix.len()..].split('/').next().unwrap_or_default().to_owned();
        let whole = format!("{prefix}{first}");
        // Skips everything within it.
        after = if key == whole { key } else { format!("{whole}/\u{10ffff}") };
        found.insert(first);
    }
    Ok(found.into_iter().collect())
}

/// The subscriptions with resources; at least one.
///
/// # Errors
/// The state cannot be read.
pub(super) fn subscriptions(state: &dyn State) -> Result<Vec<Subscription>, Unavailable> {
    let mut found: BTreeMap<String, Subscription> = BTreeMap::new();
    let of_documents = first_segments(state, "/subscriptions/")?;
    let of_documents = of_documents.iter().filter_map(|id| id.parse().ok());
    let declared = state.topology().groups().map(|group| group.subscription().clone());
    for subscription in declared.chain(of_documents) {
        found.entry(subscription.to_string().to_ascii_lowercase()).or_insert(subscription);
    }
    if found.is_empty() {
        found.insert(String::new(), Subscription::default());
    }
    Ok(found.into_values().collect())
}

/// The IDs of all top-level resources in a scope, from documents and the world.
///
/// # Errors
/// The state cannot be read.
pub(super) fn top_level(scope: &Scope, state: &dyn State) -> Result<Vec<ResourceId>, Unavailable> {
    let mut found: BTreeMap<String, ResourceId> = BTreeMap::new();
    for kind in kinds::top_level(state.catalogue()) {
        for id in all(&*kind, scope, state)? {
            found.insert(kinds::key(&id), id);
        }
    }
    Ok(found.into_values().collect())
}

/// The IDs of all resources of one kind in a scope.
///
/// # Errors
/// The state cannot be read.
pub(super) fn all(kind: &dyn Kind, scope: &Scope, state: &dyn State) -> Result<Vec<ResourceId>, Unavailable> {
    let mut found: BTreeMap<String, ResourceId> = BTreeMap::new();
    let prefix = scope.prefix();
    for id in kind.all_declared(None, state) {
        let key = kinds::key(&id);
        if key.starts_with(&prefix) {
            found.insert(key, id);
        }
    }
    for (id, _) in documents(&kind.resource_type(), scope, state)? {
        found.insert(kinds::key(&id), id);
    }
    Ok(found.into_values().collect())
}

/// All top-level documents of one type in a scope.
///
/// # Errors
/// The state cannot be read.
pub(super) fn documents(
    resource_type: &str,
    scope: &Scope,
    state: &dyn State,
) -> Result<Vec<(ResourceId, Value)>, Unavailable> {
    let prefix = scope.prefix();
    let groups = match scope {
        Scope::Group(_) => vec![prefix],
        Scope::Subscription(_) => {
            let names = first_segments(state, &prefix)?;
            names.iter().map(|name| format!("{prefix}{name}/")).collect()
        }
    };
    let mut found = Vec::new();
    for group in groups {
        let prefix = format!("{group}providers/{}/", resource_type.to_ascii_lowercase());
        for name in first_segments(state, &prefix)? {
            if let Some(document) = state.document(&format!("{prefix}{name}"))?
                && let Ok(id) = document.id.parse()
            {
                found.push((id, document.body));
            }
        }
    }
    Ok(found)
}

/// All resources of a scope, in the form of such lists.
///
/// # Errors
/// The state cannot be read.
pub(super) fn resources(
    scope: &Scope,
    principal: Principal<'_>,
    state: &dyn State,
) -> Result<BTreeMap<String, Value>, Unavailable> {
    let mut found = BTreeMap::new();
    for id in top_level(scope, state)? {
        let group = id.resource_group();
        let Some(kind) = kinds::of(id.resource_type(), state.catalogue()) else { continue };
        if !principal.may_read(&group.subscription().to_string(), group.name()) {
            continue;
        }
        let Some(resource) = kinds::find(&*kind, &id, state)? else { continue };
        let mut shown = json!({
            "id": resource.id.to_string(), "name": resource.id.name(), "type": kind.resource_type(),
            "provisioningState": "Succeeded",
        });
        for member in ["location", "tags", "kind", "sku"] {
            if let Some(value) = get(&resource.body, member) {
                shown[member] = value.clone();
            }
        }
        found.insert(kinds::key(&id), shown);
    }
    Ok(found)
}

/// Whether a globally unique name is free, which clients ask before they create a resource (REST API of Azure Storage, "Storage
/// Accounts - Check Name Availability"). All subscriptions are searched.
///
/// # Errors
/// The state cannot be read.
pub(super) fn name_availability(asked: &Value, state: &dyn State) -> Result<Value, Unavailable> {
    let text = |member| get(asked, member).and_then(Value::as_str).unwrap_or_default();
    let (name, resource_type) = (text("name"), text("type"));
    let mut is_taken = false;
    for subscription in subscriptions(state)? {
        let mut ids = top_level(&Scope::Subscription(subscription), state)?.into_iter();
        is_taken |= ids.any(|id| id.is_of_type(resource_type) && id.name().eq_ignore_ascii_case(name));
    }
    if !is_taken {
        return Ok(json!({ "nameAvailable": true }));
    }
    let message = format!("The name {name} is already taken.");
    Ok(json!({ "nameAvailable": false, "reason": "AlreadyExists", "message": message }))
}

/// The resources of a type in a scope.
///
/// # Errors
/// The type is unknown, or the state cannot be read.
pub(super) fn in_scope(
    scope: &Scope,
    resource_type: &str,
    (page, request, version): (&Page, &Request, &ApiVersion),
    principal: Principal<'_>,
    state: &dyn State,
) -> Result<Response, ApiError> {
    let Some(kind) = kinds::of(resource_type, state.catalogue()) else {
        // There are no resources of an unknown type.
        return Ok(Response::ok(json!({ "value": [] })));
    };
    let ids = all(&*kind, scope, state)?.into_iter().filter(|id| {
        let group = id.resource_group();
        principal.may_read(&group.subscription().to_string(), group.name())
    });
    let ids: BTreeMap<_, _> = ids.map(|id| (kinds::key(&id), id)).collect();
    show_page(&*kind, ids, (page, request, version), state)
}

/// The resources of a type within another one.
///
/// # Errors
/// The parent does not exist, the type is unknown, or the state cannot be read.
pub(super) fn within(
    parent: &ResourceId,
    child_type: &str,
    page: &Page,
    request: &Request,
    version: &ApiVersion,
    state: &dyn State,
) -> Result<Response, ApiError> {
    let parent_kind =
        kinds::of(parent.resource_type(), state.catalogue()).ok_or_else(|| ApiError::not_found(parent))?;
    if kinds::find(&*parent_kind, parent, state)?.is_none() {
        return Err(ApiError::not_found(&kinds::canonical(&*parent_kind, parent)));
    }
    if parent.is_of_type(types::PRIVATE_DNS_ZONE) && !child_type.eq_ignore_ascii_case(types::VIRTUAL_NETWORK_LINK) {
        return record_sets(parent, child_type, (page, request, version), state);
    }
    if child_type.eq_ignore_ascii_case("privateLinkResources")
        && let Some(found) = kinds::private_link_resources(parent, state)
    {
        return Ok(Response::ok(found));
    }
    if let Some(part) =
        kinds::find(&*parent_kind, parent, state)?.and_then(|found| parent_kind.part(&found, child_type, state))
    {
        return Ok(Response::ok(part));
    }
    let kind = kinds::of(&format!("{}/{child_type}", parent.resource_type()), state.catalogue());
    let kind = kind.ok_or_else(|| ApiError::not_found(parent))?;
    let mut ids: BTreeMap<_, _> =
        kind.all_declared(Some(parent), state).into_iter().map(|id| (kinds::key(&id), id)).collect();
    let prefix = format!("{}/{}/", kinds::key(parent), child_type.to_ascii_lowercase());
    for name in first_segments(state, &prefix)? {
        let key = format!("{prefix}{name}");
        if let Some(id) = state.document(&key)?.and_then(|document| document.id.parse().ok()) {
            ids.insert(key, id);
        }
    }
    show_page(&*kind, ids, (page, request, version), state)
}

/// The record sets of a zone: of one type, or of all.
fn record_sets(
    zone: &ResourceId,
    rtype: &str,
    (page, request, version): (&Page, &Request, &ApiVersion),
    state: &dyn State,
) -> Result<Response, ApiError> {
    let of_type = match rtype.eq_ignore_ascii_case("ALL") {
        true => None,
        false => {
            Some(record_set::RecordSets::of(&rtype.to_ascii_lowercase()).ok_or_else(|| ApiError::not_found(zone))?)
        }
    };
    let mut names = record_set::names(zone, of_type.map(|kind| kind.rtype()), state)?;
    if let Some(suffix) = &page.suffix {
        names.retain(|(_, _, name)| name.ends_with(suffix.as_str()));
    }
    let as_text = |(is_other, rtype, name): &record_set::SetKey| format!("{}/{rtype}/{name}", u8::from(*is_other));
    let mut shown = Vec::new();
    let mut last = None;
    for key in names.iter().filter(|key| page.after.as_ref().is_none_or(|after| as_text(key) > *after)) {
        if shown.len() == page.top {
            return Ok(Response::ok(page.answer(shown, last.as_deref(), request)));
        }
        let (_, rtype, name) = key;
        let id = zone.child(rtype, name).map_err(|_| ApiError::not_found(zone))?;
        let kind = kinds::fixed(id.resource_type()).ok_or_else(|| ApiError::not_found(&id))?;
        if let Some(found) = kinds::find(&*kind, &id, state)? {
            shown.push(kinds::show(&*kind, &found, version, state)?);
            last = Some(as_text(key));
        }
    }
    Ok(Response::ok(page.answer(shown, None, request)))
}

fn show_page(
    kind: &dyn Kind,
    mut ids: BTreeMap<String, ResourceId>,
    (page, request, version): (&Page, &Request, &ApiVersion),
    state: &dyn State,
) -> Result<Response, ApiError> {
    if let Some(after) = &page.after {
        ids.retain(|key, _| key > after);
    }
    let is_last = ids.len() <= page.top;
    let (mut shown, mut last) = (Vec::new(), None);
    for (key, id) in ids.into_iter().take(page.top) {
        if let Some(found) = kinds::find(kind, &id, state)? {
            shown.push(kinds::show(kind, &found, version, state)?);
        }
        last = Some(key);
    }
    Ok(Response::ok(page.answer(shown, last.as_deref().filter(|_| !is_last), request)))
}

/// The namespaces of all known types, which clients request before resources.
const NAMESPACES: [&str; 4] =
    ["Microsoft.Network", "Microsoft.Resources", "Microsoft.Compute", "Microsoft.Authorization"];

/// All providers of a subscription.
pub(super) fn providers(subscription: &Subscription) -> Vec<Value> {
    NAMESPACES.iter().map(|namespace| provider(subscription, namespace)).collect()
}

/// A provider. It is always registered, so that clients do not try to register it.
pub(super) fn provider(subscription: &Subscription, namespace: &str) -> Value {
    let known = NAMESPACES.iter().find(|known| known.eq_ignore_ascii_case(namespace));
    let namespace = known.map_or(namespace, |known| known);
    let of_type = |name: &str| json!({ "resourceType": name, "locations": [], "apiVersions": ["2024-06-01"] });
    let names: &[&str] = match namespace {
        "Microsoft.Network" => &["privateDnsZones", "privateDnsZones/virtualNetworkLinks", "virtualNetworks"],
        _ => &[],
    };
    json!({
        "id": format!("/subscriptions/{subscription}/providers/{namespace}"), "namespace": namespace,
        "registrationState": "Registered", "registrationPolicy": "RegistrationRequired",
        "resourceTypes": names.iter().map(|name| of_type(name)).collect::<Vec<_>>(),
    })
}
