// SPDX-License-Identifier: GPL-2.0-only
//! The module's parameters, checked.

use kernel::ffi::c_char;
use kernel::prelude::*;
use platform_core::unplug::{Classes, CHOICES};

use crate::unplug::Wanted;

extern "C" {
    fn xenpv_param_hypercall() -> *const c_char;
    fn xenpv_param_upcall() -> *const c_char;
    fn xenpv_param_events() -> *const c_char;
    fn xenpv_param_unplug() -> *const c_char;
    fn xenpv_param_unplug_force() -> bool;
    fn xenpv_param_gntalloc_limit() -> u32;
    fn xenpv_param_gntdev_limit() -> u32;
    fn xenpv_param_grant_quota() -> u32;
    fn xenpv_param_grant_version() -> *const c_char;
}

/// What the parameters say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameters {
    /// `hypercall=`
    pub(crate) hypercall: xen_hypercall::Mode,
    /// `upcall=`
    pub(crate) upcall: xen_events::Upcall,
    /// `events=`
    pub(crate) events: xen_events::Abi,
    /// `unplug=`, `unplug_force=`
    pub(crate) unplug: Wanted,
    /// `gntalloc_limit=`, `gntdev_limit=`
    pub(crate) grant_limits: xen_grant_files::Limits,
    /// `grant_version=`
    pub(crate) grant_version: xen_grants::Wanted,
    /// `grant_quota=`
    pub(crate) grant_quota: u32,
}

impl Parameters {
    /// Reads the parameters.
    ///
    /// # Errors
    /// `EINVAL` for a value that does not exist, with a line that names those that do.
    pub(crate) fn read() -> Result<Self> {
        Ok(Self {
            hypercall: hypercall()?,
            upcall: upcall()?,
            events: events()?,
            unplug: unplug()?,
            grant_limits: grant_limits(),
            grant_version: grant_version()?,
            // SAFETY: The function reads a number that does not change.
            grant_quota: unsafe { xenpv_param_grant_quota() },
        })
    }
}

fn hypercall() -> Result<xen_hypercall::Mode> {
    // SAFETY: The function returns a string that lives as long as the module: a parameter that cannot be written at run
    // time does not change after the module is loaded.
    let value = unsafe { CStr::from_char_ptr(xenpv_param_hypercall()) };
    xen_hypercall::Mode::from_name(value.to_bytes())
        .ok_or_else(|| refused("hypercall", value, "auto, insn or page"))
}

fn upcall() -> Result<xen_events::Upcall> {
    // SAFETY: As in `hypercall`.
    let value = unsafe { CStr::from_char_ptr(xenpv_param_upcall()) };
    match value.to_bytes() {
        b"auto" => Ok(xen_events::Upcall::Auto),
        b"vector" => Ok(xen_events::Upcall::Vector),
        b"intx" => Ok(xen_events::Upcall::Intx),
        _ => Err(refused("upcall", value, "auto, vector or intx")),
    }
}

fn events() -> Result<xen_events::Abi> {
    // SAFETY: As in `hypercall`.
    let value = unsafe { CStr::from_char_ptr(xenpv_param_events()) };
    match value.to_bytes() {
        b"2level" => Ok(xen_events::Abi::TwoLevel),
        b"fifo" => Ok(xen_events::Abi::Fifo),
        _ => Err(refused("events", value, "2level or fifo")),
    }
}

fn grant_version() -> Result<xen_grants::Wanted> {
    // SAFETY: As in `hypercall`.
    let value = unsafe { CStr::from_char_ptr(xenpv_param_grant_version()) };
    match value.to_bytes() {
        b"auto" => Ok(xen_grants::Wanted::Auto),
        b"1" => Ok(xen_grants::Wanted::Only(xen_grants::Version::V1)),
        b"2" => Ok(xen_grants::Wanted::Only(xen_grants::Version::V2)),
        _ => Err(refused("grant_version", value, "auto, 1 or 2")),
    }
}

fn unplug() -> Result<Wanted> {
    // SAFETY: As in `hypercall`.
    let (value, force) = unsafe {
        let value = CStr::from_char_ptr(xenpv_param_unplug());
        (value, xenpv_param_unplug_force())
    };
    let classes =
        Classes::parse(value.to_bytes()).ok_or_else(|| refused("unplug", value, CHOICES))?;
    Ok(Wanted { classes, force })
}

fn grant_limits() -> xen_grant_files::Limits {
    // SAFETY: The functions read numbers that do not change.
    let (granted, mapped) = unsafe { (xenpv_param_gntalloc_limit(), xenpv_param_gntdev_limit()) };
    xen_grant_files::Limits { granted, mapped }
}

fn refused(name: &str, value: &CStr, choices: &str) -> Error {
    pr_err!("parameter {name}={value} is not known: use {choices}\n");
    EINVAL
}
