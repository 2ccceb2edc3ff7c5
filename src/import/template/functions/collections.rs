//! Functions for arrays and objects, comparison, and logic.

use std::cmp::Ordering;

use super::super::meter::{Fault, Meter};
use super::super::value::{Members, Value, insert, order_of_texts, unknown_of};
use super::strings::{fold, written};
use super::{Arguments, room, text};

pub(super) fn call(arguments: &Arguments<'_>, meter: &Meter) -> Result<Option<Value>, Fault> {
    let values = arguments.values;
    Ok(Some(match arguments.function {
        "createarray" => {
            meter.spend(values.len() as u64)?;
            Value::array(values.to_vec())?
        }
        "createobject" => create_object(arguments, meter)?,
        "array" => {
            arguments.take(1, 1)?;
            match &values[0] {
                array @ (Value::Array(_) | Value::Unknown(_)) => array.clone(),
                value => Value::array(vec![value.clone()])?,
            }
        }
        "concat" => concat(arguments, meter)?,
        "union" | "shallowmerge" => union(arguments, meter)?,
        "intersection" => intersection(arguments, meter)?,
        "contains" => contains(arguments, meter)?,
        "empty" => {
            arguments.take(1, 1)?;
            match &values[0] {
                Value::Null => Value::Bool(true),
                value => {
                    Value::Bool(length(value).ok_or_else(|| arguments.wrong(0, "an array, object or string"))? == 0)
                }
            }
        }
        "length" => {
            arguments.take(1, 1)?;
            let length = length(&values[0]).ok_or_else(|| arguments.wrong(0, "an array, object or string"))?;
            Value::Int(length as i64)
        }
        "first" | "last" => first_or_last(arguments)?,
        "skip" | "take" => skip_or_take(arguments, meter)?,
        "indexof" | "lastindexof" => index_of(arguments, meter)?,
        "join" => join(arguments, meter)?,
        "flatten" => {
            arguments.take(1, 1)?;
            let mut made = Vec::new();
            for item in &arguments.array(0)?.items {
                let Value::Array(inner) = item else { return Err(arguments.wrong(0, "an array of arrays")) };
                meter.spend(inner.items.len() as u64)?;
                made.extend(inner.items.iter().cloned());
            }
            Value::array(made)?
        }
        "items" => {
            arguments.take(1, 1)?;
            let members = arguments.object(0)?.members.values();
            let item = |(name, value): &(_, Value)| {
                Value::record([("key", Value::Text(std::rc::Rc::clone(name))), ("value", value.clone())], None)
            };
            meter.spend(members.len() as u64)?;
            Value::array(members.map(item).collect::<Result<_, _>>()?)?
        }
        "objectkeys" => {
            arguments.take(1, 1)?;
            let members = arguments.object(0)?.members.values();
            meter.spend(members.len() as u64)?;
            Value::array(members.map(|(name, _)| Value::Text(name.clone())).collect())?
        }
        "tryget" => {
            arguments.take(2, usize::MAX)?;
            let mut value = values[0].clone();
            for key in &values[1..] {
                value = match (&value, key) {
                    (Value::Unknown(_), _) => return Ok(Some(value)),
                    (Value::Object(object), Value::Text(_)) if object.open.is_some() => part(&value, key)?,
                    _ => part(&value, key).unwrap_or(Value::Null),
                };
            }
            value
        }
        "tryindexfromend" | "indexfromend" => {
            arguments.take(2, 2)?;
            let (items, back) = (&arguments.array(0)?.items, arguments.int(1)?);
            let found =
                usize::try_from(back).ok().and_then(|back| items.len().checked_sub(back)).and_then(|at| items.get(at));
            match found {
                Some(value) => value.clone(),
                None if arguments.function == "tryindexfromend" => Value::Null,
                None => return Err(Fault::wrong(format!("the array has no item {back} from its end"))),
            }
        }
        "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "equals" => {
            arguments.take(2, 2)?;
            match values[0].equals(&values[1], meter)? {
                Some(equal) => Value::Bool(equal),
                None => one_unknown(values, meter)?,
            }
        }
        "not" => {
            arguments.take(1, 1)?;
            let Value::Bool(value) = values[0] else { return Err(arguments.wrong(0, "a bool")) };
            Value::Bool(!value)
        }
        "greater" => Value::Bool(compared(arguments, meter)?.is_gt()),
        "greaterorequals" => Value::Bool(compared(arguments, meter)?.is_ge()),
        "less" => Value::Bool(compared(arguments, meter)?.is_lt()),
        "lessorequals" => Value::Bool(compared(arguments, meter)?.is_le()),
        _ => return Ok(None),
    }))
}

/// A member of an object, or an item of an array.
pub(in super::super) fn part(value: &Value, key: &Value) -> Result<Value, Fault> {
    match (value, key) {
        (Value::Unknown(_), _) | (_, Value::Unknown(_)) => {
            Ok(unknown_of("part", &[value.clone(), key.clone()]).unwrap_or(Value::Null))
        }
        (Value::Object(object), Value::Text(name)) => match (value.member(name), &object.open) {
            (Some(member), _) => Ok(member.clone()),
            (None, Some(why)) => Ok(Value::unknown(format!("{why} (`{name}`)"))),
            (None, None) => {
                let names: Vec<_> = object.members.values().take(10).map(|(name, _)| &**name).collect();
                let of =
                    if names.is_empty() { "which is empty".to_owned() } else { format!("of {}", names.join(", ")) };
                Err(Fault::wrong(format!("the object {of} has no member '{name}'")))
            }
        },
        (Value::Array(array), Value::Int(index)) => {
            let item = usize::try_from(*index).ok().and_then(|index| array.items.get(index));
            item.cloned().ok_or_else(|| Fault::wrong(format!("an array of {} has no item {index}", array.items.len())))
        }
        (value, key) => {
            let key = key.key().unwrap_or_else(|| key.type_name().to_owned());
            Err(Fault::wrong(format!("a value of type {} has no part {key}", value.type_name())))
        }
    }
}

fn one_unknown(values: &[Value], meter: &Meter) -> Result<Value, Fault> {
    for value in values {
        if let Some(unknown) = value.first_unknown(meter)? {
            return Ok(Value::unknown(unknown.why.clone()));
        }
    }
    Ok(Value::Null)
}

fn create_object(arguments: &Arguments<'_>, meter: &Meter) -> Result<Value, Fault> {
    meter.spend(arguments.values.len() as u64)?;
    if !arguments.values.len().is_multiple_of(2) {
        return Err(Fault::wrong("`createObject` takes names and values in pairs"));
    }
    let mut members = Members::new();
    for at in (0..arguments.values.len()).step_by(2) {
        match &arguments.values[at] {
            unknown @ Value::Unknown(_) => return Ok(unknown.clone()),
            _ => insert(&mut members, arguments.text(at)?.into(), arguments.values[at + 1].clone()),
        }
    }
    Value::object(members)
}

fn concat(arguments: &Arguments<'_>, meter: &Meter) -> Result<Value, Fault> {
    arguments.take(1, usize::MAX)?;
    if matches!(arguments.values[0], Value::Array(_)) {
        let mut made = Vec::new();
        for at in 0..arguments.values.len() {
            let items = &arguments.array(at)?.items;
            meter.spend(items.len() as u64)?;
            made.extend(items.iter().cloned());
        }
        return Value::array(made);
    }
    let mut made = String::new();
    for (at, value) in arguments.values.iter().enumerate() {
        if matches!(value, Value::Array(_) | Value::Object(_)) {
            return Err(arguments.wrong(at, "a string, as the first is none of an array"));
        }
        room(made.len() as u64 + value.size())?;
        made.push_str(&written(value));
    }
    text(made, meter)
}

/// The union: of arrays, each item once; of objects, all members, merged recursively where both have objects (`shallowMerge`
/// takes an array of objects and does not recurse).
fn union(arguments: &Arguments<'_>, meter: &Meter) -> Result<Value, Fault> {
    let is_shallow = arguments.function == "shallowmerge";
    let values = if is_shallow { &arguments.array(0)?.items } else { arguments.values };
    if let Some(unknown) = unknown_of("union", values) {
        return Ok(unknown);
    }
    match values.first() {
        Some(Value::Array(_)) if !is_shallow => {
            let mut made: Vec<Value> = Vec::new();
            for at in 0..values.len() {
                for item in &arguments.array(at)?.items {
                    if !has(&made, item, meter)?.unwrap_or(false) {
                        made.push(item.clone());
                    }
                }
            }
            Value::array(made)
        }
        Some(Value::Object(_)) => {
            let mut made = values[0].clone();
            for value in &values[1..] {
                made = merged(&made, value, is_shallow, meter)?;
            }
            Ok(made)
        }
        None if is_shallow => Value::object(Members::new()),
        _ => Err(arguments.wrong(0, if is_shallow { "an array of objects" } else { "an array or object" })),
    }
}

fn merged(one: &Value, two: &Value, is_shallow: bool, meter: &Meter) -> Result<Value, Fault> {
    let (Value::Object(first), Value::Object(second)) = (one, two) else {
        return Err(Fault::wrong(format!("an object and a value of type {} have no union", two.type_name())));
    };
    meter.spend((first.members.len() + second.members.len()) as u64)?;
    let mut members = first.members.clone();
    for (key, (name, value)) in &second.members {
        let value = match members.get(key) {
            Some((_, old @ Value::Object(_))) if !is_shallow && matches!(value, Value::Object(_)) => {
                merged(old, value, false, meter)?
            }
            _ => value.clone(),
        };
        members.insert(key.clone(), (name.clone(), value));
    }
    Value::object_of(members, first.open.clone().or_else(|| second.open.clone()))
}

fn intersection(arguments: &Arguments<'_>, meter: &Meter) -> Result<Value, Fault> {
    arguments.take(2, usize::MAX)?;
    match &arguments.values[0] {
        Value::Array(first) => {
            let mut made = Vec::new();
            for item in &first.items {
                let mut everywhere = true;
                for at in 1..arguments.values.len() {
                    everywhere &= has(&arguments.array(at)?.items, item, meter)?.unwrap_or(false);
                }
                if everywhere && !has(&made, item, meter)?.unwrap_or(false) {
                    made.push(item.clone());
                }
            }
            Value::array(made)
        }
        Value::Object(first) => {
            let mut made = Members::new();
            for (key, (name, value)) in &first.members {
                let mut everywhere = true;
                for at in 1..arguments.values.len() {
                    everywhere &= match arguments.object(at)?.members.get(key) {
                        Some((_, other)) => other.equals(value, meter)? == Some(true),
                        None => false,
                    };
                }
                if everywhere {
                    made.insert(key.clone(), (name.clone(), value.clone()));
                }
            }
            Value::object(made)
        }
        _ => Err(arguments.wrong(0, "an array or object")),
    }
}

/// Whether an array contains an item; `None` if an unknown item might be equal.
fn has(items: &[Value], wanted: &Value, meter: &Meter) -> Result<Option<bool>, Fault> {
    let mut result = Some(false);
    for item in items {
        match item.equals(wanted, meter)? {
            Some(true) => return Ok(Some(true)),
            Some(false) => {}
            None => result = None,
        }
    }
    Ok(result)
}

fn contains(arguments: &Arguments<'_>, meter: &Meter) -> Result<Value, Fault> {
    arguments.take(2, 2)?;
    let wanted = &arguments.values[1];
    Ok(match &arguments.values[0] {
        Value::Text(whole) => {
            meter.spend(whole.len() as u64 / 16)?;
            Value::Bool(whole.contains(&written(wanted)))
        }
        Value::Array(array) => match has(&array.items, wanted, meter)? {
            Some(has) => Value::Bool(has),
            None => one_unknown(&array.items, meter)?,
        },
        object @ Value::Object(of) => match (object.member(&written(wanted)), &of.open) {
            (None, Some(why)) => Value::unknown(&**why),
            (member, _) => Value::Bool(member.is_some()),
        },
        _ => return Err(arguments.wrong(0, "an array, object or string")),
    })
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::Text(text) => Some(text.chars().count()),
        Value::Array(array) => Some(array.items.len()),
        Value::Object(object) => Some(object.members.len()),
        _ => None,
    }
}

fn first_or_last(arguments: &Arguments<'_>) -> Result<Value, Fault> {
    arguments.take(1, 1)?;
    let is_first = arguments.function == "first";
    match &arguments.values[0] {
        Value::Text(text) => {
            let letter = if is_first { text.chars().next() } else { text.chars().next_back() };
            Ok(Value::text(letter.map(String::from).unwrap_or_default()))
        }
        Value::Array(array) => {
            let item = if is_first { array.items.first() } else { array.items.last() };
            Ok(item.cloned().unwrap_or(Value::Null))
        }
        _ => Err(arguments.wrong(0, "an array or string")),
    }
}

fn skip_or_take(arguments: &Arguments<'_>, meter: &Meter) -> Result<Value, Fault> {
    arguments.take(2, 2)?;
    let count = usize::try_from(arguments.int(1)?).unwrap_or(0);
    let is_skip = arguments.function == "skip";
    match &arguments.values[0] {
        Value::Text(whole) => {
            meter.spend(whole.len() as u64 / 16)?;
            let at = whole.char_indices().nth(count).map_or(whole.len(), |(at, _)| at);
            text(if is_skip { whole[at..].to_owned() } else { whole[..at].to_owned() }, meter)
        }
        Value::Array(array) => {
            let at = count.min(array.items.len());
            let part = if is_skip { &array.items[at..] } else { &array.items[..at] };
            meter.spend(part.len() as u64)?;
            Value::array(part.to_vec())
        }
        _ => Err(arguments.wrong(0, "an array or string")),
    }
}

/// The first or last position of a text or an item; texts are compared without regard to case, as documented.
fn index_of(arguments: &Arguments<'_>, meter: &Meter) -> Result<Value, Fault> {
    arguments.take(2, 2)?;
    let is_first = arguments.function == "indexof";
    let at = match &arguments.values[0] {
        Value::Text(whole) => {
            let folded = |text: &str| text.chars().map(fold).collect::<Vec<_>>();
            let (whole, part) = (folded(whole), folded(arguments.text(1)?));
            meter.spend((whole.len() as u64).saturating_mul(part.len() as u64 + 1) / 16)?;
            if part.is_empty() {
                Some(if is_first { 0 } else { whole.len().saturating_sub(1) })
            } else {
                let mut windows = whole.windows(part.len());
                if is_first { windows.position(|w| w == part) } else { windows.rposition(|w| w == part) }
            }
        }
        Value::Array(array) => {
            let mut found = None;
            for (at, item) in array.items.iter().enumerate() {
                if item.equals(&arguments.values[1], meter)? == Some(true) {
                    found = found.filter(|_| is_first).or(Some(at));
                }
            }
            found
        }
        _ => return Err(arguments.wrong(0, "an array or string")),
    };
    Ok(Value::Int(at.map_or(-1, |at| at as i64)))
}

fn join(arguments: &Arguments<'_>, meter: &Meter) -> Result<Value, Fault> {
    arguments.take(2, 2)?;
    let (array, between) = (arguments.array(0)?, arguments.text(1)?);
    let mut made = String::new();
    for (at, item) in array.items.iter().enumerate() {
        if let Some(unknown) = item.first_unknown(meter)? {
            return Ok(Value::Unknown(unknown));
        }
        room(made.len() as u64 + item.size() + between.len() as u64)?;
        if at > 0 {
            made.push_str(between);
        }
        made.push_str(&written(item));
    }
    text(made, meter)
}

fn compared(arguments: &Arguments<'_>, meter: &Meter) -> Result<Ordering, Fault> {
    arguments.take(2, 2)?;
    match (&arguments.values[0], &arguments.values[1]) {
        (Value::Text(one), Value::Text(two)) => {
            meter.spend((one.len() + two.len()) as u64 / 16)?;
            Ok(order_of_texts(one, two))
        }
        (Value::Int(one), Value::Int(two)) => Ok(one.cmp(two)),
        (one, two) => {
            let (one, two) = (one.as_float(), two.as_float());
            let order = one.zip(two).and_then(|(one, two)| one.partial_cmp(&two));
            order.ok_or_else(|| Fault::wrong(format!("`{}` takes two ints or two strings", arguments.function)))
        }
    }
}
