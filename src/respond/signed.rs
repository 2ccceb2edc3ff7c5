//! Signed requests (RFC 8945 §5): the signature is verified before anything else, and the response is signed.
//!
//! A request with an invalid signature gets no data, whatever the client's address is: a client that signs wants to be
//! identified by its key. Signed requests are refused over transports that encode responses again, since a signature would
//! no longer match.

use super::{Disposition, SignatureState, is_refused, refuse, view_of};
use crate::dns::{ExtendedError, Folded, Name, Rcode};
use crate::snapshot::Snapshot;
use crate::view::{Client, ViewId};
use crate::wire::{Received, Response, Tsig, TsigFailure};

/// Answers a request that has that signature, as few have: by `answer`, where it is valid, and the client has its key.
#[cold]
pub(super) fn respond(
    snapshot: &Snapshot,
    client: &Client,
    received: &Received<'_>,
    tsig: &Tsig<'_>,
    response: &mut Response,
    answer: impl FnOnce(&Client, &mut Response) -> Option<Disposition>,
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
            let mut outcome = answer(&client, response)?;
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
                // The client has the key, so that the response can be signed with it.
                (TsigFailure::BadTime | TsigFailure::BadTrunc, Some(key)) => {
                    tsig.sign(response, key, Some(failure), client.now);
                }
                _ => tsig.refuse(response, failure, client.now),
            }
            Some(outcome)
        }
    }
}

/// The view of whoever has signed a request, and the name of the key; `None` where there is no signature that counts, or who
/// has made it gets no answer.
pub(crate) fn signer(snapshot: &Snapshot, client: &Client, received: &Received<'_>) -> Option<(ViewId, Name)> {
    let tsig = Tsig::new(received.octets, received.tsig()?);
    let identifier = snapshot.identifier();
    let id = identifier.key_named(tsig.key_name().as_ref())?;
    tsig.verify(Some(&identifier.key(id).key), client.now).ok()?;
    let client = Client { key: Some(id), ..*client };
    let identified = identifier.identify(&client, None);
    (!is_refused(snapshot, &client, &identified)).then(|| (view_of(&identified), tsig.key_name().as_ref().to_name()))
}

/// The name of the key that a request is signed with, in lower case; `None` where it is not signed.
pub(crate) fn key_name(received: &Received<'_>) -> Option<Folded> {
    Some(Tsig::new(received.octets, received.tsig()?).key_name())
}
