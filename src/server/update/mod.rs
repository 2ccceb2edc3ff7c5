//! DNS UPDATE (RFC 2136): clients with a key change record sets of zones that their network sees.
//!
//! A worker verifies the signature only. The writer decides the effect of an update, based on what is committed and served then,
//! and the response waits for it in a task. Updates are stored as documents in the form of the management API.

mod body;
mod decide;

use crate::azure::{Change, Origin, PRIVATE_TYPES, RecordSet, ResourceId, Topology, Writer as WrittenBy, ZoneKey};
use crate::control::{Transaction, View, WriteError, Writer, record_set_id};
use crate::dns::{Name, Rcode, Rdatas};
use crate::observe::Kind;
use crate::respond::{Disposition, Served, respond_with_code, signer};
use crate::snapshot::Snapshot;
use crate::state::{Edit, Key, StoreError};
use crate::view::Client;
use crate::wire::{Received, Response, Update};
use crate::zone::Zone;
use body::body;
use decide::{Changed, Set, decide};

use super::Serving;
use super::forwarding::{Begun, Waits};
use super::waiting::Place;

/// An update that waits for the writer.
pub(super) struct Asked {
    /// The name of the key that signed it.
    key: Name,
    place: Place,
}

/// Why an update has no effect.
enum Rejected {
    Code(Rcode),
    Store(StoreError),
}

impl From<Rcode> for Rejected {
    fn from(code: Rcode) -> Self {
        Self::Code(code)
    }
}

/// Queues an update for the writer, or refuses it. Responses that are encoded again cannot be signed, so there are no updates
/// over such transports.
#[cold]
pub(super) fn begin(
    serving: &Serving,
    snapshot: &Snapshot,
    client: &Client,
    received: &Received<'_>,
    response: &mut Response,
) -> Begun {
    let Some((view, key)) = signer(snapshot, client, received) else {
        return match respond_with_code(snapshot, client, received, Rcode::Refused, response) {
            Some(Disposition::Answered(served)) => Begun::Answered(Kind::Resolved, served),
            _ => Begun::Dropped(Kind::Malformed),
        };
    };
    match serving.place(view, client) {
        Ok(place) => Begun::Waits(Box::new(Waits::Update(Asked { key, place }))),
        Err(_) => Begun::Dropped(Kind::Pending),
    }
}

impl Asked {
    /// Carries out the update, and answers it when it is committed and served.
    pub(super) async fn answer(
        self,
        writer: &Writer,
        snapshot: &Snapshot,
        client: &Client,
        received: &Received<'_>,
        response: &mut Response,
    ) -> Option<(Served, Place)> {
        let Self { key, place } = self;
        let code = match Update::parse(received.octets) {
            Ok(update) => carry_out(writer, key, update).await,
            Err(code) => code,
        };
        match respond_with_code(snapshot, client, received, code, response)? {
            Disposition::Answered(served) => Some((served, place)),
            Disposition::Forward { .. } => None,
        }
    }
}

async fn carry_out(writer: &Writer, key: Name, update: Update) -> Rcode {
    let written = writer.write(move |view| transaction(view, &key, &update).map(|transaction| (transaction, ()))).await;
    match written {
        Ok(_) => Rcode::NoError,
        Err(WriteError::Rejected(Rejected::Code(code))) => code,
        Err(WriteError::Rejected(Rejected::Store(error))) => {
            tracing::error!(%error, "an update cannot be carried out");
            Rcode::ServFail
        }
        // A file declares the record set, or the world would be refused.
        Err(WriteError::Refused(error)) => {
            tracing::info!(%error, "an update is refused");
            Rcode::Refused
        }
        Err(WriteError::Store(_) | WriteError::Lost) => Rcode::ServFail,
    }
}

/// The effect of an update, based on what is committed and served now.
fn transaction(view: &View<'_>, key: &Name, update: &Update) -> Result<Transaction, Rejected> {
    let topology = view.world().topology();
    let (id, zone) = zone_of(topology, key, update)?;
    let zone_key = ZoneKey::Private(id.clone());
    let records = update.prerequisites.iter().chain(&update.changes);
    records.for_each(|record| view.looks_at(&zone_key, &record.owner));
    let mut transaction = Transaction::default();
    for Changed { owner, rtype, was_there, set } in decide(update, zone)? {
        let is_written_elsewhere = || topology.written_by(id, &owner, rtype).is_some_and(|by| by != WrittenBy::Person);
        if !PRIVATE_TYPES.contains(&rtype) || was_there && is_written_elsewhere() {
            return Err(Rcode::Refused.into());
        }
        let document = record_set_id(id, &owner, rtype).ok_or(Rcode::Refused)?.to_string();
        let key = Key::new(&document);
        let before = view.get(&key).map_err(Rejected::Store)?;
        let zone = zone_key.clone();
        match set {
            Some(Set { ttl, rdatas }) => {
                let body = body(rtype, ttl, &rdatas, before.as_ref().map(|before| &*before.body));
                let body = body.ok_or(Rcode::Refused)?;
                let id = before.map_or_else(|| document.into(), |before| before.id);
                transaction.edits.push(Edit::Put { id, body });
                let rdatas = Rdatas::new(rtype, rdatas);
                let record_set =
                    RecordSet { owner, rtype, ttl, rdatas, writer: WrittenBy::Person, origin: Origin::API };
                transaction.changes.push(Change::PutRecordSet { zone, record_set });
            }
            None => {
                transaction.edits.push(Edit::Delete(key));
                transaction.changes.push(Change::DeleteRecordSet { zone, owner, rtype });
            }
        }
    }
    Ok(transaction)
}

/// The zone of an update: the one with that apex that the key's network sees.
fn zone_of<'t>(topology: &'t Topology, key: &Name, update: &Update) -> Result<(&'t ResourceId, &'t Zone), Rcode> {
    let key = topology.tsig_keys().iter().find(|known| *known.name == *key).ok_or(Rcode::Refused)?;
    let network = key.network().ok_or(Rcode::Refused)?;
    let seen = topology.zone_seen(network, &update.zone);
    // Only keys that may change the zone learn whether it exists.
    if !key.update.iter().any(|apex| **apex == update.zone) {
        return Err(if seen.is_some() { Rcode::Refused } else { Rcode::NotAuth });
    }
    seen.ok_or(Rcode::NotAuth)
}
