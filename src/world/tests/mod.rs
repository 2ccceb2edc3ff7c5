//! Random worlds and changes: after each the world answers as one that is loaded from scratch, and says the same of itself.

use std::net::IpAddr;
use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use proptest::{prop_assert, prop_assert_eq};

use super::*;
use crate::azure::Limits;
use crate::dns::Name;
use crate::respond::{Responder, respond};
use crate::view::{Client, Transport};
use crate::wire::{Received, Response};
use changes::{change, raw, undo};
use resources::{APEXES, OWNERS, PUBLIC, TYPES, lab, name, with_name_server};

mod changes;
mod files;
mod resources;

const CASES: u32 = 32;
/// Reading it takes longer than all else here.
static CATALOGUE: LazyLock<Arc<Catalogue>> = LazyLock::new(|| Arc::new(Catalogue::embedded()));

/// Requests for whatever may be there, from each network and from outside.
fn answers(snapshot: &Snapshot) -> Vec<(IpAddr, Vec<u8>, Vec<u8>)> {
    let apexes = APEXES.iter().copied().chain([PUBLIC, "privatelink.blob.core.windows.net"]);
    let names = apexes.flat_map(|apex| OWNERS.map(|owner| Name::relative(owner, name(apex).as_ref()).unwrap()));
    let names: Vec<_> = names.chain([name("1.1.0.10.in-addr.arpa"), name("m0.internal.cloudapp.net")]).collect();
    let sources = [[10, 0, 0, 9], [10, 1, 0, 9], [10, 2, 0, 9], [192, 0, 2, 1]].map(IpAddr::from);
    let mut answers = Vec::new();
    let mut response = Response::new();
    for source in sources {
        for name in &names {
            for rtype in TYPES {
                let qtype = u16::from(rtype).to_be_bytes();
                let request = [b"\0\x07\x01\0\0\x01\0\0\0\0\0\0", name.as_wire(), &qtype, b"\0\x01"].concat();
                respond(snapshot, &Client::new(source, Transport::Tcp), &request, &mut response);
                answers.push((source, request, response.as_octets().to_vec()));
            }
        }
    }
    answers
}

fn texts(findings: &[Finding]) -> Vec<String> {
    let mut texts: Vec<_> =
        findings.iter().map(|finding| format!("{:?} {}", finding.severity(), finding.what)).collect();
    texts.sort();
    texts
}

fn load(declaration: Declaration) -> Result<(World, Vec<Finding>), Vec<Finding>> {
    let (topology, findings) = Topology::new(declaration, &CATALOGUE)?;
    Ok((World::new(topology, Arc::clone(&CATALOGUE), Identity::default()).unwrap(), findings))
}

/// Asks somebody who keeps answers what a fresh look gives, twice, so that it is kept.
fn keeps_nothing_old(responder: &mut Responder, snapshot: &Snapshot) -> Result<(), TestCaseError> {
    let mut response = Response::new();
    for (source, request, answer) in answers(snapshot) {
        for _ in 0..2 {
            responder.respond(
                snapshot,
                &Client::new(source, Transport::Tcp),
                &Received::parse(&request),
                &mut response,
            );
            prop_assert!(
                response.as_octets() == answer,
                "{} asks {} and gets an old answer",
                source,
                request.escape_ascii()
            );
        }
    }
    Ok(())
}

/// Says that the world is as if what it declares had just been loaded.
fn is_as_loaded(world: &World, model: &Declaration) -> Result<(), TestCaseError> {
    let (fresh, findings) = load(model.clone()).unwrap();
    for (ours, theirs) in answers(world.snapshot()).into_iter().zip(answers(fresh.snapshot())) {
        prop_assert!(ours == theirs, "{} asks {}", ours.0, ours.1.escape_ascii());
    }
    let (_, again) = load(world.declaration()).unwrap();
    prop_assert_eq!(texts(&again), texts(&findings));
    prop_assert_eq!(world.snapshot().counts(), fresh.snapshot().counts());
    let alike = |world: &World| {
        let snapshot = world.snapshot();
        let firsts: Vec<_> = snapshot.views_of_networks().map(|(view, _)| snapshot.alike(view)).collect();
        firsts.iter().map(|first| firsts.iter().position(|other| other == first)).collect::<Vec<_>>()
    };
    prop_assert_eq!(alike(world), alike(&fresh));
    Ok(())
}

#[test]
fn a_changed_world_is_as_one_that_is_loaded_from_scratch() {
    let mut ways = [0; 4];
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let counted = std::cell::RefCell::new(&mut ways);
    let limits = select(vec![Limits::Azure, Limits::Off]);
    let server = select(vec![None, None, Some("ns.elsewhere.test"), Some("b.corp.test"), Some("ns.example.test")]);
    let outcome = runner.run(&(limits, server, vec(vec(raw(), 1..3), 1..12)), |(limits, server, steps)| {
        let model = lab(limits);
        let mut model = server.map_or_else(|| model.clone(), |server| with_name_server(model.clone(), server));
        let (mut world, _) = load(model.clone()).unwrap();
        let mut responder = Responder::new();
        keeps_nothing_old(&mut responder, world.snapshot())?;
        for step in steps {
            let before = model.clone();
            let (first, is_one) = (step[0].clone(), step.len() == 1);
            let changes: Vec<_> = step.into_iter().filter_map(|raw| change(raw, &mut model)).collect();
            if changes.is_empty() {
                model = before;
                continue;
            }
            let old = answers(world.snapshot());
            match (world.declare(changes.clone()), load(model.clone())) {
                (Ok(applied), Ok(_)) => {
                    counted.borrow_mut()[applied.way as usize] += 1;
                    is_as_loaded(&world, &model).map_err(|error| {
                        TestCaseError::fail(format!("after {changes:?}, {:?}: {error}", applied.way))
                    })?;
                    keeps_nothing_old(&mut responder, world.snapshot())
                        .map_err(|error| TestCaseError::fail(format!("after {changes:?}: {error}")))?;
                    if let Some(back) = undo(&first, &before).filter(|_| is_one) {
                        world.declare(vec![back]).unwrap();
                        prop_assert!(answers(world.snapshot()) == old, "{changes:?} is not undone");
                        world.declare(changes).unwrap();
                    }
                }
                (Err(Refused::Findings(ours)), Err(theirs)) => {
                    counted.borrow_mut()[3] += 1;
                    prop_assert_eq!(texts(&ours), texts(&theirs), "{:?}", changes);
                    prop_assert!(answers(world.snapshot()) == old, "{:?} is half applied", changes);
                    model = before;
                }
                (ours, theirs) => {
                    let theirs = theirs.map(|_| ()).map_err(|findings| texts(&findings));
                    prop_assert!(false, "{:?}: {:?} but {:?}", changes, ours, theirs);
                }
            }
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let [edited, derived, _, refused] = ways;
    assert!([edited, derived, refused].iter().all(|count| *count > CASES / 4), "each way is gone: {ways:?}");
}
