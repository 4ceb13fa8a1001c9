use super::*;

fn endpoint(byte: u8) -> EndpointId {
    iroh::SecretKey::from_bytes(&[byte; 32]).public()
}

/// Any number of endpoints.
fn numbered(number: u32) -> EndpointId {
    let mut secret = [0; 32];
    secret[..4].copy_from_slice(&number.to_be_bytes());
    iroh::SecretKey::from_bytes(&secret).public()
}

fn origins(book: &AddressBook, origin: Origin) -> usize {
    let known = book.known(|_| false).into_iter();
    known.filter(|peer| peer.origin == origin).count()
}

fn author(byte: u8) -> NodeId {
    NodeId::from_bytes([byte; 32])
}

fn texts(ports: std::ops::Range<u16>) -> Vec<String> {
    ports.map(|port| format!("127.0.0.1:{port}")).collect()
}

fn lost() -> CloseReason {
    CloseReason::Lost("timed out".to_owned())
}

#[test]
fn a_peer_that_moved_is_dialled_where_it_was_seen_last() {
    let (mut book, now) = (AddressBook::default(), Instant::now());
    let id = endpoint(1);
    book.learn(id, None, &texts(1..9), Origin::Given, now);
    book.learn(id, Some(author(1)), &texts(100..101), Origin::Met, now);
    let card = book.met().next().unwrap();
    assert_eq!(card.addresses[0], "127.0.0.1:100");
    assert_eq!(card.addresses.len(), PEER_ADDRESSES_MAX);
    book.hear(None, id, Some(author(2)), &texts(200..208), now);
    let told = book.met().next().unwrap();
    assert_eq!(told.author, card.author, "what is only said proves nothing");
    assert_eq!(
        told.addresses[..ADDRESSES_PROVED],
        card.addresses[..ADDRESSES_PROVED]
    );
    assert_eq!(told.addresses[ADDRESSES_PROVED..], texts(200..202));
    let junk = ["\u{1b}[2Jyou have won".to_owned()];
    book.learn(endpoint(2), None, &junk, Origin::Given, now);
    let known = book.known(|_| false);
    assert!(known.iter().all(|peer| peer.card.addresses != junk));
}

#[test]
fn attempts_grow_rarer_and_nothing_met_is_forgotten() {
    let (config, start) = (Config::default(), Instant::now());
    let mut book = AddressBook::default();
    let id = endpoint(1);
    book.learn(id, Some(author(1)), &texts(1..2), Origin::Met, start);
    book.hear(None, endpoint(2), None, &texts(2..3), start);
    let mut now = start;
    let mut pauses = Vec::new();
    for _ in 0..40 {
        let due = book.take_due(now, 8, false, |_, _| false);
        assert!(due.iter().any(|address| address.id == id));
        assert!(book.take_due(now, 8, false, |_, _| false).is_empty());
        for address in due {
            book.ended(&address.id, &lost(), false, &config, now);
        }
        let next = book.entries[&id].due;
        pauses.push(next - now);
        now = next;
    }
    assert!(pauses[0] <= config.backoff_min * 3);
    assert!(
        pauses
            .iter()
            .all(|pause| *pause <= config.backoff_max * 3 / 2)
    );
    assert!(*pauses.last().unwrap() >= config.backoff_max / 2);
    assert_eq!(book.known(|_| false).len(), 1, "only the met one remains");
    book.connected(&id);
    assert_eq!(book.known(|_| true)[0].failures, 0);
}

#[test]
fn a_relay_that_answers_again_ends_the_pauses_of_who_is_reached_there() {
    let (config, start) = (Config::default(), Instant::now());
    let mut book = AddressBook::default();
    let relay = ["https://relay.example/".to_owned()];
    book.learn(endpoint(1), Some(author(1)), &relay, Origin::Met, start);
    let direct = texts(1..2);
    book.learn(endpoint(2), Some(author(2)), &direct, Origin::Met, start);
    let mut now = start;
    for _ in 0..10 {
        now += 2 * config.backoff_max;
        assert_eq!(book.take_due(now, 8, true, |_, _| false).len(), 2);
        for byte in [1, 2] {
            book.ended(&endpoint(byte), &lost(), false, &config, now);
        }
    }
    assert!(book.take_due(now, 8, true, |_, _| false).is_empty());
    book.relay_answers(now);
    let due = book.take_due(now, 8, true, |_, _| false);
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].id, endpoint(1));
    // The other side may take longer to find the relay.
    book.ended(&endpoint(1), &lost(), false, &config, now);
    let soon = now + 4 * config.backoff_min;
    assert_eq!(book.take_due(soon, 8, true, |_, _| false).len(), 1);
}

#[test]
fn the_degree_bounds_what_is_dialled_and_connected_authors_are_left_alone() {
    let (mut book, now) = (AddressBook::default(), Instant::now());
    for byte in 1..=20 {
        book.learn(endpoint(byte), Some(author(byte)), &[], Origin::Met, now);
    }
    book.dial_now(&endpoint(20), now);
    let up = author(1);
    let due = book.take_due(now, 3, false, |_, author| author == Some(&up));
    assert_eq!(due.len(), 3);
    assert!(due.iter().all(|address| address.id != endpoint(1)));
    assert_eq!(due[0].id, endpoint(20), "what was asked for first");
    assert!(book.take_due(now, 3, false, |_, _| false).is_empty());
}

#[test]
fn one_author_fills_no_book() {
    let (mut book, now) = (AddressBook::default(), Instant::now());
    for byte in 1..=50 {
        book.learn(endpoint(byte), Some(author(1)), &[], Origin::Met, now);
    }
    assert_eq!(book.known(|_| false).len(), ENDPOINTS_PER_AUTHOR);
    assert!(book.is_known(&endpoint(50)), "the newest is kept");
}

#[test]
fn refusals_and_suspicion_have_pauses_of_their_own() {
    let config = Config::default();
    let refused = CloseReason::There(CloseCode::NotAMember);
    assert!(pause(&refused, 1, &config) >= config.backoff_refused / 2);
    let suspect = CloseReason::Here(CloseCode::Suspect);
    assert_eq!(pause(&suspect, 5, &config), Duration::ZERO);
    assert!(pause(&lost(), 0, &config) <= config.backoff_min * 3 / 2);
}

#[test]
fn who_was_heard_of_first_is_bounded_all_the_same() {
    let (mut book, now) = (AddressBook::default(), Instant::now());
    let told = |number: u32| Some(author(u8::try_from(number % 8).unwrap()));
    for number in 0..200 {
        assert!(book.hear(told(number), numbered(number), Some(author(99)), &[], now));
    }
    for number in 0..200 {
        assert!(book.learn(numbered(number), Some(author(99)), &[], Origin::Met, now));
        assert!(origins(&book, Origin::Met) <= ENDPOINTS_PER_AUTHOR);
    }
    assert!(book.is_known(&numbered(199)), "the newest is kept");
    let many = u32::try_from(KNOWN_MAX).unwrap() + 100;
    for number in 1000..1000 + many {
        book.hear(told(number), numbered(number), None, &[], now);
        book.learn(numbered(number), None, &[], Origin::Given, now);
    }
    let known = origins(&book, Origin::Met) + origins(&book, Origin::Given);
    assert!(known <= KNOWN_MAX, "{known}");
    assert!(origins(&book, Origin::Heard) <= HEARD_MAX);
}

#[test]
fn one_teller_does_not_fill_what_is_heard() {
    let (mut book, now) = (AddressBook::default(), Instant::now());
    for number in 0..1000 {
        book.hear(Some(author(1)), numbered(number), None, &[], now);
    }
    assert_eq!(origins(&book, Origin::Heard), HEARD_PER_TELLER);
    assert!(book.hear(Some(author(2)), endpoint(1), Some(author(3)), &[], now));
    assert!(book.hear(None, endpoint(2), None, &[], now));
}

#[test]
fn hearsay_is_dialled_after_those_that_are_known() {
    let (mut book, start) = (AddressBook::default(), Instant::now());
    for number in 0..u32::try_from(HEARD_PER_TELLER).unwrap() {
        book.hear(Some(author(1)), numbered(number), None, &[], start);
    }
    let later = start + Duration::from_secs(1);
    for byte in 1..=4 {
        let origin = [Origin::Met, Origin::Given, Origin::Kept][usize::from(byte % 3)];
        book.learn(endpoint(byte), Some(author(byte)), &[], origin, later);
    }
    let due = book.take_due(later, 4, false, |_, _| false);
    assert_eq!(due.len(), 4);
    assert!(due.iter().all(|address| book.is_known(&address.id)));
    assert_eq!(due[3].id, endpoint(2), "after those met or given now");
}

#[test]
fn nobody_can_prepare_to_be_dialled_first() {
    let now = Instant::now();
    let first = || {
        let mut book = AddressBook::default();
        for byte in 1..=32 {
            let now = now + Duration::from_micros(byte.into());
            book.learn(endpoint(byte), Some(author(byte)), &[], Origin::Given, now);
        }
        book.take_due(now + Duration::from_secs(1), 1, false, |_, _| false)[0].id
    };
    let firsts: BTreeSet<EndpointId> = (0..64).map(|_| first()).collect();
    assert!(firsts.len() > 8, "{}", firsts.len());
}

#[test]
fn one_more_is_dialled_beyond_the_degree() {
    let (mut book, now) = (AddressBook::default(), Instant::now());
    for byte in 1..=3 {
        book.learn(endpoint(byte), Some(author(byte)), &[], Origin::Met, now);
    }
    book.hear(None, endpoint(4), None, &[], now);
    let is_up = |id: &EndpointId, _: Option<&NodeId>| *id == endpoint(1);
    assert!(book.take_due(now, 0, false, is_up).is_empty());
    for _ in 0..2 {
        book.dial_another(now, is_up);
        let due = book.take_due(now, 0, false, is_up);
        assert_eq!(due.len(), 1);
        assert!([endpoint(2), endpoint(3)].contains(&due[0].id));
    }
    book.dial_another(now, is_up);
    assert!(
        book.take_due(now, 0, false, is_up).is_empty(),
        "nobody else"
    );
}

#[test]
fn only_what_the_program_gave_is_chosen() {
    let (mut book, now) = (AddressBook::default(), Instant::now());
    let (ada, ben) = (author(1), author(2));
    book.hear(None, endpoint(1), Some(ada), &[], now);
    assert!(!book.is_chosen(&endpoint(1), &ada), "hearsay");
    book.learn(endpoint(1), None, &[], Origin::Given, now);
    assert!(book.is_chosen(&endpoint(1), &ben), "whoever is there");
    book.hear(Some(ben), endpoint(1), Some(ada), &[], now);
    assert!(book.is_chosen(&endpoint(1), &ben), "whatever is said");
    book.learn(endpoint(1), Some(ada), &[], Origin::Given, now);
    assert!(book.is_chosen(&endpoint(1), &ada));
    assert!(!book.is_chosen(&endpoint(1), &ben), "another author");
    book.learn(endpoint(1), Some(ada), &[], Origin::Met, now);
    assert!(!book.is_chosen(&endpoint(1), &ada), "it was a member here");
    book.learn(endpoint(2), Some(ada), &[], Origin::Given, now);
    assert!(!book.learn(endpoint(3), Some(ada), &[], Origin::Kept, now));
    assert!(book.is_known(&endpoint(2)), "not for one that was kept");
    book.learn(endpoint(3), Some(ben), &[], Origin::Kept, now);
    assert!(!book.is_chosen(&endpoint(3), &ben), "kept");
    assert_eq!(book.authors(), [ada, ben].into());
    book.forget(&book.authors());
    assert!(!book.is_known(&endpoint(1)), "met, and no member any more");
    assert!(!book.is_known(&endpoint(3)), "nor is this one");
    assert!(book.is_known(&endpoint(2)), "the program may know better");
}

#[test]
fn what_is_told_aims_few_dials_at_a_third_party() {
    let (config, start) = (Config::default(), Instant::now());
    let (mut book, mut now) = (AddressBook::default(), start);
    let victim: std::net::IpAddr = "203.0.113.7".parse().unwrap();
    let (mut dials, mut is_honest_dialled, mut number) = (0, false, 0);
    // A member that tells, that has many more keys, and that names the victim as its own address.
    book.learn(endpoint(1), Some(author(1)), &texts(1..2), Origin::Met, now);
    let own: Vec<String> = (1..9).map(|port| format!("{victim}:{port}")).collect();
    book.hear(
        Some(author(200)),
        endpoint(2),
        Some(author(200)),
        &["198.51.100.1:9".to_owned()],
        now,
    );
    let seconds = 600;
    for second in 0..seconds {
        now = start + Duration::from_secs(second);
        book.learn(endpoint(1), Some(author(1)), &texts(1..2), Origin::Met, now);
        book.hear_own(&endpoint(1), &own);
        for teller in 1..40 {
            number += 1;
            let port = number % 60_000 + 1;
            let address = [
                format!("{victim}:{port}"),
                format!("[::ffff:{victim}]:{port}"),
            ];
            book.hear(
                Some(author(teller)),
                numbered(number),
                Some(author(99)),
                &address,
                now,
            );
            book.hear(None, numbered(number + 1), Some(author(98)), &address, now);
        }
        book.dial_now(&endpoint(1), now);
        for address in book.take_due(now, 8, false, |_, _| false) {
            let at_victim = |at: &&TransportAddr| matches!(at, TransportAddr::Ip(at) if at.ip().to_canonical() == victim);
            dials += address.addrs.iter().filter(at_victim).count();
            is_honest_dialled |= address.id == endpoint(2);
            book.ended(&address.id, &lost(), false, &config, now);
        }
    }
    let most = 16 + usize::try_from(seconds).unwrap() / 4;
    assert!((1..=most).contains(&dials), "{dials} of {most}");
    assert!(is_honest_dialled, "the others are dialled all the same");
    assert!(book.unproved.0.len() <= 2);
}

#[test]
fn a_peer_is_dialled_freely_where_it_was_connected() {
    let (config, now) = (Config::default(), Instant::now());
    let mut book = AddressBook::default();
    book.learn(endpoint(1), Some(author(1)), &texts(1..2), Origin::Met, now);
    book.learn(endpoint(2), None, &texts(2..10), Origin::Given, now);
    for _ in 0..100 {
        book.dial_now(&endpoint(1), now);
        book.dial_now(&endpoint(2), now);
        let due = book.take_due(now, 8, false, |_, _| false);
        let counts: BTreeMap<EndpointId, usize> = due
            .iter()
            .map(|address| (address.id, address.addrs.len()))
            .collect();
        assert_eq!(counts, [(endpoint(1), 1), (endpoint(2), 8)].into());
        for address in due {
            book.ended(&address.id, &lost(), false, &config, now);
        }
    }
}
