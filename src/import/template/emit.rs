//! Writes the resources of a template's deployments in the form of Azure Resource Manager.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::engine::Engine;
use super::functions::Cloud;
use super::meter::{Fault, Meter};
use super::parameters;
use super::resources::level_of;
use super::scope::{Given, Instance, Level, Scope, Target, find};
use super::value::Value;
use crate::azure::Catalogue;
use crate::import::estate::types;
use crate::import::{LeftOut, Options, Place, Read, Refusal, Resource};

/// The subscription of a deployment if it is not known.
const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";
/// The resource group of a deployment if it is not known.
const RESOURCE_GROUP: &str = "template";
/// Most octets of all properties.
const MAX_MADE: u64 = 256 << 20;

/// Properties that affect DNS, by type in lower case. Parameters that only others use need no value.
const NEEDED: [(&str, &[&str]); 8] = [
    ("microsoft.network/virtualnetworks", &["addressspace", "dhcpoptions", "subnets"]),
    ("microsoft.network/virtualnetworks/subnets", &["addressprefix", "addressprefixes"]),
    (
        "microsoft.network/privateendpoints",
        &[
            "subnet",
            "ipconfigurations",
            "privatelinkserviceconnections",
            "manualprivatelinkserviceconnections",
            "customnetworkinterfacename",
            "customdnsconfigs",
        ],
    ),
    ("microsoft.network/privateendpoints/privatednszonegroups", &["privatednszoneconfigs"]),
    ("microsoft.network/networkinterfaces", &["ipconfigurations"]),
    ("microsoft.network/dnsresolvers/inboundendpoints", &["ipconfigurations"]),
    ("microsoft.network/dnsforwardingrulesets/forwardingrules", &["domainname", "targetdnsservers"]),
    ("microsoft.network/dnsforwardingrulesets/virtualnetworklinks", &["virtualnetwork"]),
];
/// Members of those properties that do not affect DNS.
const NOT_NEEDED: [&str; 6] =
    ["networksecuritygroup", "routetable", "natgateway", "serviceendpoints", "delegations", "publicipaddress"];

/// Reads a template on a thread with a large enough stack.
pub(super) fn read(file: &Arc<str>, document: &Json, options: &Options) -> Result<Read, Refusal> {
    let template = document.as_object().ok_or_else(|| Refusal("a template is an object".to_owned()))?;
    let engine =
        Engine { meter: Meter::new(), options, cloud: cloud_of(template, options), scopes: RefCell::default() };
    let mistakes = parameters::mistakes(template, options, &engine.meter).map_err(spent)?;
    if !mistakes.is_empty() {
        return Err(Refusal(mistakes.join("; ")));
    }
    let told = |given: &Option<String>, otherwise: &str| Value::text(given.as_deref().unwrap_or(otherwise));
    let root = Rc::new(Scope {
        template,
        place: String::new(),
        name: Value::unknown_by_key("the file does not tell the name of the deployment", "deployment"),
        target: Target {
            level: level_of(template).unwrap_or(Level::ResourceGroup),
            subscription: told(&options.subscription, SUBSCRIPTION),
            group: told(&options.resource_group, RESOURCE_GROUP),
        },
        given: Given::Options,
        outer: None,
        parameters: RefCell::default(),
        variables: RefCell::default(),
        outputs: RefCell::default(),
        instances: RefCell::default(),
    });
    engine.scopes.borrow_mut().push(root.clone());
    let mut types = types(&Catalogue::embedded());
    types.insert("microsoft.resources/deployments".to_owned());
    let mut emitter =
        Emitter { engine: &engine, types, file, read: Read::default(), asked: BTreeSet::new(), made: 0, instances: 0 };
    let made = emitter.discover(&root).and_then(|()| emitter.emit(&root));
    match made {
        Err(fault) => return Err(spent(fault)),
        // The step limit may have been hit in an expression whose result does not matter.
        Ok(()) if engine.meter.is_spent() => return Err(spent(Fault::Spent)),
        Ok(()) => {}
    }
    let Emitter { mut read, asked, .. } = emitter;
    if asked.is_empty() {
        read.notes.extend(assumed(options));
        return Ok(read);
    }
    let described: Vec<_> = asked.iter().map(|name| parameters::described(template, name, &engine.meter)).collect();
    let first = asked.iter().next().map_or("NAME", |name| name);
    Err(Refusal(format!(
        "parameters have no value: {}: give a parameter file, or --parameters {first}=VALUE for each",
        described.join("; ")
    )))
}

/// The cloud of the regions that the deployment names.
fn cloud_of(template: &Map<String, Json>, options: &Options) -> Cloud {
    let region = options.location.as_deref().or_else(|| {
        let given = options.parameters.iter().find_map(|given| given.values.get("location")?.get("value")?.as_str());
        given.or_else(|| template.get("parameters")?.get("location")?.get("defaultValue")?.as_str())
    });
    region.map(Cloud::of_region).unwrap_or_default()
}

fn spent(fault: Fault) -> Refusal {
    match fault {
        Fault::Spent => Refusal(
            "the template takes too long to evaluate: its copies, nested deployments or texts multiply".to_owned(),
        ),
        Fault::Wrong(why) => Refusal(why),
    }
}

struct Emitter<'e, 'a> {
    engine: &'e Engine<'a>,
    /// Types that affect DNS, or that contain resources that do, in lower case.
    types: BTreeSet<String>,
    file: &'e Arc<str>,
    read: Read,
    /// Parameters that need a value.
    asked: BTreeSet<Rc<str>>,
    made: u64,
    instances: usize,
}

impl<'a> Emitter<'_, 'a> {
    /// Determines the resources of all deployments first, as each may refer to any other.
    fn discover(&mut self, scope: &Rc<Scope<'a>>) -> Result<(), Fault> {
        let instances = self.engine.instances(scope)?;
        self.instances += instances.all.len();
        if self.instances > super::MAX_INSTANCES {
            return Err(Fault::Spent);
        }
        for instance in &instances.all {
            if !matches!(instance.condition, Value::Bool(false))
                && let Some(inner) = self.engine.deployment(instance)?
            {
                self.discover(&inner)?;
            }
        }
        Ok(())
    }

    fn emit(&mut self, scope: &Rc<Scope<'a>>) -> Result<(), Fault> {
        let instances = self.engine.instances(scope)?;
        for (place, kind, why) in &instances.left_out {
            self.leave_out(place, kind, "", why);
        }
        for instance in &instances.all {
            if instance.is_existing || matches!(instance.condition, Value::Bool(false)) {
                continue;
            }
            if let Value::Unknown(_) = &instance.condition {
                self.leave_out(
                    &instance.place,
                    &instance.kind,
                    "whether it is deployed is not known: ",
                    &instance.condition,
                );
                continue;
            }
            if instance.kind.eq_ignore_ascii_case("Microsoft.Resources/deployments") {
                match self.engine.deployment(instance)? {
                    Some(inner) => self.emit(&inner)?,
                    None => self.leave_out_deployment(instance),
                }
                continue;
            }
            self.emit_one(instance)?;
        }
        Ok(())
    }

    fn leave_out_deployment(&mut self, instance: &Instance<'a>) {
        let has =
            |member: &str| instance.raw.get("properties").is_some_and(|properties| properties.get(member).is_some());
        let why = if has("templateLink") {
            "its template is linked (`templateLink`), and nothing is fetched: import that file too"
        } else if has("template") {
            "its template is no object: one that an expression gives is not read"
        } else {
            "it has no template"
        };
        let place = Place::new(self.file, instance.place.as_str());
        self.read.left_out.push(LeftOut { place, what: shown(instance), why: why.to_owned() });
    }

    fn emit_one(&mut self, instance: &Rc<Instance<'a>>) -> Result<(), Fault> {
        let kind = instance.kind.to_ascii_lowercase();
        if !self.types.contains(&kind) {
            self.read.pass_over(&instance.kind);
            return Ok(());
        }
        let id = match &instance.id {
            Value::Text(id) => id.to_string(),
            other => {
                self.leave_out(&instance.place, &shown(instance), "its name is not known: ", other);
                return Ok(());
            }
        };
        let properties = match self.engine.properties(instance) {
            Err(Fault::Wrong(why)) => Value::unknown(why),
            properties => properties?,
        };
        self.made = self.made.saturating_add(properties.size());
        self.engine.meter.spend(properties.size() / 64)?;
        if self.made > MAX_MADE {
            return Err(Fault::Spent);
        }
        self.ask(&kind, &properties);
        let mut extra = Map::new();
        for member in ["kind", "sku"] {
            if find(instance.raw, member, &self.engine.meter)?.is_some() {
                extra.insert(member.to_owned(), self.engine.member(instance, member)?.to_json());
            }
        }
        let location = match find(instance.raw, "location", &self.engine.meter)? {
            Some(_) => self.engine.member(instance, "location")?.as_text().map(str::to_owned),
            None => None,
        };
        let place = Place::new(self.file, instance.place.as_str());
        let properties = without_secrets(properties.to_json());
        self.read.resources.push(Resource { id, kind: instance.kind.clone(), location, properties, extra, place });
        Ok(())
    }

    /// Notes a resource whose name or number of copies is unknown, and the parameters that it depends on.
    fn leave_out(&mut self, place: &str, what: &str, before: &str, why: &Value) {
        let kind = what.split(' ').next().unwrap_or_default();
        if kind.contains('/') && !self.types.contains(&kind.to_ascii_lowercase()) {
            self.read.pass_over(kind);
            return;
        }
        let Value::Unknown(unknown) = why else { return };
        self.asked.extend(unknown.parameters.iter().cloned());
        self.read.leave_out(Place::new(self.file, place), what, format!("{before}{}", unknown.why));
    }

    /// Asks for the parameters that the DNS-relevant properties of a resource depend on.
    fn ask(&mut self, kind: &str, properties: &Value) {
        let needed = NEEDED.iter().find(|(of, _)| *of == kind).map(|(_, members)| *members);
        let is_zone = kind.starts_with("microsoft.network/privatednszones/");
        let Value::Object(object) = properties else { return };
        for (name, (_, value)) in &object.members {
            if is_zone || needed.is_some_and(|needed| needed.contains(&&**name)) {
                self.ask_within(value);
            }
        }
    }

    fn ask_within(&mut self, value: &Value) {
        match value {
            Value::Unknown(unknown) => self.asked.extend(unknown.parameters.iter().cloned()),
            Value::Array(array) => array.items.iter().for_each(|item| self.ask_within(item)),
            Value::Object(object) => {
                let members = object.members.iter().filter(|(name, _)| !NOT_NEEDED.contains(&&***name));
                members.for_each(|(_, (_, value))| self.ask_within(value));
            }
            _ => {}
        }
    }
}

/// Type and name of a resource, as far as they are known.
fn shown(instance: &Instance<'_>) -> String {
    match instance.name.as_text() {
        Some(name) => format!("{} {name}", instance.kind),
        None => instance.kind.clone(),
    }
}

/// Placeholders for an unknown subscription and resource group of a deployment.
fn assumed(options: &Options) -> Option<String> {
    let subscription = options.subscription.is_none().then_some(("subscription", SUBSCRIPTION, "--subscription GUID"));
    let group = options.resource_group.is_none().then_some(("resource group", RESOURCE_GROUP, "--resource-group NAME"));
    let told: Vec<_> = [subscription, group].into_iter().flatten().collect();
    let assumed: Vec<_> = told.iter().map(|(what, name, _)| format!("{what} {name}")).collect();
    let options: Vec<_> = told.iter().map(|(_, _, option)| *option).collect();
    let (assumed, options) = (assumed.join(", "), options.join(" "));
    let note = format!("A template does not say where it is deployed: {assumed} is assumed ({options} tells it)");
    (!told.is_empty()).then_some(note)
}

/// Properties without those that are secrets by name, which might be in clear text.
fn without_secrets(mut json: Json) -> Json {
    fn clear(json: &mut Json) {
        match json {
            Json::Object(members) => {
                for (name, value) in members {
                    let name = name.to_ascii_lowercase();
                    let is_secret = ["password", "secret", "accesskey", "accountkey", "sharedkey", "connectionstring"];
                    if is_secret.iter().any(|word| name.contains(word)) && value.is_string() {
                        *value = crate::import::unknown("it is named as a secret: it is not read");
                    } else {
                        clear(value);
                    }
                }
            }
            Json::Array(items) => items.iter_mut().for_each(clear),
            _ => {}
        }
    }
    clear(&mut json);
    json
}
