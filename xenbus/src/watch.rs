// SPDX-License-Identifier: GPL-2.0-only
//! Watches: which token is whose, and what has happened to each.
//!
//! The store may send events as fast as it likes (XSA-349 was a guest that queued them all). Each
//! watch holds a bounded number of paths; a path already waiting is not queued twice, and when the
//! bound is met the paths are replaced by one "look at everything again". So no event is lost in
//! effect, and no flood takes memory.
//!
//! [`Watches`] also knows which callback runs, so that one who removes a watch can wait for it, and which watches the store
//! knows of; [`registration`] tells it of the others.

pub mod registration;

use registration::Round;

/// Length of a token on the wire: slot and generation, eight hexadecimal digits each.
pub const TOKEN_LEN: usize = 16;

/// Names one registration of one watch. Tokens are never used twice (within 2^32 registrations of
/// one slot), so an event for a watch that is gone reaches nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    slot: u32,
    generation: u32,
}

impl Token {
    /// The token as it goes on the wire, without a NUL.
    pub fn to_bytes(self) -> [u8; TOKEN_LEN] {
        let mut bytes = [0; TOKEN_LEN];
        let value = u64::from(self.slot) << 32 | u64::from(self.generation);
        for (i, byte) in bytes.iter_mut().rev().enumerate() {
            let shift = u32::try_from(i).unwrap_or(0).wrapping_mul(4);
            let nibble = value.wrapping_shr(shift) & 0xf;
            *byte = b"0123456789abcdef"
                .get(nibble as usize)
                .copied()
                .unwrap_or(b'0');
        }
        bytes
    }

    /// Reads a token, in exactly the form that [`Token::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Token> {
        if bytes.len() != TOKEN_LEN {
            return None;
        }
        let value = bytes.iter().try_fold(0u64, |value, byte| {
            let digit = match byte {
                b'0'..=b'9' => byte.wrapping_sub(b'0'),
                b'a'..=b'f' => byte.wrapping_sub(b'a').wrapping_add(10),
                _ => return None,
            };
            Some(value << 4 | u64::from(digit))
        })?;
        let slot = u32::try_from(value >> 32).ok()?;
        let generation = u32::try_from(value & u64::from(u32::MAX)).ok()?;
        Some(Token { slot, generation })
    }
}

/// Something happened at or below a watched node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<P> {
    /// This node changed, appeared or vanished.
    Changed(P),
    /// More happened than was worth noting: look at everything below the watched node again.
    Rescan,
}

/// The events that wait for one watch's callback: at most `N` paths.
#[derive(Debug)]
pub struct EventQueue<P, const N: usize> {
    paths: [Option<P>; N],
    first: usize,
    len: usize,
    rescan: bool,
}

impl<P: PartialEq, const N: usize> Default for EventQueue<P, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: PartialEq, const N: usize> EventQueue<P, N> {
    /// An empty queue.
    pub const fn new() -> Self {
        EventQueue {
            paths: [const { None }; N],
            first: 0,
            len: 0,
            rescan: false,
        }
    }

    /// Notes a change at `path`. Returns whether it was folded into what waits already.
    pub fn push(&mut self, path: P) -> bool {
        if self.rescan || self.paths.iter().flatten().any(|waiting| *waiting == path) {
            return true;
        }
        let Some(slot) = self.paths.get_mut(Self::at(self.first, self.len)) else {
            return self.overflow();
        };
        if slot.is_some() {
            return self.overflow();
        }
        *slot = Some(path);
        self.len = self.len.saturating_add(1);
        false
    }

    /// Gives up on single paths: one [`Event::Rescan`] stands for all. Returns true, as
    /// [`EventQueue::push`] does when it comes to this.
    pub fn overflow(&mut self) -> bool {
        self.paths.iter_mut().for_each(|path| *path = None);
        self.len = 0;
        self.rescan = true;
        true
    }

    /// The oldest event.
    pub fn pop(&mut self) -> Option<Event<P>> {
        if core::mem::take(&mut self.rescan) {
            return Some(Event::Rescan);
        }
        let path = self.paths.get_mut(self.first)?.take()?;
        self.first = Self::at(self.first, 1);
        self.len = self.len.saturating_sub(1);
        Some(Event::Changed(path))
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0 && !self.rescan
    }

    fn at(first: usize, offset: usize) -> usize {
        first.wrapping_add(offset).checked_rem(N).unwrap_or(0)
    }
}

#[derive(Debug)]
struct Slot<H> {
    generation: u32,
    ready: bool,
    /// The connection on which the store knows of it.
    registered: Option<u32>,
    watch: Option<H>,
}

/// All watches of one client, at most `N`. `H` is what the owner keeps for each.
#[derive(Debug)]
pub struct Watches<H, const N: usize> {
    slots: [Slot<H>; N],
    cursor: usize,
    running: Option<Token>,
}

impl<H, const N: usize> Default for Watches<H, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H, const N: usize> Watches<H, N> {
    /// No watches.
    pub const fn new() -> Self {
        Watches {
            slots: [const {
                Slot {
                    generation: 0,
                    ready: false,
                    registered: None,
                    watch: None,
                }
            }; N],
            cursor: 0,
            running: None,
        }
    }

    /// Has the tokens begin elsewhere: an event for a former owner's watch must not look like one for a watch of ours.
    /// `seed` is any number that differs from owner to owner.
    pub fn seed(&mut self, seed: u32) {
        for slot in &mut self.slots {
            slot.generation = seed;
        }
    }

    /// Adds a watch. Register it with the store under the token afterwards: the first event may
    /// come before the reply.
    ///
    /// # Errors
    /// Gives the watch back when there are `N` already.
    pub fn insert(&mut self, watch: H) -> Result<Token, H> {
        let free = self
            .slots
            .iter_mut()
            .enumerate()
            .find(|(_, slot)| slot.watch.is_none());
        let Some((index, slot)) = free else {
            return Err(watch);
        };
        slot.generation = slot.generation.wrapping_add(1);
        slot.ready = false;
        slot.registered = None;
        slot.watch = Some(watch);
        Ok(Token {
            slot: u32::try_from(index).unwrap_or(u32::MAX),
            generation: slot.generation,
        })
    }

    /// Takes a watch out; no callback of it begins after this. One may still run: see
    /// [`Watches::is_running`].
    pub fn remove(&mut self, token: Token) -> Option<H> {
        let slot = self.slot(token)?;
        slot.ready = false;
        slot.watch.take()
    }

    /// An event for `token` came: the watch it belongs to, which is now due for its callback.
    /// `None` for a token that is nobody's.
    pub fn event(&mut self, token: Token) -> Option<&mut H> {
        let slot = self.slot(token)?;
        slot.ready = slot.watch.is_some();
        slot.watch.as_mut()
    }

    /// The next watch due for its callback, each in turn. It counts as running until
    /// [`Watches::done`]; while one runs, there is no next.
    pub fn next_ready(&mut self) -> Option<(Token, &mut H)> {
        if self.running.is_some() {
            return None;
        }
        let (before, after) = (0..self.cursor.min(N), self.cursor.min(N)..N);
        let index = after
            .chain(before)
            .find(|i| self.slots.get(*i).is_some_and(|s| s.ready))?;
        let slot = self.slots.get_mut(index)?;
        slot.ready = false;
        let token = Token {
            slot: u32::try_from(index).unwrap_or(u32::MAX),
            generation: slot.generation,
        };
        self.cursor = index.wrapping_add(1);
        self.running = Some(token);
        Some((token, slot.watch.as_mut()?))
    }

    /// The callback of the running watch returned; `more` says that its queue is not empty.
    pub fn done(&mut self, more: bool) {
        if let Some(slot) = self.running.take().and_then(|token| self.slot(token)) {
            slot.ready |= more && slot.watch.is_some();
        }
    }

    /// The watch, if it is still there.
    pub fn get_mut(&mut self, token: Token) -> Option<&mut H> {
        self.slot(token)?.watch.as_mut()
    }

    /// Whether the callback of `token` runs at this moment.
    pub fn is_running(&self, token: Token) -> bool {
        self.running == Some(token)
    }

    /// Whether a callback is due.
    pub fn has_ready(&self) -> bool {
        self.running.is_none() && self.slots.iter().any(|slot| slot.ready)
    }

    /// The store knows of the watch, on its connection number `epoch`. False for a watch that is gone: the store is to
    /// forget it.
    #[must_use]
    pub fn registered(&mut self, token: Token, epoch: u32) -> bool {
        let Some(slot) = self.slot(token).filter(|slot| slot.watch.is_some()) else {
            return false;
        };
        slot.registered = Some(epoch);
        true
    }

    /// The next watch of `round` that the store does not know of on its connection number `epoch`.
    pub fn next_unregistered(&self, round: &mut Round, epoch: u32) -> Option<(Token, &H)> {
        loop {
            let index = round.next(N)?;
            let found = self.slots.get(index).and_then(|slot| {
                let watch = slot.watch.as_ref()?;
                (slot.registered != Some(epoch)).then_some((slot.generation, watch))
            });
            if let Some((generation, watch)) = found {
                let slot = u32::try_from(index).unwrap_or(u32::MAX);
                return Some((Token { slot, generation }, watch));
            }
        }
    }

    /// How many watches the store does not know of on its connection number `epoch`.
    pub fn unregistered(&self, epoch: u32) -> usize {
        let known = |slot: &Slot<H>| slot.watch.is_none() || slot.registered == Some(epoch);
        self.slots.iter().filter(|slot| !known(slot)).count()
    }

    /// How many watches there are.
    pub fn len(&self) -> usize {
        self.slots
            .iter()
            .filter(|slot| slot.watch.is_some())
            .count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn slot(&mut self, token: Token) -> Option<&mut Slot<H>> {
        let slot = self.slots.get_mut(usize::try_from(token.slot).ok()?)?;
        (slot.generation == token.generation).then_some(slot)
    }
}

#[cfg(test)]
mod tests;
