//! Recognises the format of a file by its content.

use serde_json::Value;

use super::value::{get, text};
use super::{Refusal, bind, octodns};

/// The format of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Terraform,
    Template,
    Parameters,
    Listing,
    Octodns,
    Bind,
}

/// The syntax of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Json,
    Yaml,
    Bind,
}

/// Whether a file is to be imported, or refused as an import, rather than read as a configuration. A TOML file begins with a key,
/// a comment, or a table, `[name]` or `[[name]]`.
pub fn is_estate(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || bytes.starts_with(b"PK\x03\x04") {
        return true;
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    match text {
        [b'{', ..] => true,
        [b'/', b'/' | b'*', ..] => true,
        [b'[', rest @ ..] => matches!(rest.trim_ascii_start(), [b'{' | b']', ..]),
        _ => {
            other_language(text).is_some()
                || std::str::from_utf8(text).is_ok_and(|text| language(text) != Language::Json)
        }
    }
}

/// Whether a file is a Terraform plan as `terraform show -json` prints it, which has two sides.
pub fn is_plan(bytes: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Plan {
        #[serde(rename = "planned_values")]
        _planned_values: serde::de::IgnoredAny,
    }
    serde_json::from_slice::<Plan>(bytes).is_ok()
}

/// The syntax of a text, of those that are read here. TOML has neither `key:` nor blocks in braces.
pub(super) fn language(text: &str) -> Language {
    if bind::is_configuration(text) {
        return Language::Bind;
    }
    let is_said = |line: &&str| !line.trim().is_empty() && !line.starts_with('#') && !line.starts_with('%');
    let Some(first) = text.lines().find(is_said) else { return Language::Json };
    let is_key = |key: &str| {
        let plain = key.trim_matches(['\'', '"']);
        plain.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.*@/$".contains(&octet))
    };
    let is_mapping = first
        .split_once(':')
        .is_some_and(|(key, rest)| is_key(key) && (rest.is_empty() || rest.starts_with([' ', '\r'])));
    if first.trim_end() == "---" || first.starts_with("? ") || is_mapping { Language::Yaml } else { Language::Json }
}

/// Recognises a YAML document.
///
/// # Errors
/// If no reader accepts it.
pub(super) fn recognise_yaml(document: &Value) -> Result<Format, Refusal> {
    if octodns::is_configuration(document) {
        let what = "octoDNS's own configuration: import the files of zones, in the `directory` of its provider";
        return Err(Refusal(what.to_owned()));
    }
    if octodns::is_zone(document) { Ok(Format::Octodns) } else { Err(unknown_format()) }
}

/// For a text that is not JSON but whose origin is recognised: what it is, and what to run instead.
fn other_language(text: &[u8]) -> Option<&'static str> {
    // The first lines are enough.
    let head = String::from_utf8_lossy(&text[..text.len().min(1 << 16)]);
    let lines = || head.lines().map(str::trim_start).filter(|line| !line.is_empty());
    let is_block = |line: &str| {
        let mut words = line.split_whitespace();
        let is_kind =
            words.next().is_some_and(|word| ["resource", "data", "module", "variable", "provider"].contains(&word));
        is_kind && words.next().is_some_and(|word| word.starts_with('"')) && line.trim_end().ends_with('{')
    };
    if lines().any(is_block) || lines().any(|line| line.starts_with("terraform {")) {
        return Some(
            "Terraform's own language: run `terraform show -json > state.json` for what is deployed, or `terraform plan -out=plan \
             && terraform show -json plan > plan.json`, and import that",
        );
    }
    let is_bicep = |line: &str| {
        (line.starts_with("resource ") || line.starts_with("module ")) && line.contains('\'') && line.contains(" = ")
            || line.starts_with("targetScope =")
    };
    if lines().any(|line| line.starts_with("using '") || line.starts_with("using none")) {
        return Some(
            "parameters in Bicep: run `az bicep build-params --file FILE --stdout > parameters.json` and import that beside the \
             template",
        );
    }
    if lines().any(is_bicep) {
        return Some("Bicep: run `az bicep build --file FILE --stdout > template.json` and import that");
    }
    if head.starts_with('<') && head.contains("<Objs ") {
        return Some(POWERSHELL);
    }
    // `Name    : value`: PowerShell's list format.
    let is_member = |line: &&str| {
        line.split_once(" : ").is_some_and(|(name, _)| {
            let name = name.trim_end();
            !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_alphanumeric())
        })
    };
    if lines().take(8).filter(is_member).count() >= 3 {
        return Some(POWERSHELL);
    }
    None
}

const POWERSHELL: &str = "objects of PowerShell, which lack members and IDs: run the same list with the Azure CLI, such as \
                          `az network private-dns zone list -o json`, or `Search-AzGraph … | ConvertTo-Json -Depth 100`, and import that";

/// Refuses a file that no reader accepts, before it is parsed.
///
/// # Errors
/// What the file is, and what to run instead.
pub(super) fn refuse(bytes: &[u8]) -> Result<(), Refusal> {
    if bytes.starts_with(b"PK\x03\x04") {
        let what = "a binary plan of Terraform, or another archive: run `terraform show -json FILE > plan.json` and import that";
        return Err(Refusal(what.to_owned()));
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    match text {
        [] => Err(Refusal("an empty file: the command that wrote it may have failed".to_owned())),
        [b'{' | b'[', ..] => Ok(()),
        _ => other_language(text).map_or(Ok(()), |what| Err(Refusal(what.to_owned()))),
    }
}

/// Recognises a JSON document.
///
/// # Errors
/// If the format is unknown, or the document has to be produced in another way.
pub(super) fn recognise(document: &Value) -> Result<Format, Refusal> {
    let has = |member: &str| document.get(member).is_some();
    let schema = document.get("$schema").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    if has("format_version") || has("terraform_version") && has("version") {
        return Ok(Format::Terraform);
    }
    if schema.contains("deploymenttemplate.json") {
        return Ok(Format::Template);
    }
    if schema.contains("deploymentparameters.json") {
        return Ok(Format::Parameters);
    }
    let first = match document {
        Value::Array(elements) => elements.first().or_else(|| elements.is_empty().then_some(document)),
        page => match ["value", "data", "Data"].into_iter().find_map(|name| page.get(name)) {
            Some(Value::Array(elements)) => elements.first().or(Some(&Value::Null)),
            Some(table @ Value::Object(_)) if get(table, "columns").is_some() => Some(&Value::Null),
            _ => Some(page),
        },
    };
    let Some(first) = first else { return Err(unknown_format()) };
    if let Some(relative) = relative_of_template(document, &schema) {
        return Err(Refusal(relative.to_owned()));
    }
    if is_policy(document) || is_policy(first) {
        return Err(Refusal(
            "a policy definition, which says what shall be deployed and not what is: import what `az graph query` or `az network \
             private-dns …` prints of the subscription instead"
                .to_owned(),
        ));
    }
    let is_pascal = |name: &str| first.get(name).is_some();
    if first.get("id").is_none() && (is_pascal("ResourceGroupName") || is_pascal("ResourceId") || is_pascal("Id")) {
        return Err(Refusal(POWERSHELL.to_owned()));
    }
    match first {
        Value::Null => Ok(Format::Listing),
        Value::Array(elements) if elements.is_empty() || elements.iter().any(is_resource) => Ok(Format::Listing),
        Value::Object(_) if is_resource(first) || is_listed(document) => Ok(Format::Listing),
        _ => Err(unknown_format()),
    }
}

/// Whether something has a resource ID.
fn is_resource(value: &Value) -> bool {
    text(value, "id").is_some_and(|id| id.starts_with('/'))
}

/// Whether a list, or a page of one, holds a resource.
fn is_listed(document: &Value) -> bool {
    let lists = [Some(document), document.get("value"), document.get("data"), document.get("Data")];
    lists.into_iter().flatten().filter_map(Value::as_array).flatten().any(is_resource)
}

/// A template document without resources: what it is, and what to run instead.
fn relative_of_template(document: &Value, schema: &str) -> Option<&'static str> {
    let kind = text(document, "type").unwrap_or_default().to_ascii_lowercase();
    let has = |member: &str| {
        get(document, member).is_some() || get(document, "properties").is_some_and(|inner| get(inner, member).is_some())
    };
    if schema.contains("createuidefinition") || schema.contains("uiformdefinition") {
        Some("a form of the portal (createUiDefinition.json): import the template beside it, mostly mainTemplate.json")
    } else if kind.starts_with("microsoft.resources/templatespecs") || has("mainTemplate") {
        Some(
            "a template spec: run `az ts export --template-spec ID --output-folder FOLDER` and import the template in the folder",
        )
    } else if kind.starts_with("microsoft.blueprint/") {
        Some("a part of a blueprint: run `az group export --name GROUP` and import what it prints")
    } else if kind.starts_with("microsoft.resources/deployments") {
        Some(
            "the record of a deployment: run `az deployment group export --name NAME --resource-group GROUP` and import that",
        )
    } else {
        None
    }
}

fn is_policy(value: &Value) -> bool {
    get(value, "policyRule").is_some()
        || get(value, "properties").is_some_and(|inner| get(inner, "policyRule").is_some())
}

fn unknown_format() -> Refusal {
    Refusal(
        "none of the files that are read here: those are `terraform show -json` of a state or a plan, terraform.tfstate, ARM templates \
         with their parameter files, lists of resources as `az … -o json`, the REST API and Resource Graph print them, zone files of \
         octoDNS, and what `named-checkconf -px` prints"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn toml_is_no_estate_and_json_is() {
        for toml in
            ["", "# c\n[server]", "[server]", "[[virtual_network]]", "subscription = \"x\"", "[ \"a\" ]", "[\n[a]]"]
        {
            assert!(!is_estate(toml.as_bytes()), "{toml}");
        }
        for (text, expected) in [
            ("---\n'':\n  type: A\n", Language::Yaml),
            ("# c\n'*.apps':\n  type: A\n", Language::Yaml),
            ("? ''\n: - type: A\n", Language::Yaml),
            ("www: {type: A, value: 10.1.0.4}\r\n", Language::Yaml),
            ("// c\nacl \"a\" { any; };", Language::Bind),
            ("view a IN { };", Language::Bind),
            ("options {\n};", Language::Bind),
            ("name = \"a: b\"", Language::Json),
            ("[a]\nb = 1", Language::Json),
            ("{\"a\": 1}", Language::Json),
        ] {
            assert_eq!(language(text), expected, "{text}");
        }
        for estate in ["{}", " [\n {", "[]", "\u{feff}{", "// c\n{", "/* c */ {", "PK\u{3}\u{4}"] {
            assert!(is_estate(estate.as_bytes()), "{estate}");
        }
        assert!(is_estate(b"\xff\xfe{\0"));
    }

    #[test]
    fn each_format_is_known_by_its_content() {
        let schema = "https://schema.management.azure.com/schemas/2019-04-01/";
        for (document, format) in [
            (json!({"format_version": "1.0", "values": {}}), Format::Terraform),
            (json!({"version": 4, "terraform_version": "1.9.0", "resources": []}), Format::Terraform),
            (json!({"$schema": format!("{schema}deploymentTemplate.json#")}), Format::Template),
            (json!({"$schema": format!("{schema}subscriptionDeploymentTemplate.json#")}), Format::Template),
            (json!({"$schema": format!("{schema}deploymentParameters.json#")}), Format::Parameters),
            (json!([]), Format::Listing),
            (json!([{"id": "/subscriptions/x"}]), Format::Listing),
            (json!({"value": []}), Format::Listing),
            (json!({"data": [{"id": "/subscriptions/x"}], "count": 1}), Format::Listing),
            (json!({"data": {"columns": [], "rows": []}}), Format::Listing),
            (json!({"id": "/subscriptions/x", "name": "x"}), Format::Listing),
        ] {
            assert_eq!(recognise(&document), Ok(format), "{document}");
        }
    }

    #[test]
    fn what_has_to_be_made_in_another_way_says_how() {
        let check = |refusal: Option<Refusal>, expected: &str| {
            let refusal = refusal.expect("refused");
            assert!(refusal.0.contains(expected), "{refusal}");
        };
        check(refuse(b"PK\x03\x04rest").err(), "terraform show -json");
        check(refuse(b"  ").err(), "empty");
        check(refuse(b"resource \"azurerm_private_dns_zone\" \"a\" {\n").err(), "terraform show -json");
        check(refuse(b"param a string\nresource z 'Microsoft.Network/x@2020' = {\n").err(), "az bicep build");
        check(refuse(b"\nName : a\nResourceGroupName : b\nResourceId : c\n").err(), "Azure CLI");
        check(recognise(&json!([{"ResourceId": "/s", "Name": "a"}])).err(), "Azure CLI");
        check(recognise(&json!({"properties": {"policyRule": {}}, "id": "/p"})).err(), "policy");
        check(recognise(&json!([{"a": 1}])).err(), "none of the files");
        check(refuse(b"using './main.bicep'\n\nparam a = 1").err(), "build-params");
        check(refuse(b"<Objs Version=\"1.1.0.1\" xmlns=\"x\">").err(), "Azure CLI");
        check(recognise(&json!({"$schema": "https://schema.management.azure.com/schemas/0.1.2-preview/CreateUIDefinition.MultiVm.json#"})).err(), "createUiDefinition");
        check(
            recognise(&json!({"id": "/s", "type": "Microsoft.Resources/templateSpecs/versions"})).err(),
            "az ts export",
        );
        check(
            recognise(&json!({"id": "/s", "type": "Microsoft.Resources/deployments"})).err(),
            "az deployment group export",
        );
        check(recognise(&json!(5)).err(), "none of the files");
    }
}
