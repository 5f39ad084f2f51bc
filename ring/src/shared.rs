// SPDX-License-Identifier: GPL-2.0-only
//! Memory shared with a peer that may change it at any moment.
//!
//! The only file of the crate with unsafe code. Its promises to the rest:
//! * Every access is a relaxed or stronger atomic one of at most 8 bytes, so that a peer on another CPU (or another
//!   thread of a test) makes no data race, and the compiler may neither repeat a load nor invent a store.
//! * What is loaded is a copy. A copy of more than 8 bytes may be torn: it is made of words that were there, each
//!   at its own moment. Nothing here looks at it.
//! * No reference to shared memory is handed out but to atomics.
use core::mem::{size_of, MaybeUninit};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, AtomicU8, Ordering};
use zerocopy::{FromBytes, Immutable, IntoBytes};

#[cfg(any(test, feature = "host"))]
use crate::host::HostMemory;
use crate::host::Keep;
use crate::slots::{Shape, Slot};

/// The strictest alignment that any accessor needs.
const ALIGNMENT: usize = 64;

/// An offset or a length points outside of the memory, or the offset is not aligned for the access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfBounds;

impl core::fmt::Display for OutOfBounds {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("access outside of the shared memory")
    }
}

impl core::error::Error for OutOfBounds {}

/// A range of shared memory. Clones are handles of the same range.
#[derive(Clone)]
pub struct SharedMemory {
    // INVARIANT: `base..base + len` is readable and writable for as long as this or a clone exists, is accessed by
    // this side through atomics only, and `base` is a multiple of `ALIGNMENT`.
    base: NonNull<u8>,
    len: usize,
    keep: Keep,
}

// SAFETY: the range is plain memory that may be accessed from any thread (`new`), and all accesses are atomic.
unsafe impl Send for SharedMemory {}
// SAFETY: as for `Send`; no method needs exclusive access.
unsafe impl Sync for SharedMemory {}

/// Declares accessors of one atomic.
macro_rules! atomic_at {
    ($($(#[$doc:meta])* $name:ident: $atomic:ident;)*) => {
        $(
            $(#[$doc])*
            #[inline]
            pub fn $name(&self, offset: usize) -> Option<&$atomic> {
                let place = self.place(offset, size_of::<$atomic>())?;
                // SAFETY: `place` returned a pointer to that many bytes inside the range, aligned to their number.
                // The type invariant makes them valid for reads and writes while `self` is borrowed, and by
                // atomics only on this side; what the peer does to them is what an atomic allows.
                Some(unsafe { $atomic::from_ptr(place.as_ptr().cast()) })
            }
        )*
    };
}

impl SharedMemory {
    /// Takes `len` bytes from `base` on as memory shared with a peer.
    ///
    /// # Safety
    /// * The bytes are valid for reads and writes until the last of the value returned, its clones, and the rings
    ///   and cells made from them is gone.
    /// * Until then this side accesses them only through these handles, or by atomics.
    /// * `base` is a multiple of 64. (A page is.)
    pub unsafe fn new(base: NonNull<u8>, len: usize) -> Self {
        debug_assert!(base.as_ptr() as usize % ALIGNMENT == 0);
        Self {
            base,
            len,
            keep: Default::default(),
        }
    }

    /// `len` bytes of the host's own memory, all zero, kept until the last handle is gone. For tests.
    #[cfg(any(test, feature = "host"))]
    pub fn zeroed(len: usize) -> Self {
        let host = HostMemory::new(len);
        // PANIC: a box is never null.
        let base = NonNull::new(host.start().cast_mut()).expect("a box");
        Self {
            base,
            len,
            keep: Keep(Some(host)),
        }
    }

    /// Lets `peer` change the memory after each load of a word, `None` for nobody: the worst moment for whoever reads
    /// twice. It gets the offsets of what was loaded. Loads through the atomics that are lent out do not count.
    #[cfg(any(test, feature = "host"))]
    pub fn after_loads<F>(&self, peer: Option<F>)
    where
        F: FnMut(&HostMemory, core::ops::Range<usize>) + Send + 'static,
    {
        if let Some(host) = &self.keep.0 {
            host.set_peer(peer.map(|peer| std::boxed::Box::new(peer) as _));
        }
    }

    /// Bytes in the range.
    #[inline]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The place of `size` bytes at `offset`, `None` unless they lie inside and are aligned to `size`, a power of
    /// two of at most 8.
    #[inline]
    fn place(&self, offset: usize, size: usize) -> Option<NonNull<u8>> {
        let end = offset.checked_add(size)?;
        if end > self.len || offset & (size - 1) != 0 {
            return None;
        }
        // SAFETY: `offset` is inside of the range, which is one allocation.
        Some(unsafe { self.base.add(offset) })
    }

    atomic_at! {
        /// The byte at `offset`, `None` outside of the range.
        atomic_u8: AtomicU8;
        /// The 16-bit word at `offset`, `None` outside of the range or if not aligned.
        atomic_u16: AtomicU16;
        /// The 32-bit word at `offset`, `None` outside of the range or if not aligned.
        atomic_u32: AtomicU32;
        /// The 64-bit word at `offset`, `None` outside of the range or if not aligned.
        atomic_u64: AtomicU64;
    }

    /// A handle of its own for the 32-bit word at `offset`, `None` outside of the range or if not aligned.
    pub fn u32_at(&self, offset: usize) -> Option<SharedU32> {
        let place = self.place(offset, size_of::<u32>())?;
        Some(SharedU32 {
            place: place.cast(),
            keep: self.keep.clone(),
        })
    }

    /// The `capacity` slots from `offset` on, a power of two; `None` if they do not lie inside of the range.
    pub(crate) fn slots<Req: Slot, Rsp: Slot>(
        &self,
        offset: usize,
        capacity: u32,
    ) -> Option<SlotMemory<Req, Rsp>> {
        let stride = Shape::<Req, Rsp>::STRIDE;
        let bytes = usize::try_from(capacity).ok()?.checked_mul(stride)?;
        let end = offset.checked_add(bytes)?;
        if !capacity.is_power_of_two() || end > self.len || offset % ALIGNMENT != 0 {
            return None;
        }
        Some(SlotMemory {
            // SAFETY: `offset` is inside of the range, which is one allocation.
            base: unsafe { self.base.add(offset) },
            mask: capacity - 1,
            kinds: core::marker::PhantomData,
            keep: self.keep.clone(),
        })
    }

    /// Copies out a `T` from `offset`.
    ///
    /// # Errors
    /// [`OutOfBounds`]
    pub fn load<T: FromBytes>(&self, offset: usize) -> Result<T, OutOfBounds> {
        self.check(offset, size_of::<T>())?;
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: the range was checked, `value` has as many bytes.
        unsafe { self.copy_out(offset, value.as_mut_ptr().cast(), size_of::<T>()) };
        // SAFETY: every byte of `value` has been written, and any bytes make a `T: FromBytes`.
        Ok(unsafe { value.assume_init() })
    }

    /// Copies `value` in at `offset`.
    ///
    /// # Errors
    /// [`OutOfBounds`]
    pub fn store<T: IntoBytes + Immutable + ?Sized>(
        &self,
        offset: usize,
        value: &T,
    ) -> Result<(), OutOfBounds> {
        self.write_bytes(offset, value.as_bytes())
    }

    /// Copies bytes out, from `offset` on, as many as `to` holds.
    ///
    /// # Errors
    /// [`OutOfBounds`], and then nothing is copied.
    pub fn read_bytes(&self, offset: usize, to: &mut [u8]) -> Result<(), OutOfBounds> {
        self.check(offset, to.len())?;
        // SAFETY: the range was checked, `to` is valid for writes of its own length.
        unsafe { self.copy_out(offset, to.as_mut_ptr(), to.len()) };
        Ok(())
    }

    /// Copies all of `from` in, from `offset` on.
    ///
    /// # Errors
    /// [`OutOfBounds`], and then nothing is copied.
    pub fn write_bytes(&self, offset: usize, from: &[u8]) -> Result<(), OutOfBounds> {
        self.check(offset, from.len())?;
        // SAFETY: the range was checked, `from` is valid for reads of its own length.
        unsafe { self.copy_in(offset, from.as_ptr(), from.len()) };
        Ok(())
    }

    /// Makes every byte zero.
    pub fn zero(&self) {
        for offset in 0..self.len {
            if let Some(byte) = self.atomic_u8(offset) {
                byte.store(0, Ordering::Relaxed);
            }
        }
    }

    fn check(&self, offset: usize, len: usize) -> Result<(), OutOfBounds> {
        let end = offset.checked_add(len).filter(|&end| end <= self.len);
        end.map(|_| ()).ok_or(OutOfBounds)
    }

    /// Copies `len` bytes from `offset` on to `to`: 8 at a time where the shared side is aligned for it.
    ///
    /// # Safety
    /// `offset + len` does not pass the end of the range; `to` is valid for writes of `len` bytes and is not
    /// shared memory.
    unsafe fn copy_out(&self, offset: usize, to: *mut u8, len: usize) {
        let mut done = 0;
        while done < len {
            // SAFETY: `offset + done` is inside of the range.
            let from = unsafe { self.base.as_ptr().add(offset + done) };
            // SAFETY: `done` is less than `len`.
            let to = unsafe { to.add(done) };
            if from as usize % 8 == 0 && len - done >= 8 {
                // SAFETY: 8 bytes are left in both, `from` is aligned and in the range (type invariant).
                unsafe { copy_out_word::<u64>(from, to) };
                self.keep.loaded(from, 8);
                done += 8;
            } else {
                // SAFETY: a byte is left in both, `from` is in the range.
                let byte = unsafe { AtomicU8::from_ptr(from) }.load(Ordering::Relaxed);
                // SAFETY: `to` is valid for writes.
                unsafe { to.write(byte) };
                self.keep.loaded(from, 1);
                done += 1;
            }
        }
    }

    /// Copies `len` bytes from `from` to `offset` on.
    ///
    /// # Safety
    /// `offset + len` does not pass the end of the range; `from` is valid for reads of `len` bytes, all of them
    /// initialised, and is not shared memory.
    unsafe fn copy_in(&self, offset: usize, from: *const u8, len: usize) {
        let mut done = 0;
        while done < len {
            // SAFETY: `offset + done` is inside of the range.
            let to = unsafe { self.base.as_ptr().add(offset + done) };
            // SAFETY: `done` is less than `len`.
            let from = unsafe { from.add(done) };
            if to as usize % 8 == 0 && len - done >= 8 {
                // SAFETY: 8 bytes are left in both, `to` is aligned and in the range (type invariant).
                unsafe { copy_in_word::<u64>(to, from) };
                done += 8;
            } else {
                // SAFETY: `from` is valid for reads.
                let byte = unsafe { from.read() };
                // SAFETY: a byte is left in both, `to` is in the range.
                unsafe { AtomicU8::from_ptr(to) }.store(byte, Ordering::Relaxed);
                done += 1;
            }
        }
    }
}

/// One 32-bit word of shared memory, an index usually. Clones are handles of the same word.
#[derive(Clone)]
pub struct SharedU32 {
    // INVARIANT: made by `SharedMemory::u32_at`, so aligned, inside of the range, and as long-lived as `new` promises.
    place: NonNull<u32>,
    keep: Keep,
}

// SAFETY: as for `SharedMemory`.
unsafe impl Send for SharedU32 {}
// SAFETY: as for `SharedMemory`.
unsafe impl Sync for SharedU32 {}

impl SharedU32 {
    #[inline]
    fn atomic(&self) -> &AtomicU32 {
        // SAFETY: by the type invariant.
        unsafe { AtomicU32::from_ptr(self.place.as_ptr()) }
    }

    /// Loads the word.
    #[inline]
    pub fn load(&self, order: Ordering) -> u32 {
        let value = self.atomic().load(order);
        self.keep.loaded(self.place.as_ptr().cast(), 4);
        value
    }

    /// Stores the word.
    #[inline]
    pub fn store(&self, value: u32, order: Ordering) {
        self.atomic().store(value, order);
    }
}

/// The slots of a ring. An index is taken modulo their number, so none is out of bounds.
pub(crate) struct SlotMemory<Req, Rsp> {
    // INVARIANT: made by `SharedMemory::slots`, so that `base` is a multiple of `ALIGNMENT` and
    // `(mask + 1) * STRIDE` bytes from there on are in the range, and as long-lived as `new` promises.
    base: NonNull<u8>,
    mask: u32,
    kinds: core::marker::PhantomData<fn(Req) -> Rsp>,
    keep: Keep,
}

// SAFETY: as for `SharedMemory`; no `Req` or `Rsp` is held, only copied in and out.
unsafe impl<Req, Rsp> Send for SlotMemory<Req, Rsp> {}
// SAFETY: as for `SharedMemory`; no `Req` or `Rsp` is held, only copied in and out.
unsafe impl<Req, Rsp> Sync for SlotMemory<Req, Rsp> {}

impl<Req, Rsp> Clone for SlotMemory<Req, Rsp> {
    fn clone(&self) -> Self {
        Self {
            base: self.base,
            mask: self.mask,
            kinds: self.kinds,
            keep: self.keep.clone(),
        }
    }
}

impl<Req: Slot, Rsp: Slot> SlotMemory<Req, Rsp> {
    const STRIDE: usize = Shape::<Req, Rsp>::STRIDE;

    /// How many slots there are.
    #[inline]
    pub(crate) fn capacity(&self) -> u32 {
        self.mask.wrapping_add(1)
    }

    #[inline]
    pub(crate) fn load_request(&self, index: u32) -> Req {
        // SAFETY: STRIDE is at least the size of a `Req`.
        unsafe { self.load(index) }
    }

    #[inline]
    pub(crate) fn store_request(&self, index: u32, request: &Req) {
        // SAFETY: STRIDE is at least the size of a `Req`.
        unsafe { self.store(index, request) }
    }

    #[inline]
    pub(crate) fn load_response(&self, index: u32) -> Rsp {
        // SAFETY: STRIDE is at least the size of a `Rsp`.
        unsafe { self.load(index) }
    }

    #[inline]
    pub(crate) fn store_response(&self, index: u32, response: &Rsp) {
        // SAFETY: STRIDE is at least the size of a `Rsp`.
        unsafe { self.store(index, response) }
    }

    #[inline]
    fn slot(&self, index: u32) -> *mut u8 {
        let offset = (index & self.mask) as usize * Self::STRIDE;
        // SAFETY: the masked index is at most `mask`, so the slot is in the range (type invariant).
        unsafe { self.base.as_ptr().add(offset) }
    }

    /// Whether a `T` can be copied 8 bytes at a time: slots start at multiples of 8 then.
    const fn by_eight<T>() -> bool {
        Self::STRIDE % 8 == 0 && size_of::<T>() % 8 == 0
    }

    /// Copies a `T` out of a slot.
    ///
    /// # Safety
    /// A `T` is not larger than STRIDE.
    #[inline]
    unsafe fn load<T: Slot>(&self, index: u32) -> T {
        let from = self.slot(index);
        let mut value = MaybeUninit::<T>::uninit();
        let to = value.as_mut_ptr().cast::<u8>();
        let word = if Self::by_eight::<T>() { 8 } else { 4 };
        let mut done = 0;
        while done < size_of::<T>() {
            // SAFETY: `done` is a multiple of `word`, which divides the size of `T`: so `word` bytes are left in the
            // slot and in `value`, and the slot's side is aligned, since the base and STRIDE are multiples of `word`.
            unsafe {
                if word == 8 {
                    copy_out_word::<u64>(from.add(done), to.add(done));
                } else {
                    copy_out_word::<u32>(from.add(done), to.add(done));
                }
            }
            self.keep.loaded(from.wrapping_add(done), word);
            done += word;
        }
        // SAFETY: every byte of `value` has been written, and any bytes make a `T: FromBytes`.
        unsafe { value.assume_init() }
    }

    /// Copies a `T` into a slot.
    ///
    /// # Safety
    /// A `T` is not larger than STRIDE.
    #[inline]
    unsafe fn store<T: Slot>(&self, index: u32, value: &T) {
        let to = self.slot(index);
        let from = core::ptr::from_ref(value).cast::<u8>();
        let word = if Self::by_eight::<T>() { 8 } else { 4 };
        let mut done = 0;
        while done < size_of::<T>() {
            // SAFETY: as in `load`, with the sides changed; a `T: IntoBytes` has no uninitialised byte.
            unsafe {
                if word == 8 {
                    copy_in_word::<u64>(to.add(done), from.add(done));
                } else {
                    copy_in_word::<u32>(to.add(done), from.add(done));
                }
            }
            done += word;
        }
    }
}

/// A word that the machine loads and stores in one go.
trait Word: Sized {
    /// Loads the shared word at `place`.
    ///
    /// # Safety
    /// `place` is a word of shared memory, valid and aligned.
    unsafe fn load(place: *mut Self) -> Self;
    /// Stores the shared word at `place`.
    ///
    /// # Safety
    /// `place` is a word of shared memory, valid and aligned.
    unsafe fn store(place: *mut Self, value: Self);
}

macro_rules! word {
    ($int:ty, $atomic:ident) => {
        impl Word for $int {
            #[inline]
            unsafe fn load(place: *mut Self) -> Self {
                // SAFETY: by this function's contract.
                unsafe { $atomic::from_ptr(place) }.load(Ordering::Relaxed)
            }

            #[inline]
            unsafe fn store(place: *mut Self, value: Self) {
                // SAFETY: by this function's contract.
                unsafe { $atomic::from_ptr(place) }.store(value, Ordering::Relaxed);
            }
        }
    };
}
word!(u32, AtomicU32);
word!(u64, AtomicU64);

/// Copies one word out of shared memory.
///
/// # Safety
/// `shared` is a word of shared memory, valid and aligned; `private` is valid for writes of a word.
#[inline]
unsafe fn copy_out_word<W: Word>(shared: *mut u8, private: *mut u8) {
    // SAFETY: by this function's contract.
    unsafe { private.cast::<W>().write_unaligned(W::load(shared.cast())) };
}

/// Copies one word into shared memory.
///
/// # Safety
/// `shared` is a word of shared memory, valid and aligned; `private` is valid for reads of an initialised word.
#[inline]
unsafe fn copy_in_word<W: Word>(shared: *mut u8, private: *const u8) {
    // SAFETY: by this function's contract.
    unsafe { W::store(shared.cast(), private.cast::<W>().read_unaligned()) };
}

#[cfg(test)]
#[path = "shared_tests.rs"]
mod tests;
