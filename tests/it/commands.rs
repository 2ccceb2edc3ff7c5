//! The commands besides `serve`: what they print and their exit codes.

use std::process::{Command, Output};

use crate::support::PROGRAM;

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).env_remove("RUST_LOG").output().unwrap()
}

#[track_caller]
fn stdout(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn explain_says_who_which_zone_and_what_was_found_at_each_step() {
    let name = "k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com";
    let text = stdout(&["explain", "--from", "10.1.0.4", name]);
    let expected = "\
10.1.0.4 is in virtual network vnet-n1, by the prefix 10.1.0.0/16

1. k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com.
   no private zone linked to vnet-n1 fits the name
   public zone eastus.prometheus.monitor.azure.com. answers
   an alias for k8s02-workspace-abcd.privatelink.eastus.prometheus.monitor.azure.com., follows from Private Link resource k8s02-workspace (config/lab.toml:LINE_OF_RESOURCE:8)

2. k8s02-workspace-abcd.privatelink.eastus.prometheus.monitor.azure.com.
   private zone privatelink.eastus.prometheus.monitor.azure.com. in rg-n1, linked to vnet-n1, answers, and it alone
   A found, written by private endpoint pe-k8s02 (config/lab.toml:LINE_OF_ENDPOINT:8)

;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 0
;; flags: qr aa rd; QUERY: 1, ANSWER: 2, AUTHORITY: 0, ADDITIONAL: 0

;; QUESTION SECTION:
;k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com. IN A

;; ANSWER SECTION:
k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com. 300 IN CNAME k8s02-workspace-abcd.privatelink.eastus.prometheus.monitor.azure.com.
k8s02-workspace-abcd.privatelink.eastus.prometheus.monitor.azure.com. 10 IN A 10.1.0.5

Clients of vnet-n1 get the private answer, of private zone privatelink.eastus.prometheus.monitor.azure.com in rg-n1, written by \
                    private endpoint pe-k8s02.
";
    let lab = include_str!("../../config/lab.toml");
    let line = |name: &str| {
        let declared = format!("name = \"{name}\"");
        (lab.lines().position(|line| line == declared).unwrap() + 1).to_string()
    };
    let expected =
        expected.replace("LINE_OF_RESOURCE", &line("k8s02-workspace")).replace("LINE_OF_ENDPOINT", &line("pe-k8s02"));
    assert_eq!(text, expected);
}

#[test]
fn explain_names_the_zones_that_would_have_answered() {
    let name = "k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com";
    let from_n2 = stdout(&["explain", "--from", "vnet-n2", name]);
    assert!(from_n2.contains("status: NXDOMAIN"), "{from_n2}");
    let hint = "in rg-n1 holds it, but is linked to vnet-n1, not to vnet-n2";
    assert!(from_n2.contains(hint), "{from_n2}");
    let from_hub = stdout(&["explain", "--from", "vnet-hub", name]);
    assert!(from_hub.contains("in rg-n1 holds it, but is linked to vnet-n1, not to vnet-hub"), "{from_hub}");
    let outside = stdout(&["explain", "--from", "192.0.2.1", "www.contoso.internal"]);
    assert!(outside.contains("in no virtual network"), "{outside}");
    assert!(outside.contains("no zone of this server fits the name: REFUSED"), "{outside}");
}

#[test]
fn explain_says_how_the_network_of_a_client_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.toml");
    let world = "[server]\nlisten = [\"127.0.0.1:5300\", { address = \"127.0.0.2:5300\", virtual_network = \"two\", \
                 allow_from = [\"10.0.0.0/8\"] }]\n\
                 [[virtual_network]]\nname = \"one\"\naddress_space = [\"10.1.0.0/16\"]\ninbound_endpoints = [\"10.1.0.4\"]\n\
                 [[virtual_network]]\nname = \"two\"\naddress_space = [\"10.2.0.0/16\"]\n\
                 [[private_dns_zone]]\nname = \"corp.test\"\nvirtual_network_links = [{ virtual_network = \"one\" }]\n\
                 [[forwarder]]\nname = \"edge\"\naddresses = [\"192.0.2.53\"]\nclient_subnet = true\n\
                 client_prefixes = [\"10.1.0.0/24\"]\n\
                 [[forwarder]]\nname = \"lb\"\naddresses = [\"192.0.2.54\"]\nproxy_protocol = true\n\
                 virtual_networks = [\"two\"]\n\
                 [[client_certificate]]\nname = \"spoke\"\npublic_key_sha256 = \"AAAlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU=\"\n\
                 virtual_network = \"two\"\n\
                 [[client_certificate]]\nname = \"edge's\"\npublic_key_sha256 = \"AQAlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU=\"\n\
                 forwarder = \"edge\"\n";
    std::fs::write(&path, world).unwrap();
    for (arguments, expected) in [
        ("--from 10.1.9.4", "10.1.9.4 is in virtual network one, by the prefix 10.1.0.0/16\n"),
        (
            "--from 10.1.0.9 --via edge --ecs 10.1.0.0/25",
            "10.1.0.0/25 is in virtual network one, by the prefix 10.1.0.0/24; that it asks is the word of forwarder edge \
             (EDNS Client Subnet)\n",
        ),
        (
            "--from 10.1.9.4 --via edge --ecs 10.1.9.0/24",
            "10.1.9.0/24 is no client that forwarder edge, who tells of it (EDNS Client Subnet), speaks for",
        ),
        (
            "--from 10.1.0.9 --via edge",
            "192.0.2.53 is in no virtual network: it sees public zones only\n(forwarder edge asks from 192.0.2.53 and tells \
             nothing of 10.1.0.9",
        ),
        (
            "--from 10.2.0.4 --via lb",
            "by the prefix 10.2.0.0/16; that it asks is the word of forwarder lb (PROXY protocol)",
        ),
        ("--from 10.1.0.4 --via lb", "10.1.0.4 is no client that forwarder lb, who tells of it (PROXY protocol)"),
        (
            "--from 10.1.9.4 --ecs 10.2.0.0/24",
            "(the client subnet 10.2.0.0/24 changes nothing: its sender is no forwarder",
        ),
        ("--from 10.1.9.4 --to 127.0.0.2:5300", "is in virtual network two, as everybody is who asks at this listener"),
        ("--from 192.0.2.9 --to 127.0.0.2:5300", "(the listener's allow_from does not hold 192.0.2.9: REFUSED)"),
        (
            "--from 192.0.2.9 --to 10.1.0.4",
            "in virtual network one, as everybody is who asks at its inbound endpoint 10.1.0.4",
        ),
        ("--from 10.1.9.4 --certificate spoke", "10.1.9.4 is in virtual network two, by the certificate spoke\n"),
        (
            "--from 10.1.9.4 --certificate spoke --ecs 10.1.0.0/24",
            "(the client subnet 10.1.0.0/24 changes nothing: the certificate comes before it",
        ),
        (
            "--from 192.0.2.9 --certificate edge's --ecs 10.1.0.0/25",
            "10.1.0.0/25 is in virtual network one, by the prefix 10.1.0.0/24; that it asks is the word of forwarder edge \
             (EDNS Client Subnet)\n(whoever asks is known by the certificate edge's)",
        ),
        ("--from 10.1.9.4 --certificate edge's", "(its certificate edge's does not decide that)"),
        ("--from 10.2.0.4 --via lb --certificate spoke", "(its certificate spoke does not decide that)"),
        (
            "--from 10.1.9.4 --via lb --certificate spoke",
            "10.1.9.4 is in virtual network two, by the certificate spoke\n",
        ),
    ] {
        let arguments: Vec<_> = arguments.split(' ').collect();
        let text =
            stdout(&[&["explain", "--config", path.to_str().unwrap()], &arguments[..], &["host.corp.test"]].concat());
        assert!(text.contains(expected), "{arguments:?}:\n{text}");
    }
}

#[test]
fn explain_tells_listeners_of_one_address_apart_by_interface() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.toml");
    let listener = |interface| {
        format!("{{ address = \"168.63.129.16:53\", interface = \"{interface}\", virtual_network = \"{interface}\" }}")
    };
    let networks = ["one", "two"].map(|name| format!("[[virtual_network]]\nname = \"{name}\"\n")).concat();
    std::fs::write(&path, format!("[server]\nlisten = [{}, {}]\n{networks}", listener("one"), listener("two")))
        .unwrap();
    for (interface, expected) in [
        ("--interface one", "10.1.0.4 is in virtual network one, as everybody is who asks at this listener"),
        ("--interface two", "10.1.0.4 is in virtual network two, as everybody is who asks at this listener"),
        ("", "several listeners take 168.63.129.16:53; say with --interface by which of one, two it comes in"),
        (
            "--interface lo",
            "nothing listens on 168.63.129.16:53 of interface lo; the listeners are 168.63.129.16:53 of \
             interface one, 168.63.129.16:53 of interface two",
        ),
    ] {
        let mut arguments = vec!["explain", "--config", path.to_str().unwrap(), "--from", "10.1.0.4"];
        arguments.extend(["--to", "168.63.129.16:53", "www.corp.test"]);
        arguments.extend(interface.split_whitespace());
        let output = run(&arguments);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(text.contains(expected), "{interface}: {text}");
    }
}

#[test]
fn explain_refuses_what_it_cannot_read() {
    for (arguments, message) in [
        (["explain", "--from", "vnet-x", "a.b", "A"], "the networks are vnet-n1, vnet-n2, vnet-adx, vnet-hub"),
        (["explain", "--from", "10.0.0.1", "a..b", "A"], "\"a..b\" is not a domain name: a label is empty"),
        (["explain", "--from", "10.0.0.1", "a.b", "AAAAA"], "\"AAAAA\" is not a record type"),
    ] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(1));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(message), "{stderr}");
    }
}

#[test]
fn explain_has_a_word_for_a_question_that_is_no_question_for_data() {
    let text = stdout(&["explain", "--from", "10.1.0.4", "contoso.internal", "AXFR"]);
    assert!(text.contains("refused as such") && text.contains("status: REFUSED"), "{text}");
}

#[test]
fn every_query_is_logged_on_request() {
    let server = crate::support::Server::start(&["-vv"]);
    server.ask("127.3.0.4", "MyADX.westus.kusto.windows.net", hickory_proto::rr::RecordType::AAAA);
    let fields = "transport=\"udp\" way=\"source_address\" network=\"default/vnet-adx\" \
                  qname=\"MyADX.westus.kusto.windows.net.\" qtype=\"AAAA\" zone=\"westus.kusto.windows.net.\" \
                  through=\"public\" kind=\"resolved\" rcode=\"NOERROR\" latency_us=";
    server.wait_for_log(fields);
}

#[test]
fn the_lab_has_no_problems() {
    assert_eq!(stdout(&["check"]), "0 errors, 0 warnings, 2 allowed\n");
    assert_eq!(
        stdout(&["check", concat!(env!("CARGO_MANIFEST_DIR"), "/config/lab.toml")]),
        "0 errors, 0 warnings, 2 allowed\n"
    );
}

#[test]
fn logs_can_be_json() {
    let server = crate::support::Server::start(&["--log-format", "json", "-v"]);
    server.wait_for_log("\"serving\"");
    for line in server.log().lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(event["level"].is_string() && event["message"].is_string(), "{line}");
    }
}

#[test]
fn usage_errors_have_exit_code_2_and_help_shows_examples() {
    assert_eq!(run(&["serve", "--listen", "nonsense"]).status.code(), Some(2));
    assert_eq!(run(&["dance"]).status.code(), Some(2));
    for command in [&["--help"][..], &["serve", "--help"], &["check", "--help"], &["explain", "--help"]] {
        assert!(stdout(command).contains("Examples:\n  vnetdns"), "{command:?}");
    }
}
