//! Files beneath what the management API makes, read again after random edits.

use std::cell::RefCell;

use proptest::collection::vec;
use proptest::prelude::*;

use super::changes::*;
use super::resources::*;
use super::*;
use crate::azure::{Limits, PrivateDnsZone, Resource, Strangers};
use crate::dns::RecordType;

/// What is done to a world whose files stand beneath what the management API makes.
#[derive(Clone, Debug)]
enum Step {
    /// By the management API.
    Made(Vec<Raw>),
    /// To the files, which are read again.
    Files(FileEdit),
}

/// An edit of files.
#[derive(Clone, Debug)]
struct FileEdit {
    raws: Vec<Raw>,
    /// By how much all lists are turned: what comes first comes last.
    turn: usize,
    /// Whether clients outside all networks are refused from now on, or no more.
    strangers: bool,
    /// A zone that is written in other letters, or locked.
    zone: Option<(usize, bool)>,
}

fn file_edit() -> impl Strategy<Value = FileEdit> {
    let zone = prop::option::weighted(0.1, (0..APEXES.len(), any::<bool>()));
    let turn = prop_oneof![4 => Just(0), 1 => 1..3_usize];
    (vec(raw(), 0..3), turn, prop::bool::weighted(0.1), zone).prop_map(|(raws, turn, strangers, zone)| FileEdit {
        raws,
        turn,
        strangers,
        zone,
    })
}

impl FileEdit {
    /// The files after the edit; each list is further down in them than before.
    fn apply(&self, files: &Declaration) -> Declaration {
        let mut next = files.clone();
        changes(&self.raws, &mut next);
        turn(&mut next.virtual_networks, self.turn);
        turn(&mut next.private_dns_zones, self.turn);
        turn(&mut next.private_endpoints, self.turn);
        turn(&mut next.virtual_machines, self.turn);
        next.virtual_networks.iter_mut().for_each(|network| network.id.origin.0 += 1);
        next.private_dns_zones.iter_mut().for_each(|zone| zone.name.origin.0 += 1);
        next.private_endpoints.iter_mut().for_each(|endpoint| endpoint.id.origin.0 += 1);
        if self.strangers {
            next.strangers = match next.strangers {
                Strangers::Public => Strangers::Refused,
                Strangers::Refused => Strangers::Public,
            };
        }
        let edited = self.zone.and_then(|(zone, locks)| {
            let id = zone_id(zone);
            Some((next.private_dns_zones.iter_mut().find(|known| known.id == id)?, locks))
        });
        match edited {
            Some((zone, true)) => zone.locked = !zone.locked,
            Some((zone, false)) => {
                zone.name = declared(name(&zone.name.to_string().to_uppercase()));
                zone.id = PrivateDnsZone::id(zone.id.resource_group(), &zone.name);
            }
            None => {}
        }
        next
    }
}

fn turn<T>(list: &mut [T], by: usize) {
    if !list.is_empty() {
        list.rotate_left(by % list.len());
    }
}

/// All that a world declares, in its order, with where it is declared.
fn shown(world: &World) -> String {
    let mut declaration = world.declaration();
    let private = declaration.private_dns_zones.iter_mut().map(|zone| &mut zone.record_sets);
    for record_sets in private.chain(declaration.public_zones.iter_mut().map(|zone| &mut zone.record_sets)) {
        record_sets.sort_by(|a, b| (&a.owner, a.rtype).cmp(&(&b.owner, b.rtype)));
    }
    format!("{declaration:#?}")
}

/// Reads files again; returns the changes that they came to.
fn redeclare(world: &mut World, files: &Declaration, made: Made) -> Result<Redeclared, TestCaseError> {
    let mut next = LayeredDeclaration::new(files.clone(), made);
    let networks = Vec::new();
    let redeclared = world.redeclare::<Refused>(&mut next, &CATALOGUE, Identity::default(), networks, Ok).unwrap();
    redeclared.ok_or_else(|| TestCaseError::fail("it is loaded in full"))
}

/// Reads files again whose world is sound, and looks at what comes of it.
fn reload(
    world: &mut World,
    (files, next): (&Declaration, &Declaration),
    (before, model): (&Declaration, &Declaration),
    is_turned: bool,
) -> Result<(), TestCaseError> {
    let (made, old) = (world.made(), answers(world.snapshot()));
    let redeclared = redeclare(world, next, made.clone())?;
    let (fresh, findings) = load(model.clone()).unwrap();
    is_as_loaded(world, model)?;
    prop_assert_eq!(shown(world), shown(&fresh));
    prop_assert!(!redeclared.is_quiet || findings.is_empty(), "nothing is said of {:?}", texts(&findings));
    if made.is_empty() && !is_turned && before.strangers == model.strangers {
        let (mut other, _) = load(before.clone()).unwrap();
        other.declare(redeclared.changes).unwrap();
        prop_assert!(answers(other.snapshot()) == answers(world.snapshot()), "the changes are others");
    }
    redeclare(world, files, made.clone())?;
    prop_assert!(answers(world.snapshot()) == old, "it is not undone");
    redeclare(world, next, made)?;
    prop_assert!(answers(world.snapshot()) == answers(fresh.snapshot()), "it is not done again");
    Ok(())
}

#[test]
fn files_beneath_what_the_api_makes_are_as_one_world_that_is_loaded_from_scratch() {
    let counts = RefCell::new([0; 5]);
    let count = |at: usize| counts.borrow_mut()[at] += 1;
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let step = prop_oneof![3 => vec(raw(), 1..3).prop_map(Step::Made), 2 => file_edit().prop_map(Step::Files)];
    let server = select(vec![None, None, Some("ns.elsewhere.test"), Some("b.corp.test"), Some("ns.example.test")]);
    let outcome = runner.run(&(server, vec(step, 1..12)), |(server, steps)| {
        let files = lab(Limits::Off);
        let mut files = server.map_or_else(|| files.clone(), |server| with_name_server(files.clone(), server));
        let mut model = files.clone();
        let (mut world, _) = load(files.clone()).unwrap();
        for step in steps {
            let (before, old) = (model.clone(), answers(world.snapshot()));
            match step {
                Step::Made(raws) => {
                    let (raws, changes) = changes(&raws, &mut model);
                    let is_locked = raws.iter().any(|raw| is_files(raw, &files));
                    match (world.apply(changes.clone()), load(model.clone())) {
                        (Err(Refused::Locked(_)), _) => {
                            count(0);
                            prop_assert!(is_locked, "{:?} is nobody's", changes);
                        }
                        (Ok(_), Ok(_)) => {
                            count(1);
                            prop_assert!(!is_locked, "{:?} is a file's", changes);
                            is_as_loaded(&world, &model)
                                .map_err(|error| TestCaseError::fail(format!("after {changes:?}: {error}")))?;
                            continue;
                        }
                        (Err(Refused::Findings(ours)), Err(theirs)) => {
                            count(2);
                            prop_assert_eq!(texts(&ours), texts(&theirs), "{:?}", changes);
                        }
                        (ours, theirs) => {
                            let theirs = theirs.map(|_| ()).map_err(|findings| texts(&findings));
                            prop_assert!(false, "{:?}: {:?} but {:?}", changes, ours, theirs);
                        }
                    }
                }
                Step::Files(edit) => {
                    let next = edit.apply(&files);
                    let made = world.made();
                    match Layered::new(next.clone(), &CATALOGUE, made.clone()) {
                        Ok(layered) if layered.aside.is_empty() => {
                            count(3);
                            model = next.clone();
                            made.into_changes().iter().for_each(|change| made_again(&mut model, change));
                            reload(&mut world, (&files, &next), (&before, &model), edit.turn > 0)
                                .map_err(|error| TestCaseError::fail(format!("after {edit:?}: {error}")))?;
                            files = next;
                            continue;
                        }
                        Ok(layered) => {
                            count(4);
                            for aside in &layered.aside {
                                let needs = aside.made.needs();
                                let is_gone = needs.iter().any(|id| {
                                    let zones = next.private_dns_zones.iter().map(|zone| &zone.id);
                                    let networks = next.virtual_networks.iter().map(|network| &*network.id);
                                    let resources = next.private_link_resources.iter().map(|resource| &*resource.id);
                                    !zones.chain(networks).chain(resources).any(|known| known == id)
                                });
                                let is_twice = !matches!(aside.why, Why::Gone(_));
                                prop_assert!(is_gone || is_twice, "{:?} has a place", aside);
                            }
                        }
                        Err(_) => count(4),
                    }
                }
            }
            prop_assert!(answers(world.snapshot()) == old, "half applied");
            model = before;
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let counts = counts.into_inner();
    assert!(counts.iter().all(|count| *count > 0), "an outcome is gone: {counts:?}");
}

#[test]
fn record_sets_of_a_zone_are_laid_together_as_each_would_be_by_itself() {
    let set = |zone: usize, owner: &str, value| {
        record_set(Name::relative(owner, name(APEXES[zone]).as_ref()).unwrap(), RecordType::A, value)
    };
    let mut files = lab(Limits::Off);
    let declared = &mut files.private_dns_zones;
    declared.iter_mut().for_each(|zone| zone.record_sets.clear());
    declared[0].record_sets.push(set(0, "a", 1));
    declared[2].locked = true;
    let put = |number| Change::Put(Resource::PrivateDnsZone(zone(number)));
    let record_sets = (0..6).map(|zone| (zone_key(zone).0, vec![set(zone, "a", 7), set(zone, "b", 8)]));
    let made = Made { changes: vec![put(3), put(4)], record_sets: record_sets.collect() };
    let together = LayeredDeclaration::new(files.clone(), made.clone());
    let apart = LayeredDeclaration::new(files, made.into_changes());
    assert_eq!(format!("{:?}", together.declaration), format!("{:?}", apart.declaration));
    assert_eq!(format!("{:?}", together.aside), format!("{:?}", apart.aside));
    // What files declare: a zone, a record set, a lock on two, a zone of two; and a zone that nobody has made.
    let numbers: Vec<_> = together.aside.iter().map(|aside| aside.change).collect();
    assert_eq!(numbers, [0, 2, 6, 7, 8, 9, 12, 13]);
}
