// SPDX-License-Identifier: GPL-2.0-only
//! The functions of `pages.c` and `subsystem.c` and the structures they share with Rust (`shim.h`).

use core::ffi::{c_int, c_void};
use kernel::{bindings::list_head, ffi::c_char};

/// `struct page`, known to C only.
#[repr(C)]
pub(crate) struct RawPage {
    _opaque: [u8; 0],
}

/// `struct xenpv_subsystem`, known to C only.
#[repr(C)]
pub(crate) struct RawSubsystem {
    _opaque: [u8; 0],
}

/// `struct xenpv_attribute`.
#[repr(C)]
pub(crate) struct RawAttribute {
    pub(crate) name: *const c_char,
    pub(crate) info: bool,
    pub(crate) show: unsafe extern "C" fn(*mut c_void, u32, *mut u8, usize) -> isize,
    pub(crate) store: Option<unsafe extern "C" fn(*mut c_void, u32, *const u8, usize) -> c_int>,
}

extern "C" {
    pub(crate) fn xenpv_memory_present() -> u64;
    pub(crate) fn xenpv_memory_available() -> u64;
    pub(crate) fn xenpv_balloon_alloc(scrub: bool) -> *mut RawPage;
    pub(crate) fn xenpv_balloon_free(page: *mut RawPage);
    pub(crate) fn xenpv_balloon_pfn(page: *const RawPage) -> u64;
    pub(crate) fn xenpv_balloon_put_out(list: *mut list_head, page: *mut RawPage);
    pub(crate) fn xenpv_balloon_peek(list: *const list_head, pfns: *mut u64, room: u32) -> u32;
    pub(crate) fn xenpv_balloon_take_back(list: *mut list_head);
    pub(crate) fn xenpv_balloon_adopt(list: *mut list_head) -> u64;
    pub(crate) fn xenpv_balloon_relax();

    pub(crate) fn xenpv_subsystem_register(
        name: *const c_char,
        attributes: *const RawAttribute,
        count: u32,
        data: *mut c_void,
    ) -> *mut RawSubsystem;
    pub(crate) fn xenpv_subsystem_unregister(subsystem: *mut RawSubsystem);
}
