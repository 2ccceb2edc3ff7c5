//! Faults on purpose.

use toml::Spanned;

use super::Declarer;
use crate::azure::Declaration;
use crate::codes::Code;
use crate::config::mirror;
use crate::config::problem::{Problems, Source};
use crate::faults::{Effect, Fault, FaultSettings, MAX_FAULTS, OUTSIDE_NETWORKS};

/// Where the faults stand in the file, in their order.
pub(in crate::config) struct FaultPlaces(Vec<usize>);

impl Declarer<'_> {
    pub(in crate::config) fn faults(&mut self, faults: &mirror::Faults) -> (FaultSettings, FaultPlaces) {
        let mut settings = FaultSettings { are_allowed: faults.allow, seed: faults.seed, declared: Vec::new() };
        let mut places = Vec::new();
        for written in &faults.fault {
            if !faults.allow {
                let what = format!("the fault {:?} is not allowed", written.get_ref().name);
                let mend = "write allow = true in [faults], on a server that is for tests alone";
                self.problem(Code::FaultNotAllowed, written, what, mend);
            }
            let fault = match written.get_ref().clone().check() {
                Ok(fault) => fault,
                Err(error) => {
                    self.problem(Code::BadFault, written, error.what, error.mend);
                    continue;
                }
            };
            self.ambiguous_networks(written, &fault);
            if settings.declared.iter().any(|known: &Fault| known.name() == fault.name()) {
                let what = format!("another fault is called {:?}", fault.name());
                self.problem(Code::Duplicate, written, what, "give each a name of its own");
            }
            if settings.declared.len() == MAX_FAULTS {
                let what = format!("there are more than {MAX_FAULTS} faults");
                self.problem(Code::BadFault, written, what, "remove some");
                break;
            }
            settings.declared.push(fault);
            places.push(written.span().start);
        }
        (settings, FaultPlaces(places))
    }

    /// Reports references that may mean several networks.
    fn ambiguous_networks<T>(&mut self, at: &Spanned<T>, fault: &Fault) {
        let networks = fault.written().virtual_networks.iter();
        for reference in networks.filter(|reference| !reference.eq_ignore_ascii_case(OUTSIDE_NETWORKS)) {
            self.network(&Spanned::new(at.span(), reference.clone()));
        }
    }
}

impl FaultPlaces {
    /// Reports networks and endpoints that faults speak of and that are not declared.
    pub(in crate::config) fn check(
        &self,
        settings: &FaultSettings,
        declaration: &Declaration,
        source: &Source<'_>,
        problems: &mut Problems,
    ) {
        let networks = || declaration.virtual_networks.iter().map(|network| &*network.id);
        let endpoints = || declaration.private_endpoints.iter().map(|endpoint| &*endpoint.id);
        for (fault, at) in settings.declared.iter().zip(&self.0) {
            let mut missing = |what: String, mend: &str| {
                problems.report(Code::MissingResource, source.place(*at), what, mend);
            };
            for reference in &fault.written().virtual_networks {
                let is_there = networks().any(|id| id.is_called(reference));
                if !is_there && !reference.eq_ignore_ascii_case(OUTSIDE_NETWORKS) {
                    let mend = "name one that is declared, or \"outside\" for the clients of none";
                    missing(format!("there is no virtual network {reference:?}"), mend);
                }
            }
            if let (Effect::Flap(_), Some(reference)) = (fault.effect(), &fault.written().private_endpoint) {
                match endpoints().filter(|id| id.is_called(reference)).count() {
                    0 => missing(
                        format!("there is no private endpoint {reference:?}"),
                        "name one of a Private Link resource",
                    ),
                    1 => {}
                    _ => missing(format!("several private endpoints are called {reference:?}"), "write \"GROUP/NAME\""),
                }
            }
        }
    }
}
