// SPDX-License-Identifier: GPL-2.0-only
//! `/sys/kernel/debug/xenpv/`: what the services own at this moment, one `name value` line each (of grants also one for each
//! account). Tests read it before
//! and after to see that nothing leaks.

use core::fmt;
use kernel::debugfs::Scope;
use kernel::prelude::*;

/// The directory; it disappears on drop.
pub(crate) type Report = Pin<KBox<Scope<()>>>;

/// Creates the directory and its files.
///
/// # Errors
/// `ENOMEM`. Without debugfs the report is empty and no error.
pub(crate) fn publish() -> Result<Report> {
    KBox::pin_init(
        Scope::dir((), c"xenpv", |data, dir| {
            dir.read_callback_file(c"grants", data, &grants);
            dir.read_callback_file(c"grant-accounts", data, &grant_accounts);
            dir.read_callback_file(c"events", data, &events);
            dir.read_callback_file(c"store", data, &store);
            dir.read_callback_file(c"pages", data, &pages);
            dir.read_callback_file(c"suspends", data, &suspends);
        }),
        GFP_KERNEL,
    )
}

fn grants(_: &(), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    fmt::Display::fmt(&xen_grants::counters(), f)?;
    fmt::Display::fmt(&xen_grant_files::counters(), f)
}

fn grant_accounts(_: &(), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    fmt::Display::fmt(&xen_grants::Accounts, f)
}

fn events(_: &(), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    fmt::Display::fmt(&xen_events::counters(), f)
}

fn store(_: &(), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    fmt::Display::fmt(&xen_bus::counters(), f)
}

fn pages(_: &(), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "live {}", linux::page::live())
}

fn suspends(_: &(), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    fmt::Display::fmt(&crate::suspend::Counters, f)
}
