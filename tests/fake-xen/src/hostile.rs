// SPDX-License-Identifier: GPL-2.0-only
//! What a hostile backend does to a ring, as strategies for proptest.
//!
//! The peer is not bound by any protocol: it writes any index, any slot, answers what it likes as often as it likes,
//! and changes memory between two reads of ours. What must hold then is the test's to say; here is only the malice.
use std::marker::PhantomData;
use std::ops::Range;

use proptest::prelude::*;
use ring::{capacity, HostMemory, SharedMemory, Slot, HEADER_SIZE};

/// An index in a ring's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Index {
    /// The frontend's own.
    ReqProd = 0,
    /// When the backend wants to be told.
    ReqEvent = 4,
    /// The backend's.
    RspProd = 8,
    /// The frontend's wish.
    RspEvent = 12,
}

/// Something done to a ring's memory.
#[derive(Clone, Debug)]
pub enum Mischief {
    /// Writes an index.
    Set(Index, u32),
    /// Moves an index by a little.
    Nudge(Index, i8),
    /// Writes a word among the slots, by its number.
    Word(usize, u32),
    /// From now on, flips these bits of each word of a slot when it has been read: whoever reads it once does not
    /// notice.
    TamperBehind(u32),
    /// From now on, flips these bits of each word that comes after what is read: a torn slot.
    TamperAhead(u32),
    /// Writes nothing behind our back any more.
    Rest,
}

fn index() -> impl Strategy<Value = Index> {
    prop::sample::select(vec![
        Index::ReqProd,
        Index::ReqEvent,
        Index::RspProd,
        Index::RspEvent,
    ])
}

/// Any mischief on the memory of a ring with `words` words of slots.
pub fn mischief(words: usize) -> impl Strategy<Value = Mischief> {
    prop_oneof![
        2 => (index(), any::<u32>()).prop_map(|(index, value)| Mischief::Set(index, value)),
        4 => (index(), -3i8..12).prop_map(|(index, by)| Mischief::Nudge(index, by)),
        4 => (0..words, any::<u32>()).prop_map(|(word, value)| Mischief::Word(word, value)),
        1 => any::<u32>().prop_map(Mischief::TamperBehind),
        1 => any::<u32>().prop_map(Mischief::TamperAhead),
        1 => Just(Mischief::Rest),
    ]
}

/// A flaw in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// None.
    None,
    /// It has another id.
    Id(u64),
    /// It comes twice.
    Twice,
    /// It names another operation, or has another status.
    Kind(u8),
    /// It has this status.
    Status(i16),
}

/// Any flaw; most answers have none.
pub fn flaw() -> impl Strategy<Value = Flaw> {
    prop_oneof![
        12 => Just(Flaw::None),
        2 => prop_oneof![0..600u64, any::<u64>(), Just(u64::MAX)].prop_map(Flaw::Id),
        1 => Just(Flaw::Twice),
        1 => any::<u8>().prop_map(Flaw::Kind),
        4 => prop_oneof![-3i16..3, any::<i16>()].prop_map(Flaw::Status),
    ]
}

/// The backend's half of a ring without a single check.
pub struct LawlessRing<Req, Rsp> {
    memory: SharedMemory,
    req_cons: u32,
    rsp_prod: u32,
    kinds: PhantomData<fn(Req) -> Rsp>,
}

impl<Req: Slot, Rsp: Slot> LawlessRing<Req, Rsp> {
    /// Sees a ring that a frontend has just made.
    pub fn new(memory: &SharedMemory) -> Self {
        Self {
            memory: memory.clone(),
            req_cons: 0,
            rsp_prod: 0,
            kinds: PhantomData,
        }
    }

    /// Words that its slots take.
    pub fn words(&self) -> usize {
        (self.memory.len() - HEADER_SIZE) / 4
    }

    fn place(&self, index: u32) -> usize {
        let slots = capacity::<Req, Rsp>(self.memory.len());
        let stride = size_of::<Req>().max(size_of::<Rsp>());
        HEADER_SIZE + (index % slots) as usize * stride
    }

    fn load(&self, index: Index) -> u32 {
        let cell = self.memory.atomic_u32(index as usize).expect("the header");
        cell.load(std::sync::atomic::Ordering::SeqCst)
    }

    fn store(&self, index: Index, value: u32) {
        let cell = self.memory.atomic_u32(index as usize).expect("the header");
        cell.store(value, std::sync::atomic::Ordering::SeqCst);
    }

    /// The next request, if the frontend has shown one.
    pub fn next_request(&mut self) -> Option<Req> {
        if self.req_cons == self.load(Index::ReqProd) {
            return None;
        }
        let slots = capacity::<Req, Rsp>(self.memory.len());
        if self.load(Index::ReqProd).wrapping_sub(self.req_cons) > slots {
            // Our own mischief has spoiled the index.
            return None;
        }
        let request = self.memory.load(self.place(self.req_cons)).ok();
        self.req_cons = self.req_cons.wrapping_add(1);
        request
    }

    /// Writes a response and shows it.
    pub fn respond(&mut self, response: &Rsp) {
        self.memory
            .store(self.place(self.rsp_prod), response)
            .expect("a slot");
        self.rsp_prod = self.rsp_prod.wrapping_add(1);
        self.store(Index::RspProd, self.rsp_prod);
    }

    /// Does some mischief.
    pub fn apply(&mut self, mischief: &Mischief) {
        match *mischief {
            Mischief::Set(index, value) => self.store(index, value),
            Mischief::Nudge(index, by) => {
                self.store(index, self.load(index).wrapping_add_signed(by.into()));
            }
            Mischief::Word(word, value) => {
                let offset = HEADER_SIZE + word % self.words() * 4;
                self.memory.store(offset, &value).expect("a word of a slot");
            }
            Mischief::TamperBehind(bits) => {
                self.tamper(move |host: &HostMemory, read: Range<usize>| {
                    for word in read.filter(|at| *at >= HEADER_SIZE).step_by(4) {
                        host.change_u32(word, |word| word ^ bits);
                    }
                });
            }
            Mischief::TamperAhead(bits) => {
                self.tamper(move |host: &HostMemory, read: Range<usize>| {
                    host.change_u32(read.end.next_multiple_of(4), |word| word ^ bits);
                });
            }
            Mischief::Rest => self.rest(),
        }
    }

    fn tamper(&self, peer: impl FnMut(&HostMemory, Range<usize>) + Send + 'static) {
        self.memory.after_loads(Some(peer));
    }

    fn rest(&self) {
        self.memory
            .after_loads(None::<fn(&HostMemory, Range<usize>)>);
    }
}

impl<Req, Rsp> Drop for LawlessRing<Req, Rsp> {
    fn drop(&mut self) {
        self.memory
            .after_loads(None::<fn(&HostMemory, Range<usize>)>);
    }
}
