//! Functions that take lambdas.

use std::cmp::Ordering;
use std::rc::Rc;

use super::super::engine::Engine;
use super::super::expression::Expression;
use super::super::meter::Fault;
use super::super::scope::{Context, Local};
use super::super::value::{Members, Value, insert, unknown_of};

/// A lambda: the names of its parameters, and its body.
struct Lambda<'e> {
    names: Vec<Rc<str>>,
    body: &'e Expression,
}

/// Calls `filter`, `map`, `reduce`, `sort`, `toObject`, `groupBy` or `mapValues`.
///
/// # Errors
/// If arguments have the wrong types, or the lambda fails.
pub(in super::super) fn over_lambda<'a>(
    engine: &Engine<'a>,
    function: &str,
    arguments: &[Expression],
    context: &Context<'a>,
) -> Result<Value, Fault> {
    let of = arguments.first().ok_or_else(|| Fault::wrong(format!("`{function}` takes an array")))?;
    let of = engine.expression(of, context)?;
    if let Some(unknown) = unknown_of(function, std::slice::from_ref(&of)) {
        return Ok(unknown);
    }
    let lambda_at = if function == "reduce" { 2 } else { 1 };
    let lambda = lambda(engine, arguments.get(lambda_at), function, context)?;
    let run = |values: &[Value]| run(engine, &lambda, values, context);
    if function == "mapvalues" {
        let Value::Object(object) = &of else { return Err(wrong(function, "an object", &of)) };
        let mut made = Members::new();
        for (name, value) in object.members.values() {
            insert(&mut made, name.clone(), run(std::slice::from_ref(value))?);
        }
        return Value::object(made);
    }
    let Value::Array(array) = &of else { return Err(wrong(function, "an array", &of)) };
    let items = &array.items;
    match function {
        "map" => Value::array(numbered(items).map(|values| run(&values)).collect::<Result<_, _>>()?),
        "filter" => {
            let mut made = Vec::new();
            for values in numbered(items) {
                match run(&values)? {
                    Value::Bool(true) => made.extend(values.into_iter().next()),
                    Value::Bool(false) => {}
                    // Whether the result contains the item is unknown, and so is the result.
                    unknown @ Value::Unknown(_) => return Ok(unknown),
                    other => return Err(wrong(function, "a lambda that gives a bool", &other)),
                }
            }
            Value::array(made)
        }
        "reduce" => {
            let start = arguments.get(1).ok_or_else(|| Fault::wrong("`reduce` takes an initial value"))?;
            let mut value = engine.expression(start, context)?;
            for (index, item) in items.iter().enumerate() {
                value = run(&[value, item.clone(), Value::Int(index as i64)])?;
            }
            Ok(value)
        }
        "sort" => sort(items, &run),
        "toobject" | "groupby" => {
            let value_of = match arguments.get(2) {
                Some(argument) => Some(self::lambda(engine, Some(argument), function, context)?),
                None => None,
            };
            let mut made = Members::new();
            for item in items {
                let item = std::slice::from_ref(item);
                let name = match run(item)? {
                    Value::Text(name) => name,
                    unknown @ Value::Unknown(_) => return Ok(unknown),
                    other => return Err(wrong(function, "a lambda that gives a string", &other)),
                };
                let mut value = match &value_of {
                    Some(lambda) => self::run(engine, lambda, item, context)?,
                    None => item[0].clone(),
                };
                if function == "groupby" {
                    let mut group = match made.get(name.to_ascii_lowercase().as_str()) {
                        Some((_, Value::Array(group))) => group.items.clone(),
                        _ => Vec::new(),
                    };
                    engine.meter.spend(group.len() as u64)?;
                    group.push(value);
                    value = Value::array(group)?;
                }
                insert(&mut made, name, value);
            }
            Value::object(made)
        }
        _ => Err(Fault::wrong(format!("there is no function `{function}`"))),
    }
}

fn wrong(function: &str, expected: &str, found: &Value) -> Fault {
    Fault::wrong(format!("`{function}` takes {expected}, not {}", found.type_name()))
}

/// Items with their index, which lambdas may take as the second argument.
fn numbered(items: &[Value]) -> impl Iterator<Item = [Value; 2]> + '_ {
    items.iter().enumerate().map(|(index, item)| [item.clone(), Value::Int(index as i64)])
}

/// Destructures `lambda('a', 'b', body)`.
fn lambda<'a, 'e>(
    engine: &Engine<'a>,
    argument: Option<&'e Expression>,
    function: &str,
    context: &Context<'a>,
) -> Result<Lambda<'e>, Fault> {
    let none = || Fault::wrong(format!("`{function}` takes a lambda"));
    let Some(Expression::Call { function: name, arguments }) = argument else { return Err(none()) };
    let Some((body, names)) = arguments.split_last().filter(|_| &**name == "lambda") else { return Err(none()) };
    let names = names.iter().map(|name| match engine.expression(name, context)? {
        Value::Text(name) => Ok(name),
        other => Err(wrong("lambda", "strings and an expression", &other)),
    });
    Ok(Lambda { names: names.collect::<Result<_, _>>()?, body })
}

fn run<'a>(engine: &Engine<'a>, lambda: &Lambda<'_>, values: &[Value], context: &Context<'a>) -> Result<Value, Fault> {
    let mut inside = context.clone();
    for (name, value) in lambda.names.iter().zip(values) {
        let local = Local { name: name.clone(), value: value.clone(), next: inside.locals };
        inside.locals = Some(Rc::new(local));
    }
    engine.expression(lambda.body, &inside)
}

/// Sorts by a lambda that says whether the first argument comes before the second. This is a merge sort of our own, as the lambda
/// may not be a consistent order, and may fail.
fn sort(items: &[Value], before: &dyn Fn(&[Value]) -> Result<Value, Fault>) -> Result<Value, Fault> {
    let mut runs: Vec<Vec<Value>> = items.iter().map(|item| vec![item.clone()]).collect();
    while runs.len() > 1 {
        let mut merged = Vec::with_capacity(runs.len().div_ceil(2));
        let mut pairs = runs.into_iter();
        while let Some(one) = pairs.next() {
            let two = pairs.next().unwrap_or_default();
            let (mut one, mut two) = (one.into_iter().peekable(), two.into_iter().peekable());
            let mut made = Vec::new();
            while let (Some(a), Some(b)) = (one.peek(), two.peek()) {
                // The sort is stable.
                let order = match before(&[b.clone(), a.clone()])? {
                    Value::Bool(true) => Ordering::Greater,
                    Value::Bool(false) => Ordering::Less,
                    unknown @ Value::Unknown(_) => return Ok(unknown),
                    other => return Err(wrong("sort", "a lambda that gives a bool", &other)),
                };
                made.extend(if order.is_gt() { two.next() } else { one.next() });
            }
            made.extend(one.chain(two));
            merged.push(made);
        }
        runs = merged;
    }
    Value::array(runs.pop().unwrap_or_default())
}
