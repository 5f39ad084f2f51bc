// SPDX-License-Identifier: GPL-2.0-only
//! The files in `/sys/hypervisor`.

use core::fmt;
use core::marker::PhantomData;
use kernel::{error::to_result, ffi, prelude::*};

use crate::room::Room;

/// Which file: a number of `enum xenpv_hypervisor_file` in `linux/c/xenpv.h`. What they are called is for [`Files`] to know.
pub type File = u32;

extern "C" {
    // linux/c/hypervisor.c
    fn xenpv_hypervisor_register(
        show: unsafe extern "C" fn(File, *mut u8, usize) -> isize,
    ) -> ffi::c_int;
    fn xenpv_hypervisor_unregister();
}

/// Knows what the files say.
pub trait Files: 'static {
    /// Prints what `file` says, with a newline. In process context, several at a time.
    ///
    /// # Errors
    /// What the reader gets to see.
    fn print(file: File, into: &mut dyn fmt::Write) -> Result;
}

/// The files, shown as long as this lives. There is one such value at a time.
pub struct Directory<F: Files>(PhantomData<fn() -> F>);

impl<F: Files> Directory<F> {
    /// Shows the files.
    ///
    /// # Errors
    /// `EEXIST` when somebody else shows them; `ENOMEM`.
    pub fn show() -> Result<Self> {
        // SAFETY: The function lives until `drop` has taken the files away, and asks of its caller what the shim does.
        to_result(unsafe { xenpv_hypervisor_register(show::<F>) })?;
        Ok(Self(PhantomData))
    }
}

impl<F: Files> Drop for Directory<F> {
    fn drop(&mut self) {
        // SAFETY: This value is the registration. The function is not being called any more afterwards.
        unsafe { xenpv_hypervisor_unregister() };
    }
}

/// # Safety
///
/// `into` points to `room` bytes that may be written.
unsafe extern "C" fn show<F: Files>(file: File, into: *mut u8, room: usize) -> isize {
    // SAFETY: As promised; the kernel zeroes the buffer of a file before it is shown.
    let bytes = unsafe { core::slice::from_raw_parts_mut(into, room) };
    let mut room = Room::new(bytes);
    match F::print(file, &mut room) {
        Ok(()) => room.used() as isize,
        Err(error) => error.to_errno() as isize,
    }
}
