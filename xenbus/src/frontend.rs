// SPDX-License-Identifier: GPL-2.0-only
//! The state machine of one frontend (`xen/include/public/io/xenbus.h`, "XenBus state").
//!
//! Feed [`Machine::handle`] with what happens, then carry out what [`Machine::next_action`] says,
//! in order, until it says nothing. Call again with [`Input::Tick`] at [`Machine::deadline`].
//!
//! ```text
//!            backend InitWait          published             backend Connected
//!  Waiting(1) ------------> Publishing ---------> Published(3) ------------> Connecting
//!     ^                         |                   |                            |
//!     |                         |  fault, or the backend closes or vanishes      v
//!     |                         +-------------------+---------------------- Connected(4)
//!     |                                             v
//!  Holding(6) <---- Closed(6) <---- Closing(5)  rings are gone from here on
//!   (back-off)      backend Closed  backend follows
//! ```
//! The numbers are what the `state` node holds. What real backends need, and this machine gives
//! them: xen-blkback leaves Closed for InitWait only when it sees the frontend in Initialising, and
//! lets go of a ring when it sees Closed; so every way back passes through 6, then 1. A device
//! whose driver is unbound is left in 1, ready for the next driver, unless the toolstack takes it
//! away (`online` is 0).
//!
//! Nothing waits for the backend without a limit, and a backend that fails again and again is
//! tried ever more slowly, at last every half minute.

mod interface;

pub use interface::{Action, Backend, Input, PeerState};

use crate::Millis;
use xen_sys::XenbusState;

/// How long the backend may take to follow each step of closing.
pub const CLOSE_LIMIT: Millis = 5_000;
/// How long a published device may wait for its backend before that is reported (once).
pub const STALL_LIMIT: Millis = 30_000;
/// Pause before the first attempt to come back; each further one doubles it.
pub const BACKOFF_MIN: Millis = 250;
/// Longest pause between two attempts: shorter than a disk waits for its backend.
pub const BACKOFF_MAX: Millis = 30_000;
/// A connection that lasted this long was a good one: the next failure starts from
/// [`BACKOFF_MIN`] again.
pub const STABLE: Millis = 30_000;

/// Why a device is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// The backend is connected to a former driver.
    Reset,
    /// The backend closes, or is gone.
    Peer,
    /// Our fault or the backend's.
    Fault,
    /// The driver goes.
    Unbind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The backend's state is not known yet.
    Start,
    Waiting,
    Publishing,
    Published,
    Connecting,
    Connected,
    Closing(Why),
    Closed(Why),
    Holding,
    Gone,
}

/// Most actions that one input can ask for.
const ACTIONS_MAX: usize = 6;

/// One frontend's state. Made when a driver takes the device, used up when it leaves.
#[derive(Clone, Debug)]
pub struct Machine {
    phase: Phase,
    backend: Backend,
    /// Rings, ports and grants may exist.
    live: bool,
    /// The backend has been told of rings, ports and grants.
    offered: bool,
    /// The kernel makes room for another one.
    retiring: bool,
    /// The backend did not follow a reset: connect to it as it stands.
    reset_failed: bool,
    announced: XenbusState,
    attempts: u32,
    since: Millis,
    deadline: Option<Millis>,
    actions: [Option<Action>; ACTIONS_MAX],
    queued: usize,
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine {
    /// A device that a driver has just taken. Goes on with the first [`Input::Backend`].
    pub const fn new() -> Machine {
        Machine {
            phase: Phase::Start,
            backend: Backend {
                state: PeerState::Missing,
                online: true,
            },
            live: false,
            offered: false,
            retiring: false,
            reset_failed: false,
            announced: XenbusState::Unknown,
            attempts: 0,
            since: 0,
            deadline: None,
            actions: [None; ACTIONS_MAX],
            queued: 0,
        }
    }

    /// As [`Machine::new`], for a device whose `state` node says `found`. A machine that crashed, or was replaced by
    /// kexec, has left there what it had announced: rings which a backend that is bound just now may be about to map.
    pub const fn following(found: XenbusState) -> Machine {
        let mut machine = Self::new();
        machine.offered = matches!(found, XenbusState::Initialised | XenbusState::Connected);
        machine
    }

    /// The next thing to do, if there is one.
    pub fn next_action(&mut self) -> Option<Action> {
        let action = self.actions.first_mut()?.take()?;
        self.actions.rotate_left(1);
        self.queued = self.queued.saturating_sub(1);
        Some(action)
    }

    /// When to call [`Machine::handle`] with [`Input::Tick`], if nothing else happens.
    pub fn deadline(&self) -> Option<Millis> {
        self.deadline
    }

    /// Whether the driver has no more part in the device.
    pub fn is_gone(&self) -> bool {
        self.phase == Phase::Gone
    }

    /// Whether the device works.
    pub fn is_connected(&self) -> bool {
        self.phase == Phase::Connected
    }

    /// Whether the device is on its way up: it can be expected to work soon.
    pub fn is_connecting(&self) -> bool {
        match self.phase {
            Phase::Start | Phase::Publishing | Phase::Published | Phase::Connecting => true,
            Phase::Closing(why) | Phase::Closed(why) => why == Why::Reset,
            Phase::Waiting => self.is_wanted(),
            Phase::Connected | Phase::Holding | Phase::Gone => false,
        }
    }

    /// Takes in what happened at `now`.
    pub fn handle(&mut self, input: Input, now: Millis) {
        if self.phase == Phase::Gone {
            // One that was retired is the driver's still, until the device goes.
            if matches!(input, Input::Vanish | Input::Unbind) && core::mem::take(&mut self.retiring)
            {
                self.push(Action::Remove);
            }
            return;
        }
        match input {
            Input::Backend(backend) => self.backend_changed(backend, now),
            Input::Published(outcome) => self.published(outcome, now),
            Input::Connected(ok) => self.connected(ok, now),
            Input::Fault => self.fault(now),
            Input::Unbind => self.unbind(now),
            Input::Retire => {
                self.retiring = true;
                self.unbind(now);
            }
            Input::Vanish => {
                self.close();
                self.remove();
            }
            Input::Resume => self.resume(now),
            Input::Tick => self.step(now),
        }
    }

    fn backend_changed(&mut self, backend: Backend, now: Millis) {
        use XenbusState as S;
        self.backend = backend;
        if self.phase == Phase::Connected {
            if let PeerState::Is(S::Connected | S::Reconfiguring | S::Reconfigured) = backend.state
            {
                self.push(Action::Changed);
            }
        }
        self.step(now);
    }

    fn published(&mut self, outcome: Option<XenbusState>, now: Millis) {
        match outcome {
            _ if self.phase != Phase::Publishing => {
                self.live |= outcome.is_some();
                self.close();
            }
            None => self.fault(now),
            Some(state) => {
                let state = match state {
                    XenbusState::Connected => state,
                    _ => XenbusState::Initialised,
                };
                self.offered = true;
                self.write(state);
                self.enter(Phase::Published, now.checked_add(STALL_LIMIT));
                self.step(now);
            }
        }
    }

    fn connected(&mut self, ok: bool, now: Millis) {
        if self.phase != Phase::Connecting {
            return;
        }
        if !ok {
            return self.fault(now);
        }
        if self.announced != XenbusState::Connected {
            self.write(XenbusState::Connected);
        }
        self.since = now;
        self.reset_failed = false;
        self.enter(Phase::Connected, None);
        self.step(now);
    }

    fn fault(&mut self, now: Millis) {
        if self.is_up() {
            self.begin_closing(Why::Fault, now);
        }
    }

    fn unbind(&mut self, now: Millis) {
        match self.phase {
            Phase::Start | Phase::Waiting => self.remove(),
            Phase::Holding => self.leave(),
            Phase::Closing(_) => self.phase = Phase::Closing(Why::Unbind),
            Phase::Closed(_) => self.phase = Phase::Closed(Why::Unbind),
            _ => self.begin_closing(Why::Unbind, now),
        }
        self.step(now);
    }

    fn resume(&mut self, now: Millis) {
        self.close();
        self.reset_failed = false;
        // The one that it was broken off with has nothing of ours any more, and the next one did nothing wrong.
        self.attempts = 0;
        self.backend = Backend {
            state: PeerState::Missing,
            online: true,
        };
        match self.phase {
            Phase::Closing(Why::Unbind) | Phase::Closed(Why::Unbind) => self.remove(),
            _ => self.wait_for_backend(now),
        }
    }

    /// Goes on as far as the backend's state and the time allow.
    fn step(&mut self, now: Millis) {
        match self.phase {
            Phase::Start => self.step_start(now),
            Phase::Waiting => self.step_waiting(now),
            Phase::Published => self.step_published(now),
            Phase::Connected => self.step_connected(now),
            Phase::Closing(why) => self.step_closing(why, now),
            Phase::Closed(why) => self.step_closed(why, now),
            Phase::Holding => self.step_holding(now),
            Phase::Publishing | Phase::Connecting | Phase::Gone => {}
        }
    }

    fn step_start(&mut self, now: Millis) {
        use XenbusState as S;
        match self.backend.state {
            PeerState::Is(S::Connected | S::Reconfiguring | S::Reconfigured) => {
                self.begin_closing(Why::Reset, now);
            }
            PeerState::Is(S::Initialising | S::InitWait | S::Initialised) if self.offered => {
                self.begin_closing(Why::Reset, now);
            }
            PeerState::Is(S::Closing) => self.closed(Why::Reset, now),
            _ => self.wait_for_backend(now),
        }
    }

    fn step_waiting(&mut self, now: Millis) {
        use XenbusState as S;
        match self.backend.state {
            PeerState::Is(S::InitWait | S::Initialised) => self.publish(),
            PeerState::Is(S::Connected | S::Reconfiguring | S::Reconfigured) => {
                if self.reset_failed {
                    self.publish();
                } else {
                    self.begin_closing(Why::Reset, now);
                }
            }
            PeerState::Is(S::Closing) => self.closed(Why::Reset, now),
            PeerState::Is(S::Closed) if self.backend.online => match self.deadline {
                // It has not seen our Initialising yet, or missed it: write it again, later.
                None => self.deadline = now.checked_add(CLOSE_LIMIT),
                Some(deadline) if now >= deadline => {
                    self.write(XenbusState::Initialising);
                    self.deadline = now.checked_add(CLOSE_LIMIT);
                }
                Some(_) => {}
            },
            _ => self.deadline = None,
        }
    }

    fn step_published(&mut self, now: Millis) {
        use XenbusState as S;
        match self.backend.state {
            PeerState::Is(S::Connected | S::Reconfiguring | S::Reconfigured) => {
                self.enter(Phase::Connecting, None);
                self.push(Action::Connect);
            }
            PeerState::Missing | PeerState::Is(S::Closing | S::Closed) => self.peer_closes(now),
            _ if self.is_due(now) => {
                self.deadline = None;
                self.push(Action::ReportStall);
            }
            _ => {}
        }
    }

    fn step_connected(&mut self, now: Millis) {
        use XenbusState as S;
        if let PeerState::Missing
        | PeerState::Is(S::Closing | S::Closed | S::Initialising | S::InitWait) =
            self.backend.state
        {
            self.peer_closes(now);
        }
    }

    fn step_closing(&mut self, why: Why, now: Millis) {
        use XenbusState as S;
        let closing = self.backend.state == PeerState::Is(S::Closing);
        if closing || self.has_let_go() || self.is_due(now) {
            self.closed(why, now);
        }
    }

    fn step_closed(&mut self, why: Why, now: Millis) {
        let follows = self.has_let_go();
        if !follows && !self.is_due(now) {
            return;
        }
        match why {
            Why::Unbind if follows => self.leave(),
            // The backend may hold our grants still: Closed is the truth until it lets go.
            Why::Unbind => self.remove(),
            Why::Reset => {
                self.reset_failed = !follows;
                self.wait_for_backend(now);
            }
            Why::Peer | Why::Fault => {
                self.enter(Phase::Holding, None);
                self.step(now);
            }
        }
    }

    /// Whether the backend uses nothing of ours any more.
    fn has_let_go(&self) -> bool {
        use XenbusState as S;
        match self.backend.state {
            PeerState::Missing | PeerState::Is(S::Closed) => true,
            // One that was told of our rings may be about to map them, or has done so: xen-blkback does when it is bound
            // anew, and misses that they are gone if Closed passes before it looks.
            PeerState::Is(S::Initialising | S::InitWait) => !self.offered,
            _ => false,
        }
    }

    fn step_holding(&mut self, now: Millis) {
        if !self.is_wanted() {
            self.deadline = None;
        } else if self.is_due(now) {
            self.wait_for_backend(now);
        } else if self.deadline.is_none() {
            self.deadline = Some(self.next_attempt(now));
        }
    }

    /// Whether the backend is there and stays.
    fn is_wanted(&self) -> bool {
        let there = self.backend.state != PeerState::Missing;
        let waits = self.backend.state == PeerState::Is(XenbusState::InitWait);
        there && (self.backend.online || waits)
    }

    fn is_up(&self) -> bool {
        matches!(
            self.phase,
            Phase::Publishing | Phase::Published | Phase::Connecting | Phase::Connected
        )
    }

    fn is_due(&self, now: Millis) -> bool {
        self.deadline.is_some_and(|deadline| now >= deadline)
    }

    fn publish(&mut self) {
        self.live = true;
        self.enter(Phase::Publishing, None);
        self.push(Action::Publish);
    }

    fn wait_for_backend(&mut self, now: Millis) {
        self.offered = false;
        self.write(XenbusState::Initialising);
        self.enter(Phase::Waiting, None);
        self.step(now);
    }

    fn peer_closes(&mut self, now: Millis) {
        self.forgive(now);
        self.close();
        self.closed(Why::Peer, now);
    }

    fn begin_closing(&mut self, why: Why, now: Millis) {
        self.forgive(now);
        self.close();
        self.write(XenbusState::Closing);
        self.enter(Phase::Closing(why), now.checked_add(CLOSE_LIMIT));
        self.step(now);
    }

    fn closed(&mut self, why: Why, now: Millis) {
        self.write(XenbusState::Closed);
        self.enter(Phase::Closed(why), now.checked_add(CLOSE_LIMIT));
        self.step(now);
    }

    /// Leaves the device ready for another driver.
    fn leave(&mut self) {
        if self.is_wanted() {
            self.write(XenbusState::Initialising);
        }
        self.remove();
    }

    fn remove(&mut self) {
        self.enter(Phase::Gone, None);
        if !self.retiring {
            self.push(Action::Remove);
        }
    }

    fn close(&mut self) {
        if core::mem::take(&mut self.live) {
            self.push(Action::Close);
        }
    }

    fn write(&mut self, state: XenbusState) {
        self.announced = state;
        self.push(Action::WriteState(state));
    }

    fn enter(&mut self, phase: Phase, deadline: Option<Millis>) {
        self.phase = phase;
        self.deadline = deadline;
    }

    /// Forgets earlier failures if the connection that ends now was a good one.
    fn forgive(&mut self, now: Millis) {
        if self.phase == Phase::Connected && now.saturating_sub(self.since) >= STABLE {
            self.attempts = 0;
        }
    }

    /// When to try again; later each time.
    fn next_attempt(&mut self, now: Millis) -> Millis {
        let pause = BACKOFF_MIN
            .checked_shl(self.attempts)
            .map_or(BACKOFF_MAX, |pause| pause.min(BACKOFF_MAX));
        self.attempts = self.attempts.saturating_add(1).min(16);
        now.saturating_add(pause)
    }

    fn push(&mut self, action: Action) {
        if let Some(slot) = self.actions.get_mut(self.queued) {
            *slot = Some(action);
            self.queued = self.queued.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod tests;
