// SPDX-License-Identifier: GPL-2.0-only
//! `/sys/hypervisor`, by which programs find out that they run on Xen, and on which. What the files say is decided in
//! [`platform_core::hypervisor`].

use core::fmt;
use kernel::prelude::*;
use linux::hypervisor::{Directory, File, Files};
use platform_core::hypervisor::{self as core_files, Failure};
use xen_hypercall::Xen;

/// The files; they disappear on drop.
pub(crate) type Shown = Directory<AboutXen>;

/// Shows the files.
///
/// # Errors
/// `EEXIST` when somebody else shows them; `ENOMEM`.
pub(crate) fn show() -> Result<Shown> {
    Directory::show()
}

/// What the files say.
pub(crate) struct AboutXen;

impl Files for AboutXen {
    fn print(file: File, into: &mut dyn fmt::Write) -> Result {
        core_files::print(of(file), &Xen, into).map_err(|failure| match failure {
            Failure::Xen(error) => xen_hypercall::to_error(error),
            Failure::NoRoom => EINVAL,
        })
    }
}

fn of(file: File) -> core_files::File {
    match file {
        File::Type => core_files::File::Type,
        File::GuestType => core_files::File::GuestType,
        File::Uuid => core_files::File::Uuid,
        File::VersionMajor => core_files::File::VersionMajor,
        File::VersionMinor => core_files::File::VersionMinor,
        File::VersionExtra => core_files::File::VersionExtra,
        File::Compiler => core_files::File::Compiler,
        File::CompiledBy => core_files::File::CompiledBy,
        File::CompileDate => core_files::File::CompileDate,
        File::Capabilities => core_files::File::Capabilities,
        File::Changeset => core_files::File::Changeset,
        File::VirtualStart => core_files::File::VirtualStart,
        File::PageSize => core_files::File::PageSize,
        File::Features => core_files::File::Features,
        File::BuildId => core_files::File::BuildId,
    }
}
