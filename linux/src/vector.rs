// SPDX-License-Identifier: GPL-2.0-only
//! Interrupt vectors of one CPU.

use crate::irq::{Callback, Handler, Request};
use kernel::cpu::CpuId;
use kernel::{error::code::EIO, error::to_result, ffi, prelude::*, sync::Arc};

extern "C" {
    // linux/c/irq.c
    fn xenpv_vector_alloc(cpu: u32) -> ffi::c_int;
    fn xenpv_vector_number(irq: u32, cpu: u32) -> ffi::c_int;
    fn xenpv_vector_free(irq: u32);
}

/// An interrupt of Linux's vector domain.
///
/// # Invariants
///
/// The interrupt exists, and belongs to this value.
struct VectorIrq(u32);

impl Drop for VectorIrq {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { xenpv_vector_free(self.0) };
    }
}

/// A vector of one CPU with its handler: whatever makes the CPU's local APIC deliver that vector runs the handler there.
/// It does not move, and is given back on drop; both sleep.
pub struct CpuVector {
    /// Before the interrupt, so that the handler is gone when it is freed.
    _request: Request,
    _irq: VectorIrq,
    number: u8,
}

impl CpuVector {
    /// Takes a vector of `cpu`, which must be online and stay so until this value is dropped.
    ///
    /// # Errors
    /// `ENOSPC` when the CPU has no vector left, `ENOMEM`, `ENODEV` when Linux would not keep it on that CPU.
    pub fn new<H: Handler>(cpu: CpuId, name: &CStr, handler: Arc<H>) -> Result<Self> {
        // SAFETY: The CPU exists.
        let irq = unsafe { xenpv_vector_alloc(cpu.as_u32()) };
        to_result(irq)?;
        // INVARIANT: Just allocated.
        let irq = VectorIrq(irq as u32);
        let request = Request::with_callback(irq.0, name, Callback::new(handler), false)?;
        // SAFETY: By the invariant of `VectorIrq`, and the CPU exists.
        let number = unsafe { xenpv_vector_number(irq.0, cpu.as_u32()) };
        to_result(number)?;
        Ok(Self {
            _request: request,
            _irq: irq,
            number: u8::try_from(number).map_err(|_| EIO)?,
        })
    }

    /// The vector's number.
    pub fn number(&self) -> u8 {
        self.number
    }
}
