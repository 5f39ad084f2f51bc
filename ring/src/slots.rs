// SPDX-License-Identifier: GPL-2.0-only
//! The layout that all request/response rings share (`xen/include/public/io/ring.h`).
use core::mem::size_of;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::error::BadRingMemory;
use crate::index::{capacity, stride};
use crate::shared::{SharedMemory, SharedU32, SlotMemory};

/// Bytes before the first slot.
pub const HEADER_SIZE: usize = 64;

/// Places in the header.
const REQ_PROD: usize = 0;
const REQ_EVENT: usize = 4;
const RSP_PROD: usize = 8;
const RSP_EVENT: usize = 12;

/// What can lie in a slot: a value that any bytes make and that has no undefined byte itself.
///
/// A ring refuses, when compiled, a type whose size is 0 or not a multiple of 4.
pub trait Slot: FromBytes + IntoBytes + Immutable + Copy {}

impl<T: FromBytes + IntoBytes + Immutable + Copy> Slot for T {}

/// The shape of a ring of `Req` and `Rsp`.
pub(crate) struct Shape<Req, Rsp>(core::marker::PhantomData<fn(Req) -> Rsp>);

impl<Req: Slot, Rsp: Slot> Shape<Req, Rsp> {
    /// Bytes from one slot to the next.
    pub(crate) const STRIDE: usize = {
        assert!(size_of::<Req>() % 4 == 0 && size_of::<Rsp>() % 4 == 0);
        assert!(size_of::<Req>() != 0 && size_of::<Rsp>() != 0);
        stride::<Req, Rsp>()
    };
}

/// The shared part of a ring: four indices and the slots.
#[derive(Clone)]
pub(crate) struct Slots<Req, Rsp> {
    pub(crate) req_prod: SharedU32,
    pub(crate) req_event: SharedU32,
    pub(crate) rsp_prod: SharedU32,
    pub(crate) rsp_event: SharedU32,
    pub(crate) memory: SlotMemory<Req, Rsp>,
}

impl<Req: Slot, Rsp: Slot> Slots<Req, Rsp> {
    /// Lays the ring over `memory`.
    pub(crate) fn new(memory: &SharedMemory) -> Result<Self, BadRingMemory> {
        let cell = |offset| memory.u32_at(offset).ok_or(BadRingMemory);
        Ok(Self {
            req_prod: cell(REQ_PROD)?,
            req_event: cell(REQ_EVENT)?,
            rsp_prod: cell(RSP_PROD)?,
            rsp_event: cell(RSP_EVENT)?,
            memory: memory
                .slots(HEADER_SIZE, capacity::<Req, Rsp>(memory.len()))
                .ok_or(BadRingMemory)?,
        })
    }
}
