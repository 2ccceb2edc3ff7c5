//! Template functions, as documented (Azure Resource Manager, "ARM template functions").
//!
//! The arguments are known, except that parts of arrays and objects may be unknown.

mod addresses;
mod azure;
mod collections;
mod dates;
mod ids;
mod lambdas;
mod numbers;
mod strings;

use std::rc::Rc;

pub(super) use azure::{Cloud, of_scope};
pub(super) use collections::part;
pub(super) use ids::id_of;
pub(super) use lambdas::over_lambda;

use super::meter::{Fault, Meter};
use super::value::{Array, MAX_SIZE, Object, Value};

/// Calls a function whose arguments are known; `None` if there is no function of that name, which is in lower case.
pub(super) fn call(function: &str, values: &[Value], meter: &Meter) -> Result<Option<Value>, Fault> {
    let arguments = Arguments { function, values };
    for family in [collections::call, strings::call, numbers::call, addresses::call, dates::call] {
        if let Some(made) = family(&arguments, meter)? {
            return Ok(Some(made));
        }
    }
    Ok(None)
}

/// The arguments of a call, as the types that a function takes.
struct Arguments<'v> {
    function: &'v str,
    values: &'v [Value],
}

impl<'v> Arguments<'v> {
    /// # Errors
    /// If there are fewer or more.
    fn take(&self, least: usize, most: usize) -> Result<(), Fault> {
        let count = self.values.len();
        if (least..=most).contains(&count) {
            return Ok(());
        }
        let takes = match (least, most) {
            (least, most) if least == most => least.to_string(),
            (least, usize::MAX) => format!("at least {least}"),
            (least, most) => format!("{least} to {most}"),
        };
        Err(Fault::wrong(format!("`{}` takes {takes} arguments, not {count}", self.function)))
    }

    fn wrong(&self, at: usize, expected: &str) -> Fault {
        match self.values.get(at) {
            Some(value) => {
                let (number, found) = (at + 1, value.type_name());
                Fault::wrong(format!("argument {number} of `{}` has to be {expected}, not {found}", self.function))
            }
            None => Fault::wrong(format!("argument {} of `{}` is missing: {expected}", at + 1, self.function)),
        }
    }

    fn text(&self, at: usize) -> Result<&'v str, Fault> {
        self.values.get(at).and_then(Value::as_text).ok_or_else(|| self.wrong(at, "a string"))
    }

    fn int(&self, at: usize) -> Result<i64, Fault> {
        match self.values.get(at) {
            Some(Value::Int(value)) => Ok(*value),
            // An int parameter may have been given as a float without a fraction.
            Some(Value::Float(value)) if value.fract() == 0.0 && value.abs() < 9e15 => Ok(*value as i64),
            _ => Err(self.wrong(at, "an int")),
        }
    }

    fn array(&self, at: usize) -> Result<&'v Rc<Array>, Fault> {
        if let Some(Value::Array(array)) = self.values.get(at) { Ok(array) } else { Err(self.wrong(at, "an array")) }
    }

    fn object(&self, at: usize) -> Result<&'v Rc<Object>, Fault> {
        if let Some(Value::Object(object)) = self.values.get(at) {
            Ok(object)
        } else {
            Err(self.wrong(at, "an object"))
        }
    }

    fn any(&self, at: usize) -> Result<&'v Value, Fault> {
        self.values.get(at).ok_or_else(|| self.wrong(at, "a value"))
    }
}

/// A text, unless it is too long.
fn text(made: String, meter: &Meter) -> Result<Value, Fault> {
    room(made.len() as u64)?;
    meter.spend(made.len() as u64 / 16 + 1)?;
    Ok(Value::text(made))
}

/// Whether a text of this length is allowed.
fn room(octets: u64) -> Result<(), Fault> {
    if octets > MAX_SIZE { Err(Fault::wrong("the text would be longer than 16 MiB")) } else { Ok(()) }
}
