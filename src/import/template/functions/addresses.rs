//! Functions for address prefixes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::super::meter::{Fault, Meter};
use super::super::value::Value;
use super::Arguments;

pub(super) fn call(arguments: &Arguments<'_>, _: &Meter) -> Result<Option<Value>, Fault> {
    match arguments.function {
        "parsecidr" => parse_cidr(arguments).map(Some),
        "cidrsubnet" => cidr_subnet(arguments).map(Some),
        "cidrhost" => cidr_host(arguments).map(Some),
        _ => Ok(None),
    }
}

fn prefix(arguments: &Arguments<'_>) -> Result<IpNet, Fault> {
    let source = arguments.text(0)?;
    let prefix: IpNet = source.parse().map_err(|_| Fault::wrong(format!("'{source}' is no address prefix")))?;
    Ok(prefix.trunc())
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The address at an offset from the first of a prefix.
fn address(prefix: IpNet, offset: u128) -> Option<IpAddr> {
    let bits = bits(prefix.network()).checked_add(offset)?;
    let address = match prefix {
        IpNet::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(bits).ok()?)),
        IpNet::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(bits)),
    };
    prefix.contains(&address).then_some(address)
}

fn parse_cidr(arguments: &Arguments<'_>) -> Result<Value, Fault> {
    arguments.take(1, 1)?;
    let prefix = prefix(arguments)?;
    let shown = |address: Option<IpAddr>| Value::text(address.map(|address| address.to_string()).unwrap_or_default());
    let last = match prefix {
        IpNet::V4(prefix) => IpAddr::V4(prefix.broadcast()),
        IpNet::V6(prefix) => IpAddr::V6(prefix.broadcast()),
    };
    let size = bits(last) - bits(prefix.network());
    let mut members = vec![
        ("network", shown(Some(prefix.network()))),
        ("netmask", shown(Some(prefix.netmask()))),
        ("cidr", Value::Int(i64::from(prefix.prefix_len()))),
    ];
    if matches!(prefix, IpNet::V4(_)) {
        // In an IPv4 prefix of fewer than four addresses none is reserved.
        let (first, end) = if size < 2 { (0, size) } else { (1, size - 1) };
        members.push(("broadcast", shown(Some(last))));
        members.push(("firstUsable", shown(address(prefix, first))));
        members.push(("lastUsable", shown(address(prefix, end))));
    } else {
        members.push(("firstUsable", shown(Some(prefix.network()))));
        members.push(("lastUsable", shown(Some(last))));
    }
    Value::record(members, None)
}

fn cidr_subnet(arguments: &Arguments<'_>) -> Result<Value, Fault> {
    arguments.take(3, 3)?;
    let (prefix, length, index) = (prefix(arguments)?, arguments.int(1)?, arguments.int(2)?);
    let subnet = || {
        let length = u8::try_from(length)
            .ok()
            .filter(|length| (prefix.prefix_len()..=prefix.max_prefix_len()).contains(length))?;
        let index = u128::try_from(index).ok()?;
        // The shift would wrap around for an index beyond the subnets.
        if length - prefix.prefix_len() < 64 && index >> (length - prefix.prefix_len()) != 0 {
            return None;
        }
        let offset = index.checked_shl(u32::from(prefix.max_prefix_len() - length)).unwrap_or(0);
        IpNet::new(address(prefix, offset)?, length).ok()
    };
    let subnet = subnet().ok_or_else(|| Fault::wrong(format!("{prefix} has no subnet {index} of length {length}")))?;
    Ok(Value::text(subnet.to_string()))
}

fn cidr_host(arguments: &Arguments<'_>) -> Result<Value, Fault> {
    arguments.take(2, 2)?;
    let (prefix, index) = (prefix(arguments)?, arguments.int(1)?);
    let host = || address(prefix, u128::try_from(index).ok()?.checked_add(1)?);
    let host = host().ok_or_else(|| Fault::wrong(format!("{prefix} has no usable address {index}")))?;
    Ok(Value::text(host.to_string()))
}
