//! The steps of an answer, for whoever wants to know why it is what it is.
//!
//! The observer is a type parameter of the engine: `()` hears nothing and costs nothing.

use super::reply::Reply;
use crate::azure::SecurityAction;
use crate::dns::NameRef;
use crate::snapshot::{Destination, ForwardingRule};
use crate::view::{LinkedZone, ViewId};
use crate::zone::{Landing, Node, Rrset};

/// Hears what the engine does, in order.
pub trait Observer {
    /// Takes one step.
    fn observe(&mut self, step: Step<'_>);
}

/// One step towards an answer.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// An answer for this name is wanted: the question's name first, then the target of each alias.
    Name(NameRef<'a>),
    /// This private zone, linked to the view, has the longest apex that fits the name.
    PrivateZone(LinkedZone),
    /// A rule of the view's DNS security policy fits the name; where it blocks it, that is the answer.
    Security(SecurityAction),
    /// The network has custom DNS servers, which answer instead of its own zones.
    CustomDns(&'a Destination),
    /// No private zone that is linked fits the name, but this forwarding rule.
    Rule(&'a ForwardingRule),
    /// Nobody here holds the name: the upstream is asked.
    Upstream,
    /// What other servers said of the name; without it they are to be asked.
    Reply(Option<&'a Reply>),
    /// From here on the answer is that of Azure-provided DNS in this view.
    View(ViewId),
    /// Queries go round in a circle between networks.
    Circle,
    /// The name lies within `resolver.arpa`, which every resolver answers for itself.
    ResolverArpa,
    /// No private zone linked to the view fits the name.
    NoPrivateZone,
    /// The name is one that the view's network keeps for its own machines: this zone has it.
    InternalZone(LinkedZone),
    /// This public zone has the longest apex that fits the name.
    PublicZone(LinkedZone),
    /// No zone of this server fits the name.
    NotHeld,
    /// The public zone knows declared names alone, and not this one.
    NotKnown,
    /// Where the name landed in the chosen zone.
    Landed(Landing<'a>),
    /// The private zone does not have the name, and its link falls back to public DNS.
    Redirect {
        /// The longest ancestor that exists in the private zone.
        closest_encloser: Node<'a>,
    },
    /// The record set exists, and its records are not known.
    NotGiven(Rrset<'a>),
    /// The chain of aliases is too long, or comes back to where it has been.
    ChainEnds,
}

impl Observer for () {
    #[inline]
    fn observe(&mut self, _: Step<'_>) {}
}
