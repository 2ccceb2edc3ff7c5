//! DNS resolvers, rulesets and policies: what is sent and answered in azure-cli's recordings of `dns-resolver`
//! (`test_dns_resolver_rule_crud`, `test_dns_security_rule_crud`), and what DNS makes of it.

use serde_json::{Value, json};

use super::{Lab, declared_network, in_group};
use crate::config::ManagementMode::{Azure, Fast};

const RESOLVER: &str = "Microsoft.Network/dnsResolvers/r";

fn resolver() -> String {
    in_group(RESOLVER)
}

fn inbound() -> String {
    format!("{}/inboundEndpoints/in", resolver())
}

fn outbound() -> String {
    format!("{}/outboundEndpoints/out", resolver())
}

fn ruleset() -> String {
    in_group("Microsoft.Network/dnsForwardingRulesets/rules")
}

fn subnet(name: &str) -> String {
    in_group(&format!("Microsoft.Network/virtualNetworks/v/subnets/{name}"))
}

fn of_network(id: &str) -> Value {
    json!({"location": "westeurope", "properties": {"virtualNetwork": {"id": id}}})
}

fn rule(domain: &str, target: &str, state: &str) -> Value {
    json!({"properties": {"domainName": domain, "forwardingRuleState": state, "metadata": {"k": "v"},
                          "targetDnsServers": [{"ipAddress": target, "port": 53}]}})
}

async fn with_ruleset(lab: &Lab) {
    lab.write(&resolver(), of_network(&in_group("Microsoft.Network/virtualNetworks/v"))).await;
    let configuration = json!({"privateIpAllocationMethod": "Dynamic", "subnet": {"id": subnet("one")}});
    let endpoint = json!({"location": "westeurope", "properties": {"ipConfigurations": [configuration]}});
    lab.write(&inbound(), endpoint).await;
    lab.write(&outbound(), json!({"location": "westeurope", "properties": {"subnet": {"id": subnet("two")}}})).await;
    let rules = json!({"location": "westeurope", "properties": {"dnsResolverOutboundEndpoints": [{"id": outbound()}]}});
    lab.write(&ruleset(), rules).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_leads_to_an_inbound_endpoint_and_is_gone_with_its_ruleset() {
    let lab = Lab::with_network(Fast).await;
    with_ruleset(&lab).await;
    let endpoint = lab.get(&inbound()).await.body;
    assert_eq!(endpoint["properties"]["ipConfigurations"][0]["privateIpAddress"], "10.5.1.4", "{endpoint}");
    // The spoke's clients are not linked to the zone: a rule sends them to the endpoint, which answers as its network does.
    assert_eq!(lab.dig(Some("spoke"), "web.corp.test", "A").0, "REFUSED");
    let corp = format!("{}/forwardingRules/corp", ruleset());
    let put = lab.put(&corp, rule("corp.test.", "10.5.1.4", "Enabled")).await;
    assert_eq!(put.status, 201, "{put:?}");
    assert_eq!(put.body["properties"]["metadata"], json!({"k": "v"}));
    assert_eq!(lab.dig(Some("spoke"), "web.corp.test", "A").0, "REFUSED", "the ruleset is not linked yet");
    let link = format!("{}/virtualNetworkLinks/spoke", ruleset());
    lab.write(&link, json!({"properties": {"virtualNetwork": {"id": declared_network("spoke")}}})).await;
    let found = ("NOERROR".to_owned(), vec!["10.5.9.9".to_owned()]);
    assert_eq!(lab.dig(Some("spoke"), "web.corp.test", "A"), found);
    assert_eq!(lab.dig(Some("hub"), "web.corp.test", "A").0, "REFUSED");
    let listed = lab.post(&format!("{}/listDnsForwardingRulesets", declared_network("spoke")), json!({})).await.body;
    assert_eq!(listed["value"][0]["id"], ruleset());
    assert_eq!(listed["value"][0]["properties"]["virtualNetworkLink"]["id"], link);
    let listed = lab.post(&in_group("Microsoft.Network/virtualNetworks/v/listDnsResolvers"), json!({})).await.body;
    assert_eq!(listed, json!({"value": [{"id": resolver()}]}));
    assert_eq!(lab.restarted().dig(Some("spoke"), "web.corp.test", "A"), found);
    assert_eq!(lab.put(&corp, rule("corp.test.", "10.5.1.4", "Disabled")).await.status, 200);
    assert_eq!(lab.dig(Some("spoke"), "web.corp.test", "A").0, "REFUSED");
    assert_eq!(lab.put(&corp, rule("corp.test.", "10.5.1.4", "Enabled")).await.status, 200);
    // What is in use stays, and what goes takes along what is within it.
    lab.refused("DELETE", &resolver(), json!({}), (409, "CannotDeleteResource")).await;
    lab.refused("DELETE", &outbound(), json!({}), (409, "Conflict")).await;
    lab.refused("DELETE", &ruleset(), json!({}), (409, "CannotDeleteResource")).await;
    lab.refused("DELETE", &subnet("one"), json!({}), (400, "InUseSubnetCannotBeDeleted")).await;
    lab.refused("DELETE", &subnet("two"), json!({}), (400, "InUseSubnetCannotBeDeleted")).await;
    assert_eq!(lab.delete(&link).await.status, 200);
    assert_eq!(lab.dig(Some("spoke"), "web.corp.test", "A").0, "REFUSED");
    assert_eq!(lab.delete(&ruleset()).await.status, 200);
    assert_eq!(lab.get(&corp).await.status, 404, "its rules are gone with it");
    for path in [outbound(), inbound(), resolver()] {
        assert_eq!(lab.delete(&path).await.status, 200, "{path}");
    }
    assert_eq!(lab.delete(&subnet("one")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_takes_its_resolver_along() {
    let lab = Lab::with_network(Fast).await;
    with_ruleset(&lab).await;
    assert_eq!(lab.delete(&super::group()).await.status, 200);
    let left = lab.writer.look(|view| view.world().topology().all_inbound_endpoints().len()).unwrap();
    assert_eq!(left, 0);
    assert_eq!(lab.restarted().get(&inbound()).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_of_a_resolver_is_refused() {
    let lab = Lab::with_network(Fast).await;
    with_ruleset(&lab).await;
    let own = in_group("Microsoft.Network/virtualNetworks/v");
    let bad = (400, "BadRequest");
    let second = in_group("Microsoft.Network/dnsResolvers/second");
    lab.refused("PUT", &second, of_network(&own), bad).await;
    lab.refused("PUT", &second, of_network(&declared_network("nowhere")), bad).await;
    lab.refused("PUT", &resolver(), of_network(&declared_network("hub")), bad).await;
    lab.refused("PUT", &second, json!({"properties": {"virtualNetwork": {"id": own}}}), (400, "LocationRequired"))
        .await;
    let endpoint = |subnet: &str, method: &str, address: &str| {
        json!({"location": "westeurope", "properties": {"ipConfigurations": [
            {"privateIpAllocationMethod": method, "subnet": {"id": subnet}, "privateIpAddress": address}]}})
    };
    let other = format!("{}/inboundEndpoints/other", resolver());
    let elsewhere = format!("{}/subnets/s", declared_network("hub"));
    for (subnet, method, address) in [
        (elsewhere, "Dynamic", ""),
        (subnet("none"), "Dynamic", ""),
        (subnet("one"), "Static", ""),
        (subnet("one"), "Static", "10.5.2.9"),
        (subnet("one"), "Perhaps", ""),
    ] {
        lab.refused("PUT", &other, endpoint(&subnet, method, address), bad).await;
    }
    let taken = endpoint(&subnet("one"), "Static", "10.5.1.4");
    lab.refused("PUT", &other, taken, (400, "PrivateIPAddressIsAllocated")).await;
    for number in 1..5 {
        let path = format!("{}/inboundEndpoints/in{number}", resolver());
        let made = lab.write(&path, endpoint(&subnet("one"), "Static", &format!("10.5.1.{}", 100 + number))).await;
        assert_eq!(made["properties"]["ipConfigurations"][0]["privateIpAllocationMethod"], "Static");
    }
    lab.refused("PUT", &other, endpoint(&subnet("one"), "Dynamic", ""), bad).await;
    let rule_path = format!("{}/forwardingRules/x", ruleset());
    let seven: Vec<_> = (1..=7).map(|last| json!({"ipAddress": format!("192.0.2.{last}"), "port": 53})).collect();
    for body in [
        rule("corp.test", "192.0.2.1", "Enabled"),
        rule("a..b.", "192.0.2.1", "Enabled"),
        rule("corp.test.", "168.63.129.16", "Enabled"),
        rule("corp.test.", "x", "Enabled"),
        rule("corp.test.", "192.0.2.1", "Perhaps"),
        json!({"properties": {"domainName": "corp.test.", "targetDnsServers": []}}),
        json!({"properties": {"domainName": "corp.test.", "targetDnsServers": seven}}),
    ] {
        lab.refused("PUT", &rule_path, body, bad).await;
    }
    lab.write(&rule_path, rule("corp.test.", "192.0.2.1", "Enabled")).await;
    lab.refused("PUT", &rule_path, rule("other.test.", "192.0.2.1", "Enabled"), bad).await;
    let twice = format!("{}/forwardingRules/y", ruleset());
    lab.refused("PUT", &twice, rule("CORP.test.", "192.0.2.1", "Enabled"), bad).await;
    // A rule without a port is as Terraform sends it: 0 comes back, and 53 is meant.
    let body = json!({"properties": {"domainName": "port.test.", "targetDnsServers": [{"ipAddress": "192.0.2.1", "port": 0}]}});
    let got = lab.write(&twice, body).await;
    assert_eq!(got["properties"]["targetDnsServers"], json!([{"ipAddress": "192.0.2.1", "port": 0}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_blocks_what_its_lists_name() {
    let lab = Lab::with_network(Fast).await;
    let policy = in_group("Microsoft.Network/dnsResolverPolicies/p");
    let list = in_group("Microsoft.Network/dnsResolverDomainLists/d");
    let rule_path = format!("{policy}/dnsSecurityRules/r");
    let link = format!("{policy}/virtualNetworkLinks/l");
    lab.write(&policy, json!({"location": "westeurope"})).await;
    let domains = |domains: &[&str]| json!({"location": "westeurope", "properties": {"domains": domains}});
    let by_url = json!({"location": "westeurope", "properties": {"domainsUrl": "https://a.blob.core.windows.net/b/c"}});
    lab.refused("PUT", &list, by_url, (400, "BadRequest")).await;
    lab.write(&list, domains(&["other.test."])).await;
    let rule = |state: &str| {
        json!({"location": "westeurope", "properties": {
            "priority": 100, "action": {"actionType": "Block"}, "dnsResolverDomainLists": [{"id": list}],
            "dnsSecurityRuleState": state,
        }})
    };
    let got = lab.write(&rule_path, rule("Enabled")).await;
    assert_eq!(got["properties"]["managedDomainLists"], json!([]), "as in the recording");
    assert!(got["etag"].as_str().unwrap().starts_with('"'), "with quotes within the string: {got}");
    lab.write(&link, of_network(&in_group("Microsoft.Network/virtualNetworks/v"))).await;
    let web = |lab: &Lab| lab.dig(Some("v"), "web.corp.test", "A");
    let found = ("NOERROR".to_owned(), vec!["10.5.9.9".to_owned()]);
    let blocked = ("NOERROR".to_owned(), Vec::new());
    assert_eq!(web(&lab), found);
    lab.write(&list, domains(&["other.test.", "corp.test."])).await;
    assert_eq!(web(&lab), blocked, "a list that changes changes the policies that name it");
    assert_eq!(web(&lab.restarted()), web(&lab));
    lab.write(&rule_path, rule("Disabled")).await;
    assert_eq!(web(&lab), found);
    lab.write(&rule_path, rule("Enabled")).await;
    lab.refused("DELETE", &list, json!({}), (409, "Conflict")).await;
    lab.refused("DELETE", &policy, json!({}), (409, "CannotDeleteResource")).await;
    let mut bad = rule("Enabled");
    bad["properties"]["priority"] = json!(99);
    lab.refused("PUT", &rule_path, bad, (400, "BadRequest")).await;
    let patched = json!({"properties": {"dnsSecurityRuleState": "Disabled"}, "tags": {"key": "value2"}});
    let patched = lab.ask("PATCH", &format!("{rule_path}?api-version=2025-05-01"), &[], Some(&patched)).await;
    assert_eq!((patched.status.as_u16(), &patched.body["tags"]["key"]), (200, &json!("value2")), "{patched:?}");
    assert_eq!(patched.body["properties"]["priority"], 100);
    assert_eq!(web(&lab), found);
    assert_eq!(lab.delete(&rule_path).await.status, 200);
    for path in [list, link, policy] {
        assert_eq!(lab.delete(&path).await.status, 200, "{path}");
    }
}

/// Status, headers and bodies of the operations as they were recorded.
#[tokio::test(flavor = "multi_thread")]
async fn operations_of_resolvers_are_as_recorded() {
    let lab = Lab::with_network(Azure).await;
    lab.finish_operations();
    let made = lab.put(&resolver(), of_network(&in_group("Microsoft.Network/virtualNetworks/v"))).await;
    assert_eq!((made.status.as_u16(), &made.body), (202, &json!({})));
    let of = |header: &str| made.header(header).unwrap().strip_prefix("https://127.0.0.1:8443").unwrap().to_owned();
    let (status, result) = (of("azure-asyncoperation"), of("location"));
    let locations = in_group("Microsoft.Network/locations/westeurope");
    assert!(status.starts_with(&format!("{locations}/dnsResolverOperationStatuses/")), "{status}");
    assert!(result.starts_with(&format!("{locations}/dnsResolverOperationResults/")), "{result}");
    let pending = lab.ask("GET", &status, &[], None).await;
    assert_eq!((pending.status.as_u16(), &pending.body["status"]), (200, &json!("InProgress")));
    lab.finish_operations();
    let done = lab.ask("GET", &status, &[], None).await;
    assert_eq!((done.status.as_u16(), &done.body["status"]), (200, &json!("Succeeded")));
    let got = lab.get(&resolver()).await.body;
    assert_eq!(got["properties"]["dnsResolverState"], "Connected");
    assert!(got["etag"].as_str().unwrap().starts_with('"'), "{got}");
    let policy = in_group("Microsoft.Network/dnsResolverPolicies/p");
    let made = lab.put(&policy, json!({"location": "westus2"})).await;
    assert_eq!((made.status.as_u16(), &made.body["name"]), (201, &json!("p")));
    let status = made.header("azure-asyncoperation").unwrap();
    assert!(status.contains("/locations/westus2/dnsResolverPolicyOperationStatuses/"), "{status}");
    lab.finish_operations();
    let deleted = lab.delete(&policy).await;
    assert_eq!(deleted.status, 202, "{deleted:?}");
    assert!(deleted.header("location").unwrap().contains("/dnsResolverPolicyOperationResults/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_halves_of_a_peering_make_it_connected() {
    let lab = Lab::with_network(Fast).await;
    let own = in_group("Microsoft.Network/virtualNetworks/v");
    let remote = in_group("Microsoft.Network/virtualNetworks/w");
    let network =
        |prefix: &str| json!({"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": [prefix]}}});
    lab.write(&remote, network("10.6.0.0/16")).await;
    let to = |id: &str| json!({"properties": {"remoteVirtualNetwork": {"id": id}, "allowVirtualNetworkAccess": true}});
    let (there, back) = (format!("{own}/virtualNetworkPeerings/w"), format!("{remote}/virtualNetworkPeerings/v"));
    let query = "api-version=2025-01-01&syncRemoteAddressSpace=true";
    let put = lab.ask("PUT", &format!("{there}?{query}"), &[], Some(&to(&remote))).await;
    assert_eq!((put.status.as_u16(), &put.body["properties"]["peeringState"]), (201, &json!("Initiated")), "{put:?}");
    lab.write(&back, to(&own)).await;
    for path in [&there, &back] {
        let got = lab.get(path).await.body;
        assert_eq!(got["properties"]["peeringState"], "Connected");
    }
    let shown = lab.get(&own).await.body;
    assert_eq!(shown["properties"]["virtualNetworkPeerings"][0]["id"], there);
    assert_eq!(lab.dig(Some("w"), "web.corp.test", "A").0, "REFUSED", "links do not follow peerings");
    // A network that is sent back as it was shown keeps its peerings; without them in the list they go.
    let mut body = shown.clone();
    lab.write(&own, body.clone()).await;
    assert_eq!(lab.get(&there).await.body["properties"]["peeringState"], "Connected");
    body["properties"]["virtualNetworkPeerings"] = json!([]);
    lab.write(&own, body).await;
    assert_eq!(lab.get(&there).await.status, 404);
    assert_eq!(lab.get(&back).await.body["properties"]["peeringState"], "Disconnected");
    lab.refused("PUT", &there, to(&own), (400, "RemotePeeringIsSelf")).await;
    lab.refused("PUT", &there, to(&declared_network("nowhere")), (400, "InvalidResourceReference")).await;
    let overlapping = in_group("Microsoft.Network/virtualNetworks/x");
    lab.write(&overlapping, network("10.5.7.0/24")).await;
    lab.refused("PUT", &there, to(&overlapping), (400, "VnetAddressSpacesOverlap")).await;
}
