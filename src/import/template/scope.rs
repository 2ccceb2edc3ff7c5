//! A deployment: a template, its target, and the context in which its expressions are evaluated.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::rc::Rc;

use serde_json::{Map, Value as Json};

use super::meter::{Fault, Meter};
use super::value::{Value, unknown_of};

pub(super) type Object = Map<String, Json>;

/// A deployment of a template.
pub(super) struct Scope<'a> {
    pub(super) template: &'a Object,
    /// Prefix of places in this template: empty, or `resources[5].properties.template.`.
    pub(super) place: String,
    pub(super) name: Value,
    pub(super) target: Target,
    pub(super) given: Given<'a>,
    /// For a nested template with outer scope, the parent's context.
    pub(super) outer: Option<Context<'a>>,
    pub(super) parameters: Slots,
    pub(super) variables: Slots,
    pub(super) outputs: Slots,
    pub(super) instances: RefCell<State<Rc<Instances<'a>>>>,
}

/// Where parameter values come from.
pub(super) enum Given<'a> {
    /// The options of the user.
    Options,
    /// `properties.parameters` of the deployment, in the context of its template.
    Deployment { entries: Option<&'a Json>, context: Context<'a>, place: String },
}

/// The context of an expression.
#[derive(Clone)]
pub(super) struct Context<'a> {
    pub(super) scope: Rc<Scope<'a>>,
    /// Copy loops, the innermost first.
    pub(super) frames: Option<Rc<Frame>>,
    /// Variables of lambdas, the innermost first.
    pub(super) locals: Option<Rc<Local>>,
    /// Arguments of the user-defined function that is evaluated.
    pub(super) arguments: Option<Rc<BTreeMap<String, Value>>>,
}

/// An iteration of a copy loop.
pub(super) struct Frame {
    pub(super) name: Rc<str>,
    pub(super) index: i64,
    /// Whether the loop copies resources, which `copyIndex()` without a name refers to.
    pub(super) is_resource: bool,
    pub(super) next: Option<Rc<Self>>,
}

/// A parameter of a lambda, with its value.
pub(super) struct Local {
    pub(super) name: Rc<str>,
    pub(super) value: Value,
    pub(super) next: Option<Rc<Self>>,
}

/// The resources of a deployment.
#[derive(Default)]
pub(super) struct Instances<'a> {
    pub(super) all: Vec<Rc<Instance<'a>>>,
    /// By resource ID in lower case, or by the key of an unknown one.
    pub(super) by_id: HashMap<String, usize>,
    /// By name in lower case, or by its key.
    pub(super) by_name: HashMap<String, usize>,
    /// By symbolic name: all copies.
    pub(super) by_symbol: HashMap<&'a str, Vec<usize>>,
    /// Place, type and reason of each resource that could not be determined.
    pub(super) left_out: Vec<(String, String, Value)>,
}

/// A resource of a deployment.
pub(super) struct Instance<'a> {
    pub(super) raw: &'a Object,
    pub(super) context: Context<'a>,
    pub(super) target: Target,
    pub(super) place: String,
    pub(super) kind: String,
    pub(super) name: Value,
    pub(super) id: Value,
    /// `true`, `false` or unknown.
    pub(super) condition: Value,
    pub(super) is_existing: bool,
    pub(super) properties: RefCell<State<Value>>,
    /// The nested deployment, for a `Microsoft.Resources/deployments` resource.
    pub(super) deployment: OnceCell<Option<Rc<Scope<'a>>>>,
}

/// A value that is computed on first use.
#[derive(Default)]
pub(super) enum State<T> {
    #[default]
    Open,
    Computing,
    Done(T),
}

pub(super) type Slots = RefCell<BTreeMap<String, State<Value>>>;

/// The target of a deployment.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) level: Level,
    pub(super) subscription: Value,
    pub(super) group: Value,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Level {
    Tenant,
    /// `group` is the name of the management group.
    ManagementGroup,
    Subscription,
    ResourceGroup,
}

impl<'a> Context<'a> {
    pub(super) const fn of(scope: Rc<Scope<'a>>) -> Self {
        Self { scope, frames: None, locals: None, arguments: None }
    }

    pub(super) fn in_copy(&self, name: &Rc<str>, index: i64, is_resource: bool) -> Self {
        let frame = Frame { name: name.clone(), index, is_resource, next: self.frames.clone() };
        Self { frames: Some(Rc::new(frame)), ..self.clone() }
    }
}

impl<'a> Scope<'a> {
    /// The context of the expressions of the template.
    pub(super) fn context(self: &Rc<Self>) -> Context<'a> {
        self.outer.clone().unwrap_or_else(|| Context::of(self.clone()))
    }
}

/// The value of a slot, computed at most once. A value that is requested while it is being computed refers to itself.
pub(super) fn slot(
    slots: &Slots,
    what: &str,
    name: &str,
    compute: impl FnOnce() -> Result<Value, Fault>,
) -> Result<Value, Fault> {
    let key = name.to_ascii_lowercase();
    match slots.borrow().get(&key) {
        Some(State::Done(value)) => return Ok(value.clone()),
        Some(State::Computing) => return Err(Fault::wrong(format!("{what} '{name}' refers to itself"))),
        Some(State::Open) | None => {}
    }
    slots.borrow_mut().insert(key.clone(), State::Computing);
    let made = compute();
    match &made {
        Ok(value) => slots.borrow_mut().insert(key, State::Done(value.clone())),
        Err(_) => slots.borrow_mut().remove(&key),
    };
    made
}

/// A member of a JSON object; names are compared without regard to case.
pub(super) fn find<'j>(object: &'j Object, name: &str, meter: &Meter) -> Result<Option<&'j Json>, Fault> {
    if let Some(found) = object.get(name) {
        return Ok(Some(found));
    }
    meter.spend(object.len() as u64 / 4)?;
    Ok(object.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

impl Target {
    /// What precedes `/providers/` in resource IDs of this deployment.
    pub(super) fn prefix(&self) -> Value {
        let known = |value: &Value| value.as_text().map(str::to_owned);
        match self.level {
            Level::Tenant => Value::text(""),
            Level::ManagementGroup => match known(&self.group) {
                Some(group) => Value::text(format!("/providers/Microsoft.Management/managementGroups/{group}")),
                None => self.group.clone(),
            },
            Level::Subscription => match known(&self.subscription) {
                Some(subscription) => Value::text(format!("/subscriptions/{subscription}")),
                None => unknown_of("subscription", std::slice::from_ref(&self.subscription)).unwrap_or(Value::Null),
            },
            Level::ResourceGroup => match (known(&self.subscription), known(&self.group)) {
                (Some(subscription), Some(group)) => {
                    Value::text(format!("/subscriptions/{subscription}/resourceGroups/{group}"))
                }
                _ => unknown_of("group", &[self.subscription.clone(), self.group.clone()]).unwrap_or(Value::Null),
            },
        }
    }
}

/// A place within a template; formatted only for messages.
#[derive(Clone, Copy)]
pub(super) struct Path<'p> {
    parent: Option<&'p Self>,
    step: PathStep<'p>,
}

#[derive(Clone, Copy)]
enum PathStep<'p> {
    Root(&'p str),
    Member(&'p str),
    Index(usize),
}

impl<'p> Path<'p> {
    pub(super) const fn root(place: &'p str) -> Self {
        Self { parent: None, step: PathStep::Root(place) }
    }

    pub(super) const fn member(&'p self, name: &'p str) -> Self {
        Self { parent: Some(self), step: PathStep::Member(name) }
    }

    pub(super) const fn index(&'p self, index: usize) -> Self {
        Self { parent: Some(self), step: PathStep::Index(index) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            PathStep::Root(place) => f.write_str(place),
            PathStep::Member(name) => write!(f, ".{name}"),
            PathStep::Index(index) => write!(f, "[{index}]"),
        }
    }
}
