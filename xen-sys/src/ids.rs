// SPDX-License-Identifier: GPL-2.0-only
//! Xen's identifiers, one type each.
use core::fmt;
use core::num::NonZeroU32;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::generated as sys;

/// Declares an identifier: a transparent wrapper that prints as its number.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[repr(transparent)]
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
            FromBytes, IntoBytes, Immutable, KnownLayout,
        )]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

id! {
    /// A domain's number (`domid_t`, `xen/include/public/xen.h`).
    Domid(u16)
}
id! {
    /// A guest frame number: a guest-physical address divided by [`crate::PAGE_SIZE`]
    /// (`xen_pfn_t`, `xen/include/public/xen.h`).
    Gfn(u64)
}
id! {
    /// An event channel port of this domain (`evtchn_port_t`, `xen/include/public/event_channel.h`).
    /// Port 0 is never valid.
    Port(u32)
}
id! {
    /// A grant reference: the index of an entry in this domain's grant table
    /// (`grant_ref_t`, `xen/include/public/grant_table.h`).
    GrantRef(u32)
}
id! {
    /// Xen's number of a vCPU. It is neither Linux's CPU number nor the APIC id: CPUID leaf base + 4 tells it.
    VcpuId(u32)
}

/// One of Xen's watchdog timers of this domain. Xen counts them from 1; 0 stands for none yet
/// (`struct sched_watchdog`, `xen/include/public/sched.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchdogId(NonZeroU32);

impl WatchdogId {
    /// One that no domain has.
    pub const NONE: Self = Self(NonZeroU32::MAX);

    /// Reads Xen's number.
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Xen's number.
    pub const fn number(self) -> u32 {
        self.0.get()
    }
}

impl Domid {
    /// The calling domain itself.
    pub const SELF: Self = Self(sys::XENPV_DOMID_SELF);
    /// The first number that no domain can have; those from here on have special meanings.
    pub const FIRST_RESERVED: Self = Self(sys::XENPV_DOMID_FIRST_RESERVED);

    /// Whether this can be the number of another domain, a backend for example.
    pub const fn is_domain(self) -> bool {
        self.0 < Self::FIRST_RESERVED.0
    }
}

impl Gfn {
    /// The guest-physical address of the frame's first byte.
    pub const fn address(self) -> u64 {
        self.0 << crate::PAGE_SHIFT
    }

    /// The frame that holds guest-physical address `address`.
    pub const fn containing(address: u64) -> Self {
        Self(address >> crate::PAGE_SHIFT)
    }

    /// The frame `n` frames after this one, or `None` past the end of the number space.
    pub const fn checked_add(self, n: u64) -> Option<Self> {
        match self.0.checked_add(n) {
            Some(gfn) => Some(Self(gfn)),
            None => None,
        }
    }
}
