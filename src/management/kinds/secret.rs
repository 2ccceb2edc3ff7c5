//! Secrets in requests, which are neither kept nor shown.

use serde_json::Value;

/// Words in the names of members with secrets.
const SECRETS: [&str; 5] = ["password", "secret", "connectionstring", "accesskey", "sharedkey"];

/// Removes members whose names say that they are secret, at every depth. Booleans are not secret.
pub(super) fn forget(value: &mut Value) {
    retain(value, &|name, value| value.is_boolean() || !SECRETS.iter().any(|word| name.contains(word)));
}

/// Removes members by name, at every depth.
pub(super) fn forget_members(value: &mut Value, names: &[&str]) {
    retain(value, &|name, _| !names.iter().any(|gone| gone.eq_ignore_ascii_case(name)));
}

/// Keeps the members for which `is_kept` is true; it gets names in lower case.
fn retain(value: &mut Value, is_kept: &dyn Fn(&str, &Value) -> bool) {
    match value {
        Value::Object(members) => {
            members.retain(|name, value| is_kept(&name.to_ascii_lowercase(), value));
            members.values_mut().for_each(|value| retain(value, is_kept));
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| retain(element, is_kept)),
        _ => {}
    }
}
