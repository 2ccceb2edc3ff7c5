//! Types of services that a configuration declares, in the data form of the catalogue.

use hickory_proto::rr::RecordType::A;

use crate::world::World;

const LINKED: &str = "127.1.0.4";
const UNLINKED: &str = "127.2.0.4";

const NETWORKS: &str = r#"
[[virtual_network]]
name = "linked"
address_space = ["10.1.0.0/16"]
client_prefixes = ["127.1.0.0/16"]

[[virtual_network]]
name = "unlinked"
address_space = ["10.2.0.0/16"]
client_prefixes = ["127.2.0.0/16"]
"#;

/// A service that the catalogue lacks, with an element for each region, a made-up label, a chain and a wildcard.
const TYPE: &str = r#"
[[private_link_service_type]]
type = "Contoso.Search/clusters"
group_id = "cluster"
defaults = { shard = "s{number}" }
lists.regions = { include = "{region}" }

[[private_link_service_type.member]]
name = "cluster"
public_zone = "es.contoso.example"
private_zone = "privatelink.es.contoso.example"
record_name = "{name}{-tenant}"
public_chain = [{ host = "{region}.edge.contoso.example", ttl = 30 }]
alias_ttl = 120
address_ttl = 15

[[private_link_service_type.member]]
name = "nodes_{each}"
each = "regions"
public_zone = "es.contoso.example"
private_zone = "privatelink.es.contoso.example"
record_name = "*.{name}.{each}"
"#;

const RESOURCE: &str = r#"
[[private_link_resource]]
type = "Contoso.Search/clusters"
name = "shop"
region = "westeurope"
name_parts = { tenant = "a1" }
name_lists = { regions = ["northeurope"] }
public_ip_addresses = { cluster = ["192.0.2.7"], nodes_northeurope = ["192.0.2.8"] }

[[private_endpoint]]
name = "pe-shop"
virtual_network = "linked"
private_link_resource = "shop"
group_id = "cluster"
ip_configurations = { cluster = "10.1.0.7", nodes_westeurope = "10.1.0.8", nodes_northeurope = "10.1.0.9" }
private_dns_zone_group = ["privatelink.es.contoso.example"]

[[private_dns_zone]]
name = "privatelink.es.contoso.example"
virtual_network_links = [{ virtual_network = "linked" }]
"#;

#[test]
fn a_declared_type_has_names_zones_members_and_a_chain() {
    let world = World::serve(&[NETWORKS, TYPE, RESOURCE].concat());
    let step = "answer: shop-a1.es.contoso.example. 120 IN CNAME shop-a1.privatelink.es.contoso.example.";
    let private = "answer: shop-a1.privatelink.es.contoso.example. 10 IN A 10.1.0.7";
    world.check(LINKED, "shop-a1.es.contoso.example", A, &["NoError aa", step, private]);
    let chain = "answer: shop-a1.privatelink.es.contoso.example. 30 IN CNAME westeurope.edge.contoso.example.";
    let public = "answer: westeurope.edge.contoso.example. 15 IN A 192.0.2.7";
    world.check(UNLINKED, "shop-a1.es.contoso.example", A, &["NoError aa", step, chain, public]);
    // The resource's own region is in the list without being said.
    for (region, address) in [("westeurope", "10.1.0.8"), ("northeurope", "10.1.0.9")] {
        let name = format!("n1.shop.{region}.privatelink.es.contoso.example");
        let private = format!("answer: {name}. 10 IN A {address}");
        world.check(LINKED, &name, A, &["NoError aa", &private]);
    }
}

/// What a person knows better than the catalogue: the group ID that a document prints for Azure Maps, with another zone.
#[test]
fn a_declared_type_takes_the_place_of_the_catalogues() {
    let key_vault = r#"
[[private_link_service_type]]
type = "Microsoft.KeyVault/vaults"
group_id = "vault"

[[private_link_service_type.member]]
name = "vault"
public_zone = "vault.lab.example"
private_zone = "privatelink.vault.lab.example"
record_name = "{name}"

[[private_link_resource]]
type = "Microsoft.KeyVault/vaults"
name = "keys"
region = "westeurope"
public_ip_addresses = { vault = ["192.0.2.9"] }
"#;
    let world = World::serve(&[NETWORKS, key_vault].concat());
    let public = "answer: keys.vault.lab.example. 60 IN A 192.0.2.9";
    world.check(UNLINKED, "keys.vault.lab.example", A, &["NoError aa", public]);
    world.check(UNLINKED, "keys.vault.azure.net", A, &["Refused"]);
}

/// The same form holds the services that Azure has and its table lacks.
#[test]
fn an_application_gateway_has_an_endpoint_and_no_record() {
    let gateway = r#"
[[private_link_resource]]
type = "Microsoft.Network/applicationGateways"
name = "gateway"
region = "westeurope"
name_parts = { host = "shop", zone = "contoso.example" }
name_lists = { frontends = ["frontend-private"] }

[[private_endpoint]]
name = "pe-gateway"
virtual_network = "linked"
private_link_resource = "gateway"
group_id = "frontend-private"

[[private_dns_zone]]
name = "contoso.example"
virtual_network_links = [{ virtual_network = "linked" }]

[[private_dns_zone.record_set]]
name = "shop"
type = "A"
records = ["10.1.0.4"]
"#;
    let world = World::serve(&[NETWORKS, gateway].concat());
    let record = "answer: shop.contoso.example. 3600 IN A 10.1.0.4";
    world.check(LINKED, "shop.contoso.example", A, &["NoError aa", record]);
}
