//! Evaluates templates: JSON with expressions.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value as Json;

use super::MAX_COPIES;
use super::expression::{self, Expression, Kind, Step};
use super::functions;
use super::meter::{Fault, Meter};
use super::scope::{Context, Object, Path, Scope, State, find, slot};
use super::value::{Members, Unknown, Value, insert, unknown_of};
use crate::import::Options;

/// Most characters of an expression that a message shows.
const SHOWN: usize = 160;

/// The evaluator of one file.
pub(super) struct Engine<'a> {
    pub(super) meter: Meter,
    pub(super) options: &'a Options,
    pub(super) cloud: functions::Cloud,
    /// Every deployment found so far.
    pub(super) scopes: RefCell<Vec<Rc<Scope<'a>>>>,
}

impl Drop for Engine<'_> {
    /// Resources and deployments refer to each other.
    fn drop(&mut self) {
        for scope in self.scopes.borrow().iter() {
            scope.instances.take();
        }
    }
}

impl<'a> Engine<'a> {
    /// Evaluates JSON with expressions. The value of an invalid expression is unknown, with the error as reason.
    ///
    /// # Errors
    /// If the file takes too many steps.
    pub(super) fn json(&self, json: &Json, context: &Context<'a>, at: &Path<'_>) -> Result<Value, Fault> {
        let made = self.meter.enter().and_then(|_level| match json {
            Json::String(text) => self.text(text, context, at),
            Json::Array(items) => {
                let items = items.iter().enumerate().map(|(index, item)| self.json(item, context, &at.index(index)));
                Value::array(items.collect::<Result<_, _>>()?)
            }
            Json::Object(members) => self.object(members, context, at),
            Json::Null | Json::Bool(_) | Json::Number(_) => Value::literal(json, &self.meter),
        });
        soften(made, at, "")
    }

    fn object(&self, members: &Object, context: &Context<'a>, at: &Path<'_>) -> Result<Value, Fault> {
        let mut made = Members::new();
        for (name, value) in members {
            if name.eq_ignore_ascii_case("copy")
                && let Some(loops) = property_loops(value)
            {
                self.copy_properties(loops, context, &at.member("copy"), &mut made)?;
                continue;
            }
            let value = self.json(value, context, &at.member(name))?;
            match expression::kind_of(name) {
                Kind::Text(name) => insert(&mut made, name.into(), value),
                Kind::Expression(_) => match self.text(name, context, at)? {
                    Value::Text(name) => insert(&mut made, name, value),
                    Value::Unknown(unknown) => return Ok(Value::Unknown(unknown)),
                    other => return Err(Fault::wrong(format!("the name `{name}` is of type {}", other.type_name()))),
                },
            }
        }
        Value::object(made)
    }

    /// Sets the property that each `copy` loop produces.
    fn copy_properties(
        &self,
        loops: &[Json],
        context: &Context<'a>,
        at: &Path<'_>,
        into: &mut Members,
    ) -> Result<(), Fault> {
        for (index, entry) in loops.iter().enumerate() {
            let (Some(entry), at) = (entry.as_object(), at.index(index)) else { continue };
            let name = entry.get("name").and_then(Json::as_str).unwrap_or_default();
            let value = soften(self.copied(entry, name, context, &at), &at, "")?;
            insert(into, name.into(), value);
        }
        Ok(())
    }

    /// The array that a loop produces from its `input`.
    pub(super) fn copied(
        &self,
        entry: &Object,
        name: &str,
        context: &Context<'a>,
        at: &Path<'_>,
    ) -> Result<Value, Fault> {
        let count = match self.count(entry, context, at)? {
            Ok(count) => count,
            Err(unknown) => return Ok(Value::Unknown(unknown)),
        };
        let input = find(entry, "input", &self.meter)?.unwrap_or(&Json::Null);
        let name: Rc<str> = name.into();
        let turns =
            (0..count).map(|index| self.json(input, &context.in_copy(&name, index, false), &at.member("input")));
        Value::array(turns.collect::<Result<_, _>>()?)
    }

    /// The number of iterations of a loop; an unknown number is the inner error.
    pub(super) fn count(
        &self,
        entry: &Object,
        context: &Context<'a>,
        at: &Path<'_>,
    ) -> Result<Result<i64, Rc<Unknown>>, Fault> {
        let count = find(entry, "count", &self.meter)?.unwrap_or(&Json::Null);
        match self.json(count, context, &at.member("count"))? {
            Value::Int(count) if (0..=MAX_COPIES).contains(&count) => Ok(Ok(count)),
            Value::Unknown(unknown) => Ok(Err(unknown)),
            other => {
                let shown = other.key().unwrap_or_else(|| other.type_name().to_owned());
                Err(Fault::wrong(format!("`count` has to be a number of copies from 0 to {MAX_COPIES}, not {shown}")))
            }
        }
    }

    /// The value of a string of a template.
    pub(super) fn text(&self, text: &str, context: &Context<'a>, at: &Path<'_>) -> Result<Value, Fault> {
        self.meter.spend(text.len() as u64 / 16)?;
        match expression::kind_of(text) {
            Kind::Text(text) => Ok(Value::text(text)),
            Kind::Expression(inner) => {
                let parsed = expression::parse(inner).map_err(Fault::Wrong);
                soften(parsed.and_then(|parsed| self.expression(&parsed, context)), at, text)
            }
        }
    }

    pub(super) fn expression(&self, expression: &Expression, context: &Context<'a>) -> Result<Value, Fault> {
        let _level = self.meter.enter()?;
        match expression {
            Expression::Literal(value) => Ok(value.clone()),
            Expression::Call { function, arguments } => self.call(function, arguments, context),
            Expression::Access(base, steps) => self.access(base, steps, context),
        }
    }

    fn access(&self, base: &Expression, steps: &[Step], context: &Context<'a>) -> Result<Value, Fault> {
        let (mut value, taken) = self
            .output_of(base, steps, context)?
            .map_or_else(|| self.expression(base, context).map(|value| (value, 0)), Ok)?;
        for step in &steps[taken..] {
            self.meter.spend(1)?;
            let key = match step {
                Step::Member(name) => Value::Text(name.clone()),
                Step::Index(index) => self.expression(index, context)?,
            };
            value = functions::part(&value, &key)?;
        }
        Ok(value)
    }

    fn call(&self, function: &str, arguments: &[Expression], context: &Context<'a>) -> Result<Value, Fault> {
        match function {
            "if" => return self.choose(arguments, context),
            "and" | "or" => return self.connect(function == "and", arguments, context),
            "coalesce" => return self.coalesce(arguments, context),
            "filter" | "map" | "reduce" | "sort" | "toobject" | "groupby" | "mapvalues" => {
                return functions::over_lambda(self, function, arguments, context);
            }
            _ => {}
        }
        let values = arguments.iter().map(|argument| self.expression(argument, context));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        if let Some(made) = self.in_context(function, &values, context)? {
            return Ok(made);
        }
        if !matches!(function, "createarray" | "createobject" | "array" | "equals")
            && let Some(unknown) = unknown_of(function, &values)
        {
            return Ok(unknown);
        }
        match functions::call(function, &values, &self.meter)? {
            Some(made) => Ok(made),
            None => Err(Fault::wrong(format!("there is no function `{function}`"))),
        }
    }

    fn choose(&self, arguments: &[Expression], context: &Context<'a>) -> Result<Value, Fault> {
        let [condition, one, two] = arguments else {
            return Err(Fault::wrong("`if` takes a condition and two values"));
        };
        match self.expression(condition, context)? {
            Value::Bool(true) => self.expression(one, context),
            Value::Bool(false) => self.expression(two, context),
            unknown @ Value::Unknown(_) => Ok(unknown_of("if", &[unknown]).unwrap_or(Value::Null)),
            other => Err(Fault::wrong(format!("the condition of `if` is of type {}", other.type_name()))),
        }
    }

    /// `and` and `or`: a known operand that decides the result does so even if others are unknown.
    fn connect(&self, is_and: bool, arguments: &[Expression], context: &Context<'a>) -> Result<Value, Fault> {
        let mut unknown = None;
        for argument in arguments {
            match self.expression(argument, context)? {
                Value::Bool(value) if value != is_and => return Ok(Value::Bool(value)),
                Value::Bool(_) => {}
                value @ Value::Unknown(_) => unknown = unknown.or(Some(value)),
                other => return Err(Fault::wrong(format!("`and` and `or` take bools, not {}", other.type_name()))),
            }
        }
        Ok(unknown.unwrap_or(Value::Bool(is_and)))
    }

    fn coalesce(&self, arguments: &[Expression], context: &Context<'a>) -> Result<Value, Fault> {
        for argument in arguments {
            match self.expression(argument, context)? {
                Value::Null => {}
                value => return Ok(value),
            }
        }
        Ok(Value::Null)
    }

    /// Functions that depend on where they are called; `None` for others.
    fn in_context(&self, function: &str, values: &[Value], context: &Context<'a>) -> Result<Option<Value>, Fault> {
        let name = values.first().and_then(Value::as_text);
        Ok(Some(match (function, name) {
            ("parameters", Some(name)) => match &context.arguments {
                Some(arguments) => arguments
                    .get(&name.to_ascii_lowercase())
                    .cloned()
                    .ok_or_else(|| Fault::wrong(format!("the function has no parameter '{name}'")))?,
                None => self.parameter(&context.scope, name)?,
            },
            ("variables", Some(name)) => self.variable(&context.scope, name)?,
            ("lambdavariables", Some(name)) => {
                let mut local = context.locals.as_ref();
                while let Some(found) = local.filter(|local| !local.name.eq_ignore_ascii_case(name)) {
                    local = found.next.as_ref();
                }
                local.ok_or_else(|| Fault::wrong(format!("no lambda has a variable '{name}'")))?.value.clone()
            }
            ("copyindex", _) => copy_index(values, context)?,
            ("reference", _) => self.reference(values, context)?,
            ("references", Some(name)) => self.references(name, values, context)?,
            ("resourceinfo", Some(name)) => self.resource_info(name, context)?,
            _ if function.contains('.') => self.user_function(function, values, context)?,
            _ if function.starts_with("list") && !values.is_empty() => {
                Value::unknown(format!("what `{function}` gives is a secret of Azure"))
            }
            _ => return functions::of_scope(self, function, values, context),
        }))
    }

    /// The region of a resource group that the file itself deploys.
    pub(super) fn group_region(&self, id: &Value) -> Result<Option<Value>, Fault> {
        let Some(id) = id.as_text().map(str::to_ascii_lowercase) else { return Ok(None) };
        let scopes = self.scopes.borrow().clone();
        for scope in scopes {
            self.meter.spend(1)?;
            let State::Done(instances) = &*scope.instances.borrow() else { continue };
            let group = instances.by_id.get(&id).map(|number| instances.all[*number].clone());
            if let Some(group) = group {
                return self.member(&group, "location").map(Some);
            }
        }
        Ok(None)
    }

    fn variable(&self, scope: &Rc<Scope<'a>>, name: &str) -> Result<Value, Fault> {
        let none = || Fault::wrong(format!("there is no variable '{name}'"));
        let variables = find(scope.template, "variables", &self.meter)?.and_then(Json::as_object).ok_or_else(none)?;
        slot(&scope.variables, "variable", name, || {
            let context = scope.context();
            let place = format!("{}variables", scope.place);
            let root = Path::root(&place);
            if let Some(found) = find(variables, name, &self.meter)?
                && !(name.eq_ignore_ascii_case("copy") && property_loops(found).is_some())
            {
                return self.json(found, &context, &root.member(name));
            }
            let loops = find(variables, "copy", &self.meter)?.and_then(property_loops).unwrap_or_default();
            self.meter.spend(loops.len() as u64)?;
            let named = |entry: &&Json| {
                entry.get("name").and_then(Json::as_str).is_some_and(|other| other.eq_ignore_ascii_case(name))
            };
            let entry = loops.iter().find(named).and_then(Json::as_object).ok_or_else(none)?;
            let at = root.member(name);
            soften(self.copied(entry, name, &context, &at), &at, "")
        })
    }

    /// A function that the template defines.
    fn user_function(&self, function: &str, values: &[Value], context: &Context<'a>) -> Result<Value, Fault> {
        let none = || Fault::wrong(format!("there is no function `{function}`"));
        let (namespace, name) = function.split_once('.').ok_or_else(none)?;
        let scope = &context.scope;
        let namespaces = find(scope.template, "functions", &self.meter)?.and_then(Json::as_array).ok_or_else(none)?;
        self.meter.spend(namespaces.len() as u64)?;
        let member = |json: &'a Json, member: &str| find(json.as_object().ok_or_else(none)?, member, &self.meter);
        let mut definition = None;
        for entry in namespaces {
            let is_it =
                entry.get("namespace").and_then(Json::as_str).is_some_and(|n| n.eq_ignore_ascii_case(namespace));
            if is_it && let Some(members) = member(entry, "members")? {
                definition = definition.or(member(members, name)?);
            }
        }
        let definition = definition.ok_or_else(none)?;
        let parameters = member(definition, "parameters")?.and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        if parameters.len() != values.len() {
            return Err(Fault::wrong(format!("`{function}` takes {} values, not {}", parameters.len(), values.len())));
        }
        let names = parameters.iter().map(|parameter| parameter.get("name").and_then(Json::as_str).unwrap_or_default());
        let arguments: BTreeMap<_, _> = names.map(str::to_ascii_lowercase).zip(values.iter().cloned()).collect();
        let output = member(definition, "output")?.ok_or_else(none)?;
        let body = member(output, "value")?.ok_or_else(none)?;
        let inside = Context { arguments: Some(Rc::new(arguments)), ..Context::of(scope.clone()) };
        let place = format!("{}functions.{function}", scope.place);
        self.json(body, &inside, &Path::root(&place))
    }
}

/// The loops of a `copy` property; `None` for an ordinary property of that name.
fn property_loops(value: &Json) -> Option<&[Json]> {
    let loops = value.as_array()?;
    let is_loop = |entry: &Json| ["name", "count", "input"].iter().all(|member| entry.get(member).is_some());
    (!loops.is_empty() && loops.iter().all(is_loop)).then_some(loops)
}

/// Turns a failed expression into an unknown value.
pub(super) fn soften(made: Result<Value, Fault>, at: &Path<'_>, text: &str) -> Result<Value, Fault> {
    match made {
        Err(Fault::Wrong(why)) => {
            let shown: String = text.chars().take(SHOWN).collect();
            let more = if shown.len() < text.len() { "…" } else { "" };
            let between = if text.is_empty() { "" } else { ": " };
            Ok(Value::unknown(format!("{at}{between}{shown}{more}: {why}")))
        }
        made => made,
    }
}

/// `copyIndex([loop], [offset])`.
fn copy_index(values: &[Value], context: &Context<'_>) -> Result<Value, Fault> {
    let (name, offset) = match values {
        [] => (None, 0),
        [Value::Int(offset)] => (None, *offset),
        [Value::Text(name)] => (Some(name), 0),
        [Value::Text(name), Value::Int(offset)] => (Some(name), *offset),
        _ => return Err(Fault::wrong("`copyIndex` takes the name of a loop and an offset")),
    };
    let frames = || std::iter::successors(context.frames.as_deref(), |frame| frame.next.as_deref());
    let found = match name {
        Some(name) => frames().find(|frame| frame.name.eq_ignore_ascii_case(name)),
        None => frames().find(|frame| frame.is_resource).or_else(|| frames().next()),
    };
    let none = || match name {
        Some(name) => Fault::wrong(format!("no copy loop here is called '{name}'")),
        None => Fault::wrong("`copyIndex` stands in no copy loop"),
    };
    let index = found.ok_or_else(none)?.index.checked_add(offset);
    index.map(Value::Int).ok_or_else(|| Fault::wrong("the offset of `copyIndex` is too large"))
}
