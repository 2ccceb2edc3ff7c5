//! Determines the resources of a deployment: copies, children, names, resource IDs, nested deployments.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use serde_json::{Map, Value as Json};

use super::MAX_INSTANCES;
use super::engine::{Engine, soften};
use super::functions::id_of;
use super::meter::Fault;
use super::scope::{Context, Given, Instance, Instances, Level, Object, Path, Scope, State, Target, find};
use super::value::{Value, unknown_of};

/// The parent of a nested resource.
struct Parent<'p> {
    kind: &'p str,
    name: &'p Value,
    id: &'p Value,
}

impl<'a> Engine<'a> {
    /// The resources of a deployment, determined on first use.
    pub(super) fn instances(&self, scope: &Rc<Scope<'a>>) -> Result<Rc<Instances<'a>>, Fault> {
        match &*scope.instances.borrow() {
            State::Done(instances) => return Ok(instances.clone()),
            State::Computing => return Err(Fault::wrong("the names of the resources depend on the resources")),
            State::Open => {}
        }
        scope.instances.replace(State::Computing);
        let made = self.make_out(scope).map(Rc::new);
        scope.instances.replace(made.as_ref().map_or(State::Open, |made| State::Done(made.clone())));
        made
    }

    fn make_out(&self, scope: &Rc<Scope<'a>>) -> Result<Instances<'a>, Fault> {
        let mut into = Instances::default();
        let context = scope.context();
        match find(scope.template, "resources", &self.meter)? {
            Some(Json::Array(resources)) => {
                for (index, raw) in resources.iter().enumerate() {
                    let place = format!("{}resources[{index}]", scope.place);
                    self.add(raw, &place, None, &context, &scope.target, None, &mut into)?;
                }
            }
            Some(Json::Object(resources)) => {
                for (symbol, raw) in resources {
                    let place = format!("{}resources.{symbol}", scope.place);
                    self.add(raw, &place, Some(symbol), &context, &scope.target, None, &mut into)?;
                }
            }
            _ => {}
        }
        Ok(into)
    }

    /// Adds a resource, each copy of it, and its nested resources.
    #[expect(clippy::too_many_arguments, reason = "what a resource is within")]
    fn add(
        &self,
        raw: &'a Json,
        place: &str,
        symbol: Option<&'a str>,
        context: &Context<'a>,
        target: &Target,
        parent: Option<&Parent<'_>>,
        into: &mut Instances<'a>,
    ) -> Result<(), Fault> {
        self.meter.spend(1)?;
        let Some(object) = raw.as_object() else {
            into.left_out.push((place.to_owned(), "resource".to_owned(), Value::unknown("a resource is an object")));
            return Ok(());
        };
        let root = Path::root(place);
        let kind = object.get("type").and_then(Json::as_str).unwrap_or("resource");
        let Some(copy) = find(object, "copy", &self.meter)?.and_then(Json::as_object) else {
            return self.add_one(object, place, symbol, context, target, parent, into);
        };
        let name = match self.json(copy.get("name").unwrap_or(&Json::Null), context, &root.member("copy"))? {
            Value::Text(name) => name,
            _ => "copy".into(),
        };
        let count = match self.count(copy, context, &root.member("copy")) {
            Ok(Ok(count)) => Ok(count),
            Ok(Err(unknown)) => Err(Value::Unknown(unknown)),
            Err(Fault::Wrong(why)) => Err(Value::unknown(why)),
            Err(Fault::Spent) => return Err(Fault::Spent),
        };
        match count {
            Ok(count) => {
                for index in 0..count {
                    let place = format!("{place}, copy {index}");
                    let context = context.in_copy(&name, index, true);
                    self.add_one(object, &place, symbol, &context, target, parent, into)?;
                }
            }
            Err(why) => into.left_out.push((place.to_owned(), kind.to_owned(), why)),
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "what a resource is within")]
    fn add_one(
        &self,
        raw: &'a Object,
        place: &str,
        symbol: Option<&'a str>,
        context: &Context<'a>,
        target: &Target,
        parent: Option<&Parent<'_>>,
        into: &mut Instances<'a>,
    ) -> Result<(), Fault> {
        if into.all.len() >= MAX_INSTANCES {
            return Err(Fault::Spent);
        }
        self.meter.spend(10)?;
        let root = Path::root(place);
        let evaluated = |member: &str| match find(raw, member, &self.meter)? {
            Some(json) => self.json(json, context, &root.member(member)).map(Some),
            None => Ok(None),
        };
        let own_kind = match evaluated("type")? {
            Some(Value::Text(kind)) => kind,
            Some(Value::Unknown(why)) => {
                into.left_out.push((place.to_owned(), "resource".to_owned(), Value::Unknown(why)));
                return Ok(());
            }
            _ => {
                into.left_out.push((place.to_owned(), "resource".to_owned(), Value::unknown("it has no `type`")));
                return Ok(());
            }
        };
        // Resources of extensions: Kubernetes, Microsoft Graph and so on.
        let extension = ["import", "extension"].iter().find_map(|member| raw.get(*member)?.as_str());
        if let Some(extension) = extension {
            let why = Value::unknown(format!("it is a resource of the extension `{extension}`, not of Azure"));
            into.left_out.push((place.to_owned(), own_kind.to_string(), why));
            return Ok(());
        }
        let own_name = match evaluated("name")? {
            Some(name @ (Value::Text(_) | Value::Unknown(_))) => name,
            _ => Value::unknown("it has no `name` that is a string"),
        };
        let condition = match evaluated("condition")? {
            None => Value::Bool(true),
            Some(value @ (Value::Bool(_) | Value::Unknown(_))) => value,
            Some(Value::Text(text)) if text.eq_ignore_ascii_case("true") => Value::Bool(true),
            Some(Value::Text(text)) if text.eq_ignore_ascii_case("false") => Value::Bool(false),
            Some(other) => Value::unknown(format!("`condition` is of type {}", other.type_name())),
        };
        let is_deployment = own_kind.eq_ignore_ascii_case("Microsoft.Resources/deployments");
        let target = self.target_of(&evaluated, target)?;
        let scope = if is_deployment { None } else { evaluated("scope")? };
        let (kind, name) = self.within_parent(&own_kind, &own_name, parent)?;
        let id = match (&scope, parent) {
            (Some(Value::Text(scope)), _) => extension_id(scope, &target, &kind, &name),
            (Some(unknown @ Value::Unknown(_)), _) => Ok(unknown.clone()),
            // A nested type that is not a child type is an extension resource.
            (_, Some(parent)) if !is_child(&kind, parent.kind) => id_of(parent.id, &kind, &name),
            _ => id_of(&target.prefix(), &kind, &name),
        };
        let id = soften(id, &root.member("name"), "")?;
        let instance = Rc::new(Instance {
            raw,
            context: context.clone(),
            target: target.clone(),
            place: place.to_owned(),
            kind,
            name,
            id,
            condition,
            is_existing: raw.get("existing").and_then(Json::as_bool) == Some(true),
            properties: RefCell::default(),
            deployment: OnceCell::new(),
        });
        let number = into.all.len();
        let known = |value: &Value| match value {
            Value::Unknown(unknown) => unknown.key.as_deref().map(str::to_owned),
            value => value.as_text().map(str::to_ascii_lowercase),
        };
        // Of two resources with one name, the one whose condition is true counts.
        if let Some(id) = known(&instance.id) {
            let is_out = matches!(instance.condition, Value::Bool(false));
            let of_id = into.by_id.entry(id).or_insert(number);
            *of_id = if is_out { *of_id } else { number };
        }
        if let Some(name) = known(&instance.name) {
            into.by_name.entry(name).or_insert(number);
        }
        if let Some(symbol) = symbol {
            into.by_symbol.entry(symbol).or_default().push(number);
        }
        into.all.push(instance.clone());
        if !is_deployment && let Some(children) = find(raw, "resources", &self.meter)?.and_then(Json::as_array) {
            let parent = Parent { kind: &instance.kind, name: &instance.name, id: &instance.id };
            for (index, child) in children.iter().enumerate() {
                let place = format!("{place}.resources[{index}]");
                self.add(child, &place, None, context, &target, Some(&parent), into)?;
            }
        }
        Ok(())
    }

    /// Type and name of a resource, which may be nested.
    fn within_parent(&self, kind: &str, name: &Value, parent: Option<&Parent<'_>>) -> Result<(String, Value), Fault> {
        let Some(parent) = parent else { return Ok((kind.to_owned(), name.clone())) };
        // A nested type with a namespace is an extension of the parent.
        if kind.split('/').next().is_some_and(|namespace| namespace.contains('.')) {
            return Ok((kind.to_owned(), name.clone()));
        }
        let whole = match (parent.name, name) {
            (Value::Text(parent), Value::Text(name)) => Value::text(format!("{parent}/{name}")),
            (parent, name) => unknown_of("child", &[parent.clone(), name.clone()]).unwrap_or(Value::Null),
        };
        Ok((format!("{}/{kind}", parent.kind), whole))
    }

    /// The target of a resource with `subscriptionId` and `resourceGroup`, or of a deployment with `scope`.
    fn target_of(
        &self,
        evaluated: &dyn Fn(&str) -> Result<Option<Value>, Fault>,
        target: &Target,
    ) -> Result<Target, Fault> {
        let mut target = target.clone();
        if let Some(subscription @ (Value::Text(_) | Value::Unknown(_))) = evaluated("subscriptionId")? {
            let is_other = subscription.key() != target.subscription.key();
            target.subscription = subscription;
            if is_other || target.level != Level::ResourceGroup {
                target.level = Level::Subscription;
            }
        }
        if let Some(group @ (Value::Text(_) | Value::Unknown(_))) = evaluated("resourceGroup")? {
            target.group = group;
            target.level = Level::ResourceGroup;
        }
        Ok(target)
    }

    /// The deployment of a `Microsoft.Resources/deployments` resource; `None` if its template is not in the file.
    pub(super) fn deployment(&self, instance: &Rc<Instance<'a>>) -> Result<Option<Rc<Scope<'a>>>, Fault> {
        if let Some(made) = instance.deployment.get() {
            return Ok(made.clone());
        }
        let made = self.make_deployment(instance)?;
        if let Some(scope) = &made {
            self.scopes.borrow_mut().push(scope.clone());
        }
        Ok(instance.deployment.get_or_init(|| made).clone())
    }

    fn make_deployment(&self, instance: &Rc<Instance<'a>>) -> Result<Option<Rc<Scope<'a>>>, Fault> {
        if !instance.kind.eq_ignore_ascii_case("Microsoft.Resources/deployments") || instance.is_existing {
            return Ok(None);
        }
        let object =
            |of: &'a Object, member: &str| Ok::<_, Fault>(find(of, member, &self.meter)?.and_then(Json::as_object));
        let Some(properties) = object(instance.raw, "properties")? else { return Ok(None) };
        let Some(template) = object(properties, "template")? else { return Ok(None) };
        let root = Path::root(&instance.place);
        let context = &instance.context;
        let options = object(properties, "expressionEvaluationOptions")?;
        let is_inner = match options.map(|options| find(options, "scope", &self.meter)).transpose()?.flatten() {
            Some(scope) => {
                let scope = self.json(scope, context, &root)?;
                scope.as_text().is_some_and(|scope| scope.eq_ignore_ascii_case("inner"))
            }
            None => false,
        };
        let mut target = instance.target.clone();
        if let Some(scope) = find(instance.raw, "scope", &self.meter)? {
            match self.json(scope, context, &root.member("scope"))? {
                Value::Text(scope) => target_at(&scope, &mut target),
                unknown => {
                    target.level = Level::Subscription;
                    target.subscription = unknown;
                }
            }
        } else if find(instance.raw, "subscriptionId", &self.meter)?.is_none()
            && find(instance.raw, "resourceGroup", &self.meter)?.is_none()
            && let Some(level) = level_of(template)
            && level != Level::ResourceGroup
        {
            target.level = level;
        }
        Ok(Some(Rc::new(Scope {
            template,
            place: format!("{}.properties.template.", instance.place),
            name: instance.name.clone(),
            target,
            given: Given::Deployment {
                entries: find(properties, "parameters", &self.meter)?,
                context: context.clone(),
                place: format!("{}.properties.parameters", instance.place),
            },
            outer: (!is_inner).then(|| context.clone()),
            parameters: RefCell::default(),
            variables: RefCell::default(),
            outputs: RefCell::default(),
            instances: RefCell::default(),
        })))
    }
}

/// Whether a type is a child type of another.
fn is_child(kind: &str, parent: &str) -> bool {
    kind.len() > parent.len()
        && kind.as_bytes()[parent.len()] == b'/'
        && kind.as_bytes()[..parent.len()].eq_ignore_ascii_case(parent.as_bytes())
}

/// The resource ID of an extension resource: `scope` is a resource ID, or `Type/name` within the deployment's target.
fn extension_id(scope: &str, target: &Target, kind: &str, name: &Value) -> Result<Value, Fault> {
    let scope = match scope {
        "/" => String::new(),
        _ if scope.starts_with('/') => scope.to_owned(),
        _ => match target.prefix() {
            Value::Text(prefix) => format!("{prefix}/providers/{scope}"),
            unknown => return Ok(unknown),
        },
    };
    id_of(&Value::text(scope), kind, name)
}

/// The scope of a template, according to its `$schema`.
pub(super) fn level_of(template: &Map<String, Json>) -> Option<Level> {
    let schema = template.get("$schema")?.as_str()?.to_ascii_lowercase();
    let file = schema.rsplit('/').next()?;
    Some(match file.trim_end_matches('#') {
        "tenantdeploymenttemplate.json" => Level::Tenant,
        "managementgroupdeploymenttemplate.json" => Level::ManagementGroup,
        "subscriptiondeploymenttemplate.json" => Level::Subscription,
        "deploymenttemplate.json" => Level::ResourceGroup,
        _ => return None,
    })
}

/// The target of a deployment with `scope`: a resource group or subscription by resource ID, a management group, or the tenant.
fn target_at(scope: &str, target: &mut Target) {
    let parts: Vec<_> = scope.split('/').filter(|part| !part.is_empty()).collect();
    let is = |at: usize, word: &str| parts.get(at).is_some_and(|part| part.eq_ignore_ascii_case(word));
    match parts.len() {
        0 => target.level = Level::Tenant,
        _ if is(0, "subscriptions") && parts.len() >= 2 => {
            target.subscription = Value::text(parts[1]);
            target.level = Level::Subscription;
            if is(2, "resourceGroups") && parts.len() >= 4 {
                target.group = Value::text(parts[3]);
                target.level = Level::ResourceGroup;
            }
        }
        count => {
            target.group = Value::text(parts[count - 1]);
            target.level = Level::ManagementGroup;
        }
    }
}
