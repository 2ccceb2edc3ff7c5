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

/// A link-local address of this machine, and its interface.
#[cfg(target_os = "linux")]
fn link_local() -> Option<(std::net::Ipv6Addr, String)> {
    let table = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    table.lines().find_map(|line| {
        let columns: Vec<_> = line.split_ascii_whitespace().collect();
        let address = u128::from_str_radix(columns[0], 16).ok()?.into();
        (columns[3] == "20").then(|| (address, columns[5].to_owned()))
    })
}

#[test]
#[cfg(target_os = "linux")]
fn a_link_local_address_is_one_of_an_interface() {
    use std::io::Write;
    let Some((address, interface)) = link_local() else {
        let _ = writeln!(std::io::stdout(), "skipped: this machine has no link-local address");
        return;
    };
    let named = format!("[{address}%{interface}]:0");
    let more = format!("\"[::]:0\", {{ address = \"[{address}]:0\", interface = \"{interface}\" }}");
    let world = WORLD.replace("\"::ffff:127.1.0.0/112\"", "\"fe80::/10\"");
    let mut server = Server::configured(&format!("[server]\nlisten = [\"{named}\", {more}]\n{world}"));
    let ask = |server: &mut Server, at: std::net::SocketAddr| {
        server.address = at;
        for response in
            [server.ask("::", "host.corp.test", RecordType::A), server.ask_tcp("::", "host.corp.test", RecordType::A)]
        {
            assert_eq!(response.metadata.response_code, ResponseCode::NoError, "{at}");
            assert_eq!(response.answers.len(), 1, "{at}");
        }
    };
    let scoped = server.addresses[0];
    assert!(matches!(scoped, std::net::SocketAddr::V6(it) if it.scope_id() > 0 && *it.ip() == address), "{scoped}");
    ask(&mut server, scoped);
    // The other two, which have no scope of their own.
    for port in [server.addresses[1].port(), server.addresses[2].port()] {
        let mut at = scoped;
        at.set_port(port);
        ask(&mut server, at);
    }
    let server = Server::start(&["--listen", &named]);
    assert_eq!(server.addresses.len(), 2);
    assert!(server.addresses[1].to_string().starts_with(&format!("[{address}%")), "{:?}", server.addresses);
}
