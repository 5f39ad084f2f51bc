// SPDX-License-Identifier: GPL-2.0-only
//! The glue that stands where the kernel halves would be.
#![allow(dead_code, unreachable_pub)]

pub mod block;
pub mod device;
pub mod net;
