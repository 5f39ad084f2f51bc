// SPDX-License-Identifier: GPL-2.0-only
use super::*;
use crate::features::MTU_DEFAULT;
use proptest::prelude::*;
use std::vec::Vec;

const GREAT: Features = Features {
    sg: true,
    csum_v4: true,
    csum_v6: true,
    gso_v4: true,
    gso_v6: true,
    rx_notify: true,
};
const SMALL: Features = Features {
    sg: false,
    gso_v4: false,
    gso_v6: false,
    ..GREAT
};

/// Does all there is to do.
fn settle(stack: &mut Stack) -> Vec<Step> {
    let mut steps = Vec::new();
    while let Some(step) = stack.next_step() {
        steps.push(step);
        stack.done(step, true);
    }
    steps
}

/// An interface at work.
fn working(backend: Features) -> Stack {
    let mut stack = Stack::new();
    stack.published(backend);
    assert!(stack.connected(None, true));
    settle(&mut stack);
    assert!(stack.is_live());
    stack
}

#[test]
fn a_first_connection_is_limited_then_registered_and_not_announced() {
    let mut stack = Stack::new();
    stack.published(GREAT);
    assert!(stack.may_carry(), "nobody sends yet");
    assert!(stack.connected(Some(b"9000"), true));
    assert!(!stack.is_live());
    assert_eq!(
        settle(&mut stack),
        [Step::Limit(GREAT), Step::Register(9000)]
    );
    assert!(stack.is_live());
    assert!(settle(&mut stack).is_empty());
}

#[test]
fn nothing_is_registered_before_the_backend_connects() {
    let mut stack = Stack::new();
    assert!(!stack.connected(None, true));
    assert!(settle(&mut stack).is_empty());
    stack.published(GREAT);
    assert_eq!(settle(&mut stack), [Step::Limit(GREAT)]);
    stack.disconnected();
    stack.removed();
    assert!(settle(&mut stack).is_empty());
}

#[test]
fn a_backend_that_can_as_much_carries_at_once_and_is_announced() {
    let mut stack = working(SMALL);
    for backend in [SMALL, GREAT] {
        stack.disconnected();
        assert!(!stack.is_live());
        stack.published(backend);
        assert!(stack.may_carry());
        assert!(stack.connected(None, true));
        assert!(stack.is_live(), "without any step");
        assert_eq!(settle(&mut stack).last(), Some(&Step::Announce));
    }
}

#[test]
fn a_backend_that_can_less_carries_when_the_stack_knows() {
    let mut stack = working(GREAT);
    stack.disconnected();
    stack.published(SMALL);
    assert!(stack.connected(None, true));
    assert!(!stack.may_carry() && !stack.is_live());
    assert_eq!(stack.next_step(), Some(Step::Limit(SMALL)));
    assert!(!stack.may_carry(), "the stack does not know yet");
    stack.done(Step::Limit(SMALL), true);
    assert!(stack.is_live());
    assert_eq!(settle(&mut stack), [Step::Announce]);
}

#[test]
fn a_backend_that_changes_while_the_stack_is_told_waits_for_its_own_limits() {
    let mut stack = working(SMALL);
    stack.disconnected();
    stack.published(GREAT);
    assert_eq!(stack.next_step(), Some(Step::Limit(GREAT)));
    assert!(stack.may_carry(), "whatever the stack knows");
    stack.disconnected();
    stack.published(SMALL);
    assert!(!stack.may_carry(), "the stack may know of either");
    stack.done(Step::Limit(GREAT), true);
    assert!(!stack.may_carry());
    assert_eq!(settle(&mut stack), [Step::Limit(SMALL)]);
    assert!(stack.may_carry());
}

#[test]
fn a_link_that_is_down_is_announced_when_it_comes_up() {
    let mut stack = working(GREAT);
    stack.disconnected();
    stack.published(GREAT);
    assert!(stack.connected(None, false));
    assert!(settle(&mut stack).is_empty());
    assert!(stack.is_live() && !stack.link());
    stack.link_changed(true);
    assert_eq!(settle(&mut stack), [Step::Announce]);
    stack.link_changed(false);
    stack.link_changed(true);
    assert!(settle(&mut stack).is_empty(), "once a connection");
}

#[test]
fn what_is_announced_over_a_suspend_is_announced_again() {
    let mut stack = working(GREAT);
    stack.disconnected();
    stack.published(GREAT);
    assert!(stack.connected(None, true));
    assert_eq!(stack.next_step(), Some(Step::Announce));
    stack.suspended();
    stack.done(Step::Announce, true);
    assert!(settle(&mut stack).is_empty(), "not while it is suspended");
    stack.resumed();
    assert_eq!(settle(&mut stack), [Step::Announce]);
}

#[test]
fn a_suspended_connection_does_not_carry_though_the_interface_is_registered_meanwhile() {
    let mut stack = Stack::new();
    stack.published(GREAT);
    assert!(stack.connected(None, true));
    stack.suspended();
    assert!(!stack.may_carry());
    assert_eq!(
        settle(&mut stack),
        [Step::Limit(GREAT), Step::Register(MTU_DEFAULT)]
    );
    assert!(!stack.is_live());
    stack.resumed();
    assert!(stack.is_live());
}

#[test]
fn one_that_is_refused_is_tried_again_with_the_next_connection_only() {
    let mut stack = Stack::new();
    stack.published(GREAT);
    assert!(stack.connected(None, true));
    assert_eq!(stack.next_step(), Some(Step::Limit(GREAT)));
    stack.done(Step::Limit(GREAT), true);
    let register = Step::Register(MTU_DEFAULT);
    assert_eq!(stack.next_step(), Some(register));
    stack.done(register, false);
    assert_eq!(stack.next_step(), None);
    stack.disconnected();
    stack.published(GREAT);
    assert!(stack.connected(None, true));
    assert_eq!(stack.next_step(), Some(register));
}

#[test]
fn one_that_goes_while_it_is_registered_is_unregistered() {
    let mut stack = Stack::new();
    stack.published(GREAT);
    assert!(stack.connected(None, true));
    assert_eq!(stack.next_step(), Some(Step::Limit(GREAT)));
    stack.done(Step::Limit(GREAT), true);
    assert_eq!(stack.next_step(), Some(Step::Register(MTU_DEFAULT)));
    stack.disconnected();
    stack.removed();
    stack.done(Step::Register(MTU_DEFAULT), true);
    assert!(!stack.is_over());
    assert_eq!(settle(&mut stack), [Step::Unregister]);
    assert!(settle(&mut stack).is_empty());
    assert!(stack.is_over());
}

#[test]
fn no_limit_is_taken_for_less_than_it_is() {
    for index in 0..5 {
        let mut less = GREAT;
        match index {
            0 => less.sg = false,
            1 => less.csum_v4 = false,
            2 => less.csum_v6 = false,
            3 => less.gso_v4 = false,
            _ => less.gso_v6 = false,
        }
        assert!(!takes_all(&less, &GREAT));
        assert!(takes_all(&GREAT, &less));
    }
}

#[derive(Clone, Debug)]
enum Event {
    Publish(bool),
    Connect(bool),
    Link(bool),
    Disconnect,
    Suspend,
    Resume,
    Remove,
    /// The work takes a step up, or ends the one it has.
    Work(bool),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        any::<bool>().prop_map(Event::Publish),
        any::<bool>().prop_map(Event::Connect),
        any::<bool>().prop_map(Event::Link),
        Just(Event::Disconnect),
        Just(Event::Suspend),
        Just(Event::Resume),
        (0..20u8).prop_map(|n| if n == 0 {
            Event::Remove
        } else {
            Event::Disconnect
        }),
        any::<bool>().prop_map(Event::Work),
        any::<bool>().prop_map(Event::Work),
        any::<bool>().prop_map(Event::Work),
    ];
    prop::collection::vec(event, 0..80)
}

proptest! {
    /// Whatever happens in between: a connection only carries what it takes, nothing is registered twice or left behind.
    #[test]
    fn random_histories(events in events()) {
        let mut stack = Stack::new();
        let mut pending = None;
        let (mut registered, mut limits, mut removed) = (false, None::<Features>, false);
        let mut backend = None;
        for event in events {
            match event {
                Event::Remove => {
                    stack.disconnected();
                    stack.removed();
                    backend = None;
                    removed = true;
                }
                Event::Work(ok) => match pending.take() {
                    None => pending = stack.next_step(),
                    Some(step) => {
                        match step {
                            Step::Limit(to) => limits = Some(to),
                            Step::Register(_) => {
                                prop_assert!(!registered && limits.is_some());
                                registered = ok;
                            }
                            Step::Announce => prop_assert!(registered),
                            Step::Unregister => {
                                prop_assert!(registered && removed);
                                registered = false;
                            }
                        }
                        stack.done(step, ok);
                    }
                },
                _ if removed => {}
                Event::Publish(great) if backend.is_none() => {
                    backend = Some(if great { GREAT } else { SMALL });
                    stack.published(backend.unwrap());
                }
                Event::Publish(_) => {}
                Event::Connect(link) => prop_assert_eq!(stack.connected(None, link), backend.is_some()),
                Event::Link(link) => stack.link_changed(link),
                Event::Disconnect => {
                    stack.disconnected();
                    backend = None;
                }
                Event::Suspend => stack.suspended(),
                Event::Resume => stack.resumed(),
            }
            if stack.may_carry() {
                let backend = backend.expect("a connection");
                prop_assert!(limits.is_none_or(|limits| takes_all(&backend, &limits)));
                if let Some(Step::Limit(to)) = pending {
                    prop_assert!(takes_all(&backend, &to));
                }
            }
            if stack.is_live() {
                prop_assert!(registered);
            }
        }
        stack.disconnected();
        stack.removed();
        if let Some(step) = pending {
            stack.done(step, true);
            registered = match step {
                Step::Register(_) => true,
                Step::Unregister => false,
                _ => registered,
            };
        }
        let left = settle(&mut stack);
        prop_assert_eq!(left, if registered { Vec::from([Step::Unregister]) } else { Vec::new() });
    }
}
