//! Resource IDs.

use super::super::meter::Fault;
use super::super::scope::{Level, Target};
use super::super::value::{Value, unknown_of};
use super::Arguments;

/// The resource ID of a type and the names of its segments, `parent/child`, after a prefix that ends before `/providers/`.
///
/// # Errors
/// If there are not as many names as the type has segments.
pub(in super::super) fn id_of(prefix: &Value, kind: &str, names: &Value) -> Result<Value, Fault> {
    let (Some(before), Some(known)) = (prefix.as_text(), names.as_text()) else {
        let of = [prefix.clone(), Value::text(kind.to_ascii_lowercase()), names.clone()];
        return unknown_of("id", &of).ok_or_else(|| Fault::wrong("the name is not a string"));
    };
    let mut types = kind.split('/');
    let namespace = types.next().unwrap_or_default();
    let types: Vec<_> = types.collect();
    let names: Vec<_> = known.split('/').collect();
    if types.is_empty() || types.len() != names.len() || names.iter().any(|name| name.is_empty()) {
        return Err(Fault::wrong(format!("the type {kind} has {} names, but '{known}' is given", types.len())));
    }
    if kind.eq_ignore_ascii_case("Microsoft.Resources/resourceGroups") {
        let subscription = before.split("/resourceGroups/").next().unwrap_or_default();
        return Ok(Value::text(format!("{subscription}/resourceGroups/{known}")));
    }
    let mut id = format!("{before}/providers/{namespace}");
    for (kind, name) in types.iter().zip(&names) {
        id.push_str(&format!("/{kind}/{name}"));
    }
    Ok(Value::text(id))
}

/// `resourceId` and its relatives; `None` for other functions.
pub(super) fn call(function: &str, values: &[Value], target: &Target) -> Result<Option<Value>, Fault> {
    let arguments = Arguments { function, values };
    let is_id = matches!(
        function,
        "resourceid"
            | "subscriptionresourceid"
            | "tenantresourceid"
            | "managementgroupresourceid"
            | "extensionresourceid"
    );
    if !is_id {
        return Ok(None);
    }
    if function == "extensionresourceid" {
        let prefix = arguments.any(0)?;
        return id_of(prefix, arguments.text(1)?, &joined(&values[2..])?).map(Some);
    }
    // Arguments before the type give the scope; the type is the first text with a slash.
    let is_type = |value: &Value| value.as_text().is_some_and(|text| text.contains('/'));
    let at = values.iter().position(is_type);
    let at = at
        .ok_or_else(|| Fault::wrong(format!("`{function}` takes a type, such as Microsoft.Network/virtualNetworks")))?;
    let (before, kind, names) = (&values[..at], arguments.text(at)?, joined(&values[at + 1..])?);
    let mut target = target.clone();
    match (function, before) {
        ("tenantresourceid", _) => target.level = Level::Tenant,
        ("managementgroupresourceid", _) => {
            target.level = Level::ManagementGroup;
            target.group = before.first().unwrap_or(&target.group).clone();
        }
        ("subscriptionresourceid", _) => {
            target.level = Level::Subscription;
            target.subscription = before.first().unwrap_or(&target.subscription).clone();
        }
        (_, []) => {}
        (_, [one]) if target.level == Level::ResourceGroup => target.group = one.clone(),
        (_, [one]) => {
            target.level = Level::Subscription;
            target.subscription = one.clone();
        }
        (_, [subscription, group, ..]) => {
            target.level = Level::ResourceGroup;
            target.subscription = subscription.clone();
            target.group = group.clone();
        }
    }
    id_of(&target.prefix(), kind, &names).map(Some)
}

/// Names as one text, joined by slashes; an unknown value if one of them is unknown.
fn joined(names: &[Value]) -> Result<Value, Fault> {
    match names {
        [one @ Value::Unknown(_)] => Ok(one.clone()),
        names => match unknown_of("child", names) {
            Some(unknown) => Ok(unknown),
            None => {
                let names = names.iter().map(|name| match name {
                    Value::Text(name) => Ok(name.to_string()),
                    Value::Int(name) => Ok(name.to_string()),
                    other => Err(Fault::wrong(format!("a name in a resource ID is of type {}", other.type_name()))),
                });
                Ok(Value::text(names.collect::<Result<Vec<_>, _>>()?.join("/")))
            }
        },
    }
}
