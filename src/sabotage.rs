//! Sabotage of the program, in debug builds only: `tests/sabotage` shows with it that a panic costs no more than what was being
//! done. A release build has nothing of this.
//!
//! The environment variable `VNETDNS_SABOTAGE` lists where: `query=panic.corp.test` panics at each query for that name, over
//! any transport, and `accept=2` the first two times that the accept loop has a connection.

use crate::wire::Received;

/// A place that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spot {
    /// `accept`: a connection was accepted.
    Accept,
    /// `accepting`: a connection is to be accepted, which the system refuses.
    Accepting,
    /// `batch`: a UDP worker has received datagrams.
    Batch,
    /// `carry`: a listener of hickory-server is to be started.
    Carry,
    /// `connection`: a connection begins.
    Connection,
    /// `forward`: other servers are about to be asked.
    Forward,
    /// `reload`: a reload begins.
    Reload,
    /// `stall`: a UDP worker is about to receive; it hangs for a tenth of a second.
    Stall,
    /// `watch`: the task that logs incidents looks for some.
    Watch,
    /// `worker`: the thread of a UDP worker is to be started.
    Worker,
}

/// Panics where that is wanted.
#[inline(always)]
pub(crate) fn at(fault: Spot) {
    assert!(!is_wanted(fault), "{fault:?}, on purpose");
}

/// Whether something should fail this time.
#[inline(always)]
pub(crate) fn is_wanted(fault: Spot) -> bool {
    #[cfg(debug_assertions)]
    return wanted::is_wanted(fault);
    #[cfg(not(debug_assertions))]
    {
        let _ = fault;
        false
    }
}

/// Panics where that is wanted for the name that a request asks for.
#[inline(always)]
pub(crate) fn at_query(received: &Received<'_>) {
    #[cfg(debug_assertions)]
    wanted::at_query(received);
    #[cfg(not(debug_assertions))]
    let _ = received;
}

#[cfg(debug_assertions)]
mod wanted {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::Spot;
    use crate::dns::Name;
    use crate::wire::Received;

    static WANTED: LazyLock<Wanted> = LazyLock::new(|| {
        let mut wanted = Wanted::default();
        let Ok(sabotage) = std::env::var("VNETDNS_SABOTAGE") else { return wanted };
        for fault in sabotage.split(',') {
            let (name, value) = fault.split_once('=').expect("VNETDNS_SABOTAGE is a list of name=value");
            match PLACES.iter().find(|(known, _)| *known == name) {
                Some((_, place)) => {
                    let times = value.parse().expect("VNETDNS_SABOTAGE has a number behind a place");
                    wanted.times[*place as usize] = AtomicU32::new(times);
                }
                None => {
                    assert_eq!(name, "query", "VNETDNS_SABOTAGE has a place that there is");
                    wanted.qname = Some(value.parse().expect("VNETDNS_SABOTAGE has a domain name behind query"));
                }
            }
        }
        wanted
    });

    const PLACES: [(&str, Spot); 10] = [
        ("accept", Spot::Accept),
        ("accepting", Spot::Accepting),
        ("batch", Spot::Batch),
        ("carry", Spot::Carry),
        ("connection", Spot::Connection),
        ("forward", Spot::Forward),
        ("reload", Spot::Reload),
        ("stall", Spot::Stall),
        ("watch", Spot::Watch),
        ("worker", Spot::Worker),
    ];

    #[derive(Default)]
    struct Wanted {
        qname: Option<Name>,
        /// How often each place is still to fail.
        times: [AtomicU32; PLACES.len()],
    }

    pub(super) fn is_wanted(fault: Spot) -> bool {
        let times = &WANTED.times[fault as usize];
        times.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |times| times.checked_sub(1)).is_ok()
    }

    pub(super) fn at_query(received: &Received<'_>) {
        let Some(qname) = &WANTED.qname else { return };
        let is_asked = received.request.is_ok_and(|request| request.question.qname == qname.as_ref());
        assert!(!is_asked, "a query for {qname}, on purpose");
    }
}
