//! Clients that are told why they get their answers, as dig shows it; and everybody else, who is not.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::own_address::own_address;
use crate::support::{Server, find_program};

const WORLD: &str = r#"
[[virtual_network]]
name = "one"
address_space = ["10.1.0.0/16"]
client_prefixes = ["127.1.0.0/16"]

[[virtual_network]]
name = "two"
address_space = ["10.2.0.0/16"]
client_prefixes = ["127.2.0.0/16"]

[[virtual_network]]
name = "hub"
address_space = ["10.3.0.0/16"]
inbound_endpoints = ["10.3.0.4"]

[[virtual_network]]
name = "spoke"
address_space = ["10.4.0.0/16"]
client_prefixes = ["127.4.0.0/16"]

[[private_dns_zone]]
name = "corp.test"
resource_group = "rg-one"
virtual_network_links = [{ virtual_network = "one" }]
record_set = [{ name = "host", type = "A", records = ["10.255.0.1"] }, { name = "many", type = "A", records = [MANY] }]

[[private_dns_zone]]
name = "secret.test"
resource_group = "rg-hub"
virtual_network_links = [{ virtual_network = "hub" }]
record_set = [{ name = "host", type = "A", records = ["10.255.0.3"] }]

[[dns_forwarding_ruleset]]
name = "spoke-rules"
virtual_network_links = [{ virtual_network = "spoke" }]
forwarding_rule = [{ domain_name = "secret.test", target_dns_servers = ["10.3.0.4"] }]

[[forwarder]]
name = "edge"
addresses = ["127.1.0.53"]
client_subnet = true
virtual_networks = ["one"]

[[tsig_key]]
name = "admin"
file = "admin.key"
all_virtual_networks = true

[[tsig_key]]
name = "one-key"
file = "one.key"
virtual_network = "one"
"#;

const SECRET: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

const LISTED: &str = "[explanations]\nvirtual_networks = [\"one\", \"spoke\"]\n";
const MEMBER: &str = "127.1.0.4";
const STRANGER: &str = "127.9.0.1";

fn server(explanations: &str) -> Server {
    let many: Vec<_> = (0..27).map(|number| format!("\"10.9.0.{number}\"")).collect();
    let world = WORLD.replace("MANY", &many.join(", "));
    let world = format!("limits = \"off\"\n[server]\nlisten = [\"127.0.0.1:0\"]\n{explanations}{world}");
    let key = |name: &str| format!("key {name} {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n");
    Server::configured_with(&world, &[("admin.key", &key("admin")), ("one.key", &key("one-key"))])
}

fn dig_at(server: SocketAddr, from: &str, arguments: &str) -> Option<String> {
    let dig = find_program("dig", "bind9-dnsutils")?;
    let (at, port) = (format!("@{}", server.ip()), server.port().to_string());
    let mut command = Command::new(dig);
    command.args(["-b", from, &at, "-p", &port, "+tries=1", "+timeout=8", "+norrcomments"]);
    let output = command.args(arguments.split(' ')).output().unwrap();
    Some(String::from_utf8(output.stdout).unwrap())
}

fn dig(server: &Server, from: &str, arguments: &str) -> Option<String> {
    dig_at(server.address, from, arguments)
}

const TOLD: &str =
    "; EDE: 0 (Other): (one, known by source_address: private zone corp.test. in rg-one, linked, policy Default; ";

#[test]
fn a_listed_client_sees_why_beside_its_answer() {
    let server = server(LISTED);
    for transport in ["+notcp", "+tcp"] {
        let Some(output) = dig(&server, MEMBER, &format!("{transport} host.corp.test")) else { return };
        assert!(output.contains("10.255.0.1") && output.contains(&format!("{TOLD}A found)\n")), "{output}");
        let output = dig(&server, MEMBER, &format!("{transport} none.corp.test")).unwrap();
        assert!(output.contains("NXDOMAIN") && output.contains(&format!("{TOLD}NXDOMAIN)\n")), "{output}");
        // The option is for those who sent EDNS.
        let output = dig(&server, MEMBER, &format!("+noedns {transport} host.corp.test")).unwrap();
        assert!(output.contains("10.255.0.1") && !output.contains("EDE"), "{output}");
    }
    let output = dig(&server, MEMBER, "host.elsewhere.test").unwrap();
    assert!(output.contains("REFUSED") && output.contains("no linked zone fits; no zone fits)\n"), "{output}");
}

#[test]
fn nobody_else_ever_gets_it() {
    let server = server(LISTED);
    let story = "+tcp CH TXT host.corp.test.explain.vnetdns";
    // The listed client comes first, so that what it gets could be kept.
    for from in [MEMBER, "127.2.0.4", STRANGER, MEMBER, "127.2.0.4", STRANGER] {
        for question in ["host.corp.test", "host.secret.test", "nobody.corp.test", story] {
            let Some(output) = dig(&server, from, question) else { return };
            let is_told = output.contains("EDE: 0") || output.contains("known by");
            assert_eq!(is_told, from == MEMBER, "{from} {question}: {output}");
            if from != MEMBER {
                assert!(!output.contains("rg-one") && !output.contains("EDE: 0"), "{output}");
            }
        }
    }
    let output = dig(&server, STRANGER, story).unwrap();
    assert!(output.contains("status: REFUSED") && output.contains("ANSWER: 0"), "{output}");
    // Without the table it is off.
    let server = self::server("");
    let output = dig(&server, MEMBER, "host.corp.test").unwrap();
    assert!(output.contains("10.255.0.1") && !output.contains("EDE"), "{output}");
    assert!(dig(&server, MEMBER, story).unwrap().contains("status: REFUSED"));
}

#[test]
fn it_is_left_out_before_anything_of_the_answer_is() {
    let server = server(LISTED);
    // 27 addresses fill a message of 512 octets but for less than the explanation takes.
    let Some(output) = dig(&server, MEMBER, "+bufsize=512 +ignore +nocookie many.corp.test") else { return };
    assert!(
        output.contains("ANSWER: 27") && !output.contains("flags: qr aa tc") && !output.contains("EDE"),
        "{output}"
    );
    let output = dig(&server, MEMBER, "+bufsize=1232 +ignore +nocookie many.corp.test").unwrap();
    assert!(output.contains("ANSWER: 27") && output.contains("EDE: 0"), "{output}");
}

#[test]
fn what_a_forwarder_could_hand_on_it_does_not_get_unless_it_is_listed() {
    let listed = format!("{LISTED}forwarders = [\"edge\"]\n");
    for (explanations, is_listed) in [(LISTED, false), (listed.as_str(), true)] {
        let server = server(explanations);
        for (from, subnet, is_told) in [
            // It tells of a client, and asks for itself.
            ("127.1.0.53", "+subnet=127.1.0.9/32", is_listed),
            ("127.1.0.53", "+nosubnet", is_listed),
            // Of a stranger.
            ("127.1.0.53", "+subnet=127.9.0.9/32", false),
            // Whoever brings a client subnet and is no forwarder may be one that nobody has declared.
            (MEMBER, "+subnet=127.1.0.9/32", false),
            (MEMBER, "+subnet=0.0.0.0/0", true),
        ] {
            let Some(output) = dig(&server, from, &format!("{subnet} host.corp.test")) else { return };
            assert_eq!(output.contains("EDE: 0"), is_told, "{from} {subnet} {is_listed}: {output}");
        }
    }
}

#[test]
fn a_key_is_listed_by_itself_and_prefixes_are() {
    let server = server("[explanations]\ntsig_keys = [\"one-key\"]\nclient_prefixes = [\"127.2.0.4\"]\n");
    let key = format!("-y hmac-sha256:one-key:{SECRET}");
    let Some(output) = dig(&server, STRANGER, &format!("{key} host.corp.test")) else { return };
    assert!(output.contains("EDE: 0 (Other): (one, known by key: private zone corp.test."), "{output}");
    assert!(!dig(&server, STRANGER, "host.corp.test").unwrap().contains("EDE"));
    let wrong = format!("-y hmac-sha256:one-key:{} host.corp.test", SECRET.replace("Zm", "Zn"));
    assert!(!dig(&server, STRANGER, &wrong).unwrap().contains("known by"));
    assert!(dig(&server, "127.2.0.4", "host.corp.test").unwrap().contains("(two, known by source_address: "));
    assert!(!dig(&server, "127.2.0.5", "host.corp.test").unwrap().contains("EDE: 0"));
}

#[test]
fn only_an_administrators_key_is_told_of_other_networks() {
    let server = server(&format!("{LISTED}tsig_keys = [\"admin\"]\n"));
    let Some(output) = dig(&server, "127.4.0.4", "host.secret.test") else { return };
    assert!(output.contains("10.255.0.3"), "{output}");
    let told = "ruleset spoke-rules, rule for secret.test.: Azure-provided DNS as another network sees it)";
    assert!(output.contains(told) && !output.contains("hub"), "{output}");
    let story = "+tcp CH TXT host.secret.test.explain.vnetdns";
    let output = dig(&server, "127.4.0.4", story).unwrap();
    assert!(output.contains("as another network sees it") && !output.contains("hub"), "{output}");
    // The zone that network one would have to be linked to.
    let output = dig(&server, MEMBER, story).unwrap();
    assert!(output.contains("no private zone linked to one fits the name") && !output.contains("hub"), "{output}");
    let key = format!("-y hmac-sha256:admin:{SECRET}");
    let output = dig(&server, MEMBER, &format!("{key} {story}")).unwrap();
    assert!(output.contains("(the zone secret.test. in rg-hub holds it, and is not linked)"), "{output}");
    let output = dig(&server, "127.4.0.4", &format!("{key} {story}")).unwrap();
    assert!(output.contains("leads to Azure-provided DNS as hub sees it"), "{output}");
    assert!(output.contains("private zone secret.test. in rg-hub, linked to hub, answers"), "{output}");
}

#[test]
fn the_long_story_goes_to_those_who_have_shown_their_address() {
    let server = server(LISTED);
    let story = "CH TXT host.corp.test.explain.vnetdns";
    let told = "\"02   private zone corp.test. in rg-one, linked to one, answers, and it alone\"";
    let Some(output) = dig(&server, MEMBER, &format!("+tcp {story}")) else { return };
    assert!(output.contains("\"00 client: one, known by source_address\"") && output.contains(told), "{output}");
    assert!(output.contains("\"04 answer: NOERROR\"") && output.contains("ANSWER: 5"), "{output}");
    // Truncated, so that dig asks again over TCP by itself.
    let output = dig(&server, MEMBER, &format!("+nocookie +ignore {story}")).unwrap();
    assert!(output.contains(" tc") && output.contains("ANSWER: 0"), "{output}");
    assert!(dig(&server, MEMBER, story).unwrap().contains(told));
    let output = dig(&server, MEMBER, &format!("+cookie=0123456789abcdef +ignore {story}")).unwrap();
    assert!(output.contains("ANSWER: 0"), "{output}");
    let cookie = output.lines().find_map(|line| line.strip_prefix("; COOKIE: ")?.split(' ').next()).unwrap();
    let output = dig(&server, MEMBER, &format!("+cookie={cookie} +ignore {story}")).unwrap();
    assert!(output.contains(told) && !output.contains("ANSWER: 0"), "{output}");
    // Another type than A stands in front, with an underscore.
    let output = dig(&server, MEMBER, "+tcp CH TXT host.corp.test._aaaa.explain.vnetdns").unwrap();
    assert!(output.contains("the name exists, with A, without AAAA: NODATA"), "{output}");
}

/// A caching forwarder that asks from an address of the listed network; stopped on drop.
struct Cache(Child);

impl Drop for Cache {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_until_it_answers(address: SocketAddr) {
    let begin = Instant::now();
    loop {
        let output = dig_at(address, "127.0.0.1", "+time=1 host.corp.test").unwrap_or_default();
        if output.contains("10.255.0.1") {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "the forwarder does not answer: {output}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_caching_forwarder_has_nothing_to_hand_on() {
    let server = server(LISTED);
    let (Some(unbound), Some(dnsmasq)) = (find_program("unbound", "unbound"), find_program("dnsmasq", "dnsmasq-base"))
    else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (own_address(), own_address());
    let config = format!(
        "server:\n interface: {}\n port: {}\n outgoing-interface: 127.1.0.53\n do-not-query-localhost: no\n \
         do-daemonize: no\n username: \"\"\n chroot: \"\"\n pidfile: \"\"\n use-syslog: no\n module-config: \"iterator\"\n \
         ede: yes\n ede-serve-expired: yes\n local-zone: \"test.\" nodefault\nforward-zone:\n name: \".\"\n \
         forward-addr: 127.0.0.1@{}\n",
        first.ip(),
        first.port(),
        server.address.port()
    );
    let path = folder.path().join("unbound.conf");
    fs::write(&path, config).unwrap();
    let quiet = |command: &mut Command| Cache(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let _unbound = quiet(Command::new(unbound).arg("-d").arg("-c").arg(&path));
    let to = format!("--server=127.0.0.1#{}@127.1.0.53", server.address.port());
    let own_port = format!("--port={}", second.port());
    let _dnsmasq = quiet(Command::new(dnsmasq).args([
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        &format!("--listen-address={}", second.ip()),
        "--bind-interfaces",
        "--pid-file",
        &own_port,
        &to,
    ]));
    for address in [first, second] {
        if dig_at(address, "127.0.0.1", "+time=1 host.corp.test").is_none() {
            return;
        }
        wait_until_it_answers(address);
        // Both a member of the listed network and a stranger ask, for what is kept and for what is not.
        for from in [MEMBER, STRANGER, MEMBER, STRANGER] {
            for name in ["host.corp.test", "none.corp.test"] {
                let output = dig_at(address, from, name).unwrap();
                assert!(
                    !output.contains("known by") && !output.contains("rg-one"),
                    "{address} {from} {name}: {output}"
                );
            }
        }
    }
    // The same client, asking by itself, is told.
    assert!(dig(&server, MEMBER, "host.corp.test").unwrap().contains("EDE: 0"));
}
