// SPDX-License-Identifier: GPL-2.0-only
//! What is timed does the same work on both sides.
use micro::c::{store_encode, store_split, CEvents, CGrants, MESSAGE_MAX};
use micro::events::Events;
use micro::grants::{Grants, FRAMES};
use micro::store::{encode, names, reply, split, WRITE};
use xen_sys::{Domid, Gfn, GrantRef};
use xenbus::wire::Operation;

#[test]
fn the_sums_of_every_case() {
    let cases = micro::cases();
    assert!(cases.len() > 10);
    for mut case in cases {
        // The rounds go on where the last ones ended: more of them than any ring has slots.
        for rounds in [1, 2, 3, 600] {
            let (ours, theirs) = ((case.rust)(rounds), (case.c)(rounds));
            assert_eq!(ours, theirs, "{}, {rounds} rounds", case.name);
            assert_ne!(ours, 0, "{}: nothing was done", case.name);
            assert_ne!(ours, u64::MAX, "{}: something failed", case.name);
        }
    }
}

#[test]
fn the_same_references_in_the_same_order() {
    let total = FRAMES * 512;
    let (mut rust, mut c) = (Grants::new(), CGrants::new(total));
    let mut held = Vec::new();
    for step in 0..4000u32 {
        let (mut ours, mut theirs) = ([GrantRef(0); 11], [GrantRef(0); 11]);
        let count = (step % 11) as usize;
        let had = rust.allocate_many(&mut ours[..count]);
        assert_eq!(had, c.allocate(&mut theirs[..count]), "step {step}");
        assert_eq!(ours, theirs, "step {step}");
        if had {
            held.extend_from_slice(&ours[..count]);
        }
        // Frees ever fewer, until the tables are exhausted.
        for _ in 0..(step % 7).min(step % 13) {
            let place = (step as usize * 31) % held.len().max(1);
            if place < held.len() {
                let gone = held.swap_remove(place);
                assert!(rust.free(gone));
                // SAFETY: `allocate` gave it, and it is held no more.
                unsafe { c.free(gone) };
            }
        }
    }
    assert!(held.len() as u32 > total - 20, "never exhausted");
    // SAFETY: `allocate` gave it.
    assert!(unsafe { c.grant_and_end(held[0], Domid(3), Gfn(1)) });
}

#[test]
fn the_same_events_in_the_same_order() {
    let (mut rust, mut c) = (Events::new(), CEvents::new());
    for port in (1..4096).filter(|port| port % 3 != 0) {
        rust.bind(port);
        c.bind(port);
    }
    let (mut ours, mut theirs) = (0, 0);
    let mut random = 1u64;
    let mut next = || {
        random = random
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        random.rotate_left(23)
    };
    for round in 0..2000 {
        let (selected, bits) = (next() & next(), next() & next());
        rust.send(selected, bits);
        c.send(selected, bits);
        assert_eq!(
            rust.upcall(&mut ours),
            c.upcall(&mut theirs),
            "round {round}"
        );
        // The sum depends on the order.
        assert_eq!(ours, theirs, "round {round}");
    }
}

#[test]
fn the_same_bytes() {
    let (mut ours, mut theirs) = ([0; MESSAGE_MAX], [0; MESSAGE_MAX]);
    let long = [7; 4096];
    for parts in [&WRITE[..], &[], &[b"a\0"], &[&long[..]], &[&long[..], b"x"]] {
        let len = encode(&mut ours, Operation::Write, 9, 5, parts);
        let kind = Operation::Write.number();
        assert_eq!(len, store_encode(&mut theirs, kind, 9, 5, parts));
        assert_eq!(ours[..len], theirs[..len]);
    }
    assert_eq!(reply().len(), 24);
}

#[test]
fn the_same_strings() {
    assert_eq!(xenbus::text::strings(&names()).count(), 32);
    assert_eq!(split(&names()), store_split(&names()));
    assert_ne!(split(&names()), split(b"a\0b\0"));
    assert_eq!(split(b"a\0b\0"), store_split(b"a\0b\0"));
}
