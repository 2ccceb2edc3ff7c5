//! The body of each azurerm resource.

use serde_json::{Value, json};

use super::super::super::why_unknown;
use super::{GROUP, check_body, find, network, read, shown};

#[test]
fn record_sets_of_both_provider_versions_have_the_members_of_their_types() {
    let zone = network("privateDnsZones", "tailspin.internal");
    let record = |record_type: &str, name: &str, more: Value| {
        let mut values = json!({"id": format!("{zone}/{record_type}/{name}"), "name": name, "ttl": 60, "tags": null});
        values.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        (values, format!("{zone}/{record_type}/{name}"))
    };
    let old = json!({"zone_name": "tailspin.internal", "resource_group_name": "rg-tailspin"});
    let long = "a".repeat(300);
    let cases = [
        (
            "a",
            "A",
            json!({"records": ["10.7.0.4"], "private_dns_zone_id": zone}),
            json!({"aRecords": [{"ipv4Address": "10.7.0.4"}]}),
        ),
        ("aaaa", "AAAA", json!({"records": ["fd00::4"]}), json!({"aaaaRecords": [{"ipv6Address": "fd00::4"}]})),
        ("cname", "CNAME", json!({"record": "a.example"}), json!({"cnameRecord": {"cname": "a.example"}})),
        (
            "mx",
            "MX",
            json!({"record": [{"preference": 10, "exchange": "mx.example"}]}),
            json!({"mxRecords": [{"preference": 10, "exchange": "mx.example"}]}),
        ),
        ("ptr", "PTR", json!({"records": ["a.example"]}), json!({"ptrRecords": [{"ptrdname": "a.example"}]})),
        (
            "srv",
            "SRV",
            json!({"record": [{"priority": 1, "weight": 2, "port": 389, "target": "dc.example"}]}),
            json!({"srvRecords": [{"priority": 1, "weight": 2, "port": 389, "target": "dc.example"}]}),
        ),
        (
            "txt",
            "TXT",
            json!({"record": [{"value": "say \"hi\""}, {"value": long}], "tags": {"owner": "tailspin"}}),
            json!({
                "txtRecords": [{"value": ["say \"hi\""]}, {"value": ["a".repeat(254), "a".repeat(46)]}],
                "metadata": {"owner": "tailspin"},
            }),
        ),
    ];
    for (terraform, record_type, attributes, expected) in cases {
        let (mut values, id) = record(record_type, "www", attributes);
        values.as_object_mut().unwrap().extend(old.as_object().unwrap().clone());
        let read = read(&shown(&[(&format!("azurerm_private_dns_{terraform}_record"), "this", values)]));
        let mut expected = expected;
        expected["ttl"] = json!(60);
        check_body(&read, &id, &expected);
        assert_eq!(find(&read, &id).kind, format!("Microsoft.Network/privateDnsZones/{record_type}"));
    }
}

#[test]
fn a_zone_has_its_soa_record_set_and_a_link_its_policy() {
    let (zone, hub) = (network("privateDnsZones", "tailspin.internal"), network("virtualNetworks", "vnet-hub"));
    let soa = json!({
        "email": "dns.tailspin.example", "expire_time": 604_800, "host_name": "azureprivatedns.net", "minimum_ttl": 60,
        "refresh_time": 3600, "retry_time": 300, "serial_number": 1, "tags": {}, "ttl": 900, "fqdn": "tailspin.internal.",
    });
    let link = json!({
        "id": format!("{zone}/virtualNetworkLinks/hub"), "name": "hub", "virtual_network_id": hub,
        "registration_enabled": true, "resolution_policy": "NxDomainRedirect",
    });
    let read = read(&shown(&[
        ("azurerm_private_dns_zone", "this", json!({"id": zone, "name": "tailspin.internal", "soa_record": [soa]})),
        ("azurerm_private_dns_zone_virtual_network_link", "hub", link),
    ]));
    let expected = json!({
        "ttl": 900, "fqdn": "tailspin.internal.",
        "soaRecord": {
            "host": "azureprivatedns.net", "email": "dns.tailspin.example", "refreshTime": 3600, "retryTime": 300,
            "expireTime": 604_800, "minimumTtl": 60, "serialNumber": 1,
        },
    });
    check_body(&read, &format!("{zone}/SOA/@"), &expected);
    let expected =
        json!({"virtualNetwork": {"id": hub}, "registrationEnabled": true, "resolutionPolicy": "NxDomainRedirect"});
    check_body(&read, &format!("{zone}/virtualNetworkLinks/hub"), &expected);
}

fn endpoint(more: Value) -> Value {
    let mut values = json!({
        "id": network("privateEndpoints", "pe-vault"), "name": "pe-vault", "location": "westeurope",
        "resource_group_name": "rg-tailspin", "subnet_id": format!("{}/subnets/snet", network("virtualNetworks", "vnet-hub")),
        "network_interface": [{"id": network("networkInterfaces", "pe-vault.nic"), "name": "pe-vault.nic"}],
        "private_service_connection": [{
            "name": "c", "is_manual_connection": false, "private_connection_resource_alias": "",
            "private_connection_resource_id": format!("{GROUP}/providers/Microsoft.KeyVault/vaults/kv-tailspin"),
            "private_ip_address": "10.7.1.4", "request_message": "", "subresource_names": ["vault"],
        }],
    });
    values.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    values
}

#[test]
fn an_endpoint_has_its_zone_group_from_what_is_declared_and_from_what_azure_made() {
    let id = network("privateEndpoints", "pe-vault");
    let (vault, second) =
        (network("privateDnsZones", "privatelink.vaultcore.azure.net"), network("privateDnsZones", "b.example"));
    let group = format!("{id}/privateDnsZoneGroups/default");
    let config = json!({
        "id": format!("{group}/privateDnsZoneConfigs/vault"), "name": "vault", "private_dns_zone_id": vault,
        "record_sets": [{"name": "kv-tailspin", "type": "A", "fqdn": "kv-tailspin.privatelink.vaultcore.azure.net", "ttl": 10,
                         "ip_addresses": ["10.7.1.4"]}],
    });
    let made = json!({
        "name": "vault", "properties": {"privateDnsZoneId": vault, "recordSets": [{
            "recordSetName": "kv-tailspin", "recordType": "A", "fqdn": "kv-tailspin.privatelink.vaultcore.azure.net", "ttl": 10,
            "ipAddresses": ["10.7.1.4"],
        }]},
    });
    let declared = json!([{"id": group, "name": "default", "private_dns_zone_ids": [vault.to_uppercase(), second]}]);
    let read_both = read(&shown(&[(
        "azurerm_private_endpoint",
        "this",
        endpoint(json!({"private_dns_zone_group": declared, "private_dns_zone_configs": [config]})),
    )]));
    let later = json!({"name": "b.example", "properties": {"privateDnsZoneId": second}});
    check_body(&read_both, &group, &json!({"privateDnsZoneConfigs": [made, later]}));

    // A policy created the group; it is not in the configuration.
    let more = json!({"private_dns_zone_group": [], "private_dns_zone_configs": [config]});
    let read_made = read(&shown(&[("azurerm_private_endpoint", "this", endpoint(more))]));
    check_body(&read_made, &group, &json!({"privateDnsZoneConfigs": [made]}));
    // The record sets tell the address; what little is shown of the interface is not needed.
    assert!(read_made.resources.iter().all(|resource| !resource.kind.ends_with("networkInterfaces")));
}

#[test]
fn the_address_of_an_endpoint_without_records_is_its_interface_s() {
    let id = network("privateEndpoints", "pe-vault");
    let read = read(&shown(&[("azurerm_private_endpoint", "this", endpoint(json!({"private_dns_zone_group": []})))]));
    let interface = find(&read, &network("networkInterfaces", "pe-vault.nic"));
    assert_eq!(interface.properties["ipConfigurations"][0]["properties"]["privateIPAddress"], "10.7.1.4");
    assert_eq!(interface.properties["privateEndpoint"]["id"], id.as_str());
    let endpoint = &find(&read, &id).properties;
    assert_eq!(endpoint["networkInterfaces"], json!([{"id": network("networkInterfaces", "pe-vault.nic")}]));
    let connection = &endpoint["privateLinkServiceConnections"][0]["properties"];
    assert_eq!(connection["groupIds"], json!(["vault"]));
    assert_eq!(connection["privateLinkServiceConnectionState"]["status"], "Approved");
}

#[test]
fn whether_a_manual_connection_was_approved_is_told_by_its_names_alone() {
    let connection = json!([{"name": "c", "is_manual_connection": true, "private_connection_resource_alias": "svc.guid.westeurope.azure.privatelinkservice",
                             "private_connection_resource_id": "", "subresource_names": null}]);
    let status = |more: Value| {
        let mut values = endpoint(more);
        values["private_service_connection"] = connection.clone();
        let read = read(&shown(&[("azurerm_private_endpoint", "this", values)]));
        let manual =
            &find(&read, &network("privateEndpoints", "pe-vault")).properties["manualPrivateLinkServiceConnections"][0];
        assert_eq!(manual["properties"]["privateLinkServiceId"], "svc.guid.westeurope.azure.privatelinkservice");
        manual["properties"]["privateLinkServiceConnectionState"]["status"].clone()
    };
    assert!(why_unknown(&status(json!({}))).is_some());
    let named = json!({"custom_dns_configs": [{"fqdn": "kv-tailspin.vault.azure.net", "ip_addresses": ["10.7.1.4"]}]});
    assert_eq!(status(named), "Approved");
}

#[test]
fn a_static_address_is_of_the_member_or_else_of_the_group() {
    let configurations = json!([
        {"name": "a", "private_ip_address": "10.7.1.8", "subresource_name": "vault", "member_name": "default"},
        {"name": "b", "private_ip_address": "10.7.1.9", "subresource_name": "vault", "member_name": null},
    ]);
    let values = endpoint(json!({"ip_configuration": configurations}));
    let read = read(&shown(&[("azurerm_private_endpoint", "this", values)]));
    let expected = json!([
        {"name": "a", "properties": {"privateIPAddress": "10.7.1.8", "groupId": "vault", "memberName": "default"}},
        {"name": "b", "properties": {"privateIPAddress": "10.7.1.9", "groupId": "vault", "memberName": "vault"}},
    ]);
    assert_eq!(find(&read, &network("privateEndpoints", "pe-vault")).properties["ipConfigurations"], expected);
}

#[test]
fn networks_interfaces_and_machines() {
    let hub = network("virtualNetworks", "vnet-hub");
    let (nic, second) = (network("networkInterfaces", "nic-1"), network("networkInterfaces", "nic-2"));
    let machine = format!("{GROUP}/providers/Microsoft.Compute/virtualMachines/vm-1");
    let read = read(&shown(&[
        (
            "azurerm_virtual_network_dns_servers",
            "hub",
            json!({"id": format!("{hub}/dnsServers/default"), "virtual_network_id": hub, "dns_servers": ["10.7.0.4"]}),
        ),
        (
            "azurerm_virtual_network",
            "hub",
            json!({"id": hub, "location": "westeurope", "address_space": ["10.7.0.0/16"], "dns_servers": [],
                   "subnet": [{"id": format!("{hub}/subnets/a"), "name": "a", "address_prefix": "10.7.0.0/24"}]}),
        ),
        (
            "azurerm_subnet",
            "b",
            json!({"id": format!("{hub}/subnets/b"), "name": "b", "address_prefixes": ["10.7.1.0/24"]}),
        ),
        (
            "azurerm_network_interface",
            "this",
            json!({"id": nic, "dns_servers": ["10.7.0.5"], "virtual_machine_id": machine,
                   "ip_configuration": [{"name": "internal", "primary": true, "private_ip_address": "10.7.1.10",
                                         "private_ip_address_allocation": "Dynamic", "private_ip_address_version": "IPv4",
                                         "subnet_id": format!("{hub}/subnets/b")}]}),
        ),
        (
            "azurerm_linux_virtual_machine",
            "this",
            json!({"id": machine, "computer_name": "vm-1", "admin_password": "placeholder: never shown",
                   "network_interface_ids": [nic, second]}),
        ),
    ]));
    let expected = json!({
        "addressSpace": {"addressPrefixes": ["10.7.0.0/16"]},
        "dhcpOptions": {"dnsServers": ["10.7.0.4"]},
        "subnets": [{"id": format!("{hub}/subnets/a"), "name": "a", "properties": {"addressPrefixes": ["10.7.0.0/24"]}}],
    });
    check_body(&read, &hub, &expected);
    assert_eq!(find(&read, &hub).place.address, "azurerm_virtual_network.hub");
    check_body(&read, &format!("{hub}/subnets/b"), &json!({"addressPrefixes": ["10.7.1.0/24"]}));
    let expected = json!({
        "dnsSettings": {"dnsServers": ["10.7.0.5"]}, "virtualMachine": {"id": machine},
        "ipConfigurations": [{"name": "internal", "properties": {
            "primary": true, "privateIPAddress": "10.7.1.10", "privateIPAllocationMethod": "Dynamic",
            "privateIPAddressVersion": "IPv4", "subnet": {"id": format!("{hub}/subnets/b")},
        }}],
    });
    check_body(&read, &nic, &expected);
    let interfaces =
        json!([{"id": nic, "properties": {"primary": true}}, {"id": second, "properties": {"primary": false}}]);
    let expected = json!({"osProfile": {"computerName": "vm-1"}, "networkProfile": {"networkInterfaces": interfaces}});
    check_body(&read, &machine, &expected);
}

#[test]
fn resolvers_rulesets_scopes_and_managed_endpoints() {
    let hub = network("virtualNetworks", "vnet-hub");
    let (resolver, ruleset) = (network("dnsResolvers", "dnspr"), network("dnsForwardingRulesets", "rules"));
    let scope = format!("{GROUP}/providers/Microsoft.Insights/privateLinkScopes/ampls");
    let workspace = format!("{GROUP}/providers/Microsoft.OperationalInsights/workspaces/log");
    let grafana = format!("{GROUP}/providers/Microsoft.Dashboard/grafana/graf");
    let monitor = format!("{GROUP}/providers/Microsoft.Monitor/accounts/amw");
    let managed = json!({"id": format!("{grafana}/managedPrivateEndpoints/amw"), "name": "amw", "grafana_id": grafana,
                         "location": "westeurope", "group_ids": ["prometheusMetrics"], "private_link_resource_id": monitor,
                         "private_link_service_url": "", "private_link_resource_region": "westeurope"});
    let read = read(&shown(&[
        (
            "azurerm_private_dns_resolver",
            "this",
            json!({"id": resolver, "location": "westeurope", "virtual_network_id": hub}),
        ),
        (
            "azurerm_private_dns_resolver_inbound_endpoint",
            "this",
            json!({"id": format!("{resolver}/inboundEndpoints/in"),
                   "ip_configurations": [{"private_ip_address": "10.7.0.4", "private_ip_allocation_method": "Dynamic",
                                          "subnet_id": format!("{hub}/subnets/in")}]}),
        ),
        (
            "azurerm_private_dns_resolver_dns_forwarding_ruleset",
            "this",
            json!({"id": ruleset, "private_dns_resolver_outbound_endpoint_ids": [format!("{resolver}/outboundEndpoints/out")]}),
        ),
        (
            "azurerm_private_dns_resolver_forwarding_rule",
            "this",
            json!({"id": format!("{ruleset}/forwardingRules/onprem"), "domain_name": "onprem.example.", "enabled": false,
                   "target_dns_servers": [{"ip_address": "192.0.2.53", "port": 5353}]}),
        ),
        (
            "azurerm_private_dns_resolver_virtual_network_link",
            "this",
            json!({"id": format!("{ruleset}/virtualNetworkLinks/hub"), "virtual_network_id": hub}),
        ),
        (
            "azurerm_monitor_private_link_scoped_service",
            "log",
            json!({"id": format!("{scope}/scopedResources/log"), "linked_resource_id": workspace}),
        ),
        (
            "azurerm_log_analytics_workspace",
            "log",
            json!({"id": workspace, "location": "westeurope", "workspace_id": "guid", "primary_shared_key": "placeholder: never shown"}),
        ),
        ("azurerm_dashboard_grafana_managed_private_endpoint", "amw", managed),
        (
            "azurerm_monitor_workspace",
            "amw",
            json!({"id": monitor, "query_endpoint": "https://amw-abcd.westeurope.prometheus.monitor.azure.com"}),
        ),
    ]));
    check_body(&read, &resolver, &json!({"virtualNetwork": {"id": hub}}));
    let expected = json!({"ipConfigurations": [{"privateIpAddress": "10.7.0.4", "privateIpAllocationMethod": "Dynamic",
                                                "subnet": {"id": format!("{hub}/subnets/in")}}]});
    check_body(&read, &format!("{resolver}/inboundEndpoints/in"), &expected);
    let expected = json!({"dnsResolverOutboundEndpoints": [{"id": format!("{resolver}/outboundEndpoints/out")}]});
    check_body(&read, &ruleset, &expected);
    let expected = json!({"domainName": "onprem.example.", "forwardingRuleState": "Disabled",
                          "targetDnsServers": [{"ipAddress": "192.0.2.53", "port": 5353}]});
    check_body(&read, &format!("{ruleset}/forwardingRules/onprem"), &expected);
    check_body(&read, &format!("{ruleset}/virtualNetworkLinks/hub"), &json!({"virtualNetwork": {"id": hub}}));
    check_body(&read, &format!("{scope}/scopedResources/log"), &json!({"linkedResourceId": workspace}));
    check_body(&read, &workspace, &json!({"customerId": "guid"}));
    let expected = json!({"groupIds": ["prometheusMetrics"], "privateLinkResourceId": monitor, "privateLinkResourceRegion": "westeurope"});
    check_body(&read, &format!("{grafana}/managedPrivateEndpoints/amw"), &expected);
    let query = "https://amw-abcd.westeurope.prometheus.monitor.azure.com";
    check_body(&read, &monitor, &json!({"metrics": {"prometheusQueryEndpoint": query}}));
}
