// SPDX-License-Identifier: GPL-2.0-only
use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::string::ToString;
use std::vec::Vec;

#[test]
fn tokens_have_one_form() {
    let token = Token {
        slot: 0x1f,
        generation: 0xdead_beef,
    };
    assert_eq!(&token.to_bytes(), b"0000001fdeadbeef");
    assert_eq!(Token::from_bytes(b"0000001fdeadbeef"), Some(token));
    for bad in [
        "0000001fDEADBEEF",
        "1fdeadbeef",
        "0000001fdeadbeef ",
        "0x00001fdeadbeef",
        "",
    ] {
        assert_eq!(Token::from_bytes(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn a_watch_that_is_gone_gets_nothing() {
    let mut watches = Watches::<&str, 2>::new();
    let first = watches.insert("first").unwrap();
    assert_eq!(watches.event(first).copied(), Some("first"));
    assert_eq!(watches.remove(first), Some("first"));
    assert_eq!(watches.remove(first), None);
    assert!(!watches.has_ready());
    let second = watches.insert("second").unwrap();
    assert_eq!(watches.event(first), None, "the slot is the second's now");
    assert!(watches.next_ready().is_none());
    assert_eq!(watches.event(second).copied(), Some("second"));
    assert_eq!(
        watches.event(Token {
            slot: 77,
            generation: 1
        }),
        None
    );
}

#[test]
fn a_former_owners_events_are_nobodys() {
    let mut former = Watches::<u32, 2>::new();
    let mut watches = Watches::<u32, 2>::new();
    former.seed(u32::MAX);
    watches.seed(5);
    let old = former.insert(1).unwrap();
    let new = watches.insert(2).unwrap();
    assert_eq!(watches.event(old), None);
    assert_eq!(watches.event(new).copied(), Some(2));
}

#[test]
fn every_watch_has_its_turn() {
    let mut watches = Watches::<u32, 3>::new();
    let tokens: Vec<_> = (0..3).map(|w| watches.insert(w).unwrap()).collect();
    assert_eq!(watches.insert(9), Err(9));
    let mut turns = Vec::new();
    for _ in 0..6 {
        for token in &tokens {
            watches.event(*token).unwrap();
        }
        let (token, watch) = watches.next_ready().map(|(t, w)| (t, *w)).unwrap();
        assert!(watches.is_running(token) && watches.next_ready().is_none());
        turns.push(watch);
        watches.done(false);
    }
    assert_eq!(turns, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn done_keeps_a_watch_with_more_to_do_but_not_a_removed_one() {
    let mut watches = Watches::<u32, 2>::new();
    let token = watches.insert(1).unwrap();
    watches.event(token);
    watches.next_ready();
    watches.done(true);
    assert!(watches.has_ready());
    watches.next_ready();
    watches.remove(token);
    assert!(watches.is_running(token));
    let other = watches.insert(2).unwrap();
    watches.done(true);
    assert!(
        !watches.has_ready(),
        "the new watch in the old slot is not due"
    );
    assert!(!watches.registered(token, 1), "it is gone");
    assert!(watches.registered(other, 1));
}

#[test]
fn a_flood_takes_no_memory_and_loses_nothing_in_effect() {
    let mut queue = EventQueue::<u32, 3>::new();
    assert!(!queue.push(1));
    assert!(queue.push(1), "waits already");
    assert!(!queue.push(2) && !queue.push(3));
    assert!(queue.push(4), "full: look at everything");
    (0..1000).for_each(|n| assert!(queue.push(n)));
    assert_eq!(queue.pop(), Some(Event::Rescan));
    assert_eq!(queue.pop(), None);
    assert!(queue.is_empty() && !queue.push(7));
    assert_eq!(queue.pop(), Some(Event::Changed(7)));
}

proptest! {
    #[test]
    fn tokens_round_trip(slot: u32, generation: u32) {
        let token = Token { slot, generation };
        prop_assert_eq!(Token::from_bytes(&token.to_bytes()), Some(token));
    }

    #[test]
    fn token_noise(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
        if let Some(token) = Token::from_bytes(&bytes) {
            prop_assert_eq!(&token.to_bytes()[..], &bytes[..]);
        }
    }

    /// Against a queue without a bound: each path pushed is popped as itself or covered by a
    /// rescan that comes after it, in order, and the queue never grows.
    #[test]
    fn queue_against_model(steps in prop::collection::vec(prop::option::of(0u8..6), 0..200)) {
        let mut queue = EventQueue::<std::string::String, 4>::new();
        let mut model: VecDeque<std::string::String> = VecDeque::new();
        let mut overflowed = false;
        for step in steps {
            match step {
                Some(path) => {
                    let path = path.to_string();
                    queue.push(path.clone());
                    if !overflowed && !model.contains(&path) {
                        model.push_back(path);
                        if model.len() > 4 {
                            model.clear();
                            overflowed = true;
                        }
                    }
                }
                None if core::mem::take(&mut overflowed) => {
                    prop_assert_eq!(queue.pop(), Some(Event::Rescan));
                }
                None => prop_assert_eq!(queue.pop(), model.pop_front().map(Event::Changed)),
            }
            prop_assert_eq!(queue.is_empty(), model.is_empty() && !overflowed);
        }
    }
}
