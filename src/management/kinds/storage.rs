//! The services of a storage account, each called `default`, which exist with the account.

use serde_json::{Map, Value, json};

use super::{Found, Kind, Manner, Put, Shown, key, secret};
use crate::azure::ResourceId;
use crate::management::body::get;
use crate::management::error::ApiError;
use crate::management::provider::Provider;
use crate::management::state::{State, Unavailable, Written};

/// The type of accounts.
pub(super) const ACCOUNT: &str = "Microsoft.Storage/storageAccounts";
const SERVICES: [&str; 4] = ["blobServices", "fileServices", "queueServices", "tableServices"];
const DEFAULT: &str = "default";

/// One of the services.
pub(super) struct Service(&'static str);

impl Service {
    /// The service for a type, in any letter case.
    pub(super) fn of(resource_type: &str) -> Option<Self> {
        let (account, service) = resource_type.rsplit_once('/')?;
        let known = SERVICES.into_iter().find(|known| known.eq_ignore_ascii_case(service));
        known.filter(|_| account.eq_ignore_ascii_case(ACCOUNT)).map(Self)
    }
}

impl Kind for Service {
    fn resource_type(&self) -> String {
        format!("{ACCOUNT}/{}", self.0)
    }

    fn provider(&self) -> Provider {
        Provider::Other
    }

    fn manner(&self) -> Manner {
        Manner::AtOnce
    }

    fn is_part(&self) -> bool {
        true
    }

    fn keep(&self, put: &Put<'_>, _: &dyn State) -> Result<Value, ApiError> {
        if put.before.is_none() {
            return Err(self.refused(&format!("A service of a storage account is called '{DEFAULT}'.")));
        }
        let mut properties = json!(get(put.body, "properties").and_then(Value::as_object).cloned().unwrap_or_default());
        secret::forget(&mut properties);
        Ok(json!({ "properties": properties }))
    }

    fn delete(&self, id: &ResourceId, _: &Value, _: &dyn State) -> Result<Written, ApiError> {
        Err(self.refused(&format!("The service '{id}' goes with its storage account.")))
    }

    fn declared(&self, id: &ResourceId, state: &dyn State) -> Option<Value> {
        let account = id.parent()?;
        let is_there = state.topology().private_link_resource(&account).is_some()
            || state.document(&key(&account)).is_ok_and(|document| document.is_some());
        (is_there && id.name().eq_ignore_ascii_case(DEFAULT)).then(|| json!({ "properties": {} }))
    }

    fn all_declared(&self, parent: Option<&ResourceId>, _: &dyn State) -> Vec<ResourceId> {
        parent.and_then(|account| account.child(self.0, DEFAULT).ok()).into_iter().collect()
    }

    fn show(&self, _: &Found, shown: &mut Shown, _: &dyn State) -> Result<(), Unavailable> {
        let properties: &mut Map<_, _> = shown.properties();
        properties.entry("cors").or_insert(json!({ "corsRules": [] }));
        // Azure's defaults for an account.
        match self.0 {
            "blobServices" => {
                properties
                    .entry("deleteRetentionPolicy")
                    .or_insert(json!({ "enabled": false, "allowPermanentDelete": false }));
            }
            "fileServices" => {
                properties.entry("shareDeleteRetentionPolicy").or_insert(json!({ "enabled": true, "days": 7 }));
                properties.entry("protocolSettings").or_insert(json!({ "smb": {} }));
            }
            _ => {}
        }
        Ok(())
    }
}
