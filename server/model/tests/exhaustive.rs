//! The models, checked: the quick configurations to their end, and every mutant in the one that must find it. `cargo x
//! model` checks the rest.

use std::collections::BTreeSet;

use hotplate_model::catalogue::{sizes, wrongs};

fn holds(name: &str) {
    let configuration = sizes().into_iter().find(|one| one.name() == name).expect("a configuration of this name");
    let checked = configuration.exhaust(&|_| {});
    assert!(checked.holds(), "{name}: {checked:?}");
}

#[test]
fn leases_hold_in_every_order() {
    holds("leases");
}

#[test]
fn dependencies_hold_in_every_order() {
    holds("dependencies");
}

#[test]
fn a_near_cache_whose_stream_is_cut_holds_in_every_order() {
    holds("near");
}

#[test]
fn a_restart_holds_in_every_order() {
    holds("restart");
}

#[test]
fn replicas_with_a_near_cache_hold_in_every_order() {
    holds("fleet-near");
}

#[test]
fn a_failover_that_loses_what_was_acknowledged_holds_in_every_order() {
    holds("fleet-witness");
}

#[test]
fn a_disk_that_is_written_later_holds_in_every_order() {
    holds("fleet-disk");
}

/// And every promise is broken by one of them: a promise that nothing can break is not checked. I5 of one server stands
/// behind I1 and I3, which are broken first.
#[test]
fn every_wrong_way_is_found() {
    let (mut survivors, mut broken) = (Vec::new(), BTreeSet::new());
    for mutant in wrongs() {
        let found = mutant.hunt().broken;
        if found.is_empty() {
            survivors.push(mutant.name());
        }
        broken.extend(found.iter().filter_map(|one| one.property.split(':').next()));
    }
    assert_eq!(survivors, Vec::<&str>::new());
    let promises = ["I1", "I1b", "I2", "I3", "I4", "I5", "L1", "L2", "L3", "L4"];
    assert!(promises.iter().all(|name| broken.contains(name)), "{broken:?}");
}
