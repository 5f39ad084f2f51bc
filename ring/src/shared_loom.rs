// SPDX-License-Identifier: GPL-2.0-only
//! The stand-in for `shared.rs` under the model checker: the same accessors over words that it watches.
use core::mem::size_of;
use loom::sync::atomic::AtomicU32;
use std::sync::Arc;
use std::vec;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::slots::{Shape, Slot};
use crate::sync::Ordering;

/// Bytes of a watched word.
const WORD: usize = size_of::<u32>();

/// An offset or a length points outside of the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfBounds;

/// A range of shared memory. Clones are handles of the same range.
#[derive(Clone)]
pub struct SharedMemory {
    words: Arc<[AtomicU32]>,
}

impl SharedMemory {
    /// `len` bytes, all zero.
    pub fn zeroed(len: usize) -> Self {
        Self {
            words: (0..len.div_ceil(WORD)).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    /// Bytes in the range.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.words.len() * WORD
    }

    /// A handle of its own for the 32-bit word at `offset`.
    pub fn u32_at(&self, offset: usize) -> Option<SharedU32> {
        let index = offset / WORD;
        (offset % WORD == 0 && index < self.words.len()).then(|| SharedU32 {
            memory: self.clone(),
            index,
        })
    }

    pub(crate) fn slots<Req: Slot, Rsp: Slot>(
        &self,
        offset: usize,
        capacity: u32,
    ) -> Option<SlotMemory<Req, Rsp>> {
        capacity.is_power_of_two().then(|| SlotMemory {
            memory: self.clone(),
            offset,
            mask: capacity - 1,
            kinds: core::marker::PhantomData,
        })
    }

    /// Copies bytes out, from `offset` on, as many as `to` holds.
    pub fn read_bytes(&self, offset: usize, to: &mut [u8]) -> Result<(), OutOfBounds> {
        for (i, byte) in to.iter_mut().enumerate() {
            let at = offset + i;
            let word = self.words.get(at / WORD).ok_or(OutOfBounds)?;
            *byte = word.load(Ordering::Relaxed).to_le_bytes()[at % WORD];
        }
        Ok(())
    }

    /// Copies all of `from` in, from `offset` on. Bytes of one word must have one writer.
    pub fn write_bytes(&self, offset: usize, from: &[u8]) -> Result<(), OutOfBounds> {
        for (i, byte) in from.iter().enumerate() {
            let at = offset + i;
            let word = self.words.get(at / WORD).ok_or(OutOfBounds)?;
            let mut bytes = word.load(Ordering::Relaxed).to_le_bytes();
            bytes[at % WORD] = *byte;
            word.store(u32::from_le_bytes(bytes), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Makes every byte zero.
    pub fn zero(&self) {
        for word in self.words.iter() {
            word.store(0, Ordering::Relaxed);
        }
    }

    fn load<T: FromBytes + IntoBytes>(&self, offset: usize) -> T {
        let mut bytes = vec![0; size_of::<T>()];
        for (i, chunk) in bytes.chunks_mut(WORD).enumerate() {
            chunk.copy_from_slice(
                &self.words[offset / WORD + i]
                    .load(Ordering::Relaxed)
                    .to_le_bytes(),
            );
        }
        T::read_from_bytes(&bytes).expect("as many bytes as a T has")
    }

    fn store<T: IntoBytes + Immutable>(&self, offset: usize, value: &T) {
        for (i, chunk) in value.as_bytes().chunks(WORD).enumerate() {
            let word = u32::from_le_bytes(chunk.try_into().expect("whole words"));
            self.words[offset / WORD + i].store(word, Ordering::Relaxed);
        }
    }
}

/// One 32-bit word of shared memory.
#[derive(Clone)]
pub struct SharedU32 {
    memory: SharedMemory,
    index: usize,
}

impl SharedU32 {
    /// Loads the word.
    pub fn load(&self, order: Ordering) -> u32 {
        self.memory.words[self.index].load(order)
    }

    /// Stores the word.
    pub fn store(&self, value: u32, order: Ordering) {
        self.memory.words[self.index].store(value, order);
    }
}

/// The slots of a ring.
#[derive(Clone)]
pub(crate) struct SlotMemory<Req, Rsp> {
    memory: SharedMemory,
    offset: usize,
    mask: u32,
    kinds: core::marker::PhantomData<fn(Req) -> Rsp>,
}

impl<Req: Slot, Rsp: Slot> SlotMemory<Req, Rsp> {
    pub(crate) fn capacity(&self) -> u32 {
        self.mask + 1
    }

    fn offset(&self, index: u32) -> usize {
        self.offset + (index & self.mask) as usize * Shape::<Req, Rsp>::STRIDE
    }

    pub(crate) fn load_request(&self, index: u32) -> Req {
        self.memory.load(self.offset(index))
    }

    pub(crate) fn store_request(&self, index: u32, request: &Req) {
        self.memory.store(self.offset(index), request);
    }

    pub(crate) fn load_response(&self, index: u32) -> Rsp {
        self.memory.load(self.offset(index))
    }

    pub(crate) fn store_response(&self, index: u32, response: &Rsp) {
        self.memory.store(self.offset(index), response);
    }
}
