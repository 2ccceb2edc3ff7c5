//! The page on the listener of metrics: what it shows, what it refuses, what it changes, and what it tells as it comes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use serde_json::Value;

use crate::api::Api;
use crate::control::Folder;
use crate::support::{PROGRAM, Server};

/// Longest wait for something that comes by itself.
const PATIENCE: Duration = Duration::from_secs(60);

const WORLD: &str = r#"
subscription = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
resource_group = "net"
unknown_names = "NXDOMAIN"

[server]
listen = ["127.0.0.1:0"]

[metrics]
listen = "127.0.0.1:0"
page = true

[[virtual_network]]
name = "hub"
address_space = ["10.1.0.0/16"]
client_prefixes = ["127.1.0.0/16"]

[[virtual_network]]
name = "spoke"
address_space = ["10.2.0.0/16"]
client_prefixes = ["127.2.0.0/16"]

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "hub", name = "to-hub" }]
record_set = [
    { name = "host", type = "A", records = ["10.0.0.1"] },
    { name = "evil", type = "TXT", records = ["<script>alert(1)</script>"] },
]
"#;

/// A topology without resources of the API's, and what lets clients write.
const MANAGED: &str = r#"
[management]
listen = "127.0.0.1:0"
mode = "fast"
"#;

pub(crate) struct Browser {
    address: SocketAddr,
    pub(crate) cookie: Option<String>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

impl Browser {
    fn of(server: &Server) -> Self {
        Self::at(server.ready["page"].as_str().unwrap())
    }

    pub(crate) fn at(url: &str) -> Self {
        let address = url.strip_prefix("http://").unwrap().trim_end_matches('/').parse().unwrap();
        Self { address, cookie: None }
    }

    fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let host = if headers.contains("Host: ") { String::new() } else { format!("Host: {}\r\n", self.address) };
        let cookie = self.cookie.as_ref().map_or_else(String::new, |cookie| format!("Cookie: a=b; {cookie}\r\n"));
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\n{host}{cookie}Connection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        stream.write_all((head + body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> String {
        let answer = self.send("GET", path, "", "");
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    pub(crate) fn post(&self, path: &str, form: &str) -> Answer {
        self.send("POST", path, &format!("Origin: http://{}\r\n", self.address), form)
    }

    /// The stream of events, once it has begun.
    fn events(&self, query: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET /live{query} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).unwrap();
        let mut stream = BufReader::new(stream);
        assert!(line_with(&mut stream, "HTTP/1.1").contains(" 200 "));
        line_with(&mut stream, "retry: ");
        stream
    }
}

/// Reads up to a line that has a text.
#[track_caller]
fn line_with(stream: &mut BufReader<TcpStream>, text: &str) -> String {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the stream has ended before {text}");
        if line.contains(text) {
            return line;
        }
    }
    panic!("{text} has not come");
}

/// The value of the field of that name in the first form that has another value.
fn field<'p>(page: &'p str, of_form: &str, name: &str) -> &'p str {
    let form = page.split("<form").find(|form| form.contains(of_form)).unwrap();
    let (_, value) = form.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
    value.split('"').next().unwrap()
}

#[test]
fn each_view_shows_what_is_served() {
    let server = Server::configured(WORLD);
    let browser = Browser::of(&server);
    let has = |path: &str, texts: &[&str]| {
        let page = browser.get(path);
        for text in texts {
            assert!(page.contains(text), "{path} lacks {text}:\n{page}");
        }
    };
    has("/", &["You are <strong>127.0.0.1</strong>", "127.0.0.1 is in no virtual network", "<option value=\"hub\">"]);
    let private = "Clients of hub get the private answer";
    has("/?name=host.corp.test&from=hub", &[private, "10.0.0.1", "private zone corp.test. in net"]);
    has(
        "/?name=host.corp.test&from=127.1.0.9&type=a",
        &["127.1.0.9 is in virtual network hub, by the prefix 127.1.0.0/16"],
    );
    // The visitor, where nobody is named; the one who sees nothing is told who would.
    has("/?name=host.corp.test", &["REFUSED", "<th scope=\"row\">hub</th>"]);
    has("/?name=host.corp.test&from=nobody", &["is neither an address nor a virtual network"]);
    has("/?name=a..b", &["is not a domain name"]);
    // Where the record was written.
    has("/?name=host.corp.test&from=hub", &["test.toml:"]);
    has("/matrix?name=host.corp.test", &["<th scope=\"row\">outside, spoke</th>", "<th scope=\"row\">hub</th>"]);
    has("/topology", &["<svg", ">to-hub<", "1 private zones", "Address space"]);
    has("/topology?q=CORP", &["1 networks fit", ">to-hub<"]);
    has("/topology?q=nothing-is-called-so", &["No network fits."]);
    has("/endpoints", &["no management API", "No private endpoint fits."]);
    has("/findings", &["vnetdns check"]);
    has("/changes", &["Generation 1 is served", "keeps no state"]);
    has("/queries", &["<option>outside</option>", "<option>net/hub</option>"]);
    assert_eq!(browser.send("GET", "/nothing", "", "").status, 404);
    // What probes ask is there still.
    assert_eq!(browser.get("/livez"), "live\n");
}

#[test]
fn texts_of_records_and_of_visitors_are_never_markup() {
    let server = Server::configured(WORLD);
    let browser = Browser::of(&server);
    let page = browser.get("/?name=evil.corp.test&type=TXT&from=hub");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && !page.contains("<script>"), "{page}");
    for path in [
        "/?name=%22%3E%3Cimg%3E&from=%22%3E%3Cimg%3E&type=%3Cimg%3E",
        "/?name=%3Cimg%3E.test&from=%3Cimg%3E",
        "/topology?q=%22%3E%3Cimg%3E",
        "/endpoints?q=%22%3E%3Cimg%3E",
        "/endpoints?id=%22%3E%3Cimg%3E",
        "/findings?code=%22%3E%3Cimg%3E",
        "/queries?network=%22%3E%3Cimg%3E",
        "/open/%22%3E%3Cimg%3E",
    ] {
        let page = browser.send("GET", path, "", "").body;
        assert!(page.contains("<h1>") && !page.contains("<img"), "{path}: {page}");
    }
}

#[test]
fn nothing_comes_from_elsewhere_and_nobody_else_asks() {
    let server = Server::configured(WORLD);
    let browser = Browser::of(&server);
    for path in ["/", "/style.css", "/script.js", "/icon.svg", "/nothing"] {
        let answer = browser.send("GET", path, "", "");
        let policy = answer.header("content-security-policy").unwrap();
        let directives: Vec<Vec<_>> = policy.split(';').map(|part| part.split_whitespace().collect()).collect();
        for directive in &directives {
            assert!(directive.len() == 2 && matches!(directive[1], "'none'" | "'self'"), "{path}: {directive:?}");
        }
        for wanted in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
            let wanted: Vec<_> = wanted.split(' ').collect();
            assert!(directives.contains(&wanted), "{path}: {wanted:?} is missing in {policy}");
        }
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"), "{path}");
        assert_eq!(answer.header("set-cookie"), None, "{path}");
    }
    for (headers, status) in [
        ("Host: evil.example\r\n", 421),
        ("Host: localhost:1\r\n", 200),
        ("Origin: http://evil.example\r\n", 403),
        ("Origin: null\r\n", 403),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
        ("Sec-Fetch-Site: same-origin\r\n", 200),
    ] {
        for path in ["/", "/live", "/matrix?name=host.corp.test"] {
            if path != "/live" || status != 200 {
                assert_eq!(browser.send("GET", path, headers, "").status, status, "{path} {headers}");
            }
        }
        let post = browser.send("POST", "/decide", headers, "");
        assert!(post.status == if status == 200 { 403 } else { status }, "{headers}: {}", post.status);
    }
    let long = browser.send("GET", &format!("/?name={}", "a".repeat(5000)), "", "");
    assert_eq!(long.status, 414);
    for method in ["PUT", "DELETE", "HEAD", "OPTIONS"] {
        assert_eq!(browser.send(method, "/", "", "").status, 405, "{method}");
    }
    let large = browser.send("POST", "/open", "", &format!("code={}", "a".repeat(9000)));
    assert_eq!(large.status, 400);
}

/// It would show to others what every network sees.
#[test]
fn the_page_is_on_loopback_alone() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:9153"] {
        let output =
            Command::new(PROGRAM).args(["serve", "--lab", "default"]).arg(format!("--page={address}")).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{address}: {said}");
        assert!(said.contains("give a loopback address"), "{address}: {said}");
    }
}

/// All the ways that tell a client's network, as the form takes them, and what is not known.
#[test]
fn a_client_is_asked_as_with_its_forwarder_key_certificate_and_subnet() {
    const CLIENTS: &str = r#"
[[forwarder]]
name = "edge"
addresses = ["192.0.2.53"]
client_subnet = true
virtual_networks = ["hub"]

[[forwarder]]
name = "lb"
addresses = ["192.0.2.54"]
proxy_protocol = true
virtual_networks = ["spoke"]

[[tsig_key]]
name = "spoke-key"
file = "spoke.key"
virtual_network = "spoke"

[[client_certificate]]
name = "hub's"
public_key_sha256 = "AAAlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU="
virtual_network = "hub"
"#;
    let key = "key \"spoke-key\" {\n\talgorithm hmac-sha256;\n\tsecret \"c2VjcmV0LW9mLXRoZS1zcG9rZS1rZXktb2YtMzItb2M=\";\n};\n";
    let server = Server::configured_with(&format!("{WORLD}{CLIENTS}"), &[("spoke.key", key)]);
    let browser = Browser::of(&server);
    let page = browser.get("/");
    for offered in
        ["<option>edge</option>", "<option>lb</option>", "<option>spoke-key</option>", "<option>hub&#39;s</option>"]
    {
        assert!(page.contains(offered), "{offered}: {page}");
    }
    // What the command says of the same client.
    let ask = "/?name=host.corp.test&from=";
    for (query, said) in [
        (
            "10.1.0.4&via=edge&ecs=10.1.0.0/24",
            "10.1.0.0/24 is in virtual network hub, by the prefix 10.1.0.0/16; that it asks is the word of forwarder edge",
        ),
        ("10.1.0.4&via=edge", "asks from 192.0.2.53 and tells nothing of 10.1.0.4: give the client subnet"),
        // It may not speak for that network.
        ("10.2.0.4&via=edge&ecs=10.2.0.4", "10.2.0.4/32 is no client that forwarder edge, who tells of it"),
        (
            "10.2.0.4&via=LB",
            "is in virtual network spoke, by the prefix 10.2.0.0/16; that it asks is the word of forwarder lb",
        ),
        ("203.0.113.9&key=spoke-key", "203.0.113.9 is in virtual network spoke, whose key spoke-key."),
        ("203.0.113.9&certificate=hub%27s", "203.0.113.9 is in virtual network hub, by the certificate hub&#39;s"),
        // Nobody's word counts who is not listed.
        ("203.0.113.9&ecs=10.1.0.0/24", "203.0.113.9 is in no virtual network"),
    ] {
        let page = browser.get(&format!("{ask}{query}"));
        assert!(page.contains(said), "{query}: {page}");
        assert!(page.contains("<details class=\"more\" open>"), "{query}: {page}");
        let line = page.split("On the command line: <code>vnetdns ").nth(1).unwrap().split("</code>").next().unwrap();
        let line = line.replace("&#39;", "'");
        let config = server.folder().join("test.toml");
        let output = Command::new(PROGRAM).args(line.split(' ')).arg("--config").arg(config).output().unwrap();
        let explained = String::from_utf8_lossy(&output.stdout).replace('\'', "&#39;");
        let said = said.split(": give").next().unwrap();
        assert!(explained.contains(said), "{line}: {explained}{}", String::from_utf8_lossy(&output.stderr));
    }
    for (query, said) in [
        ("10.1.0.4&via=nobody", "There is no forwarder &quot;nobody&quot;; the forwarders are edge, lb."),
        ("10.1.0.4&key=nobody", "There is no key &quot;nobody&quot;; the keys are spoke-key."),
        ("10.1.0.4&key=a..b", "&quot;a..b&quot; is not a domain name"),
        ("10.1.0.4&certificate=nobody", "There is no client certificate &quot;nobody&quot;"),
        ("10.1.0.4&ecs=10.1.0.0/33", "&quot;10.1.0.0/33&quot; is not a client subnet"),
        ("hub&via=edge", "&quot;hub&quot; is a network already"),
        ("outside&key=spoke-key", "&quot;outside&quot; is a network already"),
        ("10.1.0.4&via=%3Cimg%3E", "There is no forwarder &quot;&lt;img&gt;&quot;"),
    ] {
        let page = browser.get(&format!("{ask}{query}"));
        assert!(page.contains(said) && page.contains("role=\"alert\"") && !page.contains("<img"), "{query}: {page}");
    }
    // Where there is nothing of the kind, the form has no field for it.
    drop(server);
    let plain = Browser::of(&Server::configured(WORLD)).get("/");
    assert!(!plain.contains("<details"), "{plain}");
}

#[test]
fn without_the_key_there_is_no_page() {
    let server = Server::configured(&WORLD.replace("page = true\n", ""));
    assert_eq!(server.ready.get("page"), None);
    let address = server.ready["metrics"].as_str().unwrap().parse().unwrap();
    let browser = Browser { address, cookie: None };
    for path in ["/", "/matrix?name=host.corp.test", "/live", "/style.css"] {
        assert_eq!(browser.send("GET", path, "", "").status, 404, "{path}");
    }
    assert_eq!(browser.send("POST", "/open", "", "code=a").status, 405);
}

/// A server with the management API and a pending connection, and its control socket.
fn managed(folder: &Folder) -> (Server, PathBuf) {
    let socket = folder.socket();
    let text = socket.to_str().unwrap();
    let world = WORLD.replace("[server]\n", &format!("[server]\ncontrol_socket = \"{text}\"\n"));
    (Server::configured(&format!("{world}{MANAGED}")), socket)
}

/// What `vnetdns page` prints.
pub(crate) fn link(socket: &Path) -> Output {
    Command::new(PROGRAM).arg("page").arg("--socket").arg(socket).output().unwrap()
}

/// Writes by the management API.
#[track_caller]
fn put(server: &Server, path: &str, body: &Value) {
    let api = Api::of(server, server.folder());
    api.put(path, body);
}

const NET: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/net/providers";

/// An account, its zone, and an endpoint in the hub that waits for the account's owner.
fn write_pending(server: &Server) -> String {
    use serde_json::json;
    let account = format!("{NET}/Microsoft.Storage/storageAccounts/contosodata");
    put(server, &account, &json!({ "location": "westeurope", "kind": "StorageV2", "sku": { "name": "Standard_LRS" } }));
    let zone = format!("{NET}/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net");
    put(server, &zone, &json!({ "location": "global" }));
    let hub = format!("{NET}/Microsoft.Network/virtualNetworks/hub");
    put(
        server,
        &format!("{zone}/virtualNetworkLinks/hub"),
        &json!({ "location": "global", "properties": {
        "virtualNetwork": { "id": hub }, "registrationEnabled": false } }),
    );
    let vnet = format!("{NET}/Microsoft.Network/virtualNetworks/made");
    put(
        server,
        &vnet,
        &json!({ "location": "westeurope", "properties": {
        "addressSpace": { "addressPrefixes": ["10.9.0.0/16"] },
        "subnets": [{ "name": "s", "properties": { "addressPrefix": "10.9.0.0/24" } }] } }),
    );
    let endpoint = format!("{NET}/Microsoft.Network/privateEndpoints/pe");
    put(
        server,
        &endpoint,
        &json!({ "location": "westeurope", "properties": {
        "subnet": { "id": format!("{vnet}/subnets/s") },
        "manualPrivateLinkServiceConnections": [{ "name": "c", "properties": {
            "privateLinkServiceId": account, "groupIds": ["blob"], "requestMessage": "please" } }] } }),
    );
    put(
        server,
        &format!("{endpoint}/privateDnsZoneGroups/default"),
        &json!({ "properties": {
        "privateDnsZoneConfigs": [{ "name": "blob", "properties": { "privateDnsZoneId": zone } }] } }),
    );
    endpoint
}

#[test]
fn a_connection_is_approved_by_who_has_the_link_and_the_answer_changes() {
    let folder = Folder::new("page");
    let (server, socket) = managed(&folder);
    let endpoint = write_pending(&server);
    let mut browser = Browser::of(&server);
    let name = "contosodata.privatelink.blob.core.windows.net.";
    let code = |server: &Server| server.ask("127.1.0.4", name, RecordType::A).metadata.response_code;
    assert_eq!(code(&server), ResponseCode::NXDomain);
    let view = format!("/endpoints?id={endpoint}");
    let page = browser.get(&view);
    assert!(page.contains("Pending") && page.contains("vnetdns page") && !page.contains("<form"), "{page}");

    // To follow the link changes nothing; to open it does, once.
    let link = link(&socket);
    let url = String::from_utf8(link.stdout).unwrap();
    let path = url.trim_end().strip_prefix(&format!("http://{}", browser.address)).unwrap().to_owned();
    let opening = browser.get(&path);
    assert_eq!(browser.get(&path), opening);
    let link = format!("code={}", field(&opening, "/open", "code"));
    let opened = browser.post("/open", &link);
    let cookie = opened.header("set-cookie").unwrap();
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict"), "{cookie}");
    assert_eq!((opened.status, opened.header("location")), (303, Some("/endpoints")));
    assert_eq!(browser.post("/open", &link).status, 403, "it counts once");

    // Without the session, the token, or with those of another form, nothing changes.
    let session = cookie.split(';').next().unwrap().to_owned();
    browser.cookie = Some(session.clone());
    let page = browser.get(&view);
    let (approve, reject) = (field(&page, ">Approve<", "token"), field(&page, ">Reject<", "token"));
    let form = |decision: &str, token: &str| format!("id={endpoint}&decision={decision}&token={token}");
    for (cookie, form) in [
        (None, form("Approved", approve)),
        (Some("vnetdns-1=0".to_owned()), form("Approved", approve)),
        (Some(session.clone()), form("Approved", reject)),
        (Some(session.clone()), form("Approved", "")),
        (Some(session.clone()), form("Approved", approve).replace("/pe&", "/other&")),
    ] {
        browser.cookie = cookie;
        assert_eq!(browser.post("/decide", &form).status, 403, "{form}");
    }
    browser.cookie = Some(session);
    assert_eq!(browser.send("GET", &format!("/decide?{}", form("Approved", approve)), "", "").status, 404);
    assert_eq!(code(&server), ResponseCode::NXDomain);

    // With them it does, at once, and is told as it comes.
    let mut events = browser.events("");
    let done = browser.post("/decide", &form("Approved", approve));
    assert_eq!(
        (done.status, done.header("location").map(|to| to.contains("failed"))),
        (303, Some(false)),
        "{}",
        done.head
    );
    line_with(&mut events, "event: change");
    assert_eq!(server.ask("127.1.0.4", name, RecordType::A).answers.len(), 1);
    let page = browser.get(&view);
    assert!(page.contains(">Approved</span>") && page.contains("<th scope=\"row\">hub</th>"), "{page}");
    assert!(browser.get("/changes").contains("net: privateendpoints/pe"));
    let audit = std::fs::read_to_string(server.folder().join("vnetdns-state/audit.log")).unwrap();
    assert!(audit.contains("\"client\":\"the page\""), "{audit}");
    assert_eq!(browser.post("/decide", &form("Rejected", reject)).status, 303);
    assert_eq!(code(&server), ResponseCode::NXDomain);
}

#[test]
fn a_server_without_the_api_gives_no_link_that_changes_something() {
    let folder = Folder::new("pageless");
    let socket = folder.socket();
    let server = |world: &str| {
        let text = socket.to_str().unwrap();
        Server::configured(&world.replace("[server]\n", &format!("[server]\ncontrol_socket = \"{text}\"\n")))
    };
    let with_page = server(WORLD);
    let told = String::from_utf8(link(&socket).stdout).unwrap();
    assert_eq!(Some(told.trim_end()), with_page.ready["page"].as_str());
    let form = "id=/subscriptions/a&decision=Approved&token=";
    assert_eq!(Browser::of(&with_page).post("/decide", form).status, 403);
    drop(with_page);
    let _without = server(&WORLD.replace("page = true\n", ""));
    let output = link(&socket);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("[metrics] page = true"), "{told}");
}

#[test]
fn queries_are_told_as_they_come_to_who_watches_their_network() {
    let server = Server::configured(WORLD);
    let browser = Browser::of(&server);
    let mut of_hub = browser.events("?queries=net%2Fhub");
    let mut of_all = browser.events("?queries=");
    // Until somebody looks nothing is kept: the stream has looked when its first line came, or will in a moment.
    let begin = Instant::now();
    let mut seen = String::new();
    while begin.elapsed() < PATIENCE && seen.is_empty() {
        server.ask("127.2.0.4", "host.corp.test.", RecordType::A);
        server.ask("127.1.0.4", "host.corp.test.", RecordType::A);
        seen = line_with(&mut of_hub, "data: ");
    }
    let query: Value = serde_json::from_str(seen.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(
        (&query["network"], &query["qname"], &query["qtype"]),
        (&"net/hub".into(), &"host.corp.test.".into(), &"A".into())
    );
    assert_eq!(
        (&query["rcode"], &query["answer"][0], &query["through"]),
        (&"NOERROR".into(), &"A 10.0.0.1".into(), &"link".into())
    );
    let other: Value =
        serde_json::from_str(line_with(&mut of_all, "net/spoke").strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(other["rcode"], "REFUSED");
    assert!(browser.get("/queries?network=net%2Fhub").contains("<code>A 10.0.0.1</code>"));
    assert!(!browser.get("/queries?network=net%2Fhub").contains("127.2.0.4"));
}

#[test]
fn streams_are_bounded_and_views_are_shown_beside_them() {
    let server = Server::configured(WORLD);
    let browser = Browser::of(&server);
    let mut streams: Vec<_> = (0..8).map(|_| browser.events("")).collect();
    assert_eq!(browser.send("GET", "/live", "", "").status, 503);
    browser.get("/?name=host.corp.test&from=hub");
    streams.pop();
    // One that is closed makes room.
    let begin = Instant::now();
    let is_free = || {
        let mut stream = TcpStream::connect(browser.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET /live HTTP/1.1\r\nHost: {}\r\n\r\n", browser.address).unwrap();
        line_with(&mut BufReader::new(stream), "HTTP/1.1").contains(" 200 ")
    };
    while !is_free() {
        assert!(begin.elapsed() < PATIENCE, "no stream is free");
    }
    // A reload is a change.
    server.configure(&WORLD.replace("10.0.0.1", "10.0.0.2"));
    server.signal("HUP");
    line_with(&mut streams[0], "event: change");
    assert!(browser.get("/?name=host.corp.test&from=hub").contains("10.0.0.2"));
}

#[test]
fn the_findings_are_those_of_what_is_served() {
    let world = WORLD.replace("hub\", name = \"to-hub\"", "hub\"");
    let dangling = "{ name = \"gone\", type = \"CNAME\", records = [\"nowhere.corp.test.\"] },\n    { name = \"host\"";
    let server = Server::configured(&world.replace("{ name = \"host\"", dangling));
    let browser = Browser::of(&server);
    let page = browser.get("/findings");
    let check = Command::new(PROGRAM)
        .args(["check", "--format", "json"])
        .arg(server.folder().join("test.toml"))
        .output()
        .unwrap();
    let found: Value = serde_json::from_slice(&check.stdout).unwrap();
    let findings = found["findings"].as_array().unwrap();
    assert!(!findings.is_empty(), "{found}");
    for finding in findings {
        let code = finding["code"].as_str().unwrap();
        assert!(page.contains(&format!("code={code}\">{code}</a>")), "{code}: {page}");
        assert!(browser.get(&format!("/findings?code={code}")).contains("About"), "{code}");
    }
}
