// SPDX-License-Identifier: GPL-2.0-only
//! Telling the device model who we are (`docs/misc/hvm-emulated-unplug.pandoc` in Xen).
//!
//! The host's administrator can blacklist a driver by product and build number. Nothing is unplugged here: what the
//! device model emulates stays.

use kernel::error::code::EPERM;
use kernel::prelude::*;
use linux::ioport;

/// Reading says whether the protocol is there; 16 bits.
const MAGIC_PORT: u16 = 0x10;
/// Writing 32 bits to the same port tells the build number.
const BUILD_PORT: u16 = 0x10;
/// Reading 8 bits tells the protocol's version.
const VERSION_PORT: u16 = 0x12;
/// Writing 16 bits to the same port tells the product.
const PRODUCT_PORT: u16 = 0x12;

/// The protocol is there.
const MAGIC: u16 = 0x49d2;
/// The product and build that were told are blacklisted.
const BLACKLISTED: u16 = 0xd249;

/// `linux` in `xen/include/public/hvm/pvdrivers.h`.
const PRODUCT: u16 = 3;
/// Build number of this driver.
pub(crate) const BUILD: u32 = 1;

/// Tells product and build, where the device model wants to know them.
///
/// # Errors
/// `EPERM` when they are blacklisted.
pub(crate) fn introduce() -> Result {
    // SAFETY: On a Xen guest with a platform device, which the caller has seen, the ports are those of the unplug
    // protocol or, without it, not decoded: reads give all ones then. Telling product and build changes nothing but
    // the answer at the first port.
    let answer = unsafe {
        if ioport::read16(MAGIC_PORT) != MAGIC || ioport::read8(VERSION_PORT) == 0 {
            return Ok(());
        }
        ioport::write16(PRODUCT_PORT, PRODUCT);
        ioport::write32(BUILD_PORT, BUILD);
        ioport::read16(MAGIC_PORT)
    };
    if answer == BLACKLISTED {
        pr_err!("the host blacklists this driver (product {PRODUCT}, build {BUILD}): remove it from the host's /mh/driver-blacklist, or use the emulated devices\n");
        return Err(EPERM);
    }
    Ok(())
}
