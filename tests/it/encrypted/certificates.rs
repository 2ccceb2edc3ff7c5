//! Clients that show certificates.

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use tokio::runtime::Runtime;
use vnetdns::tls::{Authority, HostName, Issued, Usage};

use super::{DAYS, HOST, Lab, ask, host, now, open};
use crate::encrypted_client::{Connection, Trust, Way};
use crate::support::{Server, query, show};

/// Two pinned clients, one that is known by its name, a forwarder; certificates that nobody knows.
struct Clients {
    lab: Lab,
    /// Of another authority.
    pinned: Issued,
    named: Issued,
    forwarder: Issued,
    unknown: Issued,
    other_name: Issued,
}

impl Clients {
    fn new() -> Self {
        let lab = Lab::new();
        let names: Vec<HostName> = ["lab.test", "clients.test"].map(|name| name.parse().unwrap()).into();
        let other = Authority::new(&names, now(), DAYS).unwrap();
        let issue = |authority: &Authority, name: &str| {
            authority.issue(&[name.parse().unwrap()], Usage::Client, None, now(), DAYS).unwrap()
        };
        Self {
            pinned: issue(&other, "pinned.clients.test"),
            // The lab's authority certifies names below that of the server.
            named: issue(&lab.authority, "two.dns.lab.test"),
            forwarder: issue(&lab.authority, "edge.dns.lab.test"),
            unknown: issue(&other, "two.clients.test"),
            other_name: issue(&lab.authority, "three.dns.lab.test"),
            lab,
        }
    }

    fn config(&self) -> String {
        format!(
            "[[client_certificate]]\nname = \"pinned\"\npublic_key_sha256 = \"{}\"\nvirtual_network = \"one\"\n\
             [[client_certificate]]\nname = \"named\"\ncertificate_authority = \"ca.pem\"\n\
             subject_alternative_name = \"two.dns.lab.test\"\nvirtual_network = \"two\"\n\
             [[client_certificate]]\nname = \"edge\"\npublic_key_sha256 = \"{}\"\nforwarder = \"edge\"\n\
             [[forwarder]]\nname = \"edge\"\nclient_subnet = true\nvirtual_networks = [\"two\"]\n",
            self.pinned.public_key_hash, self.forwarder.public_key_hash
        )
    }

    fn serve(&self) -> Server {
        self.lab.serve("", &self.config())
    }

    fn showing(&self, issued: &Issued) -> Trust {
        self.lab.trust().showing(&issued.certificate, &issued.key)
    }
}

/// What a client gets that asks once; nothing where it is not heard.
async fn answer(server: &Server, from: &str, trust: &Trust) -> Option<Vec<String>> {
    let address = super::address(server, Way::Tls);
    let mut connection = Connection::open(Way::Tls, address, from.parse().unwrap(), trust).await.ok()?;
    let request = query(HOST, RecordType::A).to_vec().unwrap();
    // With TLS 1.3 a client hears of a refusal when it first reads.
    let received = connection.exchange(&request).await.ok()??;
    Some(show(&Message::from_vec(&received).unwrap()))
}

#[test]
fn a_certificate_names_a_network_wherever_the_client_is() {
    let clients = Clients::new();
    let server = clients.serve();
    let refused = Some(vec!["Refused".to_owned()]);
    Runtime::new().unwrap().block_on(async {
        for from in ["127.1.0.4", "127.2.0.4", "127.3.0.4"] {
            for (issued, expected) in [
                (&clients.pinned, Some(host(1))),
                (&clients.named, Some(host(2))),
                (&clients.unknown, None),
                (&clients.other_name, None),
            ] {
                assert_eq!(answer(&server, from, &clients.showing(issued)).await, expected, "from {from}");
            }
        }
        // Whoever shows nothing is known by its address.
        assert_eq!(answer(&server, "127.1.0.4", &clients.lab.trust()).await, Some(host(1)));
        assert_eq!(answer(&server, "127.3.0.4", &clients.lab.trust()).await, refused);
        // Over the others nobody is asked for one.
        for way in [Way::Https, Way::Http3, Way::Quic] {
            let mut connection = open(&server, way, "127.1.0.4", &clients.showing(&clients.named)).await;
            assert_eq!(show(&ask(&mut connection, way).await), host(1), "{way:?}");
        }
    });
}

/// An OPT record with a client subnet of 24 bits (RFC 7871 §6).
fn with_client_subnet(subnet: [u8; 3]) -> Vec<u8> {
    let mut request = query(HOST, RecordType::A).to_vec().unwrap();
    let end = request.len();
    request[end - 2..].copy_from_slice(&[0, 11]);
    request.extend_from_slice(b"\0\x08\0\x07\0\x01\x18\0");
    request.extend_from_slice(&subnet);
    request
}

#[test]
fn a_forwarders_certificate_lets_it_speak_for_its_clients_and_for_no_others() {
    let clients = Clients::new();
    let server = clients.serve();
    Runtime::new().unwrap().block_on(async {
        let mut edge = open(&server, Way::Tls, "127.3.0.4", &clients.showing(&clients.forwarder)).await;
        let mut stranger = open(&server, Way::Tls, "127.3.0.4", &clients.lab.trust()).await;
        for (subnet, expected) in [([127, 2, 0], host(2)), ([127, 1, 0], vec!["Refused".to_owned()])] {
            let received = edge.exchange(&with_client_subnet(subnet)).await.unwrap().unwrap();
            assert_eq!(show(&Message::from_vec(&received).unwrap()), expected, "{subnet:?}");
        }
        let received = stranger.exchange(&with_client_subnet([127, 2, 0])).await.unwrap().unwrap();
        assert_eq!(show(&Message::from_vec(&received).unwrap()), ["Refused"]);
    });
}

#[test]
fn a_reload_decides_who_is_known() {
    let clients = Clients::new();
    let server = clients.serve();
    let runtime = Runtime::new().unwrap();
    let mut kept = runtime.block_on(open(&server, Way::Tls, "127.2.0.4", &clients.showing(&clients.pinned)));
    assert_eq!(show(&runtime.block_on(ask(&mut kept, Way::Tls))), host(1));

    // It is another network's now, on the connection that is open too.
    let first = clients.config();
    let moved = first.replacen("virtual_network = \"one\"", "virtual_network = \"two\"", 1);
    server.configure(&super::config("", &moved));
    server.signal("HUP");
    server.wait_for_log("reloaded");
    assert_eq!(show(&runtime.block_on(ask(&mut kept, Way::Tls))), host(2));

    // It is nobody's: the connection ends rather than answer by the address.
    let gone = first.split("[[client_certificate]]\nname = \"named\"").next().unwrap();
    server.configure(&super::config("", &first.replace(gone, "")));
    server.signal("HUP");
    server.wait_for_log("generation=3");
    let request = query(HOST, RecordType::A).to_vec().unwrap();
    assert!(runtime.block_on(kept.exchange(&request)).is_err());
    assert_eq!(runtime.block_on(answer(&server, "127.2.0.4", &clients.showing(&clients.pinned))), None);
    assert_eq!(runtime.block_on(answer(&server, "127.2.0.4", &clients.lab.trust())), Some(host(2)));
    assert_eq!(runtime.block_on(answer(&server, "127.1.0.4", &clients.showing(&clients.named))), Some(host(2)));
}
