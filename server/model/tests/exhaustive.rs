//! The model, checked: configurations to their end, and every mutant in the one that must find it. `cargo x model` checks
//! the rest.

use std::collections::BTreeSet;

use hotplate_model::{
    check::{exhaust, hunt},
    configuration::{CONFIGURATIONS, that_finds},
    mutant::MUTANTS,
};

fn holds(name: &str) {
    let configuration = CONFIGURATIONS.iter().find(|one| one.name == name).expect("a configuration of this name");
    let checked = exhaust(configuration);
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

/// And every promise is broken by one of them: a promise that nothing can break is not checked. Only I5 stands behind I1
/// and I3, which are broken first.
#[test]
fn every_wrong_way_is_found() {
    let (mut survivors, mut broken) = (Vec::new(), BTreeSet::new());
    for (mutant, name, _) in MUTANTS {
        let configuration = that_finds(mutant).expect("every mutant has a configuration");
        let found = hunt(configuration, mutant).broken;
        if found.is_empty() {
            survivors.push(name);
        }
        broken.extend(found.iter().filter_map(|one| one.property.split(':').next()));
    }
    assert_eq!(survivors, Vec::<&str>::new());
    assert!(["I1", "I3", "L1", "L2", "L3", "L4"].iter().all(|name| broken.contains(name)), "{broken:?}");
}
