// SPDX-License-Identifier: GPL-2.0-only
//! Byte streams through a ring of bytes and two free-running indices.
use crate::error::{BadRingMemory, Notify, RingViolation};
use crate::index::distance;
use crate::shared::{SharedMemory, SharedU32};
use crate::sync::{store_ahead_of_loads, Ordering};

/// Where a byte ring's parts are in its memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRingLayout {
    /// The ring itself.
    pub buffer: usize,
    /// Its length, a power of two.
    pub size: u32,
    /// The producer's index.
    pub prod: usize,
    /// The consumer's index.
    pub cons: usize,
}

/// What one call has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// How many bytes, 0 if the ring was full or empty.
    pub bytes: usize,
    /// Whether the peer is to be told.
    pub notify: Notify,
}

impl Moved {
    const NOTHING: Self = Self {
        bytes: 0,
        notify: Notify::NotNeeded,
    };
}

/// What both halves share.
struct Half {
    memory: SharedMemory,
    layout: ByteRingLayout,
    prod: SharedU32,
    cons: SharedU32,
    violation: Option<RingViolation>,
}

impl Half {
    fn attach(memory: &SharedMemory, layout: ByteRingLayout) -> Result<Self, BadRingMemory> {
        let size = usize::try_from(layout.size).map_err(|_| BadRingMemory)?;
        let end = layout.buffer.checked_add(size).ok_or(BadRingMemory)?;
        if !layout.size.is_power_of_two() || end > memory.len() {
            return Err(BadRingMemory);
        }
        Ok(Self {
            memory: memory.clone(),
            layout,
            prod: memory.u32_at(layout.prod).ok_or(BadRingMemory)?,
            cons: memory.u32_at(layout.cons).ok_or(BadRingMemory)?,
            violation: None,
        })
    }

    /// Bytes that are in the ring according to these indices.
    fn used(&mut self, prod: u32, cons: u32) -> Result<u32, RingViolation> {
        if let Some(violation) = self.violation {
            return Err(violation);
        }
        let used = distance(prod, cons);
        if used <= self.layout.size {
            return Ok(used);
        }
        let violation = RingViolation::ByteIndices {
            prod,
            cons,
            size: self.layout.size,
        };
        self.violation = Some(violation);
        Err(violation)
    }

    /// The place of free-running index `index` in the memory, and how many bytes lie from there to the ring's end.
    fn place(&self, index: u32) -> (usize, usize) {
        let offset = index & (self.layout.size - 1);
        (
            self.layout.buffer + offset as usize,
            (self.layout.size - offset) as usize,
        )
    }
}

/// The writing end of a byte ring.
pub struct ByteProducer {
    half: Half,
    /// Bytes written, ever: our index, kept here and never read back.
    produced: u32,
}

impl ByteProducer {
    /// Joins the ring where its producer left it: that index was ours the last time, and the only thing we take
    /// from the memory about ourselves.
    ///
    /// # Errors
    /// [`BadRingMemory`] if the ring does not fit.
    pub fn attach(memory: &SharedMemory, layout: ByteRingLayout) -> Result<Self, BadRingMemory> {
        let half = Half::attach(memory, layout)?;
        let produced = half.prod.load(Ordering::Relaxed);
        Ok(Self { half, produced })
    }

    /// Bytes that can be written now.
    ///
    /// # Errors
    /// [`RingViolation`] if the consumer's index cannot be true; the same again ever after.
    pub fn room(&mut self) -> Result<usize, RingViolation> {
        // The consumer has copied the bytes out before we write over them; and see `write`.
        let cons = self.half.cons.load(Ordering::SeqCst);
        let used = self.half.used(self.produced, cons)?;
        Ok((self.half.layout.size - used) as usize)
    }

    /// Writes as much of `bytes` as there is room for. The consumer is to be told of every byte.
    ///
    /// When nothing could be written, wait for an event and call again.
    ///
    /// # Errors
    /// As [`room`](Self::room).
    pub fn write(&mut self, bytes: &[u8]) -> Result<Moved, RingViolation> {
        let count = self.room()?.min(bytes.len());
        let (now, _) = bytes.split_at(count);
        if now.is_empty() {
            return Ok(Moved::NOTHING);
        }
        let (place, to_end) = self.half.place(self.produced);
        let (first, second) = now.split_at(count.min(to_end));
        let copied = self.half.memory.write_bytes(place, first).and_then(|()| {
            self.half
                .memory
                .write_bytes(self.half.layout.buffer, second)
        });
        debug_assert!(copied.is_ok());
        self.produced = self.produced.wrapping_add(count as u32);
        // Our index before the next look at the consumer's: when that look finds the ring full, the consumer's
        // own second look finds it full too, and it tells us.
        store_ahead_of_loads(&self.half.prod, self.produced);
        Ok(Moved {
            bytes: count,
            notify: Notify::Needed,
        })
    }
}

/// The reading end of a byte ring.
pub struct ByteConsumer {
    half: Half,
    /// Bytes read, ever: our index, kept here and never read back.
    consumed: u32,
}

impl ByteConsumer {
    /// Joins the ring where its consumer left it.
    ///
    /// # Errors
    /// [`BadRingMemory`] if the ring does not fit.
    pub fn attach(memory: &SharedMemory, layout: ByteRingLayout) -> Result<Self, BadRingMemory> {
        let half = Half::attach(memory, layout)?;
        let consumed = half.cons.load(Ordering::Relaxed);
        Ok(Self { half, consumed })
    }

    /// Bytes that can be read now.
    ///
    /// # Errors
    /// [`RingViolation`] if the producer's index cannot be true; the same again ever after.
    pub fn available(&mut self) -> Result<usize, RingViolation> {
        // Acquire: the index before the bytes.
        let prod = self.half.prod.load(Ordering::Acquire);
        Ok(self.half.used(prod, self.consumed)? as usize)
    }

    /// Reads as many bytes as there are and `to` holds. The producer is to be told only if it may be waiting for
    /// room.
    ///
    /// # Errors
    /// As [`available`](Self::available).
    pub fn read(&mut self, to: &mut [u8]) -> Result<Moved, RingViolation> {
        let count = self.available()?.min(to.len());
        if count == 0 {
            return Ok(Moved::NOTHING);
        }
        let (place, to_end) = self.half.place(self.consumed);
        let (now, _) = to.split_at_mut(count);
        let (first, second) = now.split_at_mut(count.min(to_end));
        let copied = self
            .half
            .memory
            .read_bytes(place, first)
            .and_then(|()| self.half.memory.read_bytes(self.half.layout.buffer, second));
        debug_assert!(copied.is_ok());
        let before = self.consumed;
        self.consumed = before.wrapping_add(count as u32);
        // Our index before the second look at the producer's: it may have filled the ring since the first look and
        // found no room.
        store_ahead_of_loads(&self.half.cons, self.consumed);
        let prod = self.half.prod.load(Ordering::SeqCst);
        Ok(Moved {
            bytes: count,
            notify: Notify::when(distance(prod, before) >= self.half.layout.size),
        })
    }
}
