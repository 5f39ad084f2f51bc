// SPDX-License-Identifier: GPL-2.0-only
//! xen-wdt: Xen's watchdog as a Linux watchdog device. When nobody pings it in time, Xen ends the domain as its
//! configuration says (`on_watchdog=`), however badly the guest's kernel hangs.
//!
//! The decisions are those of the crate `wdt_core`, the device is `linux_watchdog`'s. Here they are tied together.
//!
//! C counterpart: `drivers/watchdog/xen_wdt.c`.
#![warn(missing_docs, unreachable_pub, clippy::undocumented_unsafe_blocks)]

use kernel::{new_spinlock, prelude::*, sync::SpinLock};
use linux::thread::now_ms;
use linux_watchdog::{Device, Operations, Settings};
use wdt_core::Watchdog;
use xen_hypercall::{to_error, Xen};

module! {
    type: XenWdt,
    name: "xen_wdt",
    authors: ["The xenpv authors"],
    description: "Xen watchdog",
    license: "GPL",
}

extern "C" {
    // params.c
    fn xenpv_wdt_timeout() -> kernel::ffi::c_uint;
    fn xenpv_wdt_nowayout() -> bool;
}

/// What the module holds while it is loaded.
struct XenWdt {
    _device: Device<Timer>,
}

impl kernel::Module for XenWdt {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        if !Watchdog::is_supported(&Xen) {
            pr_err!("this Xen has no watchdogs\n");
            return Err(ENODEV);
        }
        // SAFETY: The functions have no conditions.
        let settings = unsafe {
            Settings {
                timeout: xenpv_wdt_timeout(),
                nowayout: xenpv_wdt_nowayout(),
            }
        };
        let timer = KBox::new(
            Timer {
                watchdog: KBox::pin_init(new_spinlock!(Watchdog::default()), GFP_KERNEL)?,
            },
            GFP_KERNEL,
        )?;
        Ok(Self {
            _device: Device::register(c"Xen watchdog", settings, timer)?,
        })
    }
}

/// Xen's timer.
struct Timer {
    // Nobody sleeps who holds it, so that it is free when all CPUs are at rest.
    watchdog: Pin<KBox<SpinLock<Watchdog>>>,
}

impl Operations for Timer {
    fn set(&self, seconds: u32) -> Result {
        let mut watchdog = self.watchdog.lock();
        watchdog.set(&Xen, seconds, now_ms()).map_err(to_error)
    }

    fn stop(&self) -> Result {
        self.watchdog.lock().stop(&Xen).map_err(to_error)
    }

    fn left(&self) -> u32 {
        self.watchdog.lock().left(now_ms())
    }

    fn resume(&self) {
        let resumed = self.watchdog.lock().resume(&Xen, now_ms());
        if let Err(error) = resumed {
            pr_err!(
                "the watchdog does not run again after the suspend ({}): ping it, or start it anew\n",
                format_args!("{error}")
            );
        }
    }
}
