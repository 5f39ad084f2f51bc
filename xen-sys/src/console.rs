// SPDX-License-Identifier: GPL-2.0-only
//! Places in the console's ring page (`xen/include/public/io/console.h`), in bytes.
use core::mem::offset_of;

use crate::generated as sys;

/// Input, toolstack to guest.
pub const IN: usize = offset_of!(sys::xencons_interface, in_);
/// Bytes of the input ring.
pub const IN_SIZE: usize = OUT - IN;
/// Output, guest to toolstack.
pub const OUT: usize = offset_of!(sys::xencons_interface, out);
/// Bytes of the output ring.
pub const OUT_SIZE: usize = IN_CONS - OUT;
/// Consumer index of the input ring; the guest writes it.
pub const IN_CONS: usize = offset_of!(sys::xencons_interface, in_cons);
/// Producer index of the input ring.
pub const IN_PROD: usize = offset_of!(sys::xencons_interface, in_prod);
/// Consumer index of the output ring.
pub const OUT_CONS: usize = offset_of!(sys::xencons_interface, out_cons);
/// Producer index of the output ring; the guest writes it.
pub const OUT_PROD: usize = offset_of!(sys::xencons_interface, out_prod);

const _: () = assert!(IN_SIZE == 1024 && OUT_SIZE == 2048);
