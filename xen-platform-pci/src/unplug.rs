// SPDX-License-Identifier: GPL-2.0-only
//! The unplug protocol (`docs/misc/hvm-emulated-unplug.pandoc` in Xen): the guest tells the device model which driver it
//! runs, and has it take emulated devices away.
//!
//! In the order in which it is used:
//! 1. [`Classes::parse`]: what the administrator wants taken away.
//! 2. [`greet`]: whether the device model knows the protocol and lets this driver run.
//! 3. [`Classes::take`]: whether a disk or function is among what would go.
//! 4. [`Protocol::log`], [`Protocol::unplug`].
//!
//! C counterpart: `arch/x86/xen/platform-pci-unplug.c`.

use bitflags::bitflags;

/// Reading says whether the protocol is there, writing 32 bits tells the build number, writing 16 bits unplugs.
const MAGIC_PORT: u16 = 0x10;
/// Reading 8 bits tells the protocol's version, writing 16 bits tells the product, writing 8 bits logs.
const VERSION_PORT: u16 = 0x12;

/// The protocol is there.
const MAGIC: u16 = 0x49d2;

/// `linux` in `xen/include/public/hvm/pvdrivers.h`.
pub const PRODUCT: u16 = 3;
/// Build number of this driver.
pub const BUILD: u32 = 1;

/// The ports of the device model.
pub trait Ports {
    /// Reads 8 bits.
    fn read8(&mut self, port: u16) -> u8;
    /// Reads 16 bits.
    fn read16(&mut self, port: u16) -> u16;
    /// Writes 8 bits.
    fn write8(&mut self, port: u16, value: u8);
    /// Writes 16 bits.
    fn write16(&mut self, port: u16, value: u16);
    /// Writes 32 bits.
    fn write32(&mut self, port: u16, value: u32);
}

bitflags! {
    /// Kinds of emulated devices, by the protocol's bits.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Classes: u16 {
        /// Disks on IDE and SCSI; CD-ROMs stay.
        const IDE_DISKS = 1;
        /// Network cards.
        const NICS = 2;
        /// Disks on IDE but the primary master.
        const AUX_IDE_DISKS = 4;
        /// NVMe disks.
        const NVME = 8;
    }
}

/// The words of the parameter; `all` and `never` stand alone.
const WORDS: [(&[u8], Classes); 4] = [
    (b"ide-disks", Classes::IDE_DISKS),
    (b"aux-ide-disks", Classes::AUX_IDE_DISKS),
    (b"nics", Classes::NICS),
    (b"nvme", Classes::NVME),
];

/// How the words are told to who got them wrong.
pub const CHOICES: &str =
    "never, all, or some of ide-disks, aux-ide-disks, nics and nvme with commas between";

/// What a device is, by its PCI class code's upper 16 bits (`PCI_CLASS_*` in Linux).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An IDE or SATA controller: its disks are taken, and it stays.
    Ata,
    /// A SCSI controller.
    Scsi,
    /// An NVMe controller.
    Nvme,
    /// An Ethernet card.
    Nic,
}

impl Kind {
    /// Reads a class code; `None` for what is never unplugged.
    pub const fn of_class(class: u16) -> Option<Self> {
        match class {
            0x0100 => Some(Self::Scsi),
            0x0101 | 0x0106 => Some(Self::Ata),
            0x0108 => Some(Self::Nvme),
            0x0200 => Some(Self::Nic),
            _ => None,
        }
    }

    /// Whether the PCI function itself goes, rather than what hangs on it.
    pub const fn goes_whole(self) -> bool {
        !matches!(self, Self::Ata)
    }
}

/// Where an ATA disk hangs: the controller's port, and 0 for the master there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtaPlace {
    /// Port, from 0.
    pub port: u32,
    /// Device at the port, from 0.
    pub device: u32,
}

impl AtaPlace {
    const PRIMARY_MASTER: Self = Self { port: 0, device: 0 };
}

impl Classes {
    /// Reads the parameter `unplug=`; `None` for any word that does not exist.
    pub fn parse(text: &[u8]) -> Option<Self> {
        match text {
            b"never" => return Some(Self::empty()),
            b"all" => return Some(Self::all()),
            _ => {}
        }
        text.split(|byte| *byte == b',')
            .try_fold(Self::empty(), |classes, word| {
                let (_, class) = WORDS.iter().find(|(known, _)| *known == word)?;
                Some(classes | *class)
            })
    }

    /// Whether a device of this kind goes when these classes are unplugged; `place` is a disk's on an ATA controller, if
    /// it is known.
    ///
    /// QEMU counts any of the three bits for disks as the wish to have IDE and SCSI disks gone, and the middle one
    /// alone as the wish to keep SCSI and the primary master. So does this, to be no less careful.
    pub fn take(self, kind: Kind, place: Option<AtaPlace>) -> bool {
        let any_disk = self.intersects(Self::IDE_DISKS | Self::AUX_IDE_DISKS | Self::NVME);
        let only_auxiliary = self.contains(Self::AUX_IDE_DISKS) && !self.contains(Self::IDE_DISKS);
        match kind {
            Kind::Ata => any_disk && !(only_auxiliary && place == Some(AtaPlace::PRIMARY_MASTER)),
            Kind::Scsi => any_disk && !only_auxiliary,
            Kind::Nvme => self.contains(Self::NVME),
            Kind::Nic => self.contains(Self::NICS),
        }
    }
}

/// Why there is no protocol to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoProtocol {
    /// The device model does not know it.
    Absent,
    /// It speaks a version that is not known here.
    Version(u8),
    /// The host's administrator does not want this driver to run.
    Blacklisted,
}

/// The protocol as this device model speaks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    version: u8,
}

/// Looks for the protocol and tells product and build, where the device model wants to know them.
///
/// # Errors
/// [`NoProtocol`].
pub fn greet(ports: &mut impl Ports) -> Result<Protocol, NoProtocol> {
    if ports.read16(MAGIC_PORT) != MAGIC {
        return Err(NoProtocol::Absent);
    }
    let version = ports.read8(VERSION_PORT);
    match version {
        0 => {}
        1 => {
            ports.write16(VERSION_PORT, PRODUCT);
            ports.write32(MAGIC_PORT, BUILD);
            if ports.read16(MAGIC_PORT) != MAGIC {
                return Err(NoProtocol::Blacklisted);
            }
        }
        other => return Err(NoProtocol::Version(other)),
    }
    Ok(Protocol { version })
}

impl Protocol {
    /// Writes a line to the host's log of this guest.
    pub fn log(self, ports: &mut impl Ports, line: &str) {
        if self.version >= 1 {
            let bytes = line.bytes().chain([b'\n']);
            bytes.for_each(|byte| ports.write8(VERSION_PORT, byte));
        }
    }

    /// Has the device model take the classes away, at once and until the guest is reset or restored.
    pub fn unplug(self, ports: &mut impl Ports, classes: Classes) {
        ports.write16(MAGIC_PORT, classes.bits());
    }
}

#[cfg(test)]
#[path = "unplug_tests.rs"]
mod tests;
