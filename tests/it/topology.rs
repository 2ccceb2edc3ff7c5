//! Small topologies as text, and servers outside them that answer as told.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::support::{receive, send};

/// A network 10.n.0.0/16 whose clients here are 127.n.0.0/16.
pub(crate) fn network(name: &str, n: u8, more: &str) -> String {
    format!(
        "[[virtual_network]]\nname = \"{name}\"\naddress_space = [\"10.{n}.0.0/16\"]\n\
         client_prefixes = [\"127.{n}.0.0/16\"]\n{more}\n"
    )
}

/// A private zone with A records, linked to networks: `"hub"`, or `"hub/NxDomainRedirect"`.
pub(crate) fn zone(name: &str, links: &[&str], records: &[(&str, &str)]) -> String {
    // Several zones of one name can be linked to different networks.
    let group = format!("rg-{}", links.iter().map(|link| link.split('/').next().unwrap()).collect::<String>());
    let links: Vec<_> = links
        .iter()
        .map(|link| {
            let (network, policy) = link.split_once('/').unwrap_or((link, "Default"));
            format!("{{ virtual_network = \"{network}\", resolution_policy = \"{policy}\" }}")
        })
        .collect();
    let mut text = format!(
        "[[private_dns_zone]]\nname = \"{name}\"\nresource_group = \"{group}\"\nvirtual_network_links = [{}]\n",
        links.join(", ")
    );
    for (owner, data) in records {
        let rtype = if data.parse::<std::net::Ipv4Addr>().is_ok() { "A" } else { "CNAME" };
        text += &format!(
            "[[private_dns_zone.record_set]]\nname = \"{owner}\"\ntype = \"{rtype}\"\nrecords = [\"{data}\"]\n"
        );
    }
    text
}

/// A ruleset with the rules `(domain, targets)`; one that begins with `!` is disabled.
pub(crate) fn ruleset(name: &str, networks: &[&str], rules: &[(&str, &[&str])]) -> String {
    let links: Vec<_> = networks.iter().map(|network| format!("{{ virtual_network = \"{network}\" }}")).collect();
    let mut text =
        format!("[[dns_forwarding_ruleset]]\nname = \"{name}\"\nvirtual_network_links = [{}]\n", links.join(", "));
    for (domain, targets) in rules {
        let state = if domain.starts_with('!') { "Disabled" } else { "Enabled" };
        text += &format!(
            "[[dns_forwarding_ruleset.forwarding_rule]]\ndomain_name = \"{}\"\ntarget_dns_servers = {targets:?}\n\
             state = \"{state}\"\n",
            domain.trim_start_matches('!')
        );
    }
    text
}

/// A storage account without a private endpoint.
pub(crate) fn account(name: &str) -> String {
    format!(
        "[[private_link_resource]]\ntype = \"Microsoft.Storage/storageAccounts\"\nname = \"{name}\"\n\
         region = \"eastus\"\nname_parts = {{ stamp = \"stamp1\" }}\npublic_ip_addresses = {{ blob = [\"203.0.113.7\"] }}\n"
    )
}

/// A storage account with a private endpoint for blobs, whose address is written to the zones of the group.
pub(crate) fn account_with_endpoint(name: &str, network: &str, address: &str, zone_group: &[&str]) -> String {
    account(name)
        + &format!(
            "[[private_endpoint]]\nname = \"pe-{name}\"\nvirtual_network = \"{network}\"\n\
             private_link_resource = \"{name}\"\ngroup_id = \"blob\"\nip_configurations = {{ blob = \"{address}\" }}\n\
             private_dns_zone_group = {zone_group:?}\n"
        )
}

/// What carried a query to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Udp,
    Tcp,
}

/// A server outside the topology that answers each query by a script, or says nothing.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<(By, String)>>>,
}

impl Target {
    pub(crate) fn start(script: impl Fn(By, &Message) -> Option<Message> + Send + Sync + 'static) -> Self {
        let (listener, socket) = loop {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            if let Ok(socket) = UdpSocket::bind(listener.local_addr().unwrap()) {
                break (listener, socket);
            }
        };
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let note = asked.clone();
        let answer = Arc::new(move |by, query: &[u8]| {
            let query = Message::from_vec(query).unwrap();
            let question = &query.queries[0];
            note.lock().unwrap().push((by, format!("{} {}", question.name().to_lowercase(), question.query_type())));
            script(by, &query).map(|response| response.to_vec().unwrap())
        });
        let over_tcp = answer.clone();
        // The threads end with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                if let Some(response) = receive(&mut stream).and_then(|query| over_tcp(By::Tcp, &query)) {
                    send(&mut stream, &response);
                }
            }
        });
        thread::spawn(move || -> io::Result<()> {
            let mut buffer = [0; 4096];
            loop {
                let (len, client) = socket.recv_from(&mut buffer)?;
                if let Some(response) = answer(By::Udp, &buffer[..len]) {
                    socket.send_to(&response, client)?;
                }
            }
        });
        Self { address, asked }
    }

    /// A server that has one address for every name.
    pub(crate) fn with_address(address: [u8; 4]) -> Self {
        Self::start(move |_, query| Some(found(query, vec![a(&query.queries[0].name().to_ascii(), 60, address)])))
    }

    /// A server that takes queries and says nothing.
    pub(crate) fn silent() -> Self {
        Self::start(|_, _| None)
    }

    /// Address and port as a configuration has them.
    pub(crate) fn text(&self) -> String {
        self.address.to_string()
    }

    /// What it was asked so far, over what: `NAME TYPE`, the name in lower case. The server spells it as it likes.
    pub(crate) fn asked(&self) -> Vec<(By, String)> {
        self.asked.lock().unwrap().clone()
    }
}

/// A response without records.
pub(crate) fn response(query: &Message, rcode: ResponseCode) -> Message {
    let mut response = Message::response(query.id, query.op_code);
    response.metadata.recursion_desired = query.recursion_desired;
    response.metadata.recursion_available = true;
    response.metadata.response_code = rcode;
    response.queries.clone_from(&query.queries);
    response
}

pub(crate) fn found(query: &Message, records: Vec<Record>) -> Message {
    let mut message = response(query, ResponseCode::NoError);
    message.answers = records;
    message
}

/// NXDOMAIN from the zone with that apex: its SOA record has the TTL 900 and the minimum 30.
pub(crate) fn missing(query: &Message, apex: &str) -> Message {
    let mut message = response(query, ResponseCode::NXDomain);
    let soa = SOA::new(name("ns.test."), name("mail.test."), 1, 2, 3, 4, 30);
    message.authorities = vec![Record::from_rdata(name(apex), 900, RData::SOA(soa))];
    message
}

pub(crate) fn a(owner: &str, ttl: u32, address: [u8; 4]) -> Record {
    Record::from_rdata(name(owner), ttl, RData::A(A(address.into())))
}

pub(crate) fn cname(owner: &str, ttl: u32, target: &str) -> Record {
    Record::from_rdata(name(owner), ttl, RData::CNAME(CNAME(name(target))))
}

pub(crate) fn asks_for(query: &Message, name: &str, qtype: RecordType) -> bool {
    query.queries[0].name().to_ascii().eq_ignore_ascii_case(name) && query.queries[0].query_type() == qtype
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}
