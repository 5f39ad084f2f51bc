// SPDX-License-Identifier: GPL-2.0-only
//! Changing the vCPU of a bound port without losing an event.
use crate::port::{Binding, MaskReason, PortState};
use crate::scan::VcpuEvents;
use crate::shared::{PortIndex, Raise, SharedPorts};

/// A port on its way from one vCPU to another: masked, so that Xen announces
/// nothing to the one which is about to lose it. An event that comes meanwhile
/// waits, and is found at the end.
///
/// Between [`Move::begin`] and [`Move::finish`] the caller tells Xen, by
/// `EVTCHNOP_bind_vcpu`. Moves of one port must not overlap each other nor its
/// closing; the interrupt core's lock sees to that.
///
/// One hole is Xen's own: a send on another physical CPU reads the port's vCPU
/// without a lock, and if it is held up between that and setting the bit for as
/// long as the whole move takes, it announces the event to the old vCPU. So the
/// caller looks at [`lost_events`] some time after the last move.
#[must_use = "the port stays masked until the move ends"]
#[derive(Debug)]
pub struct Move<'a> {
    state: &'a PortState,
    ports: SharedPorts<'a>,
    port: PortIndex,
    from: u32,
}

impl<'a> Move<'a> {
    /// Masks `port` for its move, or returns `None` when it is not bound.
    pub fn begin(state: &'a PortState, ports: SharedPorts<'a>, port: PortIndex) -> Option<Self> {
        let Binding::Bound(from) = state.binding() else {
            return None;
        };
        state.mask(ports, port, MaskReason::Move);
        Some(Self {
            state,
            ports,
            port,
            from,
        })
    }

    /// The CPU that has had it so far.
    pub fn origin(&self) -> u32 {
        self.from
    }

    /// Xen has bound the port to CPU `cpu`: lets it serve the port from now on.
    /// `old` and `new` are the shares of [`Move::origin`] and of `cpu`.
    pub fn finish(self, old: &VcpuEvents, new: &VcpuEvents, cpu: u32) -> Raise {
        if self.state.rebind(self.from, cpu) {
            old.remove(self.port);
            new.add(self.port);
        }
        self.end()
    }

    /// Xen has refused: leaves the port where it is.
    pub fn abandon(self) -> Raise {
        self.end()
    }

    fn end(self) -> Raise {
        self.state.unmask(self.ports, self.port, MaskReason::Move)
    }
}

/// The ports that have an event and are not masked. Most of them are about to be
/// served; on one that is not, [`PortState::raise_again`] helps.
pub fn lost_events(ports: SharedPorts<'_>) -> impl Iterator<Item = PortIndex> + '_ {
    (0..ports.words()).flat_map(move |word| {
        let waiting = ports.waiting(word);
        (0..u64::BITS)
            .filter(move |bit| waiting >> bit & 1 != 0)
            .map(move |bit| PortIndex::at(word, bit))
    })
}
