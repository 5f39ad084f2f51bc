// SPDX-License-Identifier: GPL-2.0-only
//! `/sys/hypervisor`, by which programs find out that they run on Xen, and on which. What the files say is decided in
//! [`platform_core::hypervisor`].

use core::fmt;
use kernel::prelude::*;
use linux::hypervisor::{self, Directory, Files};
use platform_core::hypervisor::{print, Failure, File};
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
    fn print(file: hypervisor::File, into: &mut dyn fmt::Write) -> Result {
        let file = File::from_number(file).ok_or(EINVAL)?;
        print(file, &Xen, into).map_err(|failure| match failure {
            Failure::Xen(error) => xen_hypercall::to_error(error),
            Failure::NoRoom => EINVAL,
        })
    }
}
