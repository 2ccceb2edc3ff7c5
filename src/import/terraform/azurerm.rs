//! The azurerm provider: translates Terraform's types and attributes to Azure Resource Manager.

use serde_json::Value;

use super::super::Place;
use super::collected::{Collected, Said, Standing};
use super::instance::Instance;
use super::values::Values;
use super::{Translation, arm_id, dns, endpoint, network, resolver, service};

/// How to compose the ID of a resource that does not exist yet.
#[derive(Clone, Copy)]
pub(super) enum Identity {
    /// `name` in the resource group `resource_group_name`.
    InGroup(&'static str),
    /// A child of another resource, which is given by the first attribute (an ID) or the second (a name, with the type given and
    /// the resource group `resource_group_name`).
    Below {
        parent_id: &'static [&'static str],
        parent_name: Option<(&'static str, &'static str)>,
        parent: &'static str,
        segment: &'static str,
    },
}

/// A resource that affects DNS.
pub(super) struct Known {
    pub(super) terraform: &'static str,
    pub(super) identity: Identity,
    read: Reader,
}

impl Known {
    /// Whether the resource's name appears in DNS. The names of networks and endpoints only serve as references.
    pub(super) fn serves_its_name(&self) -> bool {
        let machine = matches!(self.identity, Identity::InGroup(MACHINE));
        machine || matches!(self.read, Reader::RecordSet(_) | Reader::Zone)
    }
}

/// The function that reads a resource's attributes.
#[derive(Clone, Copy)]
enum Reader {
    /// One resource.
    One(fn(Values<'_>) -> Said),
    RecordSet(&'static str),
    /// A zone with its SOA record set.
    Zone,
    /// A private endpoint with its zone group and network interface.
    Endpoint,
}

pub(super) const NETWORK: &str = "Microsoft.Network/virtualNetworks";
pub(super) const SUBNET: &str = "Microsoft.Network/virtualNetworks/subnets";
pub(super) const ZONE: &str = "Microsoft.Network/privateDnsZones";
pub(super) const INTERFACE: &str = "Microsoft.Network/networkInterfaces";
pub(super) const RESOLVER: &str = "Microsoft.Network/dnsResolvers";
pub(super) const OUTBOUND_ENDPOINT: &str = "Microsoft.Network/dnsResolvers/outboundEndpoints";
pub(super) const RULESET: &str = "Microsoft.Network/dnsForwardingRulesets";
pub(super) const SCOPE: &str = "Microsoft.Insights/privateLinkScopes";
pub(super) const GRAFANA: &str = "Microsoft.Dashboard/grafana";
const MACHINE: &str = "Microsoft.Compute/virtualMachines";

const fn below(
    parent_id: &'static [&'static str],
    parent_name: Option<(&'static str, &'static str)>,
    parent: &'static str,
    segment: &'static str,
) -> Identity {
    Identity::Below { parent_id, parent_name, parent, segment }
}

/// Pre-releases of azurerm 5 call this `private_zone_id`.
pub(super) const ZONE_ID: &[&str] = &["private_dns_zone_id", "private_zone_id"];

const fn record_set(terraform: &'static str, record_type: &'static str) -> Known {
    let identity = below(ZONE_ID, Some(("zone_name", ZONE)), ZONE, record_type);
    Known { terraform, identity, read: Reader::RecordSet(record_type) }
}

const fn one(terraform: &'static str, identity: Identity, read: fn(Values<'_>) -> Said) -> Known {
    Known { terraform, identity, read: Reader::One(read) }
}

const KNOWN: &[Known] = &[
    one("azurerm_virtual_network", Identity::InGroup(NETWORK), network::virtual_network),
    one(
        "azurerm_subnet",
        below(&["virtual_network_id"], Some(("virtual_network_name", NETWORK)), NETWORK, "subnets"),
        network::subnet,
    ),
    Known { terraform: "azurerm_private_dns_zone", identity: Identity::InGroup(ZONE), read: Reader::Zone },
    one(
        "azurerm_private_dns_zone_virtual_network_link",
        below(ZONE_ID, Some(("private_dns_zone_name", ZONE)), ZONE, "virtualNetworkLinks"),
        dns::link,
    ),
    record_set("azurerm_private_dns_a_record", "A"),
    record_set("azurerm_private_dns_aaaa_record", "AAAA"),
    record_set("azurerm_private_dns_cname_record", "CNAME"),
    record_set("azurerm_private_dns_mx_record", "MX"),
    record_set("azurerm_private_dns_ptr_record", "PTR"),
    record_set("azurerm_private_dns_soa_record", "SOA"),
    record_set("azurerm_private_dns_srv_record", "SRV"),
    record_set("azurerm_private_dns_txt_record", "TXT"),
    Known {
        terraform: "azurerm_private_endpoint",
        identity: Identity::InGroup("Microsoft.Network/privateEndpoints"),
        read: Reader::Endpoint,
    },
    one("azurerm_network_interface", Identity::InGroup(INTERFACE), network::network_interface),
    one("azurerm_linux_virtual_machine", Identity::InGroup(MACHINE), network::virtual_machine),
    one("azurerm_windows_virtual_machine", Identity::InGroup(MACHINE), network::virtual_machine),
    one("azurerm_virtual_machine", Identity::InGroup(MACHINE), network::virtual_machine),
    one(
        "azurerm_private_link_service",
        Identity::InGroup("Microsoft.Network/privateLinkServices"),
        network::private_link_service,
    ),
    one("azurerm_private_dns_resolver", Identity::InGroup(RESOLVER), network::resolver),
    one(
        "azurerm_private_dns_resolver_inbound_endpoint",
        below(&["private_dns_resolver_id"], None, RESOLVER, "inboundEndpoints"),
        resolver::inbound_endpoint,
    ),
    one(
        "azurerm_private_dns_resolver_outbound_endpoint",
        below(&["private_dns_resolver_id"], None, RESOLVER, "outboundEndpoints"),
        resolver::outbound_endpoint,
    ),
    one("azurerm_private_dns_resolver_dns_forwarding_ruleset", Identity::InGroup(RULESET), resolver::ruleset),
    one(
        "azurerm_private_dns_resolver_forwarding_rule",
        below(&["dns_forwarding_ruleset_id"], None, RULESET, "forwardingRules"),
        resolver::rule,
    ),
    one(
        "azurerm_private_dns_resolver_virtual_network_link",
        below(&["dns_forwarding_ruleset_id"], None, RULESET, "virtualNetworkLinks"),
        network::resolver,
    ),
    one("azurerm_monitor_private_link_scope", Identity::InGroup(SCOPE), network::private_link_scope),
    one(
        "azurerm_monitor_private_link_scoped_service",
        below(&[], Some(("scope_name", SCOPE)), SCOPE, "scopedResources"),
        network::scoped_service,
    ),
    one(
        "azurerm_dashboard_grafana_managed_private_endpoint",
        below(&["grafana_id"], None, GRAFANA, "managedPrivateEndpoints"),
        network::managed_private_endpoint,
    ),
    one(
        "azurerm_application_gateway",
        Identity::InGroup("Microsoft.Network/applicationGateways"),
        network::application_gateway,
    ),
];

/// How a type of azurerm is read.
pub(super) fn known(terraform: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.terraform == terraform)
}

/// How the ID of a type of azurerm is composed.
pub(super) fn identity(terraform: &str) -> Option<Identity> {
    let service = || service::of_terraform(terraform).map(|service| Identity::InGroup(service.arm));
    known(terraform).map(|known| known.identity).or_else(service)
}

/// Adds the resources that an instance describes.
pub(super) fn add(instance: &Instance<'_>, place: &Place, collected: &mut Collected) -> Translation {
    let values = instance.values();
    let standing = if instance.managed { Standing::Managed } else { Standing::Data };
    match instance.kind {
        "azurerm_virtual_network_dns_servers" => {
            return aside(values.get("virtual_network_id"), network::dns_servers(values), place, collected);
        }
        "azurerm_private_endpoint_connection" => {
            let Some(id) = values.get("id").text() else { return Translation::NotNeeded };
            endpoint::add_interface(id, values, place, collected);
            return Translation::Added;
        }
        "azurerm_resource_group_template_deployment"
        | "azurerm_subscription_template_deployment"
        | "azurerm_template_deployment" => {
            let why = "what its template deploys is not in the state: import the template too, or what `az` prints of the resources";
            return Translation::LeftOut(why.to_owned());
        }
        _ => {}
    }
    let (known, service) = (known(instance.kind), service::of_terraform(instance.kind));
    let id = values.get("id");
    let Some((id, kind)) = id.text().and_then(|id| Some((id, arm_id::kind(id)?))) else {
        return match (known.is_some() || service.is_some(), id.json()) {
            (false, _) => Translation::NotNeeded,
            (true, None) => Translation::LeftOut("it has no `id`".to_owned()),
            (true, Some(Value::String(_))) => Translation::LeftOut("its `id` is no ID of a resource".to_owned()),
            (true, Some(not_told)) => {
                let why = super::super::why_unknown(&not_told).unwrap_or("no text");
                Translation::LeftOut(match values.get("name").is_unknown() {
                    true => format!("its `name` is {why}"),
                    false => format!("its `id` is {why}, and nothing tells what it is made of"),
                })
            }
        };
    };
    if let Some(known) = known {
        let said = match known.read {
            Reader::One(read) => read(values),
            Reader::RecordSet(record_type) => dns::record_set(record_type, values),
            Reader::Zone => dns::zone(),
            Reader::Endpoint => endpoint::read(values),
        };
        collected.add(id, standing, said, place);
        match known.read {
            Reader::Zone => {
                if let Some(soa) = dns::soa(values) {
                    collected.add(&format!("{id}/SOA/@"), standing, soa, place);
                }
            }
            Reader::Endpoint => endpoint::add_parts(id, values, standing, place, collected),
            Reader::One(_) | Reader::RecordSet(_) => {}
        }
    } else if let Some(service) = service {
        service::add(id, service, values, standing, place, collected);
    } else if service::is_catalogued(&kind) {
        // Settings of a catalogue service, often under the service's own ID.
        let location = values.get("location").text().map(str::to_owned);
        let said = Said { location, properties: Value::Object(serde_json::Map::new()), ..Said::default() };
        collected.add(id, if instance.managed { Standing::Aside } else { Standing::Data }, said, place);
    } else {
        return Translation::NotNeeded;
    }
    Translation::Added
}

/// Adds what a resource says about another one.
fn aside(target: Values<'_>, said: Said, place: &Place, collected: &mut Collected) -> Translation {
    match target.text() {
        Some(id) if collected.add(id, Standing::Aside, said, place) => Translation::Added,
        _ => Translation::LeftOut("the resource that it is about is not known".to_owned()),
    }
}
