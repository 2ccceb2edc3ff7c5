"""Azure's packages for what stands around private DNS, unmodified: address, ca.pem and subscription are the arguments."""

import sys

from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential
from azure.mgmt.dashboard import DashboardManagementClient
from azure.mgmt.dnsresolver import DnsResolverManagementClient
from azure.mgmt.kusto import KustoManagementClient
from azure.mgmt.monitorworkspaces import MonitorWorkspacesMgmtClient
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.storage import StorageManagementClient

api, ca, subscription = sys.argv[1:]
url = f"https://{api}"
credential = ClientSecretCredential(
    "00000000-0000-0000-0000-000000000001", "any", "any", authority=url, disable_instance_discovery=True, connection_verify=ca
)
options = {
    "base_url": url,
    "connection_verify": ca,
    "credential_scopes": ["https://management.azure.com/.default"],
    "polling_interval": 1,
}
account_id = f"/subscriptions/{subscription}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/sdkacct"

network = NetworkManagementClient(credential, subscription, **options)
delegations = [{"name": "d", "properties": {"serviceName": "Microsoft.Network/dnsResolvers"}}]
vnet = network.virtual_networks.begin_create_or_update("rg", "family", {
    "location": "westeurope",
    "properties": {
        "addressSpace": {"addressPrefixes": ["127.4.0.0/16"]},
        "subnets": [
            {"name": name, "properties": {"addressPrefix": prefix, "delegations": delegations}}
            for name, prefix in [("in", "127.4.1.0/28"), ("out", "127.4.2.0/28")]
        ],
    },
}).result()
subnets = {subnet.name: {"id": subnet.id} for subnet in vnet.subnets}

dns = DnsResolverManagementClient(credential, subscription, **options)
location = {"location": "westeurope"}
made = dns.dns_resolvers.begin_create_or_update(
    "rg", "res", {**location, "properties": {"virtualNetwork": {"id": vnet.id}}}
).result()
assert made.dns_resolver_state == "Connected", made
inbound = dns.inbound_endpoints.begin_create_or_update("rg", "res", "in", {
    **location, "properties": {"ipConfigurations": [{"subnet": subnets["in"], "privateIpAllocationMethod": "Dynamic"}]},
}).result()
assert inbound.ip_configurations[0].private_ip_address == "127.4.1.4", inbound
outbound = dns.outbound_endpoints.begin_create_or_update(
    "rg", "res", "out", {**location, "properties": {"subnet": subnets["out"]}}
).result()
ruleset = dns.dns_forwarding_rulesets.begin_create_or_update(
    "rg", "rules", {**location, "properties": {"dnsResolverOutboundEndpoints": [{"id": outbound.id}]}}
).result()
rule = dns.forwarding_rules.create_or_update("rg", "rules", "onprem", {
    "properties": {"domainName": "onprem.test.", "targetDnsServers": [{"ipAddress": "127.4.0.53", "port": 53}],
                   "forwardingRuleState": "Enabled"},
})
assert rule.domain_name == "onprem.test.", rule
dns.virtual_network_links.begin_create_or_update(
    "rg", "rules", "l", {"properties": {"virtualNetwork": {"id": vnet.id}}}
).result()
assert [found.name for found in dns.forwarding_rules.list("rg", "rules")] == ["onprem"]
assert [found.id for found in dns.dns_resolvers.list_by_virtual_network("rg", "family")] == [made.id]
try:
    dns.dns_resolvers.begin_delete("rg", "res").result()
    raise SystemExit("a resolver with endpoints is deleted")
except HttpResponseError:
    pass

monitor = MonitorWorkspacesMgmtClient(credential, subscription, **options)
workspace = monitor.azure_monitor_workspaces.create_or_update("rg", "amw", location)
assert workspace.name == "amw", workspace
kusto = KustoManagementClient(credential, subscription, **options)
cluster = kusto.clusters.begin_create_or_update(
    "rg", "sdkkusto", {**location, "sku": {"name": "Dev(No SLA)_Standard_D11_v2", "capacity": 1, "tier": "Basic"}}
).result()
assert cluster.provisioning_state == "Succeeded", cluster
assert list(kusto.private_endpoint_connections.list("rg", "sdkkusto")) == []
assert [found.group_id for found in kusto.private_link_resources.list("rg", "sdkkusto")] == ["cluster"]
dashboard = DashboardManagementClient(credential, subscription, **options)
dashboard.grafana.begin_create("rg", "graf", {**location, "sku": {"name": "Standard"}, "properties": {}}).result()
managed = dashboard.managed_private_endpoints.begin_create("rg", "graf", "mpe", {
    **location, "properties": {"privateLinkResourceId": account_id, "groupIds": ["blob"], "requestMessage": "please"},
}).result()
assert managed.properties.connection_state.status == "Pending", managed
storage = StorageManagementClient(credential, subscription, **options)
(connection,) = storage.private_endpoint_connections.list("rg", "sdkacct")
storage.private_endpoint_connections.put("rg", "sdkacct", connection.name, {
    "properties": {"privateLinkServiceConnectionState": {"status": "Approved", "description": "so"}},
})
dashboard.managed_private_endpoints.begin_refresh("rg", "graf").result()
managed = dashboard.managed_private_endpoints.get("rg", "graf", "mpe")
assert managed.properties.connection_state.status == "Approved", managed
assert len(storage.storage_accounts.list_keys("rg", "sdkacct").keys_property) == 2
dashboard.managed_private_endpoints.begin_delete("rg", "graf", "mpe").result()
dashboard.grafana.begin_delete("rg", "graf").result()
dns.virtual_network_links.begin_delete("rg", "rules", "l").result()
dns.forwarding_rules.delete("rg", "rules", "onprem")
dns.dns_forwarding_rulesets.begin_delete("rg", "rules").result()
dns.inbound_endpoints.begin_delete("rg", "res", "in").result()
dns.outbound_endpoints.begin_delete("rg", "res", "out").result()
dns.dns_resolvers.begin_delete("rg", "res").result()
print("done")
