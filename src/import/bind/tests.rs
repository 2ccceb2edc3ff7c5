//! Configurations of BIND, with the answers of its own manual.

use serde_json::json;

use super::*;

fn read_text(text: &str) -> Read {
    assert!(is_configuration(text), "{text}");
    read(&"named.all".into(), text, &Options::default()).expect("a configuration")
}

/// What a view's network has, by the view's name.
fn spaces(read: &Read) -> Vec<(String, Vec<String>)> {
    let networks = read.resources.iter().filter(|resource| resource.kind.ends_with("/virtualNetworks"));
    let space = |resource: &Resource| {
        let prefixes = resource.extra["clientPrefixes"].as_array().cloned().unwrap_or_default();
        prefixes.iter().filter_map(|prefix| prefix.as_str().map(str::to_owned)).collect()
    };
    networks.map(|r| (r.id.rsplit('/').next().unwrap_or_default().to_owned(), space(r))).collect()
}

const VIEWS: &str = r#"
acl "spokes" { 10.1.0.0/16; !10.2.128.0/17; 10.2/16; };
options { directory "/etc/bind"; forwarders { 10.0.0.4; 10.0.0.5 port 5353; }; };
view "spoke" {
	match-clients { key "k"; "spokes"; fd00:10::/32; };
	zone "corp.example" { type master; file "db.corp"; };
	zone "shared.example" IN { type primary; file "/srv/db.shared"; };
	zone "ahead.example" { type forward; forward only; forwarders { 10.9.0.4; }; };
	zone "copy.example" { type slave; file "db.copy"; masters { 10.0.0.9; }; };
};
view "hub" {
	match-clients { 10.0.0.0/16; 10.1.9.0/24; };
	zone "corp.example" { type master; file "db.corp.hub"; };
	zone "shared.example" { in-view "spoke"; };
	zone "." { type hint; file "root"; };
};
key "k" { algorithm "hmac-sha256"; secret "????????"; };
"#;

#[test]
fn views_are_networks_and_zones_are_linked_to_them() {
    let read = read_text(VIEWS);
    assert_eq!(
        spaces(&read),
        [
            ("spoke".to_owned(), vec!["10.1.0.0/16".to_owned(), "10.2.0.0/17".to_owned(), "fd00:10::/32".to_owned()]),
            // The first view takes 10.1.9.0/24.
            ("hub".to_owned(), vec!["10.0.0.0/16".to_owned()]),
        ]
    );
    let short = |id: &str| {
        id.replace("/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/", "")
            .replace("providers/Microsoft.Network/", "")
    };
    let others = read.resources.iter().filter(|resource| !resource.kind.ends_with("/virtualNetworks"));
    let made: Vec<_> = others
        .map(|r| format!("{} {}", short(&r.id), r.extra.get("file").map_or("", |f| f.as_str().unwrap_or(""))))
        .collect();
    assert_eq!(
        made,
        [
            "spoke/privateDnsZones/corp.example /etc/bind/db.corp",
            "spoke/privateDnsZones/corp.example/virtualNetworkLinks/spoke ",
            "spoke/privateDnsZones/shared.example /srv/db.shared",
            "spoke/privateDnsZones/shared.example/virtualNetworkLinks/spoke ",
            "spoke/dnsForwardingRulesets/spoke ",
            "spoke/dnsForwardingRulesets/spoke/virtualNetworkLinks/spoke ",
            "spoke/dnsForwardingRulesets/spoke/forwardingRules/rule-0 ",
            "spoke/dnsForwardingRulesets/spoke/forwardingRules/rule-1 ",
            "hub/privateDnsZones/corp.example /etc/bind/db.corp.hub",
            "hub/privateDnsZones/corp.example/virtualNetworkLinks/hub ",
            "spoke/privateDnsZones/shared.example/virtualNetworkLinks/hub ",
            "hub/dnsForwardingRulesets/hub ",
            "hub/dnsForwardingRulesets/hub/virtualNetworkLinks/hub ",
            "hub/dnsForwardingRulesets/hub/forwardingRules/rule-0 ",
        ]
    );
    let rule = read.resources.iter().find(|r| r.id.ends_with("spoke/forwardingRules/rule-1")).expect("a rule");
    assert_eq!(
        rule.properties,
        json!({"domainName": ".", "forwardingRuleState": "Enabled",
               "targetDnsServers": [{"ipAddress": "10.0.0.4", "port": 53}, {"ipAddress": "10.0.0.5", "port": 5353}]})
    );
    let left_out: Vec<_> = read.left_out.iter().map(|left| format!("{} {}", left.place.address, left.what)).collect();
    assert_eq!(left_out, ["view \"spoke\" match-clients key", "view \"spoke\" zone \"copy.example\" zone"]);
    assert_eq!(read.passed_over.get("hint zones"), Some(&1));
}

#[test]
fn without_views_everybody_sees_the_zones() {
    let read =
        read_text("options { directory \"/etc/bind\"; };\nzone \"corp.example\" { type primary; file \"db\"; };\n");
    assert_eq!(spaces(&read), [("default".to_owned(), vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()])]);
}

#[test]
fn the_first_view_whose_list_takes_an_address_counts() {
    let of = |clients: &str| {
        let text =
            format!("view \"a\" {{ match-clients {{ {clients} }}; }};\nview \"b\" {{ match-clients {{ any; }}; }};");
        spaces(&read_text(&text)).into_iter().map(|(_, prefixes)| prefixes.join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(of("10.1.0.0/16;"), ["10.1.0.0/16", "0.0.0.0/0 ::/0"]);
    assert_eq!(of("!10.1.9.0/24; 10.1.0.0/16;"), ["10.1.0.0/16", "0.0.0.0/0 10.1.9.0/24 ::/0"]);
    assert_eq!(of("{ !10.1.9.0/24; 10.1.0.0/16; };"), ["10.1.0.0/16", "0.0.0.0/0 10.1.9.0/24 ::/0"]);
    // A list within a list that refuses an address does not decide about it.
    assert_eq!(of("{ !10.1.9.0/24; }; 10.1.0.0/16;"), ["10.1.0.0/16", "0.0.0.0/0 ::/0"]);
    assert_eq!(of("none;"), ["", "0.0.0.0/0 ::/0"]);
    assert_eq!(of("localhost;"), ["127.0.0.0/8 ::1/128", "0.0.0.0/0 ::/0"]);
    let hole = read_text("view \"a\" { match-clients { !10.0.0.64/26; 10.0.0.0/24; }; };");
    assert_eq!(spaces(&hole)[0].1.join(" "), "10.0.0.128/25 10.0.0.0/26");
}

#[test]
fn what_is_no_configuration_says_its_line() {
    for other in
        ["", "{}", "a = 1", "key = { a = 1 }", "[server]", "options", "zone: x", "resource \"x\" \"y\" {", "view }"]
    {
        assert!(!is_configuration(other), "{other}");
    }
    let says = |text: &str| read(&"x".into(), text, &Options::default()).expect_err(text).0;
    assert!(says("options {\n directory \"a;\n").contains("line 2: a string has no end"));
    assert!(says("options { }; }").contains("brace"));
    assert!(says("options {").contains("not closed"));
    assert!(says("/* x").contains("no end"));
    assert!(says(&"a {".repeat(1000)).contains("nested"));
    assert!(says("options { };\ninclude \"x\";").contains("line 2: other files are included"));
    // Lists that name each other end.
    read_text("acl a { b; }; acl b { a; }; view \"v\" { match-clients { a; }; };");
}

#[test]
fn a_key_alone_is_no_configuration_and_one_before_views_is() {
    let key = "key \"k\" { algorithm hmac-sha256; secret \"????\"; };\n";
    assert!(!is_configuration(key));
    assert!(is_configuration(&format!("{key}view \"spoke\" {{ }};\n")));
    let nothing = read(&"named.all".into(), "options { directory \"/etc/bind\"; };", &Options::default());
    assert!(nothing.is_err_and(|Refusal(why)| why.contains("without a view and a zone")));
}
