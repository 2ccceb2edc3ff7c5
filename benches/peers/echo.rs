//! The floor: receives a batch, sets the bit that makes a query a response, sends it back.

use std::io::Write;
use std::net::UdpSocket;

use nix::libc;

use super::mmsg::Batch;

/// Serves on a free port of the loopback interface, which it prints, for ever.
pub(crate) fn serve() -> ! {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20);
    println!("{}", socket.local_addr().expect("bound"));
    std::io::stdout().flush().expect("somebody reads");
    let mut batch = Batch::new(true);
    loop {
        let count = batch.receive(&socket, libc::MSG_WAITFORONE).expect("a bound socket receives");
        for at in 0..count {
            if let Some(flags) = batch.datagram(at).get_mut(2) {
                *flags |= 0x80;
            }
        }
        let _ = batch.send_back(&socket, count);
    }
}
