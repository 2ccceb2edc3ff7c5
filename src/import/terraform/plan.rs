//! Plans: both sides, and references to resources whose IDs are known only after apply.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::super::{Place, Read, Refusal, Side};
use super::arm_id;
use super::azurerm::{self, Identity};
use super::configuration::Configuration;
use super::instance::{Instance, Instances, elements};
use super::references::{BODY_REFERENCES, DEFAULTS, REFERENCES, Reference};
use super::values::Values;

/// Adds the instances of one side of a plan.
pub(super) fn read<'a>(
    document: &'a Value,
    planned: &'a Value,
    side: Side,
    instances: &mut Instances<'a>,
    read: &mut Read,
) -> Result<(), Refusal> {
    let prior = &document["prior_state"]["values"];
    if side == Side::Before {
        return instances.add_shown(prior, "prior_state.values", read);
    }
    instances.add_shown(planned, "planned_values", read)?;
    let changes: HashMap<&str, &Value> = elements(&document["resource_changes"])
        .filter_map(|change| Some((change["address"].as_str()?, change)))
        .collect();
    for instance in &mut instances.list {
        if let Some(change) = changes.get(instance.address.as_str()) {
            instance.unknown = &change["change"]["after_unknown"];
        }
    }
    // Data sources read during planning are only in the prior state.
    let planned: HashSet<String> = instances.list.iter().map(|instance| instance.address.clone()).collect();
    let first = instances.list.len();
    let mut again = Read::default();
    instances.add_shown(prior, "prior_state.values", &mut again)?;
    let mut prior = instances.list.split_off(first);
    prior.retain(|instance| !instance.managed && !planned.contains(&instance.address));
    instances.list.extend(prior);

    for deferred in elements(&document["deferred_changes"]) {
        let change = &deferred["resource_change"];
        let address = change["address"].as_str().unwrap_or("deferred_changes");
        let why = "Terraform has deferred it: apply this plan, and plan again";
        read.leave_out(Place::new(instances.file, address), change["type"].as_str().unwrap_or("a resource"), why);
    }
    if document["errored"] == Value::Bool(true) {
        read.leave_out(
            Place::new(instances.file, "errored"),
            "the plan",
            "it ended with an error, so that resources may be missing",
        );
    }
    for at in complete(document, &mut instances.list) {
        let instance = &instances.list[at];
        if instance.kind == "azurerm_resource_group" {
            continue;
        }
        let why = format!("it is known after apply: {} stands for it", arm_id::stand_in(&instance.address));
        read.leave_out(Place::new(instances.file, instance.address.as_str()), "the name", why);
    }
    Ok(())
}

/// A step into a value.
#[derive(Clone, Copy)]
enum Step<'s> {
    Name(&'s str),
    At(usize),
}

impl<'s> Step<'s> {
    const fn name(&self) -> Option<&'s str> {
        match self {
            Self::Name(name) => Some(name),
            Self::At(_) => None,
        }
    }
}

/// A value to set in the attributes of an instance.
type Patch<'s> = (usize, Vec<Step<'s>>, Value);

/// Sets IDs that are known only after apply, as far as names and the configuration determine the resources meant. Returns the
/// instances whose name is a placeholder.
fn complete(document: &Value, instances: &mut [Instance<'_>]) -> Vec<usize> {
    let patches = {
        let configuration = Configuration::new(&document["configuration"], instances);
        let mut plan = Plan { configuration, subscriptions: HashMap::new(), document, instances };
        plan.subscriptions = plan.subscriptions();
        plan.patches()
    };
    let mut nameless = Vec::new();
    for (at, path, value) in patches {
        if path.len() == 1 && path[0].name() == Some("id") && instances[at].values().get("name").is_unknown() {
            nameless.push(at);
        }
        set(instances[at].attributes.to_mut(), &path, value);
    }
    nameless
}

fn set(value: &mut Value, path: &[Step<'_>], new: Value) {
    match path {
        [] => *value = new,
        [Step::Name(name), rest @ ..] => {
            if value.is_null() {
                *value = Value::Object(serde_json::Map::new());
            }
            if let Some(object) = value.as_object_mut() {
                set(object.entry(*name).or_insert(Value::Null), rest, new);
            }
        }
        [Step::At(at), rest @ ..] => {
            if let Some(element) = value.get_mut(*at) {
                set(element, rest, new);
            }
        }
    }
}

struct Plan<'p, 'a> {
    configuration: Configuration<'a>,
    /// The subscription of each provider configuration, by its key.
    subscriptions: HashMap<&'a str, String>,
    document: &'a Value,
    instances: &'p [Instance<'a>],
}

/// IDs composed so far; `None` while one is being composed, so that cycles end.
type Ids = HashMap<usize, Option<String>>;

impl<'a> Plan<'_, 'a> {
    fn patches(&self) -> Vec<Patch<'a>> {
        let (mut ids, mut patches) = (Ids::new(), Vec::new());
        let mut made = HashMap::new();
        for (at, instance) in self.instances.iter().enumerate() {
            let values = instance.values();
            if !instance.unknown.is_object() {
                continue;
            }
            if values.get("id").is_unknown()
                && let Some(id) = self.id(at, &mut ids)
            {
                // Resources of one name in unknown resource groups cannot be distinguished.
                if *made.entry(id.to_ascii_lowercase()).or_insert(at) == at {
                    patches.push((at, vec![Step::Name("id")], Value::String(id)));
                }
            }
            self.add_references(at, &mut ids, &mut patches);
            self.add_defaults(at, &mut patches);
        }
        patches
    }

    /// Adds the values that Azure sets for a new resource if the configuration does not. Terraform knows them only after apply.
    fn add_defaults(&self, at: usize, patches: &mut Vec<Patch<'a>>) {
        let instance = &self.instances[at];
        let Some(resource) = self.configuration.resource(instance) else { return };
        for (_, attribute, default) in DEFAULTS.iter().filter(|(terraform, ..)| *terraform == instance.kind) {
            let is_new = instance.unknown["id"] == Value::Bool(true);
            if is_new && instance.values().get(attribute).is_unknown() && resource["expressions"][attribute].is_null() {
                let default = default.map_or_else(|| Value::Array(Vec::new()), Value::from);
                patches.push((at, vec![Step::Name(attribute)], default));
            }
        }
    }

    /// Resolves the unknown references of an instance.
    fn add_references(&self, at: usize, ids: &mut Ids, patches: &mut Vec<Patch<'a>>) {
        let instance = &self.instances[at];
        let Some(resource) = self.configuration.resource(instance) else { return };
        let expressions = &resource["expressions"];
        for reference in REFERENCES.iter().filter(|reference| reference.terraform == instance.kind) {
            let name = reference.attribute;
            let Some(block) = reference.block else {
                let found = self.filled(at, instance.values().get(name), &expressions[name], reference, ids);
                patches.extend(found.map(|value| (at, vec![Step::Name(name)], value)));
                continue;
            };
            for (number, values) in instance.values().get(block).items().enumerate() {
                let expression = &expressions[block][number][name];
                let found = self.filled(at, values.get(name), expression, reference, ids);
                patches.extend(
                    found.map(|value| (at, vec![Step::Name(block), Step::At(number), Step::Name(name)], value)),
                );
            }
        }
        if instance.kind.starts_with("azapi_") {
            for parent in ["parent_id", "resource_id"] {
                if instance.values().get(parent).is_unknown()
                    && let Some(id) = self.target(at, &expressions[parent], None, ids)
                {
                    patches.push((at, vec![Step::Name(parent)], Value::String(id)));
                }
            }
            let mut body = Body { at, expression: &expressions["body"], path: vec![Step::Name("body")] };
            self.add_body(&instance.unknown["body"], &mut body, ids, patches);
        }
    }

    /// The value of a reference that is unknown, or has unknown elements.
    fn filled(
        &self,
        at: usize,
        values: Values<'_>,
        expression: &'a Value,
        reference: &Reference,
        ids: &mut Ids,
    ) -> Option<Value> {
        if !reference.is_list {
            return values
                .is_unknown()
                .then(|| self.target(at, expression, Some(reference.kinds), ids))?
                .map(Value::String);
        }
        let mut found = self.targets(at, expression, Some(reference.kinds), ids);
        if values.is_unknown() {
            return (!found.is_empty()).then(|| found.into_iter().map(Value::String).collect());
        }
        let missing = values.items().filter(|element| element.is_unknown()).count();
        let known: HashSet<_> = values.items().filter_map(|id| Some(id.text()?.to_ascii_lowercase())).collect();
        found.retain(|id| !known.contains(&id.to_ascii_lowercase()));
        if missing == 0 || missing != found.len() {
            return None;
        }
        let mut found = found.into_iter();
        let element = |id: Values<'_>| id.text().map(str::to_owned).or_else(|| found.next());
        Some(values.items().filter_map(element).map(Value::String).collect())
    }

    /// Visits the unknown values in a body of azapi.
    fn add_body(&self, unknown: &'a Value, body: &mut Body<'a>, ids: &mut Ids, patches: &mut Vec<Patch<'a>>) {
        match unknown {
            Value::Object(members) => {
                for (name, unknown) in members {
                    body.path.push(Step::Name(name));
                    self.add_body(unknown, body, ids, patches);
                    body.path.pop();
                }
            }
            Value::Array(elements) => {
                for (number, unknown) in elements.iter().enumerate() {
                    body.path.push(Step::At(number));
                    self.add_body(unknown, body, ids, patches);
                    body.path.pop();
                }
            }
            Value::Bool(true) => {
                let names: Vec<_> = body.path.iter().filter_map(Step::name).collect();
                let reference = BODY_REFERENCES.iter().find(|(end, _)| names.ends_with(end));
                let target = reference.and_then(|(_, kinds)| self.target(body.at, body.expression, Some(kinds), ids));
                patches.extend(target.map(|id| (body.at, body.path.clone(), Value::String(id))));
            }
            _ => {}
        }
    }

    /// The ID of the only resource that an expression refers to.
    fn target(&self, at: usize, expression: &'a Value, kinds: Option<&[&str]>, ids: &mut Ids) -> Option<String> {
        let [id] = <[String; 1]>::try_from(self.targets(at, expression, kinds, ids)).ok()?;
        Some(id)
    }

    /// The IDs of the resources of the given types that an expression refers to, none twice; without types, of any type including
    /// resource groups.
    fn targets(&self, at: usize, expression: &'a Value, kinds: Option<&[&str]>, ids: &mut Ids) -> Vec<String> {
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        for target in self.configuration.targets(&self.instances[at], expression) {
            let Some(id) = self.id(target, ids) else { continue };
            let kind = arm_id::kind(&id).unwrap_or_default();
            let is = |wanted: &&str| kind.eq_ignore_ascii_case(wanted);
            let wanted = match kinds {
                None => true,
                Some([]) => !kind.is_empty() && ![azurerm::NETWORK, azurerm::SUBNET, azurerm::ZONE].iter().any(is),
                Some(kinds) => kinds.iter().any(is),
            };
            if wanted && seen.insert(id.to_ascii_lowercase()) {
                found.push(id);
            }
        }
        found
    }

    /// The ID of an instance: its own, or the one that it will get, with placeholders in angle brackets.
    fn id(&self, at: usize, ids: &mut Ids) -> Option<String> {
        let instance = &self.instances[at];
        let id = instance.values().get("id");
        if !id.is_unknown() {
            return id.text().map(str::to_owned);
        }
        if let Some(known) = ids.get(&at) {
            return known.clone();
        }
        // `None` while it is being composed, so that cycles end.
        ids.insert(at, None);
        let id = self.made_up(at, ids);
        ids.insert(at, id.clone());
        id
    }

    fn made_up(&self, at: usize, ids: &mut Ids) -> Option<String> {
        let instance = &self.instances[at];
        let values = instance.values();
        let name = match values.get("name") {
            // Only its own address distinguishes such a resource from others.
            name if name.is_unknown() && self.may_be_nameless(instance) => arm_id::stand_in(&instance.address),
            name => name.text()?.to_owned(),
        };
        if instance.kind == "azapi_resource" {
            let kind = values.get("type").text()?.split('@').next()?;
            let parent = self.parent(at, "parent_id", None, ids)?;
            let below = kind.rsplit('/').next()?;
            let is_child = arm_id::kind(&parent).is_some_and(|parent| {
                kind.rsplit_once('/').is_some_and(|(above, _)| above.eq_ignore_ascii_case(&parent))
            });
            return Some(if is_child {
                format!("{parent}/{below}/{name}")
            } else {
                format!("{parent}/providers/{kind}/{name}")
            });
        }
        let group = &self.group(at, ids);
        let subscription = || self.subscription(instance).unwrap_or(arm_id::UNKNOWN_SUBSCRIPTION);
        if instance.kind == "azurerm_resource_group" {
            return Some(format!("/subscriptions/{}/resourceGroups/{name}", subscription()));
        }
        match azurerm::identity(instance.kind)? {
            Identity::InGroup(kind) => Some(arm_id::in_group(subscription(), group, kind, &name)),
            Identity::Below { parent_id, parent_name, parent, segment } => {
                let mut parents = parent_id.iter().filter(|attribute| !values.get(attribute).is_absent());
                let above = match parents.next() {
                    Some(attribute) => self.parent(at, attribute, Some(&[parent]), ids)?,
                    None => {
                        let (attribute, kind) = parent_name?;
                        match values.get(attribute).text() {
                            Some(name) => arm_id::in_group(subscription(), group, kind, name),
                            None => self.parent(at, attribute, Some(&[parent]), ids)?,
                        }
                    }
                };
                Some(format!("{above}/{segment}/{name}"))
            }
        }
    }

    fn may_be_nameless(&self, instance: &Instance<'_>) -> bool {
        instance.kind == "azurerm_resource_group"
            || azurerm::known(instance.kind).is_some_and(|known| !known.serves_its_name())
    }

    /// The resource group that an instance is in.
    fn group(&self, at: usize, ids: &mut Ids) -> String {
        let attribute = "resource_group_name";
        if let Some(name) = self.instances[at].values().get(attribute).text() {
            return name.to_owned();
        }
        let id = self.parent(at, attribute, None, ids);
        let name = id.as_deref().and_then(|id| id.split('/').nth(4));
        name.unwrap_or(arm_id::UNKNOWN_GROUP).to_owned()
    }

    /// The ID of the resource that an attribute of an instance names.
    fn parent(&self, at: usize, attribute: &str, kinds: Option<&[&str]>, ids: &mut Ids) -> Option<String> {
        let value = self.instances[at].values().get(attribute);
        if !value.is_unknown() {
            return value.text().map(str::to_owned);
        }
        let resource = self.configuration.resource(&self.instances[at])?;
        self.target(at, &resource["expressions"][attribute], kinds, ids)
    }

    /// The subscription of an instance's provider.
    fn subscription(&self, instance: &Instance<'a>) -> Option<&str> {
        self.subscriptions.get(self.provider(instance)?).map(String::as_str)
    }

    /// The key of an instance's provider in the configuration. A module without a provider of its own inherits its caller's,
    /// which Terraform may print with the module's name in front.
    fn provider(&self, instance: &Instance<'a>) -> Option<&'a str> {
        let key = self.configuration.resource(instance)?["provider_config_key"].as_str()?;
        let known = self.document["configuration"]["provider_config"].get(key).is_some();
        Some(if known { key } else { key.rsplit(':').next().unwrap_or(key) })
    }

    /// The subscription of each azurerm provider, from its configuration or from its existing resources.
    fn subscriptions(&self) -> HashMap<&'a str, String> {
        let mut found: HashMap<&str, String> = HashMap::new();
        let mut ambiguous = HashSet::new();
        for instance in self.instances {
            let values = instance.values();
            let group = values.get("resource_group_name").text().is_some() || instance.kind == "azurerm_resource_group";
            let subscription = match (instance.kind, instance.managed) {
                ("azurerm_client_config", false) => values.get("subscription_id").text(),
                (_, true) if group && !values.get("id").is_unknown() => {
                    values.get("id").text().and_then(arm_id::subscription)
                }
                _ => None,
            };
            let (Some(provider), Some(subscription)) = (self.provider(instance), subscription) else { continue };
            let known = found.entry(provider).or_insert_with(|| subscription.to_owned());
            if !known.eq_ignore_ascii_case(subscription) {
                ambiguous.insert(provider);
            }
        }
        found.retain(|provider, _| !ambiguous.contains(provider));
        self.add_mentioned(&mut found);
        let configuration = &self.document["configuration"];
        for (key, provider) in configuration["provider_config"].as_object().into_iter().flatten() {
            let expression = &provider["expressions"]["subscription_id"];
            let variable = || {
                let name = elements(&expression["references"]).find_map(|name| name.as_str()?.strip_prefix("var."))?;
                let declared = &configuration["root_module"]["variables"][name];
                let shown = provider["module_address"].is_null() && declared["sensitive"] != Value::Bool(true);
                self.document["variables"][name]["value"].as_str().filter(|_| shown)
            };
            if let Some(subscription) = expression["constant_value"].as_str().or_else(variable) {
                found.insert(key, subscription.to_owned());
            }
        }
        found
    }
}

impl<'a> Plan<'_, 'a> {
    /// Adds subscriptions of providers without existing resources, from whole IDs that refer to their new ones.
    fn add_mentioned(&self, found: &mut HashMap<&'a str, String>) {
        let mut mentioned: HashMap<String, &str> = HashMap::new();
        for instance in self.instances {
            for reference in REFERENCES.iter().filter(|reference| reference.terraform == instance.kind) {
                let blocks: Vec<_> = match reference.block {
                    Some(block) => instance.values().get(block).items().collect(),
                    None => vec![instance.values()],
                };
                for value in blocks.into_iter().map(|block| block.get(reference.attribute)) {
                    for id in value.items().chain([value]).filter_map(Values::text) {
                        if let Some(subscription) = arm_id::subscription(id) {
                            let within = id["/subscriptions/".len() + subscription.len()..].to_ascii_lowercase();
                            mentioned.insert(within, subscription);
                        }
                    }
                }
            }
        }
        for instance in self.instances {
            let Some(Identity::InGroup(kind)) = azurerm::identity(instance.kind) else { continue };
            let values = instance.values();
            let names = (values.get("resource_group_name").text(), values.get("name").text());
            let ((Some(group), Some(name)), true) = (names, values.get("id").is_unknown()) else { continue };
            let id = arm_id::in_group("", group, kind, name).to_ascii_lowercase();
            let (Some(provider), Some(subscription)) =
                (self.provider(instance), mentioned.get(&id["/subscriptions/".len()..]))
            else {
                continue;
            };
            found.entry(provider).or_insert_with(|| (*subscription).to_owned());
        }
    }
}

/// Unknown values in a body of azapi, by path.
struct Body<'a> {
    at: usize,
    expression: &'a Value,
    path: Vec<Step<'a>>,
}
