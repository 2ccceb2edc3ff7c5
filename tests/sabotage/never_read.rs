//! Clients that ask for long answers, one query behind the other, and read nothing.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use hickory_proto::rr::RecordType;
use socket2::{Domain, Socket, Type};

use crate::good_client::GoodClient;
use crate::support::{Server, find_program, plain_query};

const WORLD: &str = r#"
limits = "off"
[server]
tcp_idle_seconds = 60

[[virtual_network]]
name = "v"
address_space = ["10.1.0.0/16"]
client_prefixes = ["127.1.0.0/16"]

[[virtual_network]]
name = "w"
address_space = ["10.2.0.0/16"]
client_prefixes = ["127.2.0.0/16"]

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "v" }, { virtual_network = "w" }]
record_set = [{ name = "host", type = "A", records = ["10.1.0.4"] }, { name = "long", type = "TXT", records = [RECORDS] }]
"#;

/// Connections of each of so many addresses.
const EACH: usize = 50;
const ADDRESSES: u8 = 8;
/// Most octets of the system's memory that the server's sockets may have.
const MOST: u64 = 64 << 20;

/// Octets that the system has for the connections of a server: received, to be sent, and allocated in advance.
fn kernel_memory(server: SocketAddr) -> u64 {
    let filter = format!("sport = :{}", server.port());
    let listed = Command::new("ss").args(["-tmnH", "state", "established", &filter]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let fields = listed.split("skmem:(").skip(1).flat_map(|memory| memory.split(')').next().unwrap().split(','));
    let charged = fields.filter_map(|field| {
        let at = field.find(|c: char| c.is_ascii_digit())?;
        let (name, octets) = field.split_at(at);
        matches!(name, "r" | "w" | "f").then(|| octets.parse::<u64>().unwrap())
    });
    charged.sum()
}

/// Pages of memory for all TCP sockets of this machine.
fn tcp_pages() -> u64 {
    let text = std::fs::read_to_string("/proc/net/sockstat").unwrap();
    let line = text.lines().find(|line| line.starts_with("TCP:")).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// A connection that has as little room for responses as the system allows.
fn connect(server: SocketAddr, from: [u8; 4]) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.set_send_buffer_size(16_384).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.into()
}

#[test]
fn clients_that_never_read_take_little_memory_of_the_system() {
    if find_program("ss", "iproute2").is_none() {
        return;
    }
    let records: Vec<_> = (0..16).map(|at| format!("\"{at:02}{}\"", "x".repeat(250))).collect();
    let server = Server::configured(&WORLD.replace("RECORDS", &records.join(", ")));
    let good = GoodClient::new("clients that never read", server.address, "127.2.0.7", "host.corp.test");
    good.quiet("before").at_least(1.0);
    let query = plain_query("long.corp.test", RecordType::TXT).to_vec().unwrap();
    let queries = [&(query.len() as u16).to_be_bytes()[..], &query].concat().repeat(500);
    let attack = || {
        let pages = tcp_pages();
        let mut greedy: Vec<_> = (0..ADDRESSES)
            .flat_map(|host| (0..EACH).map(move |_| [127, 1, 0, 1 + host]))
            .map(|from| connect(server.address, from))
            .collect();
        // Until the server takes no more.
        let (mut most, mut steady) = (0, 0);
        while steady < 5 {
            for stream in &mut greedy {
                while stream.write(&queries).is_ok() {}
            }
            std::thread::sleep(Duration::from_millis(200));
            let memory = kernel_memory(server.address);
            steady = if memory > most { 0 } else { steady + 1 };
            most = most.max(memory);
        }
        let pages = tcp_pages().saturating_sub(pages);
        println!("{} connections: {} KiB of the server, {pages} pages of both sides", greedy.len(), most >> 10);
        most
    };
    let (during, most) = good.during(attack);
    during.at_least(0.99);
    assert!(most < MOST, "{most} octets");
    good.quiet("after").at_least(1.0);
}
