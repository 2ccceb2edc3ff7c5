//! `reference`: properties of the template's own resources, and outputs of its deployments.

use std::rc::Rc;

use serde_json::Value as Json;

use super::engine::{Engine, soften};
use super::expression::{Expression, Step};
use super::meter::Fault;
use super::scope::{Context, Instance, Path, Scope, State, find, slot};
use super::value::{Value, insert};

impl<'a> Engine<'a> {
    /// `reference(name or resource ID or symbolic name, [apiVersion], ['Full'])`.
    pub(super) fn reference(&self, values: &[Value], context: &Context<'a>) -> Result<Value, Fault> {
        let what = values.first().ok_or_else(|| Fault::wrong("`reference` takes a resource"))?;
        let is_full = values.get(2).and_then(Value::as_text).is_some_and(|full| full.eq_ignore_ascii_case("full"));
        match self.find_instance(what, context)? {
            Some(instance) => self.shown(&instance, is_full),
            None => Ok(not_here(what)),
        }
    }

    /// `references(symbolic name, ['Full'])`: an array with an item for each copy.
    pub(super) fn references(&self, symbol: &str, values: &[Value], context: &Context<'a>) -> Result<Value, Fault> {
        let is_full = values.get(1).and_then(Value::as_text).is_some_and(|full| full.eq_ignore_ascii_case("full"));
        let instances = self.instances(&context.scope)?;
        let none = || Fault::wrong(format!("no resource has the symbolic name '{symbol}'"));
        let mut shown = Vec::new();
        for number in instances.by_symbol.get(symbol).ok_or_else(none)? {
            let instance = &instances.all[*number];
            if !matches!(instance.condition, Value::Bool(false)) {
                shown.push(self.shown(instance, is_full)?);
            }
        }
        Value::array(shown)
    }

    /// `resourceInfo(symbolic name)`.
    pub(super) fn resource_info(&self, symbol: &str, context: &Context<'a>) -> Result<Value, Fault> {
        let what = Value::text(symbol);
        let Some(instance) = self.find_instance(&what, context)? else { return Ok(not_here(&what)) };
        let members = [
            ("id", instance.id.clone()),
            ("name", instance.name.clone()),
            ("type", Value::text(instance.kind.as_str())),
            ("apiVersion", self.member(&instance, "apiVersion")?),
        ];
        Value::record(members, None)
    }

    /// The resource that a `reference` refers to, by symbolic name, name or resource ID.
    fn find_instance(&self, what: &Value, context: &Context<'a>) -> Result<Option<Rc<Instance<'a>>>, Fault> {
        let (key, is_id) = match what {
            Value::Text(text) => (text.to_ascii_lowercase(), text.starts_with('/')),
            Value::Unknown(unknown) => match &unknown.key {
                Some(key) => (key.to_string(), true),
                None => return Ok(None),
            },
            other => return Err(Fault::wrong(format!("`reference` takes a string, not {}", other.type_name()))),
        };
        if let Some(text) = what.as_text().filter(|_| !is_id) {
            let instances = self.instances(&context.scope)?;
            let (symbol, copy) = symbol_of(text);
            let copies = instances.by_symbol.get(symbol);
            if let Some(found) = copies.and_then(|copies| copies.get(copy.unwrap_or(0))) {
                return Ok(Some(instances.all[*found].clone()));
            }
        }
        let whole = match context.scope.target.prefix() {
            Value::Text(prefix) if !is_id && key.contains('/') => {
                format!("{prefix}/providers/{key}").to_ascii_lowercase()
            }
            _ => String::new(),
        };
        let others = self.scopes.borrow().clone();
        let mut computing = None;
        for scope in std::iter::once(&context.scope).chain(&others) {
            self.meter.spend(1)?;
            let instances = match self.instances(scope) {
                Ok(instances) => instances,
                Err(Fault::Spent) => return Err(Fault::Spent),
                Err(fault) => {
                    computing = Some(fault);
                    continue;
                }
            };
            let by_id = instances.by_id.get(&key).or_else(|| instances.by_id.get(&whole));
            // Names are valid only in their own deployment.
            let by_name = instances.by_name.get(&key).filter(|_| Rc::ptr_eq(scope, &context.scope));
            if let Some(found) = by_id.or(by_name) {
                return Ok(Some(instances.all[*found].clone()));
            }
        }
        computing.map_or(Ok(None), Err)
    }

    /// The value of `reference` for a resource: its properties, or all of it.
    fn shown(&self, instance: &Rc<Instance<'a>>, is_full: bool) -> Result<Value, Fault> {
        let id = instance.id.as_text().unwrap_or(&instance.kind);
        if matches!(instance.condition, Value::Bool(false)) {
            return Ok(Value::unknown(format!("{id} is not deployed, as its `condition` is false")));
        }
        let open = match instance.is_existing {
            true => format!("the file does not hold {id}, which exists already"),
            false => format!("the file does not tell this of {id}: Azure does, once it is deployed"),
        };
        let properties = match self.deployment(instance)? {
            Some(scope) => Value::record([("outputs", self.outputs(&scope)?)], Some(&open))?,
            None => self.with_ids(&self.properties(instance)?, instance, &open)?,
        };
        if !is_full {
            return Ok(properties);
        }
        let members = [
            ("id", instance.id.clone()),
            ("name", instance.name.clone()),
            ("type", Value::text(instance.kind.as_str())),
            ("apiVersion", self.member(instance, "apiVersion")?),
            ("location", self.member(instance, "location")?),
            ("properties", properties),
        ];
        Value::record(members, Some(&open))
    }

    /// A member of a resource beside its properties; unknown if the template does not set it.
    pub(super) fn member(&self, instance: &Instance<'a>, member: &str) -> Result<Value, Fault> {
        let root = Path::root(&instance.place);
        match find(instance.raw, member, &self.meter)? {
            Some(json) => self.json(json, &instance.context, &root.member(member)),
            None => Ok(Value::unknown(format!("the template has no `{member}` for this resource"))),
        }
    }

    /// `properties` of a resource, computed once.
    pub(super) fn properties(&self, instance: &Instance<'a>) -> Result<Value, Fault> {
        match &*instance.properties.borrow() {
            State::Done(value) => return Ok(value.clone()),
            State::Computing => return Err(Fault::wrong("the resource refers to itself")),
            State::Open => {}
        }
        instance.properties.replace(State::Computing);
        let root = Path::root(&instance.place);
        let made = match find(instance.raw, "properties", &self.meter) {
            Ok(Some(json)) => self.json(json, &instance.context, &root.member("properties")),
            Ok(None) => Value::record([], None),
            Err(fault) => Err(fault),
        };
        instance.properties.replace(made.as_ref().map_or(State::Open, |made| State::Done(made.clone())));
        made
    }

    /// Properties as Azure returns them: a subnet within a network also has its resource ID, and there may be members that Azure
    /// adds.
    fn with_ids(&self, properties: &Value, instance: &Instance<'a>, open: &str) -> Result<Value, Fault> {
        let Value::Object(object) = properties else { return Ok(properties.clone()) };
        self.meter.spend(object.members.len() as u64)?;
        let mut members = object.members.clone();
        if instance.kind.eq_ignore_ascii_case("Microsoft.Network/virtualNetworks")
            && let (Some(network), Some(Value::Array(subnets))) = (instance.id.as_text(), properties.member("subnets"))
        {
            self.meter.spend(subnets.items.len() as u64)?;
            let with_id = |subnet: &Value| match (subnet, subnet.member("name"), subnet.member("id")) {
                (Value::Object(subnet), Some(Value::Text(name)), None) => {
                    let mut members = subnet.members.clone();
                    insert(&mut members, "id".into(), Value::text(format!("{network}/subnets/{name}")));
                    Value::object_of(members, Some(open.into()))
                }
                _ => Ok(subnet.clone()),
            };
            let subnets = subnets.items.iter().map(with_id).collect::<Result<_, _>>()?;
            insert(&mut members, "subnets".into(), Value::array(subnets)?);
        }
        Value::object_of(members, Some(open.into()))
    }

    /// For `reference(deployment).outputs.name`: the output, without computing the others, and the number of accesses it used up.
    /// `None` for other expressions.
    pub(super) fn output_of(
        &self,
        base: &Expression,
        steps: &[Step],
        context: &Context<'a>,
    ) -> Result<Option<(Value, usize)>, Fault> {
        let Expression::Call { function, arguments } = base else { return Ok(None) };
        let [Step::Member(outputs), step, ..] = steps else { return Ok(None) };
        if !(&**function == "reference" && outputs.eq_ignore_ascii_case("outputs") && !arguments.is_empty()) {
            return Ok(None);
        }
        let name = match step {
            Step::Member(name) => name.clone(),
            Step::Index(index) => match self.expression(index, context)? {
                Value::Text(name) => name,
                _ => return Ok(None),
            },
        };
        let what = self.expression(&arguments[0], context)?;
        let Some(instance) = self.find_instance(&what, context)? else { return Ok(Some((not_here(&what), 2))) };
        if matches!(instance.condition, Value::Bool(false)) {
            return self.shown(&instance, false).map(|shown| Some((shown, 2)));
        }
        match self.deployment(&instance)? {
            Some(scope) => self.output(&scope, &name).map(|output| Some((output, 2))),
            None => Ok(None),
        }
    }

    fn outputs(&self, scope: &Rc<Scope<'a>>) -> Result<Value, Fault> {
        let mut made = super::value::Members::new();
        if let Some(outputs) = find(scope.template, "outputs", &self.meter)?.and_then(Json::as_object) {
            for name in outputs.keys() {
                insert(&mut made, name.as_str().into(), self.output(scope, name)?);
            }
        }
        Value::object(made)
    }

    /// `{"type": …, "value": …}` of an output.
    fn output(&self, scope: &Rc<Scope<'a>>, name: &str) -> Result<Value, Fault> {
        slot(&scope.outputs, "output", name, || {
            let outputs = find(scope.template, "outputs", &self.meter)?.and_then(Json::as_object);
            let output = match outputs {
                Some(outputs) => find(outputs, name, &self.meter)?.and_then(Json::as_object),
                None => None,
            };
            let output = output.ok_or_else(|| Fault::wrong(format!("the deployment has no output '{name}'")))?;
            let kind = output.get("type").and_then(Json::as_str).unwrap_or_default();
            let place = format!("{}outputs.{name}", scope.place);
            let root = Path::root(&place);
            let value = if kind.to_ascii_lowercase().starts_with("secure") {
                Value::unknown(format!("output '{name}' is secure: its value is not read"))
            } else if let Some(copy) = find(output, "copy", &self.meter)?.and_then(Json::as_object) {
                soften(self.copied(copy, name, &scope.context(), &root), &root, "")?
            } else {
                let value = find(output, "value", &self.meter)?.unwrap_or(&Json::Null);
                self.json(value, &scope.context(), &root.member("value"))?
            };
            Value::record([("type", Value::text(kind)), ("value", value)], None)
        })
    }
}

fn not_here(what: &Value) -> Value {
    match what {
        Value::Text(text) => Value::unknown(format!("the file does not hold {text}")),
        Value::Unknown(unknown) => Value::Unknown(unknown.clone()),
        _ => Value::Null,
    }
}

/// `name[3]` → name and number of the copy.
fn symbol_of(text: &str) -> (&str, Option<usize>) {
    let parts = text.strip_suffix(']').and_then(|text| text.rsplit_once('['));
    match parts.and_then(|(symbol, copy)| Some((symbol, copy.parse().ok()?))) {
        Some((symbol, copy)) => (symbol, Some(copy)),
        None => (text, None),
    }
}
