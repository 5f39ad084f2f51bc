// SPDX-License-Identifier: GPL-2.0-only
//! What stands behind a [`SharedMemory`](crate::SharedMemory): in the kernel nothing, in tests the host's memory and
//! perhaps a peer that changes it between two reads.

#[cfg(not(any(test, feature = "host")))]
mod keep {
    /// Keeps nothing alive: the owner of the pages does.
    #[derive(Clone, Default)]
    pub(crate) struct Keep;

    impl Keep {
        /// Called after each load of `_len` bytes at `_address`.
        #[inline(always)]
        pub(crate) fn loaded(&self, _address: *const u8, _len: usize) {}
    }
}

#[cfg(any(test, feature = "host"))]
mod keep {
    use core::ops::Range;
    use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::boxed::Box;
    use std::sync::{Arc, Mutex, MutexGuard};

    /// Changes the memory after a load; gets the offsets of what was loaded.
    type Peer = Box<dyn FnMut(&HostMemory, Range<usize>) + Send>;

    /// A cache line: the alignment that a page would have at least.
    #[repr(align(64))]
    struct Line([AtomicU64; 8]);

    /// The host's memory in the place of a shared page, as its peer sees it.
    pub struct HostMemory {
        lines: Box<[Line]>,
        has_peer: AtomicBool,
        peer: Mutex<Option<Peer>>,
    }

    impl HostMemory {
        /// At least `len` bytes, all zero.
        pub(crate) fn new(len: usize) -> Arc<Self> {
            let line = |_| Line(core::array::from_fn(|_| AtomicU64::new(0)));
            Arc::new(Self {
                lines: (0..len.div_ceil(size_of::<Line>()).max(1))
                    .map(line)
                    .collect(),
                has_peer: AtomicBool::new(false),
                peer: Mutex::new(None),
            })
        }

        pub(crate) fn start(&self) -> *const u8 {
            self.lines.as_ptr().cast()
        }

        /// Changes the 32-bit word at `offset`, a multiple of 4; says what it was, `None` outside of the memory.
        pub fn change_u32(&self, offset: usize, change: impl Fn(u32) -> u32) -> Option<u32> {
            let shift = (offset % 8) * 8;
            let word = self.lines.get(offset / 64)?.0.get(offset % 64 / 8)?;
            let replace = |old: u64| {
                let new = change((old >> shift) as u32);
                old & !(u64::from(u32::MAX) << shift) | u64::from(new) << shift
            };
            let old = word
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |old| Some(replace(old)))
                .ok()?;
            Some((old >> shift) as u32)
        }

        pub(crate) fn set_peer(&self, peer: Option<Peer>) {
            self.has_peer.store(peer.is_some(), Ordering::SeqCst);
            *self.peer() = peer;
        }

        #[cold]
        fn loaded(&self, address: *const u8, len: usize) {
            let offset = (address as usize).wrapping_sub(self.start() as usize);
            if let Some(peer) = self.peer().as_mut() {
                peer(self, offset..offset.wrapping_add(len));
            }
        }

        fn peer(&self) -> MutexGuard<'_, Option<Peer>> {
            self.peer
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
        }
    }

    /// Keeps a test's memory alive.
    #[derive(Clone, Default)]
    pub(crate) struct Keep(pub(crate) Option<Arc<HostMemory>>);

    impl Keep {
        /// Called after each load of `len` bytes at `address`: the moment for the peer to change them.
        #[inline]
        pub(crate) fn loaded(&self, address: *const u8, len: usize) {
            match &self.0 {
                Some(host) if host.has_peer.load(Ordering::Relaxed) => host.loaded(address, len),
                _ => {}
            }
        }
    }
}

#[cfg(any(test, feature = "host"))]
pub use keep::HostMemory;
pub(crate) use keep::Keep;
