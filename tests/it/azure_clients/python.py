"""Azure's own packages, unmodified, against a running server: address, ca.pem and subscription are the arguments."""

import sys

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.core import MatchConditions
from azure.identity import ClientSecretCredential
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.privatedns import PrivateDnsManagementClient

api, ca, subscription = sys.argv[1:]
url = f"https://{api}"
tenant = "00000000-0000-0000-0000-000000000001"
credential = ClientSecretCredential(
    tenant, "any", "any", authority=url, disable_instance_discovery=True, connection_verify=ca
)
options = {
    "base_url": url,
    "connection_verify": ca,
    "credential_scopes": ["https://management.azure.com/.default"],
    "polling_interval": 1,
}
dns = PrivateDnsManagementClient(credential, subscription, **options)
network = NetworkManagementClient(credential, subscription, **options)

vnet = network.virtual_networks.begin_create_or_update("rg", "vnet", {
    "location": "westeurope",
    "properties": {
        "addressSpace": {"addressPrefixes": ["127.3.0.0/16"]},
        "subnets": [{"name": "default", "properties": {"addressPrefix": "127.3.1.0/24"}}],
    },
}).result()
assert vnet.provisioning_state == "Succeeded", vnet
zone = dns.private_zones.begin_create_or_update("rg", "corp.test", {"location": "global"}).result()
assert zone.number_of_record_sets == 1, zone
link = dns.virtual_network_links.begin_create_or_update("rg", "corp.test", "l", {
    "location": "global",
    "properties": {"virtualNetwork": {"id": vnet.id}, "registrationEnabled": False},
}).result()
assert link.virtual_network_link_state == "Completed", link
for number in range(5):
    made = dns.record_sets.create_or_update("rg", "corp.test", "A", f"h{number}", {
        "properties": {"ttl": 60, "aRecords": [{"ipv4Address": f"10.0.0.{number}"}]},
    })
    assert made.fqdn == f"h{number}.corp.test.", made
listed = [found.name for found in dns.record_sets.list_by_type("rg", "corp.test", "A", top=2)]
assert listed == [f"h{number}" for number in range(5)], listed
assert len(list(dns.record_sets.list("rg", "corp.test"))) == 6
body = {"properties": {"ttl": 60, "aRecords": [{"ipv4Address": "10.0.0.9"}]}}
first = dns.record_sets.get("rg", "corp.test", "A", "h0")
dns.record_sets.create_or_update(
    "rg", "corp.test", "A", "h0", body, etag=first.etag, match_condition=MatchConditions.IfNotModified
)
try:
    dns.record_sets.create_or_update(
        "rg", "corp.test", "A", "h0", body, etag=first.etag, match_condition=MatchConditions.IfNotModified
    )
    raise SystemExit("an old ETag is taken")
except (ResourceModifiedError, HttpResponseError) as error:
    assert error.status_code == 412, error
try:
    dns.record_sets.get("rg", "corp.test", "A", "none")
    raise SystemExit("nothing is found")
except ResourceNotFoundError:
    pass
try:
    dns.private_zones.begin_delete("rg", "corp.test").result()
    raise SystemExit("a zone with a link is deleted")
except (ResourceExistsError, HttpResponseError) as error:
    assert error.status_code == 409, error
privatelink = dns.private_zones.begin_create_or_update(
    "rg", "privatelink.blob.core.windows.net", {"location": "global"}
).result()
account = f"/subscriptions/{subscription}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/sdkacct"
endpoint = network.private_endpoints.begin_create_or_update("rg", "pe", {
    "location": "westeurope",
    "properties": {
        "subnet": {"id": vnet.subnets[0].id},
        "privateLinkServiceConnections": [
            {"name": "c", "properties": {"privateLinkServiceId": account, "groupIds": ["blob"]}}
        ],
    },
}).result()
assert endpoint.custom_dns_configs[0].ip_addresses == ["127.3.1.4"], endpoint
group = network.private_dns_zone_groups.begin_create_or_update("rg", "pe", "default", {
    "properties": {"privateDnsZoneConfigs": [{"name": "blob", "properties": {"privateDnsZoneId": privatelink.id}}]},
}).result()
assert group.private_dns_zone_configs[0].record_sets[0].ip_addresses == ["127.3.1.4"], group
written = dns.record_sets.get("rg", "privatelink.blob.core.windows.net", "A", "sdkacct")
assert written.a_records[0].ipv4_address == "127.3.1.4", written
network.private_endpoints.begin_delete("rg", "pe").result()
print("done")
