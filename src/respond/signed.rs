//! Requests with a signature (RFC 8945 §5): it is verified before all else, and what is answered is signed.
//!
//! A signature that does not count costs the client every answer, whatever its address is: whoever signs wants to be known
//! by the key. Over a transport where responses are encoded anew, so that a signature would not fit them, nothing signed is
//! answered.

use super::cache::NothingKept;
use super::{Disposition, SignatureState, answer_verified, refuse};
use crate::dns::{ExtendedError, Folded, Rcode};
use crate::resolve::{Observer, Replies};
use crate::snapshot::Snapshot;
use crate::view::Client;
use crate::wire::{Received, Response, Tsig, TsigFailure};

/// Answers a request that has that signature, as few have.
#[cold]
pub(super) fn respond<O: Observer>(
    snapshot: &Snapshot,
    client: &Client,
    received: &Received<'_>,
    tsig: &Tsig<'_>,
    replies: &Replies,
    response: &mut Response,
    observer: &mut O,
) -> Option<Disposition> {
    if !client.transport.sends_octets() {
        let refusal = received.refused(Rcode::Refused);
        return refuse(snapshot, client, &refusal, Some(ExtendedError::NoSignatures), response);
    }
    let identifier = snapshot.identifier();
    let id = identifier.key_named(tsig.key_name().as_ref());
    let key = id.map(|id| &identifier.key(id).key);
    match tsig.verify(key, client.now) {
        Ok(key) => {
            let client = Client { key: id, ..*client };
            // What is signed costs more than what is kept would spare.
            let keeper = &mut NothingKept;
            let mut outcome = answer_verified(snapshot, &client, received, replies, response, observer, keeper)?;
            if let Disposition::Answered(served) = &mut outcome {
                served.signature = SignatureState::Valid;
                tsig.sign(response, key, None, client.now);
            }
            Some(outcome)
        }
        Err(failure) => {
            let rcode = if failure == TsigFailure::Malformed { Rcode::FormErr } else { Rcode::NotAuth };
            let mut outcome = refuse(snapshot, client, &received.refused(rcode), None, response)?;
            if let Disposition::Answered(served) = &mut outcome {
                served.signature = SignatureState::Invalid(failure);
            }
            match (failure, key) {
                // Whoever has the key may know that these words are ours.
                (TsigFailure::BadTime | TsigFailure::BadTrunc, Some(key)) => {
                    tsig.sign(response, key, Some(failure), client.now);
                }
                _ => tsig.refuse(response, failure, client.now),
            }
            Some(outcome)
        }
    }
}

/// The name of the key that a request is signed with, in lower case; `None` where it is not signed.
pub(crate) fn key_name(received: &Received<'_>) -> Option<Folded> {
    Some(Tsig::new(received.octets, received.tsig()?).key_name())
}
