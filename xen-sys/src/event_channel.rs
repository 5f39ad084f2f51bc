// SPDX-License-Identifier: GPL-2.0-only
//! Numbers of the event channels (`xen/include/public/event_channel.h`).
use core::mem::{offset_of, size_of};

use crate::generated as sys;

/// Ports of the 2-level ABI.
pub const NR_PORTS_2L: u32 = sys::XENPV_EVTCHN_2L_NR_CHANNELS;
/// Ports of the FIFO ABI.
pub const NR_PORTS_FIFO: u32 = sys::XENPV_EVTCHN_FIFO_NR_CHANNELS;
/// Priorities of the FIFO ABI; 0 is the highest.
pub const FIFO_QUEUES: u32 = sys::EVTCHN_FIFO_MAX_QUEUES;
/// The FIFO priority of a port that was given none.
pub const FIFO_PRIORITY_DEFAULT: u32 = sys::EVTCHN_FIFO_PRIORITY_DEFAULT;
/// FIFO event word: the event is pending.
pub const FIFO_PENDING: u32 = 1 << sys::EVTCHN_FIFO_PENDING;
/// FIFO event word: the event is masked.
pub const FIFO_MASKED: u32 = 1 << sys::EVTCHN_FIFO_MASKED;
/// FIFO event word: the event is in a queue.
pub const FIFO_LINKED: u32 = 1 << sys::EVTCHN_FIFO_LINKED;
/// FIFO event word: Xen is at work on the word.
pub const FIFO_BUSY: u32 = 1 << sys::EVTCHN_FIFO_BUSY;
/// FIFO event word: the next event of the queue.
pub const FIFO_LINK_MASK: u32 = sys::EVTCHN_FIFO_LINK_MASK;
/// Bytes of a FIFO control block (`struct evtchn_fifo_control_block`).
pub const FIFO_CONTROL_BLOCK_SIZE: usize = size_of::<sys::evtchn_fifo_control_block>();
/// FIFO control block: the 32-bit word in which bit n says that queue n has a new head.
pub const FIFO_READY: usize = offset_of!(sys::evtchn_fifo_control_block, ready);
/// FIFO control block: the heads of the [`FIFO_QUEUES`] queues, a 32-bit port each.
pub const FIFO_HEADS: usize = offset_of!(sys::evtchn_fifo_control_block, head);
