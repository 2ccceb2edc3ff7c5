//! Parses the YAML that record files use: mappings with text keys, lists, scalars, anchors and merge keys.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

use super::Refusal;

/// Most nested mappings and lists.
const MAX_DEPTH: usize = 64;
/// Most values of a file; an alias counts as all the values of its anchor.
const MAX_VALUES: usize = 2_000_000;

/// A mapping or list that is not complete yet.
enum Open {
    List(Vec<Value>),
    Mapping(Map<String, Value>, Option<String>),
}

/// Parses the first document of a text.
///
/// # Errors
/// What is wrong, with its line.
pub(super) fn parse(text: &str) -> Result<Value, Refusal> {
    let mut stack: Vec<(Open, usize)> = Vec::new();
    let mut anchors: HashMap<usize, (Value, usize)> = HashMap::new();
    let mut values = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Refusal(format!("not YAML: {error}")))?;
        let refused = |what: &str| Refusal(format!("line {}: {what}", span.start.line()));
        let (value, anchor) = match event {
            Event::MappingStart(anchor, _) => {
                stack.push((Open::Mapping(Map::new(), None), anchor));
                if stack.len() > MAX_DEPTH {
                    return Err(refused(&format!("more than {MAX_DEPTH} mappings and lists within each other")));
                }
                continue;
            }
            Event::SequenceStart(anchor, _) => {
                stack.push((Open::List(Vec::new()), anchor));
                if stack.len() > MAX_DEPTH {
                    return Err(refused(&format!("more than {MAX_DEPTH} mappings and lists within each other")));
                }
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => match stack.pop() {
                Some((Open::List(list), anchor)) => (Value::Array(list), anchor),
                Some((Open::Mapping(members, _), anchor)) => (merged(members), anchor),
                None => continue,
            },
            Event::Scalar(text, style, anchor, _) => (scalar(&text, style), anchor),
            Event::Alias(anchor) => {
                let (value, size) = anchors.get(&anchor).ok_or_else(|| refused("an alias without its anchor"))?;
                values += size;
                (value.clone(), 0)
            }
            Event::DocumentEnd => break,
            _ => continue,
        };
        values += 1;
        if values > MAX_VALUES {
            return Err(refused(&format!("more than {MAX_VALUES} values")));
        }
        if anchor > 0 {
            anchors.insert(anchor, (value.clone(), size(&value)));
        }
        match stack.last_mut() {
            None => return Ok(value),
            Some((Open::List(list), _)) => list.push(value),
            Some((Open::Mapping(members, key), _)) => match key.take() {
                None => {
                    let name = match value {
                        Value::String(name) => name,
                        Value::Number(name) => name.to_string(),
                        Value::Null => String::new(),
                        _ => return Err(refused("a key has to be a text")),
                    };
                    *key = Some(name);
                }
                Some(name) => {
                    members.insert(name, value);
                }
            },
        }
    }
    Ok(Value::Null)
}

fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(size).sum(),
        Value::Object(members) => members.values().map(size).sum(),
        _ => 0,
    }
}

/// Merges the mappings under `<<` into a mapping; its own members take precedence.
fn merged(mut members: Map<String, Value>) -> Value {
    let others = match members.remove("<<") {
        Some(Value::Array(others)) => others,
        Some(other) => vec![other],
        None => Vec::new(),
    };
    for other in others {
        if let Value::Object(other) = other {
            for (name, value) in other {
                members.entry(name).or_insert(value);
            }
        }
    }
    Value::Object(members)
}

/// A plain scalar, by the core schema; a number that JSON would write differently stays text.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return text.into();
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => true.into(),
        "false" | "False" | "FALSE" => false.into(),
        _ => match text.parse::<i64>() {
            Ok(number) if number.to_string() == text => number.into(),
            _ => text.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_becomes_json() {
        let text = "---\n'': [a, 1, 01, 'x: y', null, true]\nb: &b {c: 2, d: 3}\ne:\n  <<: *b\n  d: 4\n? 5\n: |\n  two\n  lines\n";
        let expected = json!({
            "": ["a", 1, "01", "x: y", null, true], "b": {"c": 2, "d": 3}, "e": {"c": 2, "d": 4}, "5": "two\nlines\n",
        });
        assert_eq!(parse(text), Ok(expected));
        assert_eq!(parse(""), Ok(Value::Null));
    }

    #[test]
    fn aliases_that_multiply_and_deep_lists_are_refused() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for step in 1..12 {
            let alias = format!("*a{}", step - 1);
            text.push_str(&format!("a{step}: &a{step} [{}]\n", [alias.as_str(); 10].join(", ")));
        }
        assert!(parse(&text).is_err_and(|refusal| refusal.0.contains("values")));
        assert!(parse(&"[".repeat(10_000)).is_err());
        assert!(parse("a: [").is_err());
        assert!(parse("a: *b").is_err());
        assert!(parse("[a]: b").is_err_and(|refusal| refusal.0.contains("line 1")));
    }
}
