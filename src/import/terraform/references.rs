//! Attributes that hold IDs of other resources, with their types, and the defaults of attributes that are not set.

use super::azurerm;

/// An attribute that holds an ID, or a list of them.
pub(super) struct Reference {
    pub(super) terraform: &'static str,
    /// The blocks that it is nested in.
    pub(super) block: Option<&'static str>,
    pub(super) attribute: &'static str,
    pub(super) is_list: bool,
    /// Types that the ID may have; if empty, any but a network, subnet or zone.
    pub(super) kinds: &'static [&'static str],
}

const fn one(
    terraform: &'static str,
    block: Option<&'static str>,
    attribute: &'static str,
    kinds: &'static [&'static str],
) -> Reference {
    Reference { terraform, block, attribute, is_list: false, kinds }
}

const fn list(
    terraform: &'static str,
    block: Option<&'static str>,
    attribute: &'static str,
    kinds: &'static [&'static str],
) -> Reference {
    Reference { terraform, block, attribute, is_list: true, kinds }
}

const ANY: &[&str] = &[];
pub(super) const REFERENCES: &[Reference] = &[
    one("azurerm_private_dns_zone_virtual_network_link", None, "virtual_network_id", &[azurerm::NETWORK]),
    one("azurerm_private_endpoint", None, "subnet_id", &[azurerm::SUBNET]),
    one("azurerm_private_endpoint", Some("private_service_connection"), "private_connection_resource_id", ANY),
    list("azurerm_private_endpoint", Some("private_dns_zone_group"), "private_dns_zone_ids", &[azurerm::ZONE]),
    one("azurerm_network_interface", Some("ip_configuration"), "subnet_id", &[azurerm::SUBNET]),
    list("azurerm_linux_virtual_machine", None, "network_interface_ids", &[azurerm::INTERFACE]),
    list("azurerm_windows_virtual_machine", None, "network_interface_ids", &[azurerm::INTERFACE]),
    list("azurerm_virtual_machine", None, "network_interface_ids", &[azurerm::INTERFACE]),
    one("azurerm_virtual_machine", None, "primary_network_interface_id", &[azurerm::INTERFACE]),
    one("azurerm_virtual_network_dns_servers", None, "virtual_network_id", &[azurerm::NETWORK]),
    one("azurerm_private_dns_resolver", None, "virtual_network_id", &[azurerm::NETWORK]),
    one("azurerm_private_dns_resolver_inbound_endpoint", Some("ip_configurations"), "subnet_id", &[azurerm::SUBNET]),
    one("azurerm_private_dns_resolver_outbound_endpoint", None, "subnet_id", &[azurerm::SUBNET]),
    list(
        "azurerm_private_dns_resolver_dns_forwarding_ruleset",
        None,
        "private_dns_resolver_outbound_endpoint_ids",
        &[azurerm::OUTBOUND_ENDPOINT],
    ),
    one("azurerm_private_dns_resolver_virtual_network_link", None, "virtual_network_id", &[azurerm::NETWORK]),
    one("azurerm_monitor_private_link_scoped_service", None, "linked_resource_id", ANY),
    one("azurerm_dashboard_grafana_managed_private_endpoint", None, "private_link_resource_id", ANY),
    one("azurerm_postgresql_flexible_server", None, "delegated_subnet_id", &[azurerm::SUBNET]),
    one("azurerm_postgresql_flexible_server", None, "private_dns_zone_id", &[azurerm::ZONE]),
    one("azurerm_mysql_flexible_server", None, "delegated_subnet_id", &[azurerm::SUBNET]),
    one("azurerm_mysql_flexible_server", None, "private_dns_zone_id", &[azurerm::ZONE]),
    one("azurerm_container_app_environment", None, "infrastructure_subnet_id", &[azurerm::SUBNET]),
    one("azurerm_kubernetes_cluster", None, "private_dns_zone_id", &[azurerm::ZONE]),
];

/// The end of a path in a body of azapi, and the types that an ID there may have.
pub(super) const BODY_REFERENCES: &[(&[&str], &[&str])] = &[
    (&["virtualNetwork", "id"], &[azurerm::NETWORK]),
    (&["subnet", "id"], &[azurerm::SUBNET]),
    (&["privateDnsZoneId"], &[azurerm::ZONE]),
    (&["privateLinkServiceId"], ANY),
    (&["linkedResourceId"], ANY),
    (&["privateLinkResourceId"], ANY),
    (&["networkInterfaces", "id"], &[azurerm::INTERFACE]),
    (&["dnsResolverOutboundEndpoints", "id"], &[azurerm::OUTBOUND_ENDPOINT]),
];

/// The default of an attribute of a new resource; an empty list if there is no text.
pub(super) const DEFAULTS: &[(&str, &str, Option<&str>)] = &[
    ("azurerm_virtual_network", "dns_servers", None),
    ("azurerm_network_interface", "dns_servers", None),
    ("azurerm_private_dns_zone_virtual_network_link", "resolution_policy", Some("Default")),
];
