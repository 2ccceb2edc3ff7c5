//! Functions for strings.

use data_encoding::{BASE64, BASE64_NOPAD};
use serde_json::Value as Json;

use super::super::meter::{Fault, Meter};
use super::super::value::Value;
use super::{Arguments, room, text};

pub(super) fn call(arguments: &Arguments<'_>, meter: &Meter) -> Result<Option<Value>, Fault> {
    let of_text = |make: fn(&str) -> String| {
        arguments.take(1, 1)?;
        text(make(arguments.text(0)?), meter).map(Some)
    };
    match arguments.function {
        "tolower" => of_text(str::to_lowercase),
        "toupper" => of_text(str::to_uppercase),
        "trim" => of_text(|text| text.trim().to_owned()),
        "base64" => of_text(|text| BASE64.encode(text.as_bytes())),
        "datauri" => of_text(|text| format!("data:text/plain;charset=utf8;base64,{}", BASE64.encode(text.as_bytes()))),
        "uricomponent" => of_text(uri_component),
        "base64tostring" => text(base64_text(arguments)?, meter).map(Some),
        "base64tojson" => json(&base64_text(arguments)?, meter).map(Some),
        "datauritostring" => data_uri_text(arguments).and_then(|made| text(made, meter)).map(Some),
        "uricomponenttostring" => text(from_uri_component(arguments.text(0)?)?, meter).map(Some),
        "uri" => text(uri(arguments.text(0)?, arguments.text(1)?), meter).map(Some),
        "json" => {
            arguments.take(1, 1)?;
            json(arguments.text(0)?, meter).map(Some)
        }
        "string" => {
            arguments.take(1, 1)?;
            let value = arguments.any(0)?;
            if let Some(unknown) = value.first_unknown(meter)? {
                return Ok(Some(Value::Unknown(unknown)));
            }
            text(written(value), meter).map(Some)
        }
        "format" => format(arguments, meter).map(Some),
        "replace" => replace(arguments, meter).map(Some),
        "padleft" => pad_left(arguments, meter).map(Some),
        "substring" => substring(arguments, meter).map(Some),
        "split" => split(arguments, meter).map(Some),
        "startswith" | "endswith" => {
            arguments.take(2, 2)?;
            let (whole, part) = (arguments.text(0)?, arguments.text(1)?);
            meter.spend((whole.len() + part.len()) as u64 / 16)?;
            let folded = |text: &str| text.chars().map(fold).collect::<Vec<_>>();
            let (whole, part) = (folded(whole), folded(part));
            let is_start = arguments.function == "startswith";
            Ok(Some(Value::Bool(if is_start { whole.starts_with(&part) } else { whole.ends_with(&part) })))
        }
        _ => Ok(None),
    }
}

/// A letter in lower case, if that is one letter.
pub(super) fn fold(letter: char) -> char {
    letter.to_lowercase().next().unwrap_or(letter)
}

/// A value as part of a text: bools as .NET writes them, arrays and objects as JSON. No part of it is unknown.
pub(super) fn written(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        Value::Bool(value) => if *value { "True" } else { "False" }.to_owned(),
        Value::Null => String::new(),
        value => value.to_json().to_string(),
    }
}

/// Parses JSON, which may have comments, and single quotes for double ones.
fn json(source: &str, meter: &Meter) -> Result<Value, Fault> {
    meter.spend(source.len() as u64 / 16)?;
    let parsed = serde_json::from_str::<Json>(source).or_else(|error| {
        serde_json::from_str(&strict(source)).map_err(|_| Fault::wrong(format!("the text is not JSON: {error}")))
    })?;
    Value::literal(&parsed, meter)
}

/// The text without comments, and with double quotes in place of single ones.
fn strict(source: &str) -> String {
    let mut made = String::with_capacity(source.len() + 8);
    let mut within = None;
    let mut rest = source;
    while let Some(letter) = rest.chars().next() {
        let mut length = letter.len_utf8();
        match (within, letter) {
            (None, '/') if rest.starts_with("//") => length = rest.find('\n').unwrap_or(rest.len()),
            (None, '/') if rest.starts_with("/*") => length = rest.find("*/").map_or(rest.len(), |end| end + 2),
            (_, '\\') => {
                let next = rest[1..].chars().next();
                if next != Some('\'') {
                    made.push('\\');
                }
                made.extend(next);
                length += next.map_or(0, char::len_utf8);
            }
            (None, '\'' | '"') => {
                within = Some(letter);
                made.push('"');
            }
            (Some(quote), letter) if letter == quote => {
                within = None;
                made.push('"');
            }
            (Some('\''), '"') => made.push_str("\\\""),
            _ => made.push(letter),
        }
        rest = &rest[length..];
    }
    made
}

fn base64_text(arguments: &Arguments<'_>) -> Result<String, Fault> {
    arguments.take(1, 1)?;
    decode_base64(arguments.text(0)?)
}

fn decode_base64(source: &str) -> Result<String, Fault> {
    let octets = BASE64.decode(source.as_bytes()).or_else(|_| BASE64_NOPAD.decode(source.as_bytes()));
    let octets = octets.map_err(|_| Fault::wrong("the text is not base64"))?;
    String::from_utf8(octets).map_err(|_| Fault::wrong("the base64 is not that of a text"))
}

fn data_uri_text(arguments: &Arguments<'_>) -> Result<String, Fault> {
    arguments.take(1, 1)?;
    let wrong = || Fault::wrong("the text is not a data URI");
    let rest = arguments.text(0)?.strip_prefix("data:").ok_or_else(wrong)?;
    let (head, data) = rest.split_once(',').ok_or_else(wrong)?;
    if head.ends_with(";base64") { decode_base64(data) } else { from_uri_component(data) }
}

fn uri_component(source: &str) -> String {
    let mut made = String::with_capacity(source.len());
    for octet in source.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => made.push(char::from(octet)),
            octet => made.push_str(&format!("%{octet:02X}")),
        }
    }
    made
}

fn from_uri_component(source: &str) -> Result<String, Fault> {
    let mut octets = Vec::with_capacity(source.len());
    let mut rest = source.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = tail.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(octet) = escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            octets.push(octet);
            rest = &tail[2..];
        } else {
            octets.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(octets).map_err(|_| Fault::wrong("the text is not an encoded URI component"))
}

/// `uri(base, relative)`: what follows the last slash of the base is replaced.
fn uri(base: &str, relative: &str) -> String {
    let relative = relative.strip_prefix('/').unwrap_or(relative);
    let host = base.find("//").map_or(0, |at| at + 2);
    match base[host..].rfind('/') {
        Some(slash) => format!("{}/{relative}", &base[..host + slash]),
        None => format!("{base}/{relative}"),
    }
}

fn replace(arguments: &Arguments<'_>, meter: &Meter) -> Result<Value, Fault> {
    arguments.take(3, 3)?;
    let (whole, old, new) = (arguments.text(0)?, arguments.text(1)?, arguments.text(2)?);
    if old.is_empty() {
        return Err(Fault::wrong("`replace` has to be given a text to replace"));
    }
    meter.spend(whole.len() as u64 / 16)?;
    let count = whole.matches(old).count() as u64;
    room(whole.len() as u64 + count.saturating_mul(new.len() as u64))?;
    text(whole.replace(old, new), meter)
}

fn pad_left(arguments: &Arguments<'_>, meter: &Meter) -> Result<Value, Fault> {
    arguments.take(2, 3)?;
    let whole = match arguments.any(0)? {
        Value::Text(text) => text.to_string(),
        Value::Int(value) => value.to_string(),
        _ => return Err(arguments.wrong(0, "a string or an int")),
    };
    let pad = if arguments.values.len() == 3 { arguments.text(2)? } else { " " };
    let mut letters = pad.chars();
    let (Some(pad), None) = (letters.next(), letters.next()) else {
        return Err(arguments.wrong(2, "one character"));
    };
    let length = usize::try_from(arguments.int(1)?).map_err(|_| arguments.wrong(1, "a length"))?;
    room((length as u64).saturating_mul(pad.len_utf8() as u64))?;
    meter.spend(length as u64 / 16)?;
    let missing = length.saturating_sub(whole.chars().count());
    text(std::iter::repeat_n(pad, missing).chain(whole.chars()).collect(), meter)
}

fn substring(arguments: &Arguments<'_>, meter: &Meter) -> Result<Value, Fault> {
    arguments.take(1, 3)?;
    let whole = arguments.text(0)?;
    meter.spend(whole.len() as u64 / 16)?;
    let length = whole.chars().count() as i64;
    let start = if arguments.values.len() > 1 { arguments.int(1)? } else { 0 };
    let count = if arguments.values.len() > 2 { arguments.int(2)? } else { length.saturating_sub(start) };
    if start < 0 || count < 0 || start.saturating_add(count) > length {
        let given = format!("index {start}, length {count}, length of the string {length}");
        return Err(Fault::wrong(format!("`substring` has to stay within the string: {given}")));
    }
    text(whole.chars().skip(start as usize).take(count as usize).collect(), meter)
}

fn split(arguments: &Arguments<'_>, meter: &Meter) -> Result<Value, Fault> {
    arguments.take(2, 2)?;
    let whole = arguments.text(0)?;
    let mut delimiters = match arguments.any(1)? {
        Value::Text(text) => vec![&**text],
        Value::Array(array) => array.items.iter().filter_map(Value::as_text).collect(),
        _ => return Err(arguments.wrong(1, "a string or an array of strings")),
    };
    delimiters.retain(|delimiter| !delimiter.is_empty());
    meter.spend((whole.len() as u64 / 16 + 1).saturating_mul(delimiters.len() as u64 + 1))?;
    let mut parts = Vec::new();
    let mut rest = whole;
    let mut from = 0;
    while from < whole.len() {
        let here = &whole[from..];
        match delimiters.iter().find(|delimiter| here.starts_with(**delimiter)) {
            Some(delimiter) => {
                parts.push(Value::text(&rest[..rest.len() - here.len()]));
                from += delimiter.len();
                rest = &whole[from..];
            }
            None => from += here.chars().next().map_or(1, char::len_utf8),
        }
    }
    parts.push(Value::text(rest));
    meter.spend(parts.len() as u64)?;
    Value::array(parts)
}

/// `format('{0,5} {1:D3}', …)`, as .NET's composite formats.
fn format(arguments: &Arguments<'_>, meter: &Meter) -> Result<Value, Fault> {
    arguments.take(1, usize::MAX)?;
    let source = arguments.text(0)?;
    let wrong = |what: &str| Fault::wrong(format!("the format '{source}' {what}"));
    let mut made = String::new();
    let mut rest = source;
    while let Some(at) = rest.find(['{', '}']) {
        made.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix(brace) {
            made.push_str(brace);
            rest = behind;
            continue;
        }
        let end = rest.find('}').filter(|_| brace == "{").ok_or_else(|| wrong("has a brace without its other"))?;
        let (item, behind) = (&rest[..end], &rest[end + 1..]);
        rest = behind;
        let (item, style) = item.split_once(':').unwrap_or((item, ""));
        let (index, width) = item.split_once(',').unwrap_or((item, "0"));
        let index: usize = index.trim().parse().map_err(|_| wrong("has an index that is no number"))?;
        let width: i32 = width.trim().parse().map_err(|_| wrong("has a width that is no number"))?;
        let value = arguments.values.get(index + 1).ok_or_else(|| wrong(&format!("has no argument {index}")))?;
        if let Some(unknown) = value.first_unknown(meter)? {
            return Ok(Value::Unknown(unknown));
        }
        let shown =
            styled(value, style).ok_or_else(|| wrong(&format!("has a style that is not known here: '{style}'")))?;
        let pad = (width.unsigned_abs() as usize).saturating_sub(shown.chars().count());
        room((made.len() + shown.len() + pad) as u64)?;
        meter.spend((shown.len() + pad) as u64 / 16 + 1)?;
        let pad = " ".repeat(pad);
        made.push_str(&if width < 0 { shown + &pad } else { pad + &shown });
    }
    made.push_str(rest);
    text(made, meter)
}

/// Formats a value with a .NET format string: the standard ones for ints, or zeros.
fn styled(value: &Value, style: &str) -> Option<String> {
    let Value::Int(number) = value else { return Some(written(value)) };
    let digits = |from: usize| style.get(from..).filter(|digits| !digits.is_empty()).map(str::parse::<usize>);
    let sign = if *number < 0 { "-" } else { "" };
    let plain = number.unsigned_abs().to_string();
    Some(match style.chars().next() {
        None => number.to_string(),
        Some('G' | 'g') if style.len() == 1 => number.to_string(),
        Some('D' | 'd') => {
            let width = digits(1).transpose().ok()?.unwrap_or(0).min(1000);
            format!("{sign}{plain:0>width$}")
        }
        Some('X') => format!("{number:0width$X}", width = digits(1).transpose().ok()?.unwrap_or(0).min(1000)),
        Some('x') => format!("{number:0width$x}", width = digits(1).transpose().ok()?.unwrap_or(0).min(1000)),
        Some('N' | 'n' | 'F' | 'f') => {
            let places = digits(1).transpose().ok()?.unwrap_or(2).min(1000);
            let groups = plain.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect::<Vec<_>>();
            let whole = if style.starts_with(['N', 'n']) { groups.join(",") } else { plain };
            let point = if places > 0 { "." } else { "" };
            format!("{sign}{whole}{point}{}", "0".repeat(places))
        }
        Some('0') if style.bytes().all(|octet| octet == b'0') && style.len() <= 1000 => {
            format!("{sign}{plain:0>width$}", width = style.len())
        }
        _ => return None,
    })
}
