//! `--listen` beside configured listeners, and who is let in at one.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use crate::support::Server;

const WORLD: &str = r#"
[[virtual_network]]
name = "v"
client_prefixes = ["::ffff:127.1.0.0/112"]

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "v" }]
record_set = [{ name = "host", type = "A", records = ["10.0.0.1"] }]
"#;

fn response_code(server: &Server, from: &str) -> ResponseCode {
    server.ask(from, "host.corp.test", RecordType::A).metadata.response_code
}

/// A server with these listeners in its configuration, started with `--listen 127.0.0.1:0`.
fn server(configured: &str) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("listen.toml");
    std::fs::write(&path, format!("[server]\nlisten = [{configured}]\n{WORLD}")).unwrap();
    Server::start(&["--config", path.to_str().unwrap()])
}

#[test]
fn the_settings_of_a_listener_hold_on_its_own_address() {
    let other = "{ address = \"127.0.0.1:1\", allow_from = [\"127.1.0.4\"], persona = \"azure-resolver\", pending_queries = 9 }";
    let configured = format!("{{ address = \"127.0.0.1:0\", allow_from = [\"127.1.0.4\"] }}, {other}, \"127.0.0.1:2\"");
    let server = server(&configured);
    assert_eq!(server.addresses.len(), 1);
    assert_eq!(response_code(&server, "127.1.0.4"), ResponseCode::NoError);
    assert_eq!(response_code(&server, "127.1.0.5"), ResponseCode::Refused);
    let lost = "--listen replaces the listener on 127.0.0.1:1: its allow_from, persona, pending_queries no longer hold";
    server.wait_for_log(lost);
    assert_eq!(server.log().matches("--listen replaces").count(), 1, "{}", server.log());
}

#[test]
fn a_listener_on_another_address_is_without_settings() {
    let server = server("{ address = \"127.0.0.1:1\", allow_from = [\"127.1.0.4\"] }");
    assert_eq!(response_code(&server, "127.1.0.5"), ResponseCode::NoError);
    server.wait_for_log("the listener on 127.0.0.1:1: its allow_from no longer hold");
}

#[test]
fn ipv4_mapped_prefixes_are_ipv4_prefixes() {
    let server = Server::configured(&format!(
        "[server]\nlisten = [{{ address = \"127.0.0.1:0\", allow_from = [\"::ffff:127.1.0.4\", \"::ffff:127.1.1.0/120\", \"127.2.0.4\"] }}]\n{WORLD}"
    ));
    let asked = [("127.1.0.4", 1), ("127.1.1.9", 1), ("127.1.0.5", 0), ("127.2.0.4", 0)];
    for (from, answers) in asked {
        let response = server.ask(from, "host.corp.test", RecordType::A);
        assert_eq!(response.answers.len(), answers, "{from}: {response}");
    }
}
