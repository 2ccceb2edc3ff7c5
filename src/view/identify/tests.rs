use super::*;
use crate::dns::{Name, TsigAlgorithm};
use crate::tls::PublicKeyHash;
use crate::view::Transport;

const ONE: ViewId = ViewId::new(1);
const TWO: ViewId = ViewId::new(2);
const PROXY: ForwarderId = ForwarderId::new(0);

fn rules(rules: &[(&str, ViewId)]) -> Selector {
    Selector::new(rules.iter().map(|(prefix, view)| SelectorRule { prefix: prefix.parse().unwrap(), leads_to: *view }))
}

/// Two networks; a forwarder that speaks for one of them, in both ways; a key and a certificate of each kind.
fn identifier() -> Identifier {
    let key = |name: &str, holder| {
        let name: Name = name.parse().unwrap();
        Key { key: TsigKey::new(name.as_ref(), TsigAlgorithm::HmacSha256, b"secret"), holder }
    };
    let certificate = |name: &str, holder| Certificate {
        name: name.into(),
        proof: ClientProof::PublicKey(PublicKeyHash([name.len() as u8; 32])),
        holder,
    };
    let forwarder = Forwarder {
        name: "edge".into(),
        client_subnet: true,
        proxy_protocol: true,
        clients: rules(&[("10.2.0.0/16", TWO)]),
    };
    let address = SelectorRule { prefix: "192.0.2.53/32".parse().unwrap(), leads_to: PROXY };
    Identifier {
        sources: rules(&[("10.1.0.0/16", ONE), ("10.2.0.0/16", TWO)]),
        explained: None,
        keys: [
            key("admin", KeyHolder::Administrator),
            key("anyone", KeyHolder::Anyone),
            key("one", KeyHolder::Network(ONE)),
        ]
        .into(),
        certificates: [
            certificate("edge", CertificateHolder::Forwarder(PROXY)),
            certificate("one", CertificateHolder::Network(ONE)),
        ]
        .into(),
        forwarders: [forwarder].into(),
        forwarder_addresses: Selector::new([address]),
        listeners: [Belonging::Nobody, Belonging::Network(TWO), Belonging::Gone].into(),
        inbound_endpoints: Selector::new(
            [("10.1.0.9/32", Belonging::Network(ONE)), ("10.1.0.10/32", Belonging::Gone)]
                .map(|(prefix, leads_to)| SelectorRule { prefix: prefix.parse().unwrap(), leads_to }),
        ),
    }
}

/// A client with that key, proxied or not, at the listener of network two or at another.
fn client(identifier: &Identifier, source: &str, key: Option<&str>, proxied: bool, listener: usize) -> Client {
    let named = |name: &str| identifier.key_named(name.parse::<Name>().unwrap().as_ref()).unwrap();
    Client {
        key: key.map(named),
        proxy: proxied.then_some(PROXY),
        listener: Some(ListenerId::new(listener)),
        ..Client::new(source.parse().unwrap(), Transport::Udp)
    }
}

#[test]
fn keys_are_found_by_name_in_any_case() {
    let identifier = identifier();
    for name in ["admin", "ANYONE.", "One"] {
        let name: Name = name.parse().unwrap();
        let id = identifier.key_named(name.as_ref()).unwrap();
        assert_eq!(identifier.key(id).key.name(), name.as_ref());
    }
    assert_eq!(identifier.key_named("none".parse::<Name>().unwrap().as_ref()), None);
}

#[test]
fn a_network_that_a_proxy_names_comes_first_then_the_key_then_all_else() {
    let identifier = identifier();
    let edge = &identifier.forwarders[0];
    let key = |name: &str| identifier.key(identifier.key_named(name.parse::<Name>().unwrap().as_ref()).unwrap());
    let rule = |address: &str| identifier.sources.select(address.parse().unwrap());
    let (subnet, elsewhere) = (Some("10.2.0.0/24"), Some("198.51.100.0/24"));
    let nowhere = "198.51.100.7";
    for (source, name, proxied, listener, client_subnet, way, view) in [
        // A proxy: in a network that it may speak for, and not.
        (
            "10.2.0.4",
            Some("one"),
            true,
            0,
            None,
            Way::Proxy(edge, edge.clients.select([10, 2, 0, 4].into())),
            Some(TWO),
        ),
        (
            "10.2.0.4",
            Some("admin"),
            true,
            0,
            elsewhere,
            Way::Proxy(edge, edge.clients.select([10, 2, 0, 4].into())),
            Some(TWO),
        ),
        ("10.1.0.4", None, true, 1, subnet, Way::Proxy(edge, None), None),
        ("10.1.0.4", Some("one"), true, 0, None, Way::Key(key("one")), Some(ONE)),
        ("10.1.0.4", Some("anyone"), true, 1, subnet, Way::Proxy(edge, None), None),
        ("10.1.0.4", Some("admin"), true, 1, None, Way::Proxy(edge, None), None),
        ("10.1.0.4", Some("admin"), true, 1, subnet, Way::Administrator(key("admin"), rule("10.2.0.0")), Some(TWO)),
        // A key before client subnet, listener and source.
        ("192.0.2.53", Some("one"), false, 1, subnet, Way::Key(key("one")), Some(ONE)),
        ("10.2.0.4", Some("one"), false, 1, None, Way::Key(key("one")), Some(ONE)),
        // An administrator's client subnet, wherever it comes from.
        (
            nowhere,
            Some("admin"),
            false,
            1,
            Some("10.1.7.0/24"),
            Way::Administrator(key("admin"), rule("10.1.7.0")),
            Some(ONE),
        ),
        (
            "192.0.2.53",
            Some("admin"),
            false,
            1,
            Some("10.1.7.0/24"),
            Way::Administrator(key("admin"), rule("10.1.7.0")),
            Some(ONE),
        ),
        ("10.1.0.4", Some("admin"), false, 1, elsewhere, Way::Administrator(key("admin"), None), None),
        (nowhere, Some("admin"), false, 1, Some("0.0.0.0/0"), Way::Administrator(key("admin"), None), None),
        (nowhere, Some("admin"), false, 1, None, Way::Listener, Some(TWO)),
        ("10.1.0.4", Some("admin"), false, 0, None, Way::Source(rule("10.1.0.4")), Some(ONE)),
        // A key that says nothing changes nothing.
        (nowhere, Some("anyone"), false, 0, subnet, Way::Source(None), None),
        ("10.1.0.4", Some("anyone"), false, 1, subnet, Way::Listener, Some(TWO)),
        (
            "192.0.2.53",
            Some("anyone"),
            false,
            0,
            subnet,
            Way::ClientSubnet(edge, edge.clients.select([10, 2, 0, 0].into())),
            Some(TWO),
        ),
    ] {
        let client = client(&identifier, source, name, proxied, listener);
        let found = identifier.identify(&client, client_subnet.map(|subnet| subnet.parse().unwrap()));
        assert_eq!((found.way, found.belonging), (way, view.into()), "{client:?} {client_subnet:?}");
    }
}

#[test]
fn an_administrators_client_subnet_has_a_scope_and_a_networks_key_has_none() {
    let identifier = identifier();
    let scope = |key, subnet: &str| {
        let client = client(&identifier, "198.51.100.7", Some(key), false, 0);
        identifier.identify(&client, Some(subnet.parse().unwrap())).scope
    };
    assert_eq!(scope("admin", "10.2.0.0/24"), 16);
    assert_eq!(scope("admin", "10.128.0.0/24"), 9);
    assert_eq!(scope("one", "10.2.0.0/24"), 0);
    assert_eq!(scope("anyone", "10.2.0.0/24"), 0);
}

#[test]
fn whose_network_is_gone_is_nobody_elses_client() {
    let identifier = identifier();
    let (in_one, nowhere) = ("10.1.0.4", "198.51.100.7");
    let subnet: IpNet = "10.2.0.0/24".parse().unwrap();
    let known = |client: &Client, subnet| identifier.identify(client, subnet).belonging;
    for source in [in_one, nowhere] {
        // By the listener, or by the address that an inbound endpoint had, whatever the source address is.
        let at_listener = client(&identifier, source, None, false, 2);
        let at_endpoint = Client { local: Some([10, 1, 0, 10].into()), ..client(&identifier, source, None, false, 0) };
        let mapped = Client { local: Some("::ffff:10.1.0.10".parse().unwrap()), ..at_endpoint };
        for gone in [at_listener, at_endpoint, mapped] {
            assert_eq!(known(&gone, None), Belonging::Gone, "{gone:?}");
            assert_eq!(known(&gone, Some(subnet)), Belonging::Gone, "a subnet of nobody who may tell: {gone:?}");
            // An administrator who tells of nobody, and a key that is no network's, are clients like any other.
            for key in ["admin", "anyone"] {
                let key = identifier.key_named(key.parse::<Name>().unwrap().as_ref());
                assert_eq!(known(&Client { key, ..gone }, None), Belonging::Gone, "{gone:?}");
            }
            // What comes before the listener says the same as elsewhere.
            let one = identifier.key_named("one".parse::<Name>().unwrap().as_ref());
            assert_eq!(known(&Client { key: one, ..gone }, None), Belonging::Network(ONE));
            let told = Client { source: [192, 0, 2, 53].into(), ..gone };
            assert_eq!(known(&told, Some(subnet)), Belonging::Network(TWO));
            assert_eq!(known(&told, None), Belonging::Gone, "the forwarder's own query");
        }
        // A listener of a network is no inbound endpoint.
        let at_both = Client { local: Some([10, 1, 0, 10].into()), ..client(&identifier, source, None, false, 1) };
        assert_eq!(known(&at_both, None), Belonging::Network(TWO));
        let at_endpoint = Client { local: Some([10, 1, 0, 9].into()), ..client(&identifier, source, None, false, 0) };
        assert_eq!(known(&at_endpoint, None), Belonging::Network(ONE));
    }
}

#[test]
fn a_certificate_comes_after_the_key_and_before_what_addresses_tell() {
    let identifier = identifier();
    let edge = &identifier.forwarders[0];
    let key = |name: &str| identifier.key(identifier.key_named(name.parse::<Name>().unwrap().as_ref()).unwrap());
    let shown = |name: &str| identifier.certificate_named(name).unwrap();
    let one = identifier.certificate(shown("one"));
    let (of_two, of_one) = (Some("10.2.0.0/24"), Some("10.1.0.0/24"));
    let by_edge = |subnet: &str| Way::ClientSubnet(edge, edge.clients.select(subnet.parse().unwrap()));
    let nowhere = "198.51.100.7";
    for (source, key_name, certificate, proxied, listener, client_subnet, way, view) in [
        // A proxy's network, then the key, both before the certificate.
        (
            "10.2.0.4",
            None,
            "one",
            true,
            0,
            None,
            Way::Proxy(edge, edge.clients.select([10, 2, 0, 4].into())),
            Some(TWO),
        ),
        (nowhere, Some("one"), "edge", false, 1, of_two, Way::Key(key("one")), Some(ONE)),
        // Where these tell nothing the certificate does: before the client subnet, the listener and the source.
        ("10.1.0.4", None, "one", true, 0, None, Way::Certificate(one), Some(ONE)),
        (nowhere, Some("anyone"), "one", false, 1, None, Way::Certificate(one), Some(ONE)),
        ("192.0.2.53", None, "one", false, 1, of_two, Way::Certificate(one), Some(ONE)),
        ("10.2.0.4", None, "one", false, 2, None, Way::Certificate(one), Some(ONE)),
        // A forwarder's certificate is as good as its address, for its clients alone.
        (nowhere, None, "edge", false, 0, of_two, by_edge("10.2.0.0"), Some(TWO)),
        (nowhere, None, "edge", false, 1, of_one, by_edge("10.1.0.0"), None),
        // Without a client subnet it says nothing of the client.
        (
            "10.1.0.4",
            None,
            "edge",
            false,
            0,
            None,
            Way::Source(identifier.sources.select([10, 1, 0, 4].into())),
            Some(ONE),
        ),
        ("10.1.0.4", None, "edge", false, 1, None, Way::Listener, Some(TWO)),
    ] {
        let client = client(&identifier, source, key_name, proxied, listener);
        let client = Client { certificate: Some(shown(certificate)), ..client };
        let identified = identifier.identify(&client, client_subnet.map(|subnet| subnet.parse().unwrap()));
        assert_eq!((identified.way, identified.view()), (way, view), "{source} {key_name:?} {certificate}");
    }
}

#[test]
fn explanations_are_for_those_who_are_listed_and_not_for_those_behind_a_forwarder_that_is_not() {
    let base = identifier();
    let of = |views: &[ViewId], prefixes: &[&str], keys: &[&str], forwarders: &[ForwarderId]| Identifier {
        explained: Some(ExplainedClients {
            views: views.into(),
            prefixes: Selector::new(
                prefixes.iter().map(|prefix| SelectorRule { prefix: prefix.parse().unwrap(), leads_to: () }),
            ),
            keys: keys.iter().map(|key| base.key_named(key.parse::<Name>().unwrap().as_ref()).unwrap()).collect(),
            forwarders: forwarders.into(),
        }),
        ..identifier()
    };
    let nobody = of(&[], &[], &[], &[]);
    let networks = of(&[ONE, TWO], &[], &[], &[]);
    let with_forwarder = of(&[ONE, TWO], &[], &[], &[PROXY]);
    let prefix = of(&[], &["10.2.0.0/24"], &[], &[PROXY]);
    let keys = of(&[], &[], &["one"], &[]);
    let explains = |identifier: &Identifier, client: &Client, subnet: Option<&str>| {
        let subnet = subnet.map(|subnet| subnet.parse().unwrap());
        identifier.explains(client, subnet, &identifier.identify(client, subnet))
    };
    let plain = client(&base, "10.2.0.4", None, false, 0);
    let proxied = client(&base, "10.2.0.4", None, true, 0);
    let at_listener = client(&base, "192.0.2.1", None, false, 1);
    let forwarder = client(&base, "192.0.2.53", None, false, 0);
    let signed = client(&base, "192.0.2.1", Some("one"), false, 0);
    let stranger = client(&base, "192.0.2.1", None, false, 0);
    let edge = Client { certificate: base.certificate_named("edge"), ..stranger };
    for (name, identifier, client, subnet, expected) in [
        ("off", &base, &plain, None, false),
        ("nobody is listed", &nobody, &plain, None, false),
        ("of the network", &networks, &plain, None, true),
        ("a stranger", &networks, &stranger, None, false),
        ("behind a proxy", &networks, &proxied, None, false),
        ("behind a listed proxy", &with_forwarder, &proxied, None, true),
        ("told of by an unlisted forwarder", &networks, &forwarder, Some("10.2.0.4/32"), false),
        ("told of by a listed one", &with_forwarder, &forwarder, Some("10.2.0.4/32"), true),
        ("a stranger whom a listed one tells of", &with_forwarder, &forwarder, Some("192.0.2.7/32"), false),
        ("told of by a certificate", &networks, &edge, Some("10.2.0.4/32"), false),
        ("told of by a listed one's certificate", &with_forwarder, &edge, Some("10.2.0.4/32"), true),
        ("brings a client subnet", &networks, &plain, Some("10.2.0.4/32"), false),
        ("wants nobody told of", &networks, &plain, Some("0.0.0.0/0"), true),
        ("at the network's listener", &networks, &at_listener, None, false),
        ("in the prefix", &prefix, &plain, None, true),
        ("told of within the prefix", &prefix, &forwarder, Some("10.2.0.0/25"), true),
        ("told of beyond the prefix", &prefix, &forwarder, Some("10.2.0.0/16"), false),
        ("by the key", &keys, &signed, None, true),
        ("without the key", &keys, &plain, None, false),
    ] {
        assert_eq!(explains(identifier, client, subnet), expected, "{name}");
    }
}
