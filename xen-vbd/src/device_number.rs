// SPDX-License-Identifier: GPL-2.0-only
//! From a vbd's virtual device number to a Linux disk: major 202, minors and name.
//!
//! The numbers are defined by Xen's `docs/man/xen-vbd-interface.7.pandoc`. What becomes of them in
//! Linux (every disk is an xvd, hd and sd numbers are mapped onto xvd names) is mainline's rule in
//! `drivers/block/xen-blkfront.c`, kept here so that a guest finds its disks under the same names
//! with either driver.

use core::fmt;

/// The major number of Xen virtual block devices (`XENVBD_MAJOR`).
pub const XENVBD_MAJOR: u32 = 202;

/// Minors of a disk with a classic number: the disk and 15 partitions.
const MINORS_PER_DISK: u32 = 16;
/// Minors of a disk with an extended number: the disk and 255 partitions.
const MINORS_PER_EXTENDED_DISK: u32 = 256;
/// Minor numbers of one IDE disk (two disks to a major).
const MINORS_PER_IDE_DISK: u32 = 64;
/// Disks that share one SCSI major.
const DISKS_PER_SCSI_MAJOR: u32 = 16;
/// The bit that says "extended number".
const EXTENDED: u32 = 1 << 28;
/// A Linux minor number has 20 bits (`MINORBITS`).
const MINOR_LIMIT: u32 = 1 << 20;

const IDE_MAJORS: [u32; 2] = [3, 22];
const FIRST_SCSI_MAJOR: u32 = 8;

/// The naming scheme that the guest's configuration used for the disk (`vdev=` in `disk=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `xvd*`: a paravirtual disk and nothing else.
    Xvd,
    /// `hd*`: the same image is also an emulated IDE disk unless that was unplugged.
    Hd,
    /// `sd*`: the same image is also an emulated SCSI disk unless that was unplugged.
    Sd,
}

/// Why a virtual device number names no disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadDeviceNumber {
    /// The text in xenstore is not a number of 32 bits.
    NotANumber,
    /// Bits above the extended form's are set.
    AboveExtendedRange(u32),
    /// No xvd, hd or sd disk has this major number.
    UnknownMajor(u32),
    /// The disk's minors do not fit into a Linux device number.
    MinorOutOfRange(u32),
}

impl fmt::Display for BadDeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotANumber => write!(f, "virtual-device is not a number"),
            Self::AboveExtendedRange(v) => {
                write!(f, "virtual device {v:#x} is above the extended range")
            }
            Self::UnknownMajor(v) => write!(
                f,
                "virtual device {v:#x} is no xvd, hd or sd disk: name it xvd* in the guest's configuration"
            ),
            Self::MinorOutOfRange(v) => {
                write!(f, "virtual device {v:#x} needs a minor number past {MINOR_LIMIT}")
            }
        }
    }
}

/// The name of a disk in `/dev`, without a heap: `xvda`, `xvdaa`, `xvdb3`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DiskName {
    bytes: [u8; Self::CAPACITY],
    len: usize,
}

impl DiskName {
    /// "xvd", the letters of any disk that has a minor number, and a partition of three digits.
    const CAPACITY: usize = 12;
    /// As many letters as the largest disk index (20 bits / 16) can need.
    const MAX_LETTERS: usize = 4;

    /// Letters count like spreadsheet columns: a..z, aa..az, ba.. and so on.
    fn new(index: u32, partition: u32) -> Self {
        let mut name = Self {
            bytes: [0; Self::CAPACITY],
            len: 0,
        };
        name.push_all(b"xvd");
        let mut letters = [0u8; Self::MAX_LETTERS];
        let mut used = 0;
        let mut rest = index;
        for letter in letters.iter_mut().rev() {
            *letter = b'a'.wrapping_add((rest % 26) as u8);
            used += 1;
            if rest < 26 {
                break;
            }
            rest = rest / 26 - 1;
        }
        name.push_all(letters.get(Self::MAX_LETTERS - used..).unwrap_or(&[]));
        if partition > 0 {
            name.push_decimal(partition);
        }
        name
    }

    fn push_all(&mut self, text: &[u8]) {
        for &byte in text {
            if let Some(slot) = self.bytes.get_mut(self.len) {
                *slot = byte;
                self.len += 1;
            }
        }
    }

    fn push_decimal(&mut self, number: u32) {
        if number >= 10 {
            self.push_decimal(number / 10);
        }
        self.push_all(&[b'0'.wrapping_add((number % 10) as u8)]);
    }

    /// The name as bytes of ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or("")
    }
}

impl fmt::Debug for DiskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for DiskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A range of minor numbers under [`XENVBD_MAJOR`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minors {
    /// The disk's own minor number.
    pub first: u32,
    /// How many minors belong to the disk and its partitions, at least 1.
    pub count: u32,
}

impl Minors {
    /// True when the two ranges share a minor number.
    pub fn overlaps(&self, other: &Self) -> bool {
        other.first.wrapping_sub(self.first) < self.count
            || self.first.wrapping_sub(other.first) < other.count
    }
}

/// Where a vbd appears in Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The naming scheme of the number.
    pub family: Family,
    /// The name in `/dev`.
    pub name: DiskName,
    /// The minor numbers under major 202.
    pub minors: Minors,
    /// The vbd is a single partition (`xvda1`), to be used whole: it has no partitions of its own.
    pub is_partition: bool,
    /// The disk's index: 0 for xvda. The first four have emulated IDE twins in an HVM guest.
    pub index: u32,
}

impl Placement {
    /// Whether two vbds cannot be there at once: they share a minor number, or a name in `/dev`, that of a partition
    /// which one of them has or may have included. A classic and an extended number may mean the same disk.
    pub fn conflicts(&self, other: &Self) -> bool {
        let whole = !self.is_partition || !other.is_partition;
        let same_name = self.index == other.index && (whole || self.name == other.name);
        same_name || self.minors.overlaps(&other.minors)
    }

    /// The placement of virtual device number `vdev`, the content of the frontend's node
    /// `virtual-device`.
    pub fn of(vdev: u32) -> Result<Self, BadDeviceNumber> {
        if vdev & EXTENDED != 0 && vdev < EXTENDED << 1 {
            Self::extended(vdev)
        } else if vdev >= EXTENDED {
            Err(BadDeviceNumber::AboveExtendedRange(vdev))
        } else {
            Self::classic(vdev)
        }
    }

    fn extended(vdev: u32) -> Result<Self, BadDeviceNumber> {
        let minor = vdev & !EXTENDED;
        if minor >= MINOR_LIMIT {
            return Err(BadDeviceNumber::MinorOutOfRange(vdev));
        }
        Ok(Self::new(Family::Xvd, minor, MINORS_PER_EXTENDED_DISK))
    }

    fn classic(vdev: u32) -> Result<Self, BadDeviceNumber> {
        let (major, minor) = (vdev >> 8, vdev & 0xff);
        if major == XENVBD_MAJOR {
            return Ok(Self::new(Family::Xvd, minor, MINORS_PER_DISK));
        }
        if let Some(channel) = IDE_MAJORS.iter().position(|&ide| ide == major) {
            // Two disks to a channel. As in mainline a partition's number stands for its disk.
            let disk = minor / MINORS_PER_IDE_DISK + 2 * channel as u32;
            return Ok(Self::new(
                Family::Hd,
                disk * MINORS_PER_DISK,
                MINORS_PER_DISK,
            ));
        }
        let nth = match major {
            FIRST_SCSI_MAJOR => 0,
            65..=71 => major - 64,
            128..=135 => major - 120,
            _ => return Err(BadDeviceNumber::UnknownMajor(vdev)),
        };
        let minor = nth * DISKS_PER_SCSI_MAJOR * MINORS_PER_DISK + minor;
        Ok(Self::new(Family::Sd, minor, MINORS_PER_DISK))
    }

    /// `minor` is below [`MINOR_LIMIT`], so nothing here can overflow.
    fn new(family: Family, minor: u32, per_disk: u32) -> Self {
        let (index, partition) = (minor / per_disk, minor % per_disk);
        let is_partition = partition != 0;
        Self {
            family,
            name: DiskName::new(index, partition),
            minors: Minors {
                first: minor,
                count: if is_partition { 1 } else { per_disk },
            },
            is_partition,
            index,
        }
    }
}

/// Reads the node `virtual-device`: decimal, or hexadecimal after `0x`.
pub fn parse_virtual_device(text: &[u8]) -> Result<u32, BadDeviceNumber> {
    let text = core::str::from_utf8(text).map_err(|_| BadDeviceNumber::NotANumber)?;
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(hex) => (hex, 16),
        None => (text, 10),
    };
    // from_str_radix takes a leading '+', which no toolstack writes.
    if digits.starts_with('+') {
        return Err(BadDeviceNumber::NotANumber);
    }
    u32::from_str_radix(digits, radix).map_err(|_| BadDeviceNumber::NotANumber)
}

#[cfg(test)]
#[path = "device_number_tests.rs"]
mod tests;
