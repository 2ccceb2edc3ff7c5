//! Entry points of the fuzz target; compiled for fuzzing only.

use super::query::{Query, RANDOM, Received, Spelling};
use crate::resolve::{ForwardQuestion, Reply};

/// The reply in a datagram or, with `over_tcp`, in a message of a connection; `None` if there is none.
pub fn reply(question: &ForwardQuestion, random: &[u8; 34], over_tcp: bool, message: &mut [u8]) -> Option<Reply> {
    const { assert!(RANDOM == 34) };
    let query = Query::new(question, Spelling::Random, random);
    let received = if over_tcp { query.read_stream(message).0 } else { query.read_datagram(message) };
    let Received::Response(response) = received else { return None };
    Reply::read(&response, question)
}

/// The query with this randomness.
pub fn query(question: &ForwardQuestion, random: &[u8; 34]) -> Vec<u8> {
    Query::new(question, Spelling::Random, random).octets().to_vec()
}
