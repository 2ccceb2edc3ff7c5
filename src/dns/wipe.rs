//! Wipes what calls with secrets leave on the stack.

use std::hint::black_box;

use zeroize::Zeroize;

/// Octets that are overwritten: more than any call with a secret uses, even without optimisation.
const DEPTH: usize = 16 << 10;

/// Overwrites the stack below the caller's own frame. Libraries keep secrets in local variables that nothing wipes, and a thread
/// that loads a configuration may live long.
#[inline(never)]
pub(crate) fn wipe_stack() {
    let mut room = [0xff_u8; DEPTH];
    room.zeroize();
    black_box(&room);
}
