// SPDX-License-Identifier: GPL-2.0-only
//! The functions of `shim.c` and the structures it shares with Rust (`shim.h`).

use core::ffi::{c_int, c_uint};
use kernel::bindings;

/// `DISK_NAME_LEN` of `include/linux/blkdev.h`.
pub(crate) const DISK_NAME_LEN: usize = bindings::DISK_NAME_LEN as usize;

/// `struct xenpv_blk_config`.
#[repr(C)]
pub(crate) struct Config {
    pub(crate) name: [u8; DISK_NAME_LEN],
    pub(crate) sectors: u64,
    pub(crate) major: u32,
    pub(crate) first_minor: u32,
    pub(crate) minors: u32,
    pub(crate) logical_block: u32,
    pub(crate) physical_block: u32,
    pub(crate) max_sectors: u32,
    pub(crate) write_cache: bool,
    pub(crate) read_only: bool,
    pub(crate) removable: bool,
    pub(crate) partitions: bool,
}

/// `struct xenpv_blk_owner`.
#[repr(C)]
pub(crate) struct Owner {
    pub(crate) read: unsafe extern "C" fn(*const Owner, c_uint, c_uint, *mut u64) -> bool,
}

// The kernel's structures hold empty ones (lockdep off), which C has too.
#[allow(improper_ctypes)]
extern "C" {
    pub(crate) fn xenpv_blk_alloc_disk(
        set: *mut bindings::blk_mq_tag_set,
        config: *const Config,
        owner: *mut Owner,
    ) -> *mut bindings::gendisk;
    pub(crate) fn xenpv_blk_add_disk(
        parent: *mut bindings::device,
        disk: *mut bindings::gendisk,
    ) -> c_int;
    pub(crate) fn xenpv_blk_copy(
        rq: *mut bindings::request,
        pages: *const *mut u8,
        bytes: usize,
        to_request: bool,
    );
    pub(crate) fn xenpv_blk_add_to_batch(
        rq: *mut bindings::request,
        batch: *mut bindings::io_comp_batch,
        failed: bool,
    ) -> bool;
}
