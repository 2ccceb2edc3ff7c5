//! What clients ask before they ask for resources: cloud metadata, the OpenID document, tokens.

use data_encoding::BASE64;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::error::ApiError;
use super::request::Request;
use super::response::Response;
use super::token::{LIFETIME, TokenKey};
use crate::config::ManagementClient;

/// The audience of tokens for Azure Resource Manager.
const AUDIENCE: &str = "https://management.azure.com/";
/// The tenant that is announced; any other one is accepted as well.
pub(super) const TENANT: &str = "00000000-0000-0000-0000-000000000001";

/// Issues and verifies tokens.
#[derive(Debug)]
pub(super) struct Identity {
    key: TokenKey,
    /// The clients; if there are none, everybody gets a token, and nobody needs one.
    clients: Vec<ManagementClient>,
}

/// An authenticated client, or anyone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Principal<'a>(Option<&'a ManagementClient>);

impl Principal<'_> {
    /// The name for the audit log.
    pub(super) fn name(&self) -> &str {
        self.0.map_or("anybody", |client| &client.id)
    }

    /// Whether it may read, or write, in a subscription or one of its groups; `group` is `None` outside of groups.
    pub(super) fn may(&self, is_write: bool, subscription: &str, group: Option<&str>) -> bool {
        let Some(client) = self.0 else { return true };
        let is_listed = |listed: &[String], name: &str| listed.iter().any(|known| known.eq_ignore_ascii_case(name));
        let in_subscription = client.subscriptions.is_empty() || is_listed(&client.subscriptions, subscription);
        let in_group = client.resource_groups.is_empty()
            || match group {
                Some(group) => is_listed(&client.resource_groups, group),
                None => !is_write,
            };
        in_subscription && in_group && (client.may_write || !is_write)
    }

    /// Whether it may read, or write, what is of no subscription and of all: its own scope is everything.
    pub(super) fn may_everywhere(&self, is_write: bool) -> bool {
        let Some(client) = self.0 else { return true };
        client.subscriptions.is_empty() && client.resource_groups.is_empty() && (client.may_write || !is_write)
    }

    /// Whether it may see a resource group.
    pub(super) fn may_read(&self, subscription: &str, group: &str) -> bool {
        self.may(false, subscription, Some(group))
    }
}

impl Identity {
    pub(super) fn new(key: TokenKey, clients: Vec<ManagementClient>) -> Self {
        Self { key, clients }
    }

    /// The answer, if the request is for one of these documents.
    pub(super) fn answer(&self, request: &Request, now: u64) -> Option<Result<Response, ApiError>> {
        let segments: Vec<_> = request.segments.iter().map(|segment| segment.to_ascii_lowercase()).collect();
        let segments: Vec<_> = segments.iter().map(String::as_str).collect();
        let tenant = request.segments.first().map_or(TENANT, String::as_str);
        let (is_get, is_post) = (request.method == Method::GET, request.method == Method::POST);
        Some(match segments.as_slice() {
            ["metadata", "endpoints"] if is_get => Ok(Response::ok(metadata(&request.base))),
            ["common" | "organizations", "discovery", "instance"] if is_get => Ok(Response::ok(discovery(request))),
            [_, ".well-known", "openid-configuration"] | [_, "v2.0", ".well-known", "openid-configuration"]
                if is_get =>
            {
                Ok(Response::ok(openid(&request.base, tenant)))
            }
            [_, "oauth2", "token"] | [_, "oauth2", "v2.0", "token"] if is_post => self.token(request, tenant, now),
            ["msi", "oauth2", "token"] | ["metadata", "identity", "oauth2", "token"] if is_get => {
                self.managed_identity(request, now)
            }
            _ => return None,
        })
    }

    /// The client that asks for resources.
    ///
    /// # Errors
    /// A token is required, and there is no valid one.
    pub(super) fn principal(&self, authorization: Option<&str>, now: u64) -> Result<Principal<'_>, ApiError> {
        if self.clients.is_empty() {
            return Ok(Principal(None));
        }
        let token = authorization.and_then(|value| value.split_once(' '));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        let Some(token) = token else {
            let message = "Authentication failed. The 'Authorization' header is missing.";
            return Err(ApiError::front(StatusCode::UNAUTHORIZED, "AuthenticationFailed", message));
        };
        let id = self.key.client(token, now);
        let client = id.and_then(|id| self.clients.iter().find(|client| client.id == id));
        client.map(|client| Principal(Some(client))).ok_or_else(|| {
            let message = "The access token is invalid: it was not issued here, or has expired.";
            ApiError::front(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message)
        })
    }

    fn token(&self, request: &Request, tenant: &str, now: u64) -> Result<Response, ApiError> {
        let form = request.form();
        let mut id = form.get("client_id").unwrap_or_default().to_owned();
        let mut secret = form.get("client_secret").unwrap_or_default().to_owned();
        // Clients may also authenticate this way (RFC 6749 §2.3.1).
        let basic = request.header(hyper::header::AUTHORIZATION).and_then(|value| value.strip_prefix("Basic "));
        let basic = basic.and_then(|text| String::from_utf8(BASE64.decode(text.trim().as_bytes()).ok()?).ok());
        if let Some((user, password)) = basic.as_deref().and_then(|basic| basic.split_once(':')) {
            (id, secret) = (user.to_owned(), password.to_owned());
        }
        let is_known = |client: &ManagementClient| client.id == id && client.secret.is(&secret);
        if !self.clients.is_empty() && !self.clients.iter().any(is_known) {
            let body = json!({
                "error": "invalid_client",
                "error_description": "AADSTS7000215: Invalid client secret provided, or the client is not listed in \
                                      [[management.client]].",
                "error_codes": [7_000_215],
            });
            return Ok(Response::json(StatusCode::UNAUTHORIZED, body));
        }
        let scope = form.get("scope").or_else(|| form.get("resource")).unwrap_or(AUDIENCE);
        Ok(Response::ok(self.token_of(request, tenant, &id, scope, now)))
    }

    /// A managed identity token, as for machines in Azure. It requires no proof, so it is issued only if no token is needed.
    fn managed_identity(&self, request: &Request, now: u64) -> Result<Response, ApiError> {
        let is_asked_by_program = request.header("metadata".parse().expect("a header's name")).is_some()
            || request.header("x-identity-header".parse().expect("a header's name")).is_some();
        if !self.clients.is_empty() || !is_asked_by_program {
            let message = "Managed identities are for loopback without listed clients, and want the header Metadata.";
            return Err(ApiError::bad_request("invalid_request", message));
        }
        let resource = request.query.get("resource").unwrap_or(AUDIENCE);
        let mut body = self.token_of(request, TENANT, "managed-identity", resource, now);
        // The protocol encodes this number as a string.
        body["expires_on"] = json!((now + LIFETIME).to_string());
        Ok(Response::ok(body))
    }

    fn token_of(&self, request: &Request, tenant: &str, client: &str, scope: &str, now: u64) -> Value {
        let audience = scope.split(' ').next().unwrap_or(AUDIENCE).trim_end_matches(".default");
        let issuer = format!("{}/{tenant}/", request.base);
        let token = self.key.issue(&issuer, audience, tenant, client, now);
        json!({
            "token_type": "Bearer", "expires_in": LIFETIME, "ext_expires_in": LIFETIME,
            "expires_on": now + LIFETIME, "not_before": now, "resource": audience, "access_token": token,
        })
    }
}

fn openid(base: &str, tenant: &str) -> Value {
    json!({
        "issuer": format!("{base}/{tenant}/v2.0"),
        "authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{base}/{tenant}/oauth2/v2.0/token"),
        "device_authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/devicecode"),
        "jwks_uri": format!("{base}/{tenant}/discovery/v2.0/keys"),
        "response_types_supported": ["code", "id_token", "token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["HS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
    })
}

/// The instance discovery of MSAL.
fn discovery(request: &Request) -> Value {
    let base = &request.base;
    let host = base.trim_start_matches("https://");
    let network = |name: &str| json!({ "preferred_network": name, "preferred_cache": name, "aliases": [name] });
    json!({
        "tenant_discovery_endpoint": format!("{base}/{TENANT}/v2.0/.well-known/openid-configuration"),
        "api-version": "1.1",
        "metadata": [network(host)],
    })
}

/// The metadata of the cloud. azurerm and az fail without some of these members.
fn metadata(base: &str) -> Value {
    let name = "vnetdns";
    json!({
        "name": name,
        "portal": base,
        "gallery": format!("{base}/"),
        "graph": format!("{base}/"),
        "graphAudience": format!("{base}/"),
        "batch": "https://batch.core.windows.net/",
        "media": "https://rest.media.azure.net",
        "sqlManagement": format!("{base}/"),
        "vmImageAliasDoc": "",
        "activeDirectoryDataLake": "https://datalake.azure.net/",
        "resourceManager": format!("{base}/"),
        "authentication": {
            "loginEndpoint": format!("{base}/"),
            "audiences": ["https://management.core.windows.net/", AUDIENCE],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "suffixes": {
            "acrLoginServer": "azurecr.io",
            "azureDataLakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net",
            "azureDataLakeStoreFileSystem": "azuredatalakestore.net",
            "azureFrontDoorEndpointSuffix": "azurefd.net",
            "keyVaultDns": "vault.azure.net",
            "mhsmDns": "managedhsm.azure.net",
            "mysqlServerEndpoint": "mysql.database.azure.com",
            "postgresqlServerEndpoint": "postgres.database.azure.com",
            "mariadbServerEndpoint": "mariadb.database.azure.com",
            "sqlServerHostname": "database.windows.net",
            "storage": "core.windows.net",
            "storageSyncEndpointSuffix": "afs.azure.net",
            "synapseAnalytics": "dev.azuresynapse.net",
        },
        "microsoftGraphResourceId": "https://graph.microsoft.com/",
        "appInsightsResourceId": "https://api.applicationinsights.io",
        "appInsightsTelemetryChannelResourceId": "https://dc.applicationinsights.azure.com/v2/track",
        "attestationResourceId": "https://attest.azure.net",
        "logAnalyticsResourceId": "https://api.loganalytics.io",
        "ossrDbmsResourceId": "https://ossrdbms-aad.database.windows.net",
        "synapseAnalyticsResourceId": "https://dev.azuresynapse.net",
    })
}
