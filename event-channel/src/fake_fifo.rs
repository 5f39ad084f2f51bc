// SPDX-License-Identifier: GPL-2.0-only
//! Xen's side of the FIFO ABI for the tests: what `evtchn_fifo_set_pending`, `evtchn_fifo_set_link` and
//! `evtchn_fifo_unmask` of `xen/common/event_fifo.c` do to the shared words, step by step. One lock stands for those of
//! all queues.
use crate::fake_xen::{index, CPUS, TEST_PORTS};
use crate::sync::{store_before_load, AtomicU32, Mutex, Ordering::SeqCst};
use crate::{ControlBlock, EventArray, SharedPorts};
use std::vec::Vec;
use xen_sys::event_channel::{
    FIFO_BUSY, FIFO_LINKED, FIFO_LINK_MASK, FIFO_MASKED, FIFO_PENDING, FIFO_PRIORITY_DEFAULT,
};

/// The priority of each of the test's ports: one stands out.
const PRIORITIES: [usize; TEST_PORTS.len()] = {
    let default = FIFO_PRIORITY_DEFAULT as usize;
    [default, default, default, 2]
};

/// What Xen keeps to itself.
struct Book {
    /// The last port of each queue.
    tails: [[u32; 16]; CPUS],
    /// The vCPU in whose queue each of the test's ports was the last time.
    last: [usize; TEST_PORTS.len()],
}

pub(crate) struct FifoXen {
    words: Vec<AtomicU32>,
    pages: AtomicU32,
    blocks: [ControlBlock; CPUS],
    book: Mutex<Book>,
}

impl FifoXen {
    pub(crate) fn new() -> Self {
        let ports = TEST_PORTS[TEST_PORTS.len() - 1] + 1;
        Self {
            words: (0..ports).map(|_| AtomicU32::new(0)).collect(),
            pages: AtomicU32::new(4),
            blocks: core::array::from_fn(|_| ControlBlock::new()),
            book: Mutex::new(Book {
                tails: [[0; 16]; CPUS],
                last: [0; TEST_PORTS.len()],
            }),
        }
    }

    pub(crate) fn ports(&self) -> SharedPorts<'_> {
        SharedPorts::Fifo(EventArray::new(&self.words, &self.pages))
    }

    pub(crate) fn block(&self, cpu: usize) -> &ControlBlock {
        &self.blocks[cpu]
    }

    pub(crate) fn word(&self, port: u32) -> &AtomicU32 {
        &self.words[port as usize]
    }

    /// Whether Xen raises the upcall of `cpu`, to which it sends the event.
    pub(crate) fn set_pending(&self, channel: usize, cpu: usize) -> bool {
        let port = index(channel).port().0;
        let (word, priority) = (self.word(port), PRIORITIES[channel]);
        let mut linked = true;
        let mut book = self.book.lock().unwrap();
        word.fetch_or(FIFO_PENDING, SeqCst);
        store_before_load();
        let open = word.load(SeqCst) & FIFO_MASKED == 0;
        if open && word.fetch_or(FIFO_LINKED, SeqCst) & FIFO_LINKED == 0 {
            let old = book.last[channel];
            if book.tails[old][priority] == port {
                book.tails[old][priority] = 0;
            }
            book.last[channel] = cpu;
            let tail = book.tails[cpu][priority];
            linked = tail != 0 && self.set_link(self.word(tail), port);
            if !linked {
                self.blocks[cpu].set_head(priority, port);
            }
            book.tails[cpu][priority] = port;
        }
        drop(book);
        !linked && self.blocks[cpu].set_ready(priority)
    }

    /// Links `port` behind the port of `word`, unless that has left its queue.
    fn set_link(&self, word: &AtomicU32, port: u32) -> bool {
        let mut seen = word.load(SeqCst);
        for attempt in 0..5 {
            if seen & FIFO_LINKED == 0 {
                if attempt != 0 {
                    word.fetch_and(!FIFO_BUSY, SeqCst);
                }
                return false;
            }
            let new = seen & !(FIFO_BUSY | FIFO_LINK_MASK) | port;
            if word.compare_exchange(seen, new, SeqCst, SeqCst).is_ok() {
                return true;
            }
            // The guest cannot unmask the port from here on, and has few other ways to change the word.
            word.fetch_or(FIFO_BUSY, SeqCst);
            seen = word.load(SeqCst);
        }
        panic!("Xen would have lost port {port}");
    }

    /// EVTCHNOP_unmask: whether Xen raises the upcall of `cpu`.
    pub(crate) fn unmask(&self, channel: usize, cpu: usize) -> bool {
        let word = self.word(index(channel).port().0);
        word.fetch_and(!FIFO_MASKED, SeqCst);
        store_before_load();
        word.load(SeqCst) & FIFO_PENDING != 0 && self.set_pending(channel, cpu)
    }

    /// EVTCHNOP_close.
    #[cfg(not(loom))]
    pub(crate) fn close(&self, channel: usize) {
        let word = self.word(index(channel).port().0);
        word.fetch_and(!FIFO_PENDING, SeqCst);
    }
}
