//! Names of services that no declared resource has: others may know them, unless the lab is a closed one.

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType::A;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};

use crate::support::show;
use crate::world::World;

const LINKED: &str = "127.1.0.4";
const UNLINKED: &str = "127.2.0.4";
const OUTSIDE: &str = "127.0.0.1";

const WORLD: &str = r#"
[[virtual_network]]
name = "linked"
address_space = ["10.1.0.0/16"]
client_prefixes = ["127.1.0.0/16"]

[[virtual_network]]
name = "unlinked"
address_space = ["10.2.0.0/16"]
client_prefixes = ["127.2.0.0/16"]

[[private_link_resource]]
type = "Microsoft.Storage/storageAccounts"
name = "mine"
region = "westeurope"

[[private_endpoint]]
name = "pe"
virtual_network = "linked"
private_link_resource = "mine"
group_id = "blob"
private_dns_zone_group = ["privatelink.blob.core.windows.net"]

[[private_dns_zone]]
name = "privatelink.blob.core.windows.net"
virtual_network_links = [{ virtual_network = "linked", resolution_policy = "NxDomainRedirect" }]

[[private_dns_zone]]
name = "contoso.internal"
virtual_network_links = [{ virtual_network = "linked" }]

[[private_dns_zone.record_set]]
name = "files"
type = "CNAME"
records = ["theirs.blob.core.windows.net"]

[[private_link_service]]
name = "pls"
region = "eastus"
alias = "pls.11112222-3333-4444-5555-666677778888.eastus.azure.privatelinkservice"
"#;

/// INFO-CODE and EXTRA-TEXT of the Extended DNS Error (RFC 8914 §2).
fn extended_error(message: &Message) -> Option<(u16, String)> {
    let option = message.edns.as_ref()?.option(EdnsCode::Unknown(15))?.clone();
    let EdnsOption::Unknown(_, octets) = option else { return None };
    let (code, text) = octets.split_at(2);
    Some((u16::from_be_bytes(code.try_into().unwrap()), String::from_utf8(text.to_vec()).unwrap()))
}

/// RFC 8914 §4.21 gives 20, Not Authoritative, to REFUSED for a name that the server is no authority for.
fn not_known_here() -> Option<(u16, String)> {
    Some((20, "not known here".to_owned()))
}

#[test]
fn a_name_that_nobody_declared_is_refused_with_a_reason() {
    let world = World::serve(WORLD);
    for from in [LINKED, UNLINKED, OUTSIDE] {
        let answer = world.ask(from, "theirs.blob.core.windows.net", A);
        assert_eq!(show(&answer), ["Refused"]);
        assert_eq!(extended_error(&answer), not_known_here());
        // What is declared is answered as ever, and a zone of this name alone is not touched.
        let mine = world.ask(from, "mine.blob.core.windows.net", A);
        assert!(show(&mine)[0].starts_with("NoError"));
        assert_eq!(extended_error(&mine), None);
        let elsewhere = world.ask(from, "www.example.com", A);
        assert_eq!((show(&elsewhere), extended_error(&elsewhere)), (vec!["Refused".to_owned()], None));
    }
}

#[test]
fn an_alias_that_leads_to_such_a_name_ends_there() {
    let world = World::serve(WORLD);
    let answer = world.ask(LINKED, "files.contoso.internal", A);
    let alias = "answer: files.contoso.internal. 3600 IN CNAME theirs.blob.core.windows.net.";
    assert_eq!(show(&answer), ["NoError aa", alias]);
    assert_eq!(extended_error(&answer), not_known_here());
}

/// Where public DNS as far as it is known here has no word, that of the private zone counts.
#[test]
fn a_link_that_falls_back_finds_the_private_nxdomain() {
    let world = World::serve(WORLD);
    let soa = "authority: privatelink.blob.core.windows.net. 10 IN SOA azureprivatedns.net. \
               azureprivatedns-host.microsoft.com. 1 3600 300 2419200 10";
    world.check(LINKED, "theirs.privatelink.blob.core.windows.net", A, &["NXDomain aa", soa]);
}

#[test]
fn a_closed_lab_says_that_the_name_does_not_exist() {
    let mut world = World::serve(WORLD);
    world.change(&format!("unknown_names = \"NXDOMAIN\"\n{WORLD}"));
    let soa = "authority: blob.core.windows.net. 300 IN SOA ns1-01.azure-dns.com. \
               azuredns-hostmaster.microsoft.com. 1 3600 300 2419200 300";
    for from in [LINKED, UNLINKED, OUTSIDE] {
        world.check(from, "theirs.blob.core.windows.net", A, &["NXDomain aa", soa]);
    }
    world.change(WORLD);
    world.check(OUTSIDE, "theirs.blob.core.windows.net", A, &["Refused"]);
}

/// No zone of the DNS has that top-level label, whoever is asked.
#[test]
fn the_alias_of_a_private_link_service_does_not_exist_all_the_same() {
    let world = World::serve(WORLD);
    let answer = world.ask(OUTSIDE, "pls.11112222-3333-4444-5555-666677778888.eastus.azure.privatelinkservice", A);
    assert_eq!(show(&answer)[0], "NXDomain aa");
}
