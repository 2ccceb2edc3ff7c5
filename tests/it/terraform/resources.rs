//! What a configuration with one of each resource has azurerm and azapi send, and what azurerm must find in the answers.
//!
//! Bodies, versions and status codes are those of azurerm 5.2.0 and azapi 2.12.0, taken down while they ran.

use serde_json::{Value, json};

use crate::api::GROUP as OTHER;

/// A resource as a configuration has it.
pub(super) struct Planned {
    pub(super) path: String,
    pub(super) version: &'static str,
    pub(super) body: Value,
    /// An update in place.
    pub(super) update: Value,
    /// The status codes beside 200 that azurerm knows for the PUT and for the DELETE: another one is an error to it.
    pub(super) made: &'static [u16],
    pub(super) gone: &'static [u16],
    /// Members that must be in the answer, as JSON pointers: without one of them azurerm plans a change or stops. What was sent
    /// must come back anyway.
    pub(super) needed: &'static [&'static str],
    /// What azurerm also asks at each refresh: method, path within the resource, version.
    pub(super) also: &'static [(&'static str, &'static str, &'static str)],
}

const MADE: &[u16] = &[201];
const ACCEPTED: &[u16] = &[201, 202];
const GONE: &[u16] = &[202, 204];
const AT_ONCE: &[u16] = &[204];

impl Planned {
    fn new(path: String, version: &'static str, body: Value, update: Value) -> Self {
        Self { path, version, body, update, made: ACCEPTED, gone: GONE, needed: &[], also: &[] }
    }

    const fn made(mut self, made: &'static [u16]) -> Self {
        self.made = made;
        self
    }

    const fn gone(mut self, gone: &'static [u16]) -> Self {
        self.gone = gone;
        self
    }

    const fn needs(mut self, needed: &'static [&'static str]) -> Self {
        self.needed = needed;
        self
    }

    const fn asks(mut self, also: &'static [(&'static str, &'static str, &'static str)]) -> Self {
        self.also = also;
        self
    }

    pub(super) fn uri(&self) -> String {
        format!("{}?api-version={}", self.path, self.version)
    }
}

/// The group of the configuration, in letters of its own.
pub(super) fn group() -> String {
    OTHER.replace("/rg", "/Tf-RG")
}

pub(super) fn in_group(path: &str) -> String {
    format!("{}/providers/{path}", group())
}

pub(super) fn network() -> String {
    in_group("Microsoft.Network/virtualNetworks/VNet")
}

pub(super) fn zone() -> String {
    in_group("Microsoft.Network/privateDnsZones/corp.test")
}

fn subnet(name: &str) -> String {
    format!("{}/subnets/{name}", network())
}

fn account() -> String {
    in_group("Microsoft.Storage/storageAccounts/tfaccount")
}

pub(super) fn endpoint() -> String {
    in_group("Microsoft.Network/privateEndpoints/tf-pe")
}

fn tagged(mut body: Value) -> Value {
    body["tags"] = json!({"k": "v"});
    body
}

/// Everything that a configuration with one of each has, each behind what it needs.
pub(super) fn planned() -> Vec<Planned> {
    let group = json!({"location": "westeurope", "tags": {}});
    let mut all = vec![
        Planned::new(self::group(), "2023-07-01", group.clone(), tagged(group))
            .made(MADE)
            .gone(&[202])
            .needs(&["/id", "/location"])
            .asks(&[("GET", "/resources?$expand=provisioningState&%24top=10&", "2023-07-01")]),
    ];
    all.extend(networks());
    all.extend(zones());
    all.extend(record_sets());
    all.extend(services());
    all.extend(endpoints());
    all.extend(resolvers());
    all.extend(scopes());
    all
}

fn networks() -> Vec<Planned> {
    let body = json!({"location": "westeurope", "tags": {}, "properties": {
        "addressSpace": {"addressPrefixes": ["127.20.0.0/16", "fd00:20::/48"]},
        "dhcpOptions": {"dnsServers": []}, "privateEndpointVNetPolicies": "Disabled",
    }});
    let mut all = vec![Planned::new(network(), "2025-01-01", body.clone(), tagged(body)).made(MADE).needs(&[
        "/location",
        "/properties/privateEndpointVNetPolicies",
        "/properties/addressSpace/addressPrefixes",
    ])];
    for (name, prefix, delegated) in
        [("pe", "127.20.1.0/24", false), ("In", "127.20.2.0/28", true), ("out", "127.20.3.0/28", true)]
    {
        let delegations = match delegated {
            true => json!([{"name": "d", "properties": {
                "actions": ["Microsoft.Network/virtualNetworks/subnets/join/action"],
                "serviceName": "Microsoft.Network/dnsResolvers",
            }}]),
            false => json!([]),
        };
        let body = |policy: &str| {
            json!({"name": name, "properties": {
                "addressPrefixes": [prefix], "defaultOutboundAccess": true, "delegations": delegations,
                "privateEndpointNetworkPolicies": policy, "privateLinkServiceNetworkPolicies": "Enabled",
                "serviceEndpoints": [],
            }})
        };
        let planned = Planned::new(subnet(name), "2025-01-01", body("Disabled"), body("Enabled"));
        all.push(planned.made(MADE).needs(&[
            "/properties/addressPrefixes/0",
            "/properties/privateEndpointNetworkPolicies",
            "/properties/privateLinkServiceNetworkPolicies",
        ]));
    }
    all
}

fn zones() -> Vec<Planned> {
    let mut all = Vec::new();
    let privatelink = in_group("Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net");
    for (path, policy, registers) in [(zone(), "Default", true), (privatelink, "NxDomainRedirect", false)] {
        let body = json!({"location": "global", "tags": {}});
        let planned = Planned::new(path.clone(), "2024-06-01", body.clone(), tagged(body));
        all.push(planned.needs(&["/id"]).asks(&[("GET", "/SOA/@?", "2024-06-01")]));
        let link = json!({"location": "global", "tags": {}, "properties": {
            "registrationEnabled": registers, "resolutionPolicy": policy, "virtualNetwork": {"id": network()},
        }});
        let path = format!("{path}/virtualNetworkLinks/l");
        all.push(Planned::new(path, "2024-06-01", link.clone(), tagged(link)));
    }
    all
}

fn record_sets() -> Vec<Planned> {
    let set = |path: &str, before: Value, after: Value| {
        let name = path.rsplit('/').next().unwrap();
        let body = |data: Value| json!({"name": name, "properties": data});
        let planned = Planned::new(format!("{}/{path}", zone()), "2024-06-01", body(before), body(after));
        planned.made(MADE).gone(AT_ONCE)
    };
    let a = |address: &str| json!({ "ipv4Address": address });
    vec![
        set(
            "A/web",
            json!({"metadata": {}, "ttl": 300, "aRecords": [a("10.20.0.9")]}),
            json!({"metadata": {"k": "v"}, "ttl": 60, "aRecords": [a("10.20.0.9"), a("10.20.0.8")]}),
        ),
        set(
            "AAAA/web",
            json!({"metadata": {}, "ttl": 300, "aaaaRecords": [{"ipv6Address": "fd00:20:0:0::10"}]}),
            json!({"metadata": {}, "ttl": 301, "aaaaRecords": [{"ipv6Address": "fd00:20:0:0::10"}]}),
        ),
        set(
            "CNAME/www",
            json!({"metadata": {}, "ttl": 300, "cnameRecord": {"cname": "Web.corp.test"}}),
            json!({"metadata": {}, "ttl": 300, "cnameRecord": {"cname": "other.corp.test."}}),
        ),
        set(
            "MX/@",
            json!({"metadata": {}, "ttl": 300, "mxRecords": [{"exchange": "mx.corp.test", "preference": 10}]}),
            json!({"metadata": {}, "ttl": 300, "mxRecords": [{"exchange": "mx2.corp.test", "preference": 5}]}),
        ),
        set(
            "PTR/ptr",
            json!({"metadata": {}, "ttl": 300, "ptrRecords": [{"ptrdname": "a.test"}]}),
            json!({"metadata": {}, "ttl": 300, "ptrRecords": [{"ptrdname": "b.test"}, {"ptrdname": "a.test"}]}),
        ),
        set(
            "SRV/srv",
            json!({"metadata": {}, "ttl": 300, "srvRecords": [{"port": 0, "priority": 1, "target": "a.test", "weight": 0}]}),
            json!({"metadata": {}, "ttl": 9, "srvRecords": [{"port": 8080, "priority": 1, "target": "a.test", "weight": 5}]}),
        ),
        set(
            "TXT/txt",
            json!({"metadata": {}, "ttl": 300, "txtRecords": [{"value": ["one"]}, {"value": ["two"]}]}),
            json!({"metadata": {}, "ttl": 300, "txtRecords": [{"value": ["three"]}]}),
        ),
    ]
}

/// What endpoints point at.
fn services() -> Vec<Planned> {
    let storage = |tls: &str| {
        json!({"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS", "tier": "Standard"}, "tags": {},
               "properties": {"minimumTlsVersion": tls, "supportsHttpsTrafficOnly": true, "allowBlobPublicAccess": true, "allowSharedKeyAccess": true,
                              "publicNetworkAccess": "Enabled"}})
    };
    let monitor = json!({"location": "westeurope", "tags": {}, "properties": {"publicNetworkAccess": "Enabled"}});
    let workspace = json!({"location": "westeurope", "tags": {}, "properties": {
        "features": {"disableLocalAuth": false, "enableLogAccessUsingOnlyResourcePermissions": true},
        "publicNetworkAccessForIngestion": "Enabled", "publicNetworkAccessForQuery": "Enabled", "retentionInDays": 30,
        "sku": {"name": "PerGB2018"}, "workspaceCapping": {"dailyQuotaGb": -1.0},
    }});
    let kusto = json!({"location": "westeurope", "tags": {}, "sku": {"name": "Dev(No SLA)_Standard_D11_v2", "tier": "Basic", "capacity": 1},
        "properties": {"enableAutoStop": true, "publicIPType": "IPv4", "publicNetworkAccess": "Enabled",
                       "enableDiskEncryption": false, "enableStreamingIngest": false, "enablePurge": false}});
    let grafana = json!({"location": "westeurope", "tags": {}, "sku": {"name": "Standard"}, "properties": {
        "apiKey": "Disabled", "deterministicOutboundIP": "Disabled", "publicNetworkAccess": "Enabled", "zoneRedundancy": "Disabled",
    }});
    vec![
        Planned::new(account(), "2025-08-01", storage("TLS1_2"), storage("TLS1_3")).made(&[202]).gone(AT_ONCE).needs(
            &[
                "/location",
                "/kind",
                "/sku/name",
                "/sku/tier",
                "/properties/minimumTlsVersion",
                "/properties/supportsHttpsTrafficOnly",
            ],
        ),
        Planned::new(in_group("Microsoft.Monitor/accounts/tf-amw"), "2023-04-03", monitor.clone(), tagged(monitor))
            .needs(&["/location", "/properties/publicNetworkAccess"]),
        Planned::new(
            in_group("Microsoft.OperationalInsights/workspaces/tf-logs"),
            "2025-07-01",
            workspace.clone(),
            tagged(workspace),
        )
        .needs(&["/location", "/properties/publicNetworkAccessForIngestion"])
        .asks(&[("POST", "/sharedKeys?", "2020-08-01")]),
        Planned::new(in_group("Microsoft.Kusto/clusters/tfkusto"), "2024-04-13", kusto.clone(), tagged(kusto))
            .made(MADE)
            .needs(&["/location", "/sku/name", "/properties/enableAutoStop", "/properties/publicIPType"]),
        Planned::new(in_group("Microsoft.Dashboard/grafana/tf-graf"), "2025-08-01", grafana.clone(), tagged(grafana))
            .needs(&["/location", "/sku/name"]),
    ]
}

fn endpoints() -> Vec<Planned> {
    let body = json!({"location": "westeurope", "tags": {}, "properties": {
        "customNetworkInterfaceName": "", "manualPrivateLinkServiceConnections": [],
        "privateLinkServiceConnections": [{"name": "Conn", "properties": {
            "privateLinkServiceId": account(), "groupIds": ["blob"],
        }}],
        "subnet": {"id": subnet("pe")},
    }});
    let zone = in_group("Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net");
    // In the body the endpoint's name stands for the group's.
    let group = |name: &str| {
        json!({"name": "tf-pe", "properties": {"privateDnsZoneConfigs": [
            {"name": name, "properties": {"privateDnsZoneId": zone}}]}})
    };
    vec![
        Planned::new(endpoint(), "2025-01-01", body.clone(), tagged(body)).made(MADE).needs(&[
            "/location",
            "/properties/subnet/id",
            // Without one of these lists the provider crashes when it deletes the endpoint.
            "/properties/privateLinkServiceConnections",
            "/properties/manualPrivateLinkServiceConnections",
            "/properties/privateLinkServiceConnections/0/name",
            "/properties/privateLinkServiceConnections/0/properties/privateLinkServiceId",
            "/properties/privateLinkServiceConnections/0/properties/groupIds",
            "/properties/networkInterfaces/0/id",
        ]),
        Planned::new(
            format!("{}/privateDnsZoneGroups/default", endpoint()),
            "2025-01-01",
            group("privatelink.blob.core.windows.net"),
            group("other-name"),
        )
        .made(MADE)
        .needs(&[
            "/id",
            "/properties/privateDnsZoneConfigs/0/name",
            "/properties/privateDnsZoneConfigs/0/properties/privateDnsZoneId",
            "/properties/privateDnsZoneConfigs/0/properties/recordSets/0/ipAddresses/0",
        ]),
    ]
}

/// A DNS resolver with its endpoints, and a ruleset.
fn resolvers() -> Vec<Planned> {
    let planned = |path: &str, body: Value, update: Value| Planned::new(in_group(path), "2022-07-01", body, update);
    let with = |properties: Value| json!({"location": "westeurope", "tags": {}, "properties": properties});
    let resolver = with(json!({"virtualNetwork": {"id": network()}}));
    let inbound =
        with(json!({"ipConfigurations": [{"privateIpAllocationMethod": "Dynamic", "subnet": {"id": subnet("In")}}]}));
    let outbound = with(json!({"subnet": {"id": subnet("out")}}));
    let of_resolver = "Microsoft.Network/dnsResolvers/Res";
    let ruleset = "Microsoft.Network/dnsForwardingRulesets/rules";
    let endpoint = in_group(&format!("{of_resolver}/outboundEndpoints/out"));
    let rules = with(json!({"dnsResolverOutboundEndpoints": [{"id": endpoint}]}));
    let rule = |state: &str, port: u16| {
        json!({"properties": {"domainName": "onprem.test.", "forwardingRuleState": state, "metadata": {"k": "v"},
                              "targetDnsServers": [{"ipAddress": "127.20.0.53", "port": port}]}})
    };
    let link = |metadata: Value| json!({"properties": {"metadata": metadata, "virtualNetwork": {"id": network()}}});
    vec![
        planned(of_resolver, resolver.clone(), tagged(resolver)).needs(&["/location", "/properties/virtualNetwork/id"]),
        planned(&format!("{of_resolver}/inboundEndpoints/in"), inbound.clone(), tagged(inbound)).needs(&[
            "/location",
            "/properties/ipConfigurations/0/subnet/id",
            "/properties/ipConfigurations/0/privateIpAllocationMethod",
            "/properties/ipConfigurations/0/privateIpAddress",
        ]),
        planned(&format!("{of_resolver}/outboundEndpoints/out"), outbound.clone(), tagged(outbound))
            .needs(&["/location", "/properties/subnet/id"]),
        planned(ruleset, rules.clone(), tagged(rules))
            .needs(&["/location", "/properties/dnsResolverOutboundEndpoints/0/id"]),
        // Without a port in the configuration 0 is sent, and 53 in the answer would be a change.
        planned(&format!("{ruleset}/forwardingRules/onprem"), rule("Enabled", 0), rule("Disabled", 5353))
            .made(MADE)
            .gone(AT_ONCE)
            .needs(&["/properties/forwardingRuleState", "/properties/targetDnsServers/0/ipAddress"]),
        planned(&format!("{ruleset}/virtualNetworkLinks/l"), link(json!({})), link(json!({"k": "v"})))
            .needs(&["/properties/virtualNetwork/id"]),
    ]
}

/// A private link scope with what is in it, a data collection endpoint, and a managed endpoint of Grafana.
fn scopes() -> Vec<Planned> {
    let scope = "Microsoft.Insights/privateLinkScopes/ampls";
    let modes = |ingestion: &str| {
        json!({"location": "Global", "tags": {}, "properties": {"accessModeSettings": {
            "exclusions": [], "ingestionAccessMode": ingestion, "queryAccessMode": "Open",
        }}})
    };
    let linked =
        json!({"properties": {"linkedResourceId": in_group("Microsoft.OperationalInsights/workspaces/tf-logs")}});
    let collection = json!({"location": "westeurope", "tags": {}, "properties": {
        "networkAcls": {"publicNetworkAccess": "Enabled"},
    }});
    let managed = json!({"location": "westeurope", "tags": {}, "properties": {
        "groupIds": ["blob"], "privateLinkResourceId": account(), "requestMessage": "Please approve",
    }});
    vec![
        Planned::new(in_group(scope), "2021-07-01-preview", modes("Open"), modes("PrivateOnly"))
            .made(MADE)
            .needs(&["/properties/accessModeSettings/queryAccessMode"]),
        Planned::new(in_group(&format!("{scope}/scopedResources/logs")), "2019-10-17-preview", linked.clone(), linked)
            .needs(&["/properties/linkedResourceId"]),
        Planned::new(
            in_group("Microsoft.Insights/dataCollectionEndpoints/tf-dce"),
            "2023-03-11",
            collection.clone(),
            tagged(collection),
        )
        .made(MADE)
        .gone(AT_ONCE)
        .needs(&["/location"]),
        Planned::new(
            in_group("Microsoft.Dashboard/grafana/tf-graf/managedPrivateEndpoints/mpe"),
            "2025-08-01",
            managed.clone(),
            tagged(managed),
        )
        .needs(&[
            "/location",
            "/properties/groupIds/0",
            "/properties/privateLinkResourceId",
            "/properties/requestMessage",
        ]),
    ]
}
