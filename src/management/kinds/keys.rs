//! Access keys, which clients request as soon as they have created a resource. They are derived from its ID, always the same, and
//! open nothing: there is no data plane.

use data_encoding::BASE64;
use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use super::key;
use crate::azure::ResourceId;

/// The creation time of all keys.
const CREATED: &str = "2024-01-01T00:00:00.0000000Z";

/// The answer to a POST that asks for keys; `None` if the type has no such action.
pub(super) fn said(id: &ResourceId, action: &str) -> Option<Value> {
    let key = |number| made_up(id, number);
    let action = action.to_ascii_lowercase();
    Some(match (id.resource_type().to_ascii_lowercase().as_str(), action.as_str()) {
        ("microsoft.storage/storageaccounts", "listkeys") => {
            let keys = [("key1", 1), ("key2", 2)].map(|(name, number)| {
                json!({ "creationTime": CREATED, "keyName": name, "value": key(number), "permissions": "FULL" })
            });
            json!({ "keys": keys })
        }
        ("microsoft.operationalinsights/workspaces", "sharedkeys") => {
            json!({ "primarySharedKey": key(1), "secondarySharedKey": key(2) })
        }
        ("microsoft.search/searchservices", "listadminkeys") => json!({ "primaryKey": key(1), "secondaryKey": key(2) }),
        ("microsoft.search/searchservices", "listquerykeys") => json!({ "value": [{ "name": null, "key": key(3) }] }),
        ("microsoft.documentdb/databaseaccounts", "listkeys") => json!({
            "primaryMasterKey": key(1), "secondaryMasterKey": key(2),
            "primaryReadonlyMasterKey": key(3), "secondaryReadonlyMasterKey": key(4),
        }),
        ("microsoft.documentdb/databaseaccounts", "readonlykeys") => {
            json!({ "primaryReadonlyMasterKey": key(3), "secondaryReadonlyMasterKey": key(4) })
        }
        ("microsoft.documentdb/databaseaccounts", "listconnectionstrings") => json!({ "connectionStrings": [] }),
        (
            "microsoft.cache/redis" | "microsoft.signalrservice/signalr" | "microsoft.signalrservice/webpubsub",
            "listkeys",
        ) => {
            json!({ "primaryKey": key(1), "secondaryKey": key(2) })
        }
        (
            "microsoft.cognitiveservices/accounts" | "microsoft.eventgrid/topics" | "microsoft.eventgrid/domains",
            "listkeys",
        ) => {
            json!({ "key1": key(1), "key2": key(2) })
        }
        ("microsoft.containerregistry/registries", "listcredentials") => json!({
            "username": id.name(),
            "passwords": [{ "name": "password", "value": key(1) }, { "name": "password2", "value": key(2) }],
        }),
        ("microsoft.batch/batchaccounts", "listkeys") => {
            json!({ "accountName": id.name(), "primary": key(1), "secondary": key(2) })
        }
        ("microsoft.appconfiguration/configurationstores" | "microsoft.devices/iothubs", "listkeys") => {
            json!({ "value": [] })
        }
        _ => return None,
    })
}

/// 64 octets in base64, the format of Azure's keys.
fn made_up(id: &ResourceId, number: u8) -> String {
    BASE64.encode(&Sha512::digest(format!("key {number} of {}, which is no secret", key(id)).as_bytes()))
}
