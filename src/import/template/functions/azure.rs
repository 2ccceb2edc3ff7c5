//! Functions about the deployment, its target and the cloud.

use std::rc::Rc;

use serde_json::json;

use super::super::engine::Engine;
use super::super::meter::Fault;
use super::super::scope::{Context, Level, Target};
use super::super::value::{Unknown, Value, key_of, unknown_of};
use super::ids;

/// An Azure cloud, derived from the region of the deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) enum Cloud {
    #[default]
    Public,
    UsGovernment,
    China,
}

impl Cloud {
    pub(in super::super) fn of_region(region: &str) -> Self {
        let region = region.to_ascii_lowercase().replace(' ', "");
        match region {
            region if region.starts_with("usgov") || region.starts_with("usdod") => Self::UsGovernment,
            region if region.starts_with("china") => Self::China,
            _ => Self::Public,
        }
    }
}

/// Calls a function that depends on where it is called; `None` for others.
pub(in super::super) fn of_scope<'a>(
    engine: &Engine<'a>,
    function: &str,
    values: &[Value],
    context: &Context<'a>,
) -> Result<Option<Value>, Fault> {
    let target = &context.scope.target;
    Ok(Some(match function {
        "subscription" => subscription(target)?,
        "resourcegroup" => resource_group(engine, target)?,
        "tenant" => Value::record([], Some("the file does not tell the tenant"))?,
        "managementgroup" => {
            let prefix = Target { level: Level::ManagementGroup, ..target.clone() }.prefix();
            Value::record([("id", prefix), ("name", target.group.clone())], Some("the file does not tell this"))?
        }
        "deployment" => {
            let name = context.scope.name.clone();
            Value::record([("name", name)], Some("the file does not tell this of the deployment"))?
        }
        "deployer" => Value::record([], Some("the file does not tell who deploys"))?,
        "environment" => environment(engine)?,
        "uniquestring" | "guid" => hashed(function, values),
        "newguid" | "utcnow" => {
            let shown = if function == "newguid" { "newGuid" } else { "utcNow" };
            Value::unknown(format!("{shown}() is another value in each deployment"))
        }
        "providers" | "pickzones" | "toolversion" => Value::unknown(format!("{function}() is told by Azure")),
        "fail" => {
            let why = values.first().and_then(Value::as_text).unwrap_or_default();
            return Err(Fault::wrong(format!("the template fails here: {why}")));
        }
        _ => return ids::call(function, values, target),
    }))
}

/// A hash whose algorithm is Azure's: unknown, but equal for equal arguments.
fn hashed(function: &str, values: &[Value]) -> Value {
    let shown = if function == "guid" { "guid" } else { "uniqueString" };
    let parameters = match unknown_of(function, values) {
        Some(Value::Unknown(unknown)) => unknown.parameters.clone(),
        _ => Vec::new(),
    };
    let why = format!("{shown}() is computed by Azure");
    Value::Unknown(Rc::new(Unknown { why, parameters, key: key_of(function, values) }))
}

fn subscription(target: &Target) -> Result<Value, Fault> {
    let id = Target { level: Level::Subscription, ..target.clone() }.prefix();
    let members = [("id", id), ("subscriptionId", target.subscription.clone())];
    Value::record(members, Some("the file does not tell this of the subscription"))
}

fn resource_group(engine: &Engine<'_>, target: &Target) -> Result<Value, Fault> {
    let id = target.prefix();
    let unknown = || Value::unknown_by_key("the file does not tell the region of the resource group", "group's region");
    let location = match engine.group_region(&id)? {
        Some(region) => region,
        None => engine.options.location.as_deref().map_or_else(unknown, Value::text),
    };
    let members = [
        ("id", id),
        ("name", target.group.clone()),
        ("type", Value::text("Microsoft.Resources/resourceGroups")),
        ("location", location),
    ];
    Value::record(members, Some("the file does not tell this of the resource group"))
}

/// What `environment()` gives, as documented for Azure, Azure Government and Azure operated by 21Vianet.
fn environment(engine: &Engine<'_>) -> Result<Value, Fault> {
    let (name, portal, management, core, login, batch) = match engine.cloud {
        Cloud::Public => (
            "AzureCloud",
            "portal.azure.com",
            "management.azure.com",
            "core.windows.net",
            "login.microsoftonline.com",
            "batch.core.windows.net",
        ),
        Cloud::UsGovernment => (
            "AzureUSGovernment",
            "portal.azure.us",
            "management.usgovcloudapi.net",
            "core.usgovcloudapi.net",
            "login.microsoftonline.us",
            "batch.core.usgovcloudapi.net",
        ),
        Cloud::China => (
            "AzureChinaCloud",
            "portal.azure.cn",
            "management.chinacloudapi.cn",
            "core.chinacloudapi.cn",
            "login.chinacloudapi.cn",
            "batch.chinacloudapi.cn",
        ),
    };
    let (registry, vault, sql) = match engine.cloud {
        Cloud::Public => (".azurecr.io", ".vault.azure.net", ".database.windows.net"),
        Cloud::UsGovernment => (".azurecr.us", ".vault.usgovcloudapi.net", ".database.usgovcloudapi.net"),
        Cloud::China => (".azurecr.cn", ".vault.azure.cn", ".database.chinacloudapi.cn"),
    };
    let mut suffixes = json!({
        "acrLoginServer": registry,
        "keyvaultDns": vault,
        "sqlServerHostname": sql,
        "storage": core,
    });
    if engine.cloud == Cloud::Public {
        suffixes["azureDatalakeAnalyticsCatalogAndJob"] = json!("azuredatalakeanalytics.net");
        suffixes["azureDatalakeStoreFileSystem"] = json!("azuredatalakestore.net");
        suffixes["azureFrontDoorEndpointSuffix"] = json!("azurefd.net");
    }
    let environment = json!({
        "name": name,
        "portal": format!("https://{portal}"),
        "batch": format!("https://{batch}/"),
        "sqlManagement": format!("https://management.{core}:8443/"),
        "resourceManager": format!("https://{management}/"),
        "authentication": {
            "loginEndpoint": format!("https://{login}/"),
            "audiences": [format!("https://management.{core}/"), format!("https://{management}/")],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "suffixes": suffixes,
    });
    Value::literal(&environment, &engine.meter)
}
