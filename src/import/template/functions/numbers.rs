//! Functions for numbers and conversions.

use super::super::meter::{Fault, Meter};
use super::super::value::Value;
use super::Arguments;

/// Most items of `range`.
const MAX_RANGE: i64 = 10_000;

pub(super) fn call(arguments: &Arguments<'_>, meter: &Meter) -> Result<Option<Value>, Fault> {
    let of_two = |compute: fn(i64, i64) -> Option<i64>| {
        arguments.take(2, 2)?;
        let result = compute(arguments.int(0)?, arguments.int(1)?);
        let wrong = || Fault::wrong(format!("`{}` has no result for these numbers", arguments.function));
        result.map(Value::Int).ok_or_else(wrong).map(Some)
    };
    match arguments.function {
        "add" => of_two(i64::checked_add),
        "sub" => of_two(i64::checked_sub),
        "mul" => of_two(i64::checked_mul),
        "div" => of_two(i64::checked_div),
        "mod" => of_two(i64::checked_rem),
        "max" | "min" => {
            arguments.take(1, usize::MAX)?;
            let numbers = match &arguments.values[0] {
                Value::Array(array) => array.items.as_slice(),
                _ => arguments.values,
            };
            meter.spend(numbers.len() as u64)?;
            let numbers = numbers.iter().map(|value| if let Value::Int(value) = value { Some(*value) } else { None });
            let numbers = numbers.collect::<Option<Vec<_>>>().ok_or_else(|| arguments.wrong(0, "an array of ints"))?;
            let is_max = arguments.function == "max";
            let found = if is_max { numbers.into_iter().max() } else { numbers.into_iter().min() };
            found.map(Value::Int).ok_or_else(|| arguments.wrong(0, "an array that is not empty")).map(Some)
        }
        "range" => {
            arguments.take(2, 2)?;
            let (start, count) = (arguments.int(0)?, arguments.int(1)?);
            if !(0..=MAX_RANGE).contains(&count) || start.saturating_add(count) > i64::from(i32::MAX) {
                return Err(Fault::wrong(format!("`range` makes 0 to {MAX_RANGE} ints of 32 bits")));
            }
            meter.spend(count as u64)?;
            Value::array((start..start + count).map(Value::Int).collect()).map(Some)
        }
        "int" => {
            arguments.take(1, 1)?;
            let made = match arguments.any(0)? {
                Value::Text(text) => text.trim().parse().ok(),
                _ => Some(arguments.int(0)?),
            };
            made.map(Value::Int).ok_or_else(|| Fault::wrong("the text is no int")).map(Some)
        }
        "float" => {
            arguments.take(1, 1)?;
            let value = arguments.any(0)?;
            let made = value.as_text().map_or_else(|| value.as_float(), |text| text.trim().parse().ok());
            made.map(Value::Float).ok_or_else(|| arguments.wrong(0, "a number")).map(Some)
        }
        "bool" => {
            arguments.take(1, 1)?;
            let made = match arguments.any(0)? {
                Value::Bool(value) => Some(*value),
                Value::Int(value) => Some(*value != 0),
                Value::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
                Value::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
                _ => None,
            };
            made.map(Value::Bool).ok_or_else(|| arguments.wrong(0, "true, false, or an int")).map(Some)
        }
        _ => Ok(None),
    }
}
