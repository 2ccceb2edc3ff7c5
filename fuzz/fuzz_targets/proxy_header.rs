//! PROXY protocol headers: what a listed proxy sends in front of a datagram, whole or in pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vnetdns::server::fuzzing::{proxied_datagram, proxied_stream};

fuzz_target!(|input: &[u8]| {
    let datagram = proxied_datagram(input, true);
    if let Some((_, rest)) = datagram {
        assert!(input.ends_with(rest), "what follows the header is the end of the datagram");
    }
    // A stream comes in pieces: whatever is known of a beginning stays so when more comes.
    let whole = proxied_stream(input);
    for len in 0..input.len().min(300) {
        if let Ok(Some(known)) = proxied_stream(&input[..len]) {
            assert_eq!(whole, Ok(Some(known)), "after {len} octets");
            break;
        }
    }
});
