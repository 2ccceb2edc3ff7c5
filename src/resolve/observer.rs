//! The steps of an answer, for explanations.
//!
//! The observer is a type parameter of the engine: `()` ignores every step, at no cost.

use super::reply::Reply;
use crate::azure::SecurityAction;
use crate::dns::NameRef;
use crate::snapshot::{Destination, ForwardingRule};
use crate::view::{LinkedZone, ViewId};
use crate::zone::{Landing, Node, Rrset};

/// Receives each step of the engine, in order.
pub trait Observer {
    /// Receives one step.
    fn observe(&mut self, step: Step<'_>);
}

/// One step towards an answer.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// This name is looked up: the QNAME first, then the target of each alias.
    Name(NameRef<'a>),
    /// This private zone answers: linked to the view, with the longest matching apex.
    PrivateZone(LinkedZone),
    /// A rule of the view's DNS security policy matches the name; if it blocks, that is the answer.
    Security(SecurityAction),
    /// The network has custom DNS servers, which answer instead of its own zones.
    CustomDns(&'a Destination),
    /// No linked private zone matches the name, but this forwarding rule does.
    Rule(&'a ForwardingRule),
    /// No zone here matches the name: the upstream is asked.
    Upstream,
    /// The reply of other servers; `None` if they must be asked first.
    Reply(Option<&'a Reply>),
    /// From here on the answer is that of Azure-provided DNS in this view.
    View(ViewId),
    /// Forwarding rules form a loop.
    Circle,
    /// The name is within `resolver.arpa`, for which every resolver answers itself.
    ResolverArpa,
    /// No private zone linked to the view matches the name.
    NoPrivateZone,
    /// This zone, which the view's network has for its own machines, answers.
    InternalZone(LinkedZone),
    /// This public zone answers: it has the longest matching apex.
    PublicZone(LinkedZone),
    /// No zone of this server matches the name.
    NotHeld,
    /// The public zone has only the declared names, and not this one.
    NotKnown,
    /// The result of the lookup in the zone.
    Landed(Landing<'a>),
    /// The private zone does not have the name, and its link falls back to public DNS.
    Redirect {
        /// The longest ancestor that exists in the private zone.
        closest_encloser: Node<'a>,
    },
    /// The record set exists, but its records are unknown.
    NotGiven(Rrset<'a>),
    /// The chain of aliases is too long, or loops.
    ChainEnds,
}

impl Observer for () {
    #[inline]
    fn observe(&mut self, _: Step<'_>) {}
}
