// SPDX-License-Identifier: GPL-2.0-only
//! What happens when a page is over (`SET_UNMAP_NOTIFY`): a byte becomes 0, an event is sent.

use grant_table::user::Notice;
use kernel::prelude::*;
use linux::page::Page;
use xen_events::HeldPort;

/// What is to happen. The port stays open for it, though its process may be gone by then.
pub(crate) struct Armed {
    /// The page, counted from the first that the notice is for.
    pub(crate) index: usize,
    offset: u16,
    clear: bool,
    port: Option<HeldPort>,
}

impl Armed {
    /// What `notice` says of a page; `None` when that is nothing.
    ///
    /// # Errors
    /// `EINVAL` when no process has the port.
    pub(crate) fn new(notice: Notice, index: usize) -> Result<Option<Self>> {
        if !notice.clear && notice.event.is_none() {
            return Ok(None);
        }
        Ok(Some(Self {
            index,
            offset: notice.offset,
            clear: notice.clear,
            port: notice.event.map(HeldPort::hold).transpose()?,
        }))
    }

    /// The page is over. `page` is there if it may be written to.
    pub(crate) fn fire(self, page: Option<&Page>) {
        if let (true, Some(page)) = (self.clear, page) {
            // The offset is inside of a page.
            let _ = page.copy_to(self.offset.into(), &[0]);
        }
        // The peer looks at the byte when it hears of the end.
        if let Some(port) = self.port {
            port.notify();
        }
    }
}
