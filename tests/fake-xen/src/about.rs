// SPDX-License-Identifier: GPL-2.0-only
//! What the hypervisor says about itself.
use xen_sys::{About, BuildId, CompileInfo, DomainHandle, Result, Text};

use crate::faults::Call;
use crate::xen::FakeXen;

/// A field with `text` at its beginning, as Xen fills it.
fn field<const N: usize>(text: &str) -> Text<N> {
    let mut bytes = [0; N];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    Text(bytes)
}

impl About for FakeXen {
    fn extra_version(&self) -> Result<Text<16>> {
        self.faults.enter(Call::ExtraVersion)?;
        Ok(field(".1-fake"))
    }

    fn compile_info(&self) -> Result<CompileInfo> {
        self.faults.enter(Call::CompileInfo)?;
        Ok(CompileInfo {
            compiler: field("rustc"),
            compile_by: field("somebody"),
            compile_date: field("Thu Nov 26 2026"),
        })
    }

    fn capabilities(&self) -> Result<Text<1024>> {
        self.faults.enter(Call::Capabilities)?;
        // No NUL at the end: every byte is the text's.
        Ok(Text([b'c'; 1024]))
    }

    fn changeset(&self) -> Result<Text<64>> {
        self.faults.enter(Call::Changeset)?;
        Ok(field("line one\nline two"))
    }

    fn virtual_start(&self) -> Result<u64> {
        self.faults.enter(Call::VirtualStart)?;
        Ok(0xffff_8000_0000_0000)
    }

    fn page_size(&self) -> Result<u64> {
        self.faults.enter(Call::PageSize)?;
        Ok(4096)
    }

    fn features(&self, submap: u32) -> Result<u32> {
        self.faults.enter(Call::Features)?;
        Ok(if submap == 0 { 0x705 } else { 0 })
    }

    fn domain_handle(&self) -> Result<DomainHandle> {
        self.faults.enter(Call::DomainHandle)?;
        Ok(DomainHandle([0x2a; 16]))
    }

    fn build_id(&self) -> Result<BuildId> {
        self.faults.enter(Call::BuildId)?;
        Ok(BuildId::new([0xb1; BuildId::MAX], 20).expect("it fits"))
    }
}
