// SPDX-License-Identifier: GPL-2.0-only
//! Any backend, at any time: what must hold whatever comes.
use super::*;
use proptest::prelude::*;
use XenbusState as S;

fn inputs() -> impl Strategy<Value = Input> {
    let state = prop_oneof![
        Just(PeerState::Missing),
        Just(PeerState::Nonsense),
        (1usize..9).prop_map(|i| PeerState::Is(S::ALL[i])),
    ];
    prop_oneof![
        6 => (state, any::<bool>()).prop_map(|(state, online)| Input::Backend(Backend { state, online })),
        1 => Just(Input::Fault),
        2 => Just(Input::Tick),
        1 => Just(Input::Resume),
        1 => prop_oneof![9 => Just(Input::Tick), 1 => Just(Input::Vanish), 1 => Just(Input::Unbind)],
    ]
}

proptest! {
    /// Whatever a backend shows, at whatever times: rings are made once and dropped once, the
    /// driver goes live only on what it published, nothing follows Remove, no action is lost, and
    /// an unbind ends within the limits, as does making room for another kernel.
    #[test]
    fn any_backend(
        steps in prop::collection::vec((inputs(), 0u64..8000, any::<bool>(), 0usize..10), 0..80),
        retire in any::<bool>(),
    ) {
        let mut machine = Machine::new();
        let (mut now, mut published, mut live, mut removed) = (0, false, false, false);
        let last = if retire { Input::Retire } else { Input::Unbind };
        let ending = [(last, 0, true, 0), (Input::Tick, CLOSE_LIMIT, true, 0), (Input::Tick, CLOSE_LIMIT, true, 0)];
        for (input, pause, ok, state) in steps.into_iter().chain(ending) {
            now += pause;
            machine.handle(input, now);
            prop_assert!(machine.queued < ACTIONS_MAX, "an action may have been lost");
            let mut count = 0;
            while let Some(action) = machine.next_action() {
                prop_assert!(!removed, "{action:?} after Remove");
                count += 1;
                prop_assert!(count < 20, "it goes round in circles");
                match action {
                    Action::Publish => {
                        prop_assert!(!published);
                        published = true;
                        let outcome = ok.then(|| S::ALL[state % 9]);
                        machine.handle(Input::Published(outcome), now);
                    }
                    Action::Connect => {
                        prop_assert!(published && !live);
                        live = ok;
                        machine.handle(Input::Connected(ok), now);
                    }
                    Action::Changed => prop_assert!(live),
                    Action::Close => {
                        prop_assert!(published);
                        published = false;
                        live = false;
                    }
                    Action::WriteState(state) => {
                        prop_assert!(published || !matches!(state, S::Initialised | S::Connected));
                        prop_assert!(!published || !matches!(state, S::Closed | S::Closing));
                    }
                    Action::ReportStall => prop_assert!(published),
                    Action::Remove => {
                        prop_assert!(!published);
                        removed = true;
                    }
                }
            }
            prop_assert_eq!(machine.is_gone(), removed || machine.retiring && machine.is_gone());
            prop_assert!(!(machine.is_gone() && published), "rings are left");
            prop_assert_eq!(machine.is_connected(), live && published);
        }
        prop_assert!(machine.is_gone(), "it does not end");
        prop_assert!(removed || retire);
    }
}
