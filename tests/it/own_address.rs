//! Socket addresses that nobody else takes: for servers that have to be told their port, and for targets at which nobody
//! answers.
//!
//! A port that the system chose is no such address once its socket is closed: whoever asks for a port next, in any test
//! and any process, may be given the same one.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Mutex;

/// The lowest port that IANA has for those that the system chooses (RFC 6335 §6), where the system does not tell its own.
const DYNAMIC: u16 = 49_152;
/// Where a process binds a port for as long as it runs, so that no other one gives the same port.
const GIVEN: Ipv4Addr = Ipv4Addr::new(127, 127, 127, 127);

/// An address of the loopback interface at which nobody listens, over UDP or TCP, and that is given once. Its port is below
/// those that the system chooses.
pub(crate) fn own_address() -> SocketAddr {
    // The last port that was looked at, and what is held for each that was given.
    static HELD: Mutex<(Option<u16>, Vec<UdpSocket>)> = Mutex::new((None, Vec::new()));
    let first_of_system = || {
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
        range.ok().and_then(|range| range.split_whitespace().next()?.parse().ok()).unwrap_or(DYNAMIC)
    };
    let mut held = HELD.lock().expect("nothing here panics with it");
    loop {
        let port = held.0.unwrap_or_else(first_of_system) - 1;
        held.0 = Some(port);
        match UdpSocket::bind((GIVEN, port)) {
            Ok(socket) => held.1.push(socket),
            // A system that has one address of the loopback interface.
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {}
            Err(_) => continue,
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        // What this machine serves stays where it is.
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}

/// A loopback address of this process, 127.64.0.0 to 127.127.255.255, for ports of any number.
#[allow(dead_code, reason = "few tests need it")]
pub(crate) fn own_ip() -> Ipv4Addr {
    // Linux numbers processes with 22 bits.
    let [_, high, middle, low] = (std::process::id() & 0x003f_ffff).to_be_bytes();
    Ipv4Addr::new(127, 64 + high, middle, low)
}
