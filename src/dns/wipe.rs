//! What calls leave behind on the stack, where they had secrets in their hands.

use std::hint::black_box;

use zeroize::Zeroize;

/// Octets that are overwritten: more than what is called with a secret takes, also without optimisation.
const DEPTH: usize = 16 << 10;

/// Overwrites what calls have left on the stack below the caller's own frame. Libraries compute with secrets in variables
/// of their own, which nothing wipes; and a thread that loads a configuration may live long.
#[inline(never)]
pub(crate) fn wipe_stack() {
    let mut room = [0xff_u8; DEPTH];
    room.zeroize();
    black_box(&room);
}
