// SPDX-License-Identifier: GPL-2.0-only
//! The questions of [`About`] as hypercalls.
use xen_sys::generated as sys;
use xen_sys::{About, BuildId, CompileInfo, DomainHandle, Result, Text, XenError};

use crate::call::hypercall;
use crate::ops::{with, XEN_VERSION};
use crate::Xen;

/// `struct xen_build_id` with room for the id.
#[repr(C)]
struct BuildIdRoom {
    len: u32,
    bytes: [u8; BuildId::MAX],
}

/// A `char` field as bytes.
fn text<const N: usize>(field: [core::ffi::c_char; N]) -> Text<N> {
    Text(field.map(|byte| byte as u8))
}

impl About for Xen {
    fn extra_version(&self) -> Result<Text<16>> {
        let mut bytes = [0; 16];
        // SAFETY: the command fills a xen_extraversion_t, which is this many bytes.
        unsafe { with::<XEN_VERSION, _>(sys::XENVER_extraversion, &mut bytes) }?;
        Ok(Text(bytes))
    }

    fn compile_info(&self) -> Result<CompileInfo> {
        let mut info = sys::xen_compile_info {
            compiler: [0; 64],
            compile_by: [0; 16],
            compile_domain: [0; 32],
            compile_date: [0; 32],
        };
        // SAFETY: the command fills this structure.
        unsafe { with::<XEN_VERSION, _>(sys::XENVER_compile_info, &mut info) }?;
        Ok(CompileInfo {
            compiler: text(info.compiler),
            compile_by: text(info.compile_by),
            compile_date: text(info.compile_date),
        })
    }

    fn capabilities(&self) -> Result<Text<1024>> {
        let mut bytes = [0; 1024];
        // SAFETY: the command fills a xen_capabilities_info_t, which is this many bytes.
        unsafe { with::<XEN_VERSION, _>(sys::XENVER_capabilities, &mut bytes) }?;
        Ok(Text(bytes))
    }

    fn changeset(&self) -> Result<Text<64>> {
        let mut bytes = [0; 64];
        // SAFETY: the command fills a xen_changeset_info_t, which is this many bytes.
        unsafe { with::<XEN_VERSION, _>(sys::XENVER_changeset, &mut bytes) }?;
        Ok(Text(bytes))
    }

    fn virtual_start(&self) -> Result<u64> {
        let mut parameters = sys::xen_platform_parameters { virt_start: 0 };
        // SAFETY: the command fills this structure.
        unsafe { with::<XEN_VERSION, _>(sys::XENVER_platform_parameters, &mut parameters) }?;
        Ok(parameters.virt_start)
    }

    fn page_size(&self) -> Result<u64> {
        // SAFETY: the command takes no argument.
        unsafe { hypercall::<XEN_VERSION>(sys::XENVER_pagesize as usize, 0, 0) }
    }

    fn features(&self, submap: u32) -> Result<u32> {
        let mut info = sys::xen_feature_info {
            submap_idx: submap,
            submap: 0,
        };
        // SAFETY: the command takes this structure.
        unsafe { with::<XEN_VERSION, _>(sys::XENVER_get_features, &mut info) }?;
        Ok(info.submap)
    }

    fn domain_handle(&self) -> Result<DomainHandle> {
        let mut handle = [0; 16];
        // SAFETY: the command fills a xen_domain_handle_t, which is this many bytes.
        unsafe { with::<XEN_VERSION, _>(sys::XENVER_guest_handle, &mut handle) }?;
        Ok(DomainHandle(handle))
    }

    fn build_id(&self) -> Result<BuildId> {
        let mut room = BuildIdRoom {
            len: BuildId::MAX as u32,
            bytes: [0; BuildId::MAX],
        };
        // SAFETY: the command takes this structure and fills as many bytes as `len` says there are, or fails.
        let len = unsafe { with::<XEN_VERSION, _>(sys::XENVER_build_id, &mut room) }?;
        let len = usize::try_from(len).map_err(|_| XenError::EIO)?;
        BuildId::new(room.bytes, len).ok_or(XenError::EIO)
    }
}
