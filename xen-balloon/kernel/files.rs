// SPDX-License-Identifier: GPL-2.0-only
//! `/sys/devices/system/xen_memory/xen_memory0`: mainline's files (`Documentation/ABI/stable/sysfs-devices-system-xen_memory`).

use balloon_core::{node, PAGE_KIB, PAGE_SIZE};
use core::fmt;
use kernel::prelude::*;
use linux_memory::{AttributeList, Attributes, File, Files};

use crate::worker::{kick, with_state, State};

/// The files' owner.
pub(crate) struct BalloonFiles;

/// What a file shows.
type Show = fn(&mut State) -> u64;
/// Takes what was written to a file; `None` if it is no such number.
type Store = fn(&mut State, &[u8]) -> Option<()>;

/// A file: its name, how it is shown, and how it is written if it can be.
struct Entry {
    name: &'static CStr,
    info: bool,
    show: Show,
    store: Option<Store>,
}

impl Entry {
    const fn shown(name: &'static CStr, show: Show) -> Self {
        Self {
            name,
            info: false,
            show,
            store: None,
        }
    }

    const fn info(name: &'static CStr, show: Show) -> Self {
        Self {
            info: true,
            ..Self::shown(name, show)
        }
    }

    const fn written(name: &'static CStr, show: Show, store: Store) -> Self {
        Self {
            store: Some(store),
            ..Self::shown(name, show)
        }
    }

    const fn file(&self) -> File {
        File {
            name: self.name,
            info: self.info,
            writable: self.store.is_some(),
        }
    }
}

const ENTRIES: [Entry; 10] = [
    Entry::written(c"target_kb", target_kib, set_target_kib),
    Entry::written(c"target", target_bytes, set_target_bytes),
    Entry::shown(c"schedule_delay", |state| {
        state.balloon.schedule().schedule_delay.into()
    }),
    Entry::written(
        c"max_schedule_delay",
        |state| state.balloon.schedule().max_schedule_delay.into(),
        |state, line| {
            state.balloon.schedule().max_schedule_delay = node::number_line(line)?;
            Some(())
        },
    ),
    Entry::shown(c"retry_count", |state| {
        state.balloon.schedule().retry_count.into()
    }),
    Entry::written(
        c"max_retry_count",
        |state| state.balloon.schedule().max_retry_count.into(),
        |state, line| {
            state.balloon.schedule().max_retry_count = node::number_line(line)?;
            Some(())
        },
    ),
    Entry::written(
        c"scrub_pages",
        |state| state.scrub.into(),
        |state, line| {
            state.scrub = node::number_line(line).filter(|number| *number <= 1)? == 1;
            Some(())
        },
    ),
    Entry::info(c"current_kb", |state| kib(state.balloon.current())),
    Entry::info(c"low_kb", |state| kib(state.balloon.out())),
    // There is no high memory on the machines that this runs on.
    Entry::info(c"high_kb", |_| 0),
];

static ATTRIBUTES: Attributes<BalloonFiles, { ENTRIES.len() }> = Attributes::new(&{
    let mut files = [ENTRIES[0].file(); ENTRIES.len()];
    let mut i = 0;
    while i < files.len() {
        files[i] = ENTRIES[i].file();
        i += 1;
    }
    files
});

impl Files for BalloonFiles {
    const FILES: AttributeList = ATTRIBUTES.as_list();

    fn show(&self, index: usize, into: &mut dyn fmt::Write) -> fmt::Result {
        let show = ENTRIES.get(index).ok_or(fmt::Error)?.show;
        let value = with_state(show).ok_or(fmt::Error)?;
        writeln!(into, "{value}")
    }

    fn store(&self, index: usize, line: &[u8]) -> Result {
        let store = ENTRIES.get(index).and_then(|entry| entry.store);
        let store = store.ok_or(EACCES)?;
        with_state(|state| store(state, line))
            .ok_or(ENODEV)?
            .ok_or(EINVAL)?;
        kick();
        Ok(())
    }
}

fn kib(pages: u64) -> u64 {
    pages.saturating_mul(PAGE_KIB)
}

fn target_kib(state: &mut State) -> u64 {
    kib(state.balloon.target().pages())
}

fn target_bytes(state: &mut State) -> u64 {
    state.balloon.target().pages().saturating_mul(PAGE_SIZE)
}

fn set_target_kib(state: &mut State, line: &[u8]) -> Option<()> {
    let pages = node::pages_of_kib_line(line)?;
    state.balloon.retarget(|target| target.set(pages));
    Some(())
}

fn set_target_bytes(state: &mut State, line: &[u8]) -> Option<()> {
    let pages = node::pages_of_bytes_line(line)?;
    state.balloon.retarget(|target| target.set(pages));
    Some(())
}
