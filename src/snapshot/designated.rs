//! `resolver.arpa`: the encrypted transports over which this server answers the same client (RFC 9462). The zone is local, and
//! exists even if there is nothing to announce (§6.4).

use std::net::IpAddr;

use crate::azure::ResourceId;
use crate::dns::{Name, NameRef, RecordType, Ttl, rdata};
use crate::zone::{CompileError, Zone};

/// The zone's apex.
pub const RESOLVER_ARPA: NameRef<'static> = NameRef::constant(b"\x08resolver\x04arpa\0");
/// The owner of the records (RFC 9462 §4).
const DNS: NameRef<'static> = NameRef::constant(b"\x04_dns\x08resolver\x04arpa\0");
/// TTL of the records, and of negative answers, in seconds: a restart may change them.
const TTL: Ttl = Ttl::from_secs(300).unwrap();
/// Service parameters (RFC 9460 §14.3.2, RFC 9461 §5).
const ALPN: u16 = 1;
const PORT: u16 = 3;
const IPV4_HINT: u16 = 4;
const IPV6_HINT: u16 = 6;
const DOH_PATH: u16 = 7;

/// An encrypted listener that is announced to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Designation {
    /// The network of its clients, if it belongs to one.
    pub network: Option<ResourceId>,
    /// The name in its certificate.
    pub name: Name,
    /// The address that it listens on; `None` for a wildcard address.
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: u16,
    /// Its protocols, as in ALPN.
    pub protocols: Vec<&'static str>,
    /// The path for DNS over HTTPS.
    pub path: Option<String>,
}

/// The zone in the view of each network.
#[derive(Debug)]
pub(super) struct Designated {
    all: Box<[Designation]>,
    of_networks: Vec<(ResourceId, Zone)>,
    of_others: Zone,
}

impl Designated {
    /// The zones for these listeners. Clients of a network see the listeners of the network and those that belong to none.
    pub(super) fn new(all: &[Designation]) -> Result<Self, CompileError> {
        let zone = |network: Option<&ResourceId>| {
            let seen = all.iter().filter(|one| one.network.is_none() || one.network.as_ref() == network);
            zone(&seen.zip(1..).map(|(one, priority)| one.rdata(priority)).collect::<Vec<_>>())
        };
        let mut networks: Vec<_> = all.iter().filter_map(|one| one.network.as_ref()).collect();
        networks.sort();
        networks.dedup();
        let of_networks = networks.into_iter().map(|network| Ok((network.clone(), zone(Some(network))?)));
        Ok(Self { all: all.into(), of_networks: of_networks.collect::<Result<_, _>>()?, of_others: zone(None)? })
    }

    /// Whether it was made for these listeners.
    pub(super) fn is_of(&self, all: &[Designation]) -> bool {
        *self.all == *all
    }

    pub(super) fn zone(&self, network: Option<&ResourceId>) -> &Zone {
        let own = self.of_networks.iter().find(|(own, _)| Some(own) == network);
        own.map_or(&self.of_others, |(_, zone)| zone)
    }
}

fn zone(svcb: &[Box<[u8]>]) -> Result<Zone, CompileError> {
    let name = |name: &str| name.parse::<Name>().expect("a constant of this function");
    // As in locally served zones (RFC 6303 §3), except for the TTL of negative answers.
    let soa = rdata::soa(&name("resolver.arpa"), &name("nobody.invalid"), [1, 3600, 1200, 604_800, TTL.as_secs()]);
    let soa = [soa.into_boxed_slice()];
    let soa = (RESOLVER_ARPA, RecordType::SOA, TTL, &soa[..]);
    let svcb = (!svcb.is_empty()).then_some((DNS, RecordType::SVCB, TTL, svcb));
    Zone::compile(RESOLVER_ARPA, [soa].into_iter().chain(svcb))
}

impl Designation {
    /// The data of its SVCB record, with parameters in the order of their keys (RFC 9460 §2.2).
    fn rdata(&self, priority: u16) -> Box<[u8]> {
        let mut rdata = priority.to_be_bytes().to_vec();
        rdata.extend_from_slice(self.name.as_wire());
        let mut parameter = |key: u16, value: &[u8]| {
            rdata.extend_from_slice(&key.to_be_bytes());
            rdata.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
            rdata.extend_from_slice(value);
        };
        let protocols =
            self.protocols.iter().flat_map(|protocol| [&[protocol.len() as u8], protocol.as_bytes()].concat());
        parameter(ALPN, &protocols.collect::<Vec<_>>());
        parameter(PORT, &self.port.to_be_bytes());
        match self.address {
            Some(IpAddr::V4(address)) => parameter(IPV4_HINT, &address.octets()),
            Some(IpAddr::V6(address)) => parameter(IPV6_HINT, &address.octets()),
            None => {}
        }
        if let Some(path) = &self.path {
            parameter(DOH_PATH, format!("{path}{{?dns}}").as_bytes());
        }
        rdata.into()
    }
}
