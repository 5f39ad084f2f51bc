// SPDX-License-Identifier: GPL-2.0-only
//! Event channels without a kernel: which ports an upcall delivers, in which
//! order, and when a port may be masked, moved to another vCPU or closed
//! without an event being lost.
//!
//! An *event channel* is one bit that another domain sets in our memory; its
//! number is the *port*. Xen tells a vCPU that bits are waiting by an *upcall*,
//! an ordinary interrupt. In the 2-level ABI, bottom up:
//!
//! 1. [`SharedPorts`]: one pending bit and one mask bit a port, for the whole
//!    domain (`struct shared_info`). [`PortIndex`] says where a port's bits are.
//! 2. [`VcpuInfo`]: each vCPU's summary of them (`struct vcpu_info`): one
//!    selector bit for each word of pending bits, and one flag over all.
//! 3. [`VcpuEvents::upcall`]: the scan which turns these bits into calls, once
//!    each, in a fair order, in bounded time.
//! 4. [`StormGuard`]: when to put upcalls off, so that the CPU does something else.
//! 5. [`PortState`]: one port's life (free, bound to a CPU, closing), why it is
//!    masked, and its counter.
//! 6. [`Throttle`]: for how long a port is closed whose peer sends events without work.
//! 7. [`Move`]: how a bound port changes its CPU.
//!
//! In the FIFO ABI ([`Fifo`]) a port has a word of its own in the [`EventArray`], and each vCPU has queues of ports
//! ([`ControlBlock`]) instead of a selector; all of the above is there for both.
//!
//! Beside them [`user`]: what a process that has ports of its own may ask for.
//!
//! Everything here is atomic and lock-free, for Xen sets bits at any time and an
//! upcall must not wait. Wherever only Xen can finish the work, the answer is
//! [`Raise::Needed`], and the caller makes the hypercall.
//!
//! # What this crate does not promise
//! An event is one bit: two events before the first is served are one. A port
//! that is masked while its event is being served is served that once more.
//!
//! The kernel half (`event-channel/kernel`, crate `xen_events`) adds the mapping,
//! the interrupts and the hypercalls.
//!
//! C counterparts: `xen/include/public/xen.h` and `event_channel.h`; in Linux
//! `drivers/xen/events/events_2l.c` and `events_base.c`.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod fifo;
mod moving;
mod port;
mod remake;
mod scan;
mod shared;
mod storm;
mod sync;
mod throttle;
mod two_level;
pub mod user;

pub use fifo::{
    ControlBlock, ControlPage, EventArray, Fifo, FifoState, FIFO_PAGES, FIFO_PORTS, PORTS_PER_PAGE,
    VCPUS,
};
pub use moving::{lost_events, Move};
pub use port::{Binding, MaskReason, PortInUse, PortState};
pub use remake::{remake, Upcalls};
pub use scan::{Upcall, UpcallCounters, VcpuEvents};
pub use shared::{
    PortIndex, PortWords, Raise, SharedPorts, VcpuInfo, PORTS, PORTS_PER_WORD, WORDS,
};
pub use storm::StormGuard;
pub use throttle::{Handled, Throttle, ThrottleCounters, SPURIOUS_THRESHOLD};
pub use two_level::Bitmaps;

#[cfg(test)]
mod fake_fifo;
#[cfg(test)]
mod fake_xen;
#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod model_tests;
