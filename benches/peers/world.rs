//! Zones, networks and the queries for them: the same for every server.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Queries of a workload, each known by its ID.
pub(crate) const QUERIES: usize = 16_384;
/// The zone that is asked for.
pub(crate) const APEX: &str = "privatelink.eastus.prometheus.monitor.azure.com";
/// The public zone with an alias to each host of it.
pub(crate) const PUBLIC: &str = "eastus.prometheus.monitor.azure.com";

/// What is declared.
pub(crate) struct World {
    directory: TempDir,
    /// The private zones, first the one that is asked for.
    pub(crate) private: Vec<Zone>,
    /// The public zones.
    pub(crate) public: Vec<Zone>,
    /// Virtual networks, each linked to all private zones.
    pub(crate) networks: usize,
    /// Hosts in each private zone.
    pub(crate) hosts: usize,
}

/// A zone and its master file.
pub(crate) struct Zone {
    pub(crate) apex: String,
    pub(crate) file: PathBuf,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// An A record that exists.
    Hit,
    /// As a hit, with names of many lengths.
    MixedHit,
    /// As a hit, with EDNS and the client subnet option.
    ClientSubnet,
    /// A public alias of a private host.
    Alias,
    /// A name that has no record of that type.
    NoData,
    /// A name that does not exist, another one each time.
    NxDomain,
}

/// Messages, each with its place as ID, and what the response to each must look like.
#[derive(Clone)]
pub(crate) struct Workload {
    pub(crate) queries: Vec<Vec<u8>>,
    pub(crate) rcode: u8,
    pub(crate) answers: u16,
}

impl World {
    /// A world of so many networks, and private zones with so many hosts each, to which a public zone has aliases.
    pub(crate) fn new(networks: usize, zones: usize, hosts: usize) -> Self {
        let mut world = Self::without_aliases(networks, zones, hosts);
        let write = |output: &mut dyn std::io::Write| {
            for host in 0..hosts {
                writeln!(output, "{} CNAME {}.{APEX}.", host_label(host), host_label(host)).expect("room");
            }
        };
        world.public.push(Zone::new(world.directory.path(), PUBLIC.to_owned(), &write));
        world
    }

    /// The same without public zones.
    pub(crate) fn without_aliases(networks: usize, zones: usize, hosts: usize) -> Self {
        let directory = tempfile::tempdir().expect("a place for zone files");
        let private = |at: usize| {
            let apex = if at == 0 { APEX.to_owned() } else { format!("zone{at}.contoso.internal") };
            Zone::new(directory.path(), apex, &|output| (0..hosts).for_each(|host| write_host(output, host, 1)))
        };
        let private: Vec<_> = (0..zones).map(private).collect();
        Self { public: Vec::new(), private, networks, hosts, directory }
    }

    pub(crate) fn all_zones(&self) -> impl Iterator<Item = &Zone> {
        // The one that is asked for is the last of a view.
        self.public.iter().chain(self.private.iter().rev())
    }

    /// The configuration of this server.
    pub(crate) fn config(&self) -> PathBuf {
        let mut text = "limits = \"off\"\n".to_owned();
        for network in 0..self.networks {
            write!(
                text,
                "[[virtual_network]]\nname = \"vnet-{network}\"\nclient_prefixes = [\"{}\"]\n",
                prefix(network)
            )
            .expect("a string takes it");
        }
        let mut links = String::new();
        for network in 0..self.networks {
            write!(links, "{{ virtual_network = \"vnet-{network}\" }}, ").expect("a string takes it");
        }
        for zone in self.private.iter().rev() {
            write!(
                text,
                "[[private_dns_zone]]\nname = {:?}\nfile = {:?}\nvirtual_network_links = [{links}]\n",
                zone.apex, zone.file
            )
            .expect("a string takes it");
        }
        for zone in &self.public {
            write!(text, "[[public_zone]]\nname = {:?}\nfile = {:?}\n", zone.apex, zone.file)
                .expect("a string takes it");
        }
        let path = self.config_path();
        fs::write(&path, text).expect("room on the disk");
        path
    }

    /// Writes a comment into the configuration of this server: the next reload loads all of it.
    pub(crate) fn change_config(&self) {
        let mut file = File::options().append(true).open(self.config_path()).expect("the configuration");
        file.write_all(b"# Changed.\n").expect("room on the disk");
    }

    fn config_path(&self) -> PathBuf {
        self.directory.path().join("vnetdns.toml")
    }

    /// Writes a zone again, the first of which is asked for, with other data for its first host.
    pub(crate) fn change(&self, zone: usize, generation: usize) {
        let Zone { apex, file } = &self.private[zone];
        let mut output = BufWriter::new(File::create(file).expect("a zone file"));
        write_apex(&mut output, apex, generation);
        (0..self.hosts).for_each(|host| write_host(&mut output, host, if host == 0 { generation } else { 1 }));
        output.flush().expect("room on the disk");
    }

    /// Messages of one kind.
    pub(crate) fn workload(&self, question: Question) -> Workload {
        let mut numbers = Numbers(42);
        let mut query = |id: usize| {
            let host = numbers.below(self.hosts);
            let label = match question {
                // Odd and even hosts differ in the length of their names; short and long numbers do a little.
                Question::Hit | Question::ClientSubnet | Question::Alias | Question::NoData => host_label(host & !1),
                Question::MixedHit => host_label(host),
                Question::NxDomain => format!("{:012x}", numbers.draw() >> 16),
            };
            let zone = if question == Question::Alias { PUBLIC } else { APEX };
            let qtype = if question == Question::NoData { 28 } else { 1 };
            message(id as u16, &format!("{label}.{zone}"), qtype, question == Question::ClientSubnet)
        };
        let queries = (0..QUERIES).map(&mut query).collect();
        let (rcode, answers) = match question {
            Question::Hit | Question::MixedHit | Question::ClientSubnet => (0, 1),
            Question::Alias => (0, 2),
            Question::NoData => (0, 0),
            Question::NxDomain => (3, 0),
        };
        Workload { queries, rcode, answers }
    }

    /// Addresses of clients, in the last networks.
    pub(crate) fn clients(&self, count: usize) -> Vec<Ipv4Addr> {
        (0..count).map(|at| client(self.networks - 1 - at % self.networks.min(4))).collect()
    }
}

impl Zone {
    /// Writes the file of a zone, of which `write` writes the records behind those of its apex.
    fn new(directory: &Path, apex: String, write: &dyn Fn(&mut dyn std::io::Write)) -> Self {
        let file = directory.join(format!("{apex}.zone"));
        let mut output = BufWriter::new(File::create(&file).expect("a zone file"));
        write_apex(&mut output, &apex, 1);
        write(&mut output);
        output.flush().expect("room on the disk");
        Self { apex, file }
    }
}

/// The first label of a host: for odd ones of many lengths.
pub(crate) fn host_label(host: usize) -> String {
    if host.is_multiple_of(2) {
        format!("workspace-{host:07}")
    } else {
        format!("w{}-{host}", "x".repeat(host / 2 % 30))
    }
}

/// The network's part of the loopback range.
pub(crate) fn prefix(network: usize) -> String {
    format!("127.{}.{}.0/24", 1 + network / 256, network % 256)
}

fn client(network: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, (1 + network / 256) as u8, (network % 256) as u8, 4)
}

/// The address of the first host of a generation.
pub(crate) fn address(generation: usize) -> [u8; 4] {
    [10, 0, (generation >> 8) as u8, generation as u8]
}

fn write_apex(output: &mut dyn std::io::Write, apex: &str, serial: usize) {
    writeln!(
        output,
        "$ORIGIN {apex}.\n$TTL 300\n@ SOA ns.{apex}. hostmaster.{apex}. {serial} 3600 300 604800 60\n@ NS ns.{apex}.\n\
         ns A 192.0.2.1"
    )
    .expect("room on the disk");
}

fn write_host(output: &mut dyn std::io::Write, host: usize, generation: usize) {
    let [a, b, c, d] = address(generation);
    writeln!(output, "{} A {a}.{b}.{c}.{d}", host_label(host)).expect("room on the disk");
}

/// A query message.
pub(crate) fn message(id: u16, qname: &str, qtype: u16, has_client_subnet: bool) -> Vec<u8> {
    let mut octets = id.to_be_bytes().to_vec();
    octets.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(has_client_subnet)]);
    for label in qname.trim_end_matches('.').split('.') {
        octets.push(label.len() as u8);
        octets.extend_from_slice(label.as_bytes());
    }
    octets.push(0);
    octets.extend_from_slice(&qtype.to_be_bytes());
    octets.extend_from_slice(&[0, 1]);
    if has_client_subnet {
        // OPT with 1232 octets; option 8: IPv4, 24 bits, scope 0 (RFC 7871 §6).
        octets.extend_from_slice(b"\0\0\x29\x04\xd0\0\0\0\0\0\x0b\0\x08\0\x07\0\x01\x18\0\x0a\x01\x02");
    }
    octets
}

/// Numbers without a pattern, the same in every run (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.draw() % bound as u64) as usize
    }
}
