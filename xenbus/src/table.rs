// SPDX-License-Identifier: GPL-2.0-only
//! Requests in flight: who waits for which reply.
//!
//! A request id is a slot number and that slot's generation. A reply is believed only when slot
//! and generation name a request in flight and the reply's type is the request's (or an error), so
//! a late, doubled or invented reply never reaches somebody else's request.

use crate::wire::{Header, Operation};

/// Bits of a request id that name the slot.
const SLOT_BITS: u32 = 8;
/// Most slots a table can have.
pub const SLOTS_MAX: usize = 1 << SLOT_BITS;
/// Generations that fit a request id.
const GENERATION_MASK: u32 = u32::MAX >> SLOT_BITS;

/// A request's id on the wire. Never 0, which is what watch events carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(u32);

impl RequestId {
    /// The id as it stands in [`Header::req_id`].
    pub fn raw(self) -> u32 {
        self.0
    }
}

/// What a reply turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Matched<W> {
    /// The reply to a request in flight, with the one who waits for it.
    Reply(W),
    /// The request failed; the payload names the error.
    Error(W),
    /// A reply of another type than the request in flight: the store lies or is confused.
    WrongType(W),
    /// The reply to a request that nobody waits for any more.
    Late,
    /// A reply to no request of ours.
    Unknown,
}

#[derive(Debug)]
enum State<W> {
    Free,
    InFlight {
        op: Operation,
        waiter: W,
    },
    /// Given up by its waiter; the reply may still come.
    Abandoned {
        op: Operation,
        order: u64,
    },
}

#[derive(Debug)]
struct Slot<W> {
    generation: u32,
    state: State<W>,
}

/// The requests in flight, at most `N` (and [`SLOTS_MAX`]) at once.
#[derive(Debug)]
pub struct RequestTable<W, const N: usize> {
    slots: [Slot<W>; N],
    abandoned: u64,
}

impl<W, const N: usize> Default for RequestTable<W, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<W, const N: usize> RequestTable<W, N> {
    const SIZE_OK: () = assert!(N > 0 && N <= SLOTS_MAX);

    /// A table with nothing in flight.
    pub const fn new() -> Self {
        let () = Self::SIZE_OK;
        RequestTable {
            slots: [const {
                Slot {
                    generation: 0,
                    state: State::Free,
                }
            }; N],
            abandoned: 0,
        }
    }

    /// Has the ids begin elsewhere: a reply to a former owner of the stream must not look like one to a request of
    /// ours. `seed` is any number that differs from owner to owner.
    pub fn seed(&mut self, seed: u32) {
        for slot in &mut self.slots {
            slot.generation = seed & GENERATION_MASK;
        }
    }

    /// Notes that `waiter` waits for the reply to a request of type `op`.
    ///
    /// # Errors
    /// Gives `waiter` back when `N` requests are in flight. Slots of abandoned requests do not
    /// count: the oldest of them is taken over (its id is not used again).
    pub fn insert(&mut self, op: Operation, waiter: W) -> Result<RequestId, W> {
        let Some((index, slot)) =
            self.slots
                .iter_mut()
                .enumerate()
                .min_by_key(|(_, slot)| match slot.state {
                    State::Free => 0,
                    State::Abandoned { order, .. } => order.saturating_add(1),
                    State::InFlight { .. } => u64::MAX,
                })
        else {
            return Err(waiter);
        };
        if matches!(slot.state, State::InFlight { .. }) {
            return Err(waiter);
        }
        // Generation 0 is skipped, so that no id is 0.
        slot.generation = (slot.generation.wrapping_add(1) & GENERATION_MASK).max(1);
        slot.state = State::InFlight { op, waiter };
        let index = u32::try_from(index).unwrap_or(0);
        Ok(RequestId(slot.generation << SLOT_BITS | index))
    }

    /// Finds the waiter of a reply and frees its slot.
    pub fn take(&mut self, header: &Header) -> Matched<W> {
        let id = RequestId(header.req_id);
        let Some(slot) = self.slot(id) else {
            return Matched::Unknown;
        };
        let fits =
            |op: Operation| header.kind == op.number() || header.kind == Operation::Error.number();
        match core::mem::replace(&mut slot.state, State::Free) {
            State::Free => Matched::Unknown,
            State::Abandoned { op, .. } if fits(op) => Matched::Late,
            State::Abandoned { .. } => Matched::Unknown,
            State::InFlight { op, waiter } if !fits(op) => Matched::WrongType(waiter),
            State::InFlight { waiter, .. } if header.kind == Operation::Error.number() => {
                Matched::Error(waiter)
            }
            State::InFlight { waiter, .. } => Matched::Reply(waiter),
        }
    }

    /// Gives up waiting for `id`. The waiter comes back unless the reply was there first.
    pub fn abandon(&mut self, id: RequestId) -> Option<W> {
        let order = self.abandoned;
        let slot = self.slot(id)?;
        match core::mem::replace(&mut slot.state, State::Free) {
            State::InFlight { op, waiter } => {
                slot.state = State::Abandoned { op, order };
                self.abandoned = order.wrapping_add(1);
                Some(waiter)
            }
            other => {
                slot.state = other;
                None
            }
        }
    }

    /// Forgets a request that was never sent: no reply will come. The waiter comes back.
    pub fn retract(&mut self, id: RequestId) -> Option<W> {
        let waiter = self.abandon(id)?;
        if let Some(slot) = self.slot(id) {
            slot.state = State::Free;
        }
        Some(waiter)
    }

    /// Ends every request: the stream is lost, no reply will come. Calls `end` with each waiter.
    pub fn drain(&mut self, mut end: impl FnMut(W)) {
        for slot in &mut self.slots {
            if let State::InFlight { waiter, .. } = core::mem::replace(&mut slot.state, State::Free)
            {
                end(waiter);
            }
        }
    }

    /// How many requests somebody waits for.
    pub fn in_flight(&self) -> usize {
        self.slots
            .iter()
            .filter(|slot| matches!(slot.state, State::InFlight { .. }))
            .count()
    }

    fn slot(&mut self, id: RequestId) -> Option<&mut Slot<W>> {
        let index = usize::try_from(id.0 & (u32::MAX >> (u32::BITS - SLOT_BITS))).ok()?;
        let generation = id.0 >> SLOT_BITS;
        self.slots
            .get_mut(index)
            .filter(|slot| slot.generation == generation && generation != 0)
    }
}

#[cfg(test)]
mod tests;
