use super::*;

const SEED: u64 = 1;

fn hour(at_s: u64) -> u64 {
    at_s % DAY_S / 3600
}

#[test]
fn the_same_seed_makes_the_same_trace() {
    for (name, preset) in Preset::ALL {
        for nodes in [2, 9, 20, 30, 40] {
            let shape = preset.shape(nodes);
            let trace = made(&shape, SEED);
            assert_eq!(trace, made(&shape, SEED), "{name}");
            assert_eq!(trace.nodes(), nodes, "{name}");
            let is_drawn = preset != Preset::Mesh;
            assert_eq!(trace != made(&shape, SEED + 1), is_drawn, "{name} {nodes}");
        }
    }
}

#[test]
fn contacts_are_as_long_as_asked_for() {
    for (name, preset) in Preset::ALL.iter().filter(|(name, _)| *name != "mesh") {
        let shape = preset.shape(30);
        let trace = made(&shape, SEED);
        let (shortest_s, longest_s) = shape.contact_s;
        let lengths = trace.contacts().iter().map(|c| c.to_s - c.from_s);
        // Contacts of one pair that touch become one, which may be longer.
        let longer = lengths.clone().filter(|s| *s > longest_s).count();
        assert!(lengths.min() >= Some(shortest_s), "{name}");
        assert!(longer * 20 < trace.contacts().len(), "{name}: {longer}");
    }
}

#[test]
fn friends_and_offices_have_nights() {
    for preset in [Preset::Friends, Preset::Office] {
        let trace = made(&preset.shape(30), SEED);
        assert!(trace.contacts().len() > 1000, "{}", trace.contacts().len());
        let is_night = |contact: &&Contact| !(7..23).contains(&hour(contact.from_s));
        assert_eq!(trace.contacts().iter().filter(is_night).count(), 0);
    }
}

#[test]
fn shifts_meet_only_when_they_hand_over() {
    let trace = made(&Preset::Shifts.shape(30), SEED);
    let mut between = trace
        .contacts()
        .iter()
        .filter(|c| c.nodes.0 % 3 != c.nodes.1 % 3);
    assert!(between.clone().count() > 100);
    let minutes = |contact: &Contact| contact.from_s % DAY_S / 60;
    assert!(between.all(|c| {
        [6, 14, 22]
            .iter()
            .any(|h| minutes(c).abs_diff(h * 60) <= 15)
    }));
    let hours = trace.contacts().iter().map(|contact| hour(contact.from_s));
    assert_eq!(hours.collect::<std::collections::BTreeSet<u64>>().len(), 24);
}

#[test]
fn hamlets_meet_on_market_days_only() {
    let trace = made(&Preset::Village.shape(20), SEED);
    let between = trace
        .contacts()
        .iter()
        .filter(|c| c.nodes.0 % 4 != c.nodes.1 % 4);
    let days: std::collections::BTreeSet<u64> = between.map(|c| c.from_s / DAY_S).collect();
    assert_eq!(days.into_iter().collect::<Vec<u64>>(), [1, 4, 7]);
}

#[test]
fn a_mesh_is_connected_from_the_first_to_the_last_moment() {
    let trace = made(&Preset::Mesh.shape(16), SEED);
    let reach = super::super::reach::Reach::new(&trace);
    for at_s in [0, 40_000, DAY_S] {
        let mut starts = vec![None; 16];
        starts[5] = Some(at_s);
        assert_eq!(reach.spread(&starts), [Some(at_s); 16]);
    }
}

#[test]
fn presets_are_found_by_name() {
    assert_eq!("village".parse(), Ok(Preset::Village));
    let error = "town".parse::<Preset>().unwrap_err();
    assert_eq!(
        error,
        "`town` is none of friends, office, shifts, village, mesh"
    );
}
