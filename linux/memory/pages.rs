// SPDX-License-Identifier: GPL-2.0-only
//! Pages with and without memory.

use core::{pin::Pin, ptr::NonNull};
use kernel::{bindings, prelude::*, types::Opaque};

use crate::ffi::{self, RawPage};

/// Pages of RAM that the guest booted with, whatever they are used for.
pub fn present() -> u64 {
    // SAFETY: Reads counters; any context.
    unsafe { ffi::xenpv_memory_present() }
}

/// Pages that could be taken from the guest without making it swap (`si_mem_available`).
pub fn available() -> u64 {
    // SAFETY: Reads counters; any context.
    unsafe { ffi::xenpv_memory_available() }
}

/// Lets others run. In process context.
pub fn relax() {
    // SAFETY: May be called wherever sleeping is allowed.
    unsafe { ffi::xenpv_balloon_relax() };
}

/// Pages taken from the guest that have their memory. What is left in it when it is dropped goes back to the guest.
///
/// # Invariants
///
/// Each of `pages` is an allocated page that nobody else has.
pub struct Batch {
    pages: KVec<NonNull<RawPage>>,
    /// Room for their frame numbers.
    frames: KVec<u64>,
}

// SAFETY: The pages belong to this value alone and may be used and freed on any thread.
unsafe impl Send for Batch {}

impl Batch {
    /// An empty batch with room for `room` pages.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new(room: usize) -> Result<Self> {
        Ok(Self {
            pages: KVec::with_capacity(room, GFP_KERNEL)?,
            frames: KVec::with_capacity(room, GFP_KERNEL)?,
        })
    }

    /// Takes pages from the guest until there are `count` or no more to be had, or no more room. With `scrub` their
    /// content is wiped first. Returns how many there are. May sleep.
    pub fn fill(&mut self, count: usize, scrub: bool) -> usize {
        while self.pages.len() < count {
            // SAFETY: May be called in process context.
            let Some(page) = NonNull::new(unsafe { ffi::xenpv_balloon_alloc(scrub) }) else {
                break;
            };
            // INVARIANT: The page is ours.
            if self.pages.push_within_capacity(page).is_err() {
                // SAFETY: The page is ours and was not added.
                unsafe { ffi::xenpv_balloon_free(page.as_ptr()) };
                break;
            }
        }
        self.pages.len()
    }

    /// The frame numbers of the pages, in their order.
    fn frames(&mut self) -> &[u64] {
        self.frames.clear();
        for page in &self.pages {
            // SAFETY: By the type invariant.
            let frame = unsafe { ffi::xenpv_balloon_pfn(page.as_ptr()) };
            if self.frames.push_within_capacity(frame).is_err() {
                break;
            }
        }
        &self.frames
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        while let Some(page) = self.pages.pop() {
            // SAFETY: By the type invariant the page is ours; it has its memory.
            unsafe { ffi::xenpv_balloon_free(page.as_ptr()) };
        }
    }
}

/// Pages that the guest has only the numbers of. Those left when it is dropped stay away from the guest, marked, and
/// [`OutList::adopt`] finds them.
///
/// # Invariants
///
/// `list` is an initialised list of pages that nobody else has, marked as being without memory; `count` is their
/// number.
pub struct OutList {
    list: Pin<KBox<Opaque<bindings::list_head>>>,
    count: u64,
}

// SAFETY: The list and its pages belong to this value alone.
unsafe impl Send for OutList {}

impl OutList {
    /// A list with the pages that an earlier one left.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn adopt() -> Result<Self> {
        let list = KBox::pin_init(
            Opaque::ffi_init(|list: *mut bindings::list_head| {
                // SAFETY: The memory is there to be initialised; an empty list's links point to itself.
                unsafe {
                    (&raw mut (*list).next).write(list);
                    (&raw mut (*list).prev).write(list);
                }
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: The list is initialised and stays where it is. Marked pages belong to an `OutList` that is gone:
        // there is one balloon, and this runs once in its life.
        let count = unsafe { ffi::xenpv_balloon_adopt(list.get()) };
        // INVARIANT: The function returns the number of pages it added, all marked.
        Ok(Self { list, count })
    }

    /// Pages that are out.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Lets `give` give away the memory of the pages in `batch`, and takes over those whose memory is gone. The others
    /// go back to the guest. Returns how many are gone.
    ///
    /// # Safety
    ///
    /// `give` returns the number of frames, from the first on, whose memory it gave away; it touched no other.
    pub unsafe fn put_out(&mut self, batch: &mut Batch, give: impl FnOnce(&[u64]) -> usize) -> u64 {
        let given = give(batch.frames());
        let before = self.count;
        for page in batch.pages.drain_all().enumerate() {
            match page {
                (index, page) if index < given => {
                    // SAFETY: By the invariant of `Batch` the page was only there; now it is only in the list.
                    unsafe { ffi::xenpv_balloon_put_out(self.list.get(), page.as_ptr()) };
                    self.count = self.count.saturating_add(1);
                }
                (_, page) => {
                    // SAFETY: By the invariant of `Batch` the page was only there; it has its memory.
                    unsafe { ffi::xenpv_balloon_free(page.as_ptr()) };
                }
            }
        }
        self.count.saturating_sub(before)
    }

    /// Lets `get` get memory for the first pages of the list, as many as `frames` has room for, and gives those back to
    /// the guest for which there was some. Returns how many.
    ///
    /// # Safety
    ///
    /// `get` returns the number of frames, from the first on, that have memory now.
    pub unsafe fn take_back(
        &mut self,
        frames: &mut [u64],
        get: impl FnOnce(&[u64]) -> usize,
    ) -> u64 {
        let room = u32::try_from(frames.len()).unwrap_or(u32::MAX);
        // SAFETY: By the type invariant; there is room for as many numbers as the function is told.
        let count = unsafe { ffi::xenpv_balloon_peek(self.list.get(), frames.as_mut_ptr(), room) };
        let count = count as usize;
        let Some(frames) = frames.get(..count) else {
            return 0;
        };
        let got = get(frames).min(count) as u64;
        for _ in 0..got {
            // SAFETY: By the type invariant; the first page has memory, as the caller promises.
            unsafe { ffi::xenpv_balloon_take_back(self.list.get()) };
        }
        self.count = self.count.saturating_sub(got);
        got
    }
}
