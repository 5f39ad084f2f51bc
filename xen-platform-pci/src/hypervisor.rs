// SPDX-License-Identifier: GPL-2.0-only
//! What the files in `/sys/hypervisor` say, as mainline's (`Documentation/ABI/stable/sysfs-hypervisor-xen`): the names
//! are the kernel's, the answers Xen's, each asked for when the file is read.
//!
//! C counterpart: `drivers/xen/sys-hypervisor.c`, which shows the build id as raw bytes.
use core::fmt::{self, Write};

use xen_sys::{About, Hypervisor, XenError};

/// Defines the files from one list.
macro_rules! files {
    ($($name:ident),* $(,)?) => {
        /// A file.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "named after the files")]
        pub enum File {
            $($name,)*
        }

        impl File {
            /// Every file, each at its number.
            pub const ALL: &'static [File] = &[$(File::$name,)*];
        }
    };
}

// In the order of `enum xenpv_hypervisor_file` in `linux/c/xenpv.h`, which numbers them.
files! {
    Type,
    GuestType,
    Uuid,
    VersionMajor,
    VersionMinor,
    VersionExtra,
    Compiler,
    CompiledBy,
    CompileDate,
    Capabilities,
    Changeset,
    VirtualStart,
    PageSize,
    Features,
    BuildId,
}

impl File {
    /// The file of this number.
    pub fn from_number(number: u32) -> Option<File> {
        let index = usize::try_from(number).ok()?;
        Self::ALL.get(index).copied()
    }
}

/// Why a file has nothing to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Xen does not answer.
    Xen(XenError),
    /// The answer does not fit.
    NoRoom,
}

impl From<XenError> for Failure {
    fn from(error: XenError) -> Self {
        Self::Xen(error)
    }
}

impl From<fmt::Error> for Failure {
    fn from(_: fmt::Error) -> Self {
        Self::NoRoom
    }
}

/// Prints what `file` says, one line.
///
/// # Errors
/// [`Failure`]; part of the line may have been printed then.
pub fn print(
    file: File,
    xen: &(impl Hypervisor + About),
    out: &mut dyn Write,
) -> Result<(), Failure> {
    match file {
        File::Type => writeln!(out, "xen"),
        // A PV or PVH guest has no platform device, by which this module was found.
        File::GuestType => writeln!(out, "HVM"),
        File::Uuid => writeln!(out, "{}", xen.domain_handle()?),
        File::VersionMajor => writeln!(out, "{}", xen.version()?.major),
        File::VersionMinor => writeln!(out, "{}", xen.version()?.minor),
        File::VersionExtra => writeln!(out, "{}", xen.extra_version()?),
        File::Compiler => writeln!(out, "{}", xen.compile_info()?.compiler),
        File::CompiledBy => writeln!(out, "{}", xen.compile_info()?.compile_by),
        File::CompileDate => writeln!(out, "{}", xen.compile_info()?.compile_date),
        File::Capabilities => writeln!(out, "{}", xen.capabilities()?),
        File::Changeset => writeln!(out, "{}", xen.changeset()?),
        File::VirtualStart => writeln!(out, "{:x}", xen.virtual_start()?),
        File::PageSize => writeln!(out, "{:x}", xen.page_size()?),
        // The only submap there is so far (XENFEAT_NR_SUBMAPS).
        File::Features => writeln!(out, "{:08x}", xen.features(0)?),
        File::BuildId => match xen.build_id() {
            // Mainline's word for it.
            Err(XenError::EPERM) => writeln!(out, "<denied>"),
            build_id => writeln!(out, "{}", build_id?),
        },
    }?;
    Ok(())
}
