// SPDX-License-Identifier: GPL-2.0-only
//! What the bus owns and has seen, for people and tests.

use crate::service::shared;
use core::fmt;
use core::sync::atomic::Ordering;

/// Counters of xenstore and the bus; print as one `name value` line each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Devices that Linux knows.
    pub devices: usize,
    /// Watches.
    pub watches: usize,
    /// Those that the store does not know of.
    pub unregistered_watches: usize,
    /// Requests that wait for a reply.
    pub requests: usize,
    /// Replies that came after their request was given up.
    pub late_replies: u64,
    /// Replies to no request, or of a wrong type.
    pub bad_replies: u64,
    /// Watch events that are malformed.
    pub bad_events: u64,
    /// Watch events for no watch, as after its removal.
    pub stray_events: u64,
    /// Watch events that were folded into others.
    pub folded_events: u64,
    /// Connections to the store that were lost.
    pub losses: u64,
    /// Files by which processes have the store open, and closed ones that are not cleared away yet.
    pub user_files: usize,
    /// Watches of those files.
    pub user_watches: usize,
    /// Transactions of those files.
    pub user_transactions: usize,
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "devices {}", self.devices)?;
        writeln!(f, "watches {}", self.watches)?;
        writeln!(f, "unregistered_watches {}", self.unregistered_watches)?;
        writeln!(f, "requests {}", self.requests)?;
        writeln!(f, "late_replies {}", self.late_replies)?;
        writeln!(f, "bad_replies {}", self.bad_replies)?;
        writeln!(f, "bad_events {}", self.bad_events)?;
        writeln!(f, "stray_events {}", self.stray_events)?;
        writeln!(f, "folded_events {}", self.folded_events)?;
        writeln!(f, "losses {}", self.losses)?;
        writeln!(f, "user_files {}", self.user_files)?;
        writeln!(f, "user_watches {}", self.user_watches)?;
        writeln!(f, "user_transactions {}", self.user_transactions)
    }
}

/// The counters at this moment; all 0 without the bus.
pub fn counters() -> Counters {
    let Ok(shared) = shared() else {
        return Counters::default();
    };
    let (client, requests, epoch) = {
        let io = shared.io.lock();
        (
            io.client.counters(),
            io.client.in_flight(),
            io.client.epoch(),
        )
    };
    let (watches, unregistered_watches) = {
        let book = shared.book.lock();
        (book.len(), book.unregistered(epoch))
    };
    let devices = shared.devices.lock().len();
    Counters {
        devices,
        watches,
        unregistered_watches,
        requests,
        late_replies: client.late_replies,
        bad_replies: client.bad_replies,
        bad_events: client.bad_events,
        stray_events: shared.strays.load(Ordering::Relaxed),
        folded_events: shared.folded.load(Ordering::Relaxed),
        losses: shared.losses.load(Ordering::Relaxed),
        user_files: shared.users.files(),
        user_watches: shared.users.watches.load(Ordering::Relaxed),
        user_transactions: shared.users.transactions.load(Ordering::Relaxed),
    }
}
