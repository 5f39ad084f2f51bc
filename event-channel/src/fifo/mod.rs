// SPDX-License-Identifier: GPL-2.0-only
//! The FIFO ABI (`xen/include/public/event_channel.h`): one 32-bit word a port in an array that grows page by page,
//! and for each vCPU a control block with the heads of sixteen queues, one a priority, through which Xen links the
//! words of ports that have an event.
//!
//! 1. [`EventArray`]: the words.
//! 2. [`ControlPage`]: the control blocks, and what is noted beside them for the next load of the module.
//! 3. `Queues`: the walk, in place of the 2-level ABI's scan.
//! 4. [`Fifo`]: how the pages come to Xen, once in a domain's life; how they are found again by a module that is loaded
//!    later, and by a guest that was restored in a new domain.
//!
//! C counterparts: `xen/common/event_fifo.c`, `drivers/xen/events/events_fifo.c`.
mod array;
mod control;
mod queues;
mod setup;

pub use array::{EventArray, FIFO_PAGES, FIFO_PORTS, PORTS_PER_PAGE};
pub use control::{ControlBlock, ControlPage, VCPUS};
pub(crate) use queues::Queues;
pub use setup::{Fifo, FifoState};

#[cfg(all(test, not(loom)))]
mod tests;
