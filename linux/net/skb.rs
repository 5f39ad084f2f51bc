// SPDX-License-Identifier: GPL-2.0-only
//! One packet, owned (`struct sk_buff`).

use core::{mem::ManuallyDrop, num::NonZeroU16, ptr::NonNull};
use kernel::{
    bindings::{self, sk_buff},
    error::to_result,
    prelude::*,
};
use linux::page::Page;

use crate::{ffi, Napi};

/// Fewer bytes than C copies in a way of its own (`XENPV_BLOCK_MIN`): if they lie together, they are copied here.
const SMALL: u32 = 511;

/// A reference to a packet. Dropping it counts the packet as lost; [`consume`](Self::consume) does not.
///
/// # Invariants
///
/// The pointer is a valid sk_buff, one of whose references this value owns.
#[repr(transparent)]
pub struct Skb(NonNull<sk_buff>);

// SAFETY: A reference to an sk_buff may be dropped and its packet read on any CPU.
unsafe impl Send for Skb {}
// SAFETY: All methods that take `&self` only read what no holder of a transmitted packet changes.
unsafe impl Sync for Skb {}

/// What the stack says about a packet to be sent.
#[derive(Clone, Copy, Debug)]
pub struct TxInfo(u32);

/// What a packet of several segments is (`SKB_GSO_TCPV4`, `SKB_GSO_TCPV6`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GsoKind {
    /// TCP over IPv4.
    TcpV4,
    /// TCP over IPv6.
    TcpV6,
}

impl TxInfo {
    /// The packet is to be cut into segments with so much payload each. Only for interfaces that offer it, see
    /// [`Limits`](crate::Limits).
    #[inline]
    pub fn gso(self) -> Option<(GsoKind, NonZeroU16)> {
        let size = NonZeroU16::new((self.0 >> ffi::XENPV_TX_GSO_SIZE_SHIFT) as u16)?;
        if self.0 & ffi::XENPV_TX_GSO_V4 != 0 {
            Some((GsoKind::TcpV4, size))
        } else if self.0 & ffi::XENPV_TX_GSO_V6 != 0 {
            Some((GsoKind::TcpV6, size))
        } else {
            None
        }
    }

    /// The protocol checksum is still to be computed (`CHECKSUM_PARTIAL`).
    #[inline]
    pub fn checksum_blank(self) -> bool {
        self.0 & ffi::XENPV_TX_CSUM_PARTIAL != 0
    }

    /// The protocol checksum was checked (`CHECKSUM_UNNECESSARY`).
    #[inline]
    pub fn checksum_valid(self) -> bool {
        self.0 & ffi::XENPV_TX_CSUM_VALID != 0
    }

    /// Another packet follows at once: the notification can wait for it (`netdev_xmit_more`).
    #[inline]
    pub fn xmit_more(self) -> bool {
        self.0 & ffi::XENPV_TX_XMIT_MORE != 0
    }
}

impl Skb {
    /// # Safety
    ///
    /// The caller owns a reference to `skb` and gives it up.
    #[inline]
    pub(crate) unsafe fn from_raw(skb: NonNull<sk_buff>) -> Self {
        // INVARIANT: The reference is ours now, as the caller promises.
        Self(skb)
    }

    fn as_ref(&self) -> &sk_buff {
        // SAFETY: By the type invariant the sk_buff is valid as long as we live; its length and data pointer, which
        // are all that is read through this, change only by methods that take `&mut self`.
        unsafe { self.0.as_ref() }
    }

    /// Bytes of the packet.
    #[allow(clippy::len_without_is_empty)]
    #[inline]
    pub fn len(&self) -> u32 {
        self.as_ref().len
    }

    /// Bytes of the linear part.
    #[inline]
    fn linear_len(&self) -> u32 {
        let skb = self.as_ref();
        skb.len.saturating_sub(skb.data_len)
    }

    /// To be called once on each packet that is about to be sent: takes its software timestamp and says what the
    /// stack knows about it. Within `start_xmit` only.
    #[inline]
    pub fn begin_transmit(&mut self) -> TxInfo {
        // SAFETY: By the type invariant.
        TxInfo(unsafe { ffi::xenpv_skb_tx_begin(self.0.as_ptr()) })
    }

    /// Copies `len` bytes of the packet, from `offset` on and wherever they are, to the start of `page`.
    ///
    /// # Errors
    /// `EINVAL` when the page is shorter, `EFAULT` when the packet is, or when the kernel cannot read it.
    #[inline]
    pub fn copy_to_page(&self, offset: u32, len: u32, page: &Page) -> Result {
        if len as usize > page.len() {
            return Err(EINVAL);
        }
        let into = page.as_ptr().as_ptr();
        if len <= SMALL && offset.saturating_add(len) <= self.linear_len() {
            // SAFETY: The linear part is so long, as just seen; while references are held nobody writes to it: the stack
            // copies a packet before it changes one. The page is as long as `len` and apart from any packet, for it is
            // owned by a `Page`, which hands out no references.
            unsafe {
                let from = self.as_ref().data.add(offset as usize);
                bindings::memcpy(into.cast(), from.cast(), len as usize);
            }
            return Ok(());
        }
        // SAFETY: By the type invariant, and the page has room for `len` bytes. The function checks the packet's bounds.
        to_result(unsafe { ffi::xenpv_skb_copy_bits(self.0.as_ptr(), offset, into.cast(), len) })
    }

    /// To be called on a packet that was sent and is kept only for the stack to wait for its end.
    #[inline]
    pub fn keep(&mut self) {
        // SAFETY: By the type invariant; within `start_xmit` the packet is ours to change.
        unsafe { ffi::xenpv_skb_keep(self.0.as_ptr()) };
    }

    /// Drops the reference of a packet that was sent, in any context.
    #[inline]
    pub fn consume(self) {
        // SAFETY: By the type invariant; `into_raw` gives up the reference.
        unsafe { ffi::xenpv_skb_consume_any(self.into_raw()) };
    }

    /// Drops the reference of a packet that was sent, within a poll of `budget`.
    #[inline]
    pub fn consume_in_poll(self, budget: u32) {
        let budget = i32::try_from(budget).unwrap_or(1);
        // SAFETY: By the type invariant; `into_raw` gives up the reference. A budget above 0 says that this is the
        // softirq of a poll; 0 says that it may be any context.
        unsafe { ffi::napi_consume_skb(self.into_raw(), budget) };
    }

    #[inline]
    fn into_raw(self) -> *mut sk_buff {
        ManuallyDrop::new(self).0.as_ptr()
    }
}

impl Drop for Skb {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, and nobody has the reference after this.
        unsafe { ffi::xenpv_skb_drop_any(self.0.as_ptr()) };
    }
}

/// What the backend of a received packet said about its protocol checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum RxChecksum {
    /// Nothing.
    Unknown = ffi::XENPV_RX_CSUM_UNKNOWN,
    /// It was checked (`CHECKSUM_UNNECESSARY`).
    Valid = ffi::XENPV_RX_CSUM_VALID,
    /// It is not filled in, only the pseudo header's (`CHECKSUM_PARTIAL`).
    Blank = ffi::XENPV_RX_CSUM_BLANK,
}

/// A received packet in the making. Its memory has never been anybody else's but this guest's.
///
/// # Invariants
///
/// The packet is nobody else's, `napi` is the one it was allocated for, and there is room for `linear` bytes more in its
/// linear part, or it has pages already and `linear` is 0.
pub struct RxSkb<'a> {
    skb: Skb,
    napi: &'a Napi,
    linear: u32,
}

impl<'a> RxSkb<'a> {
    /// A packet that is to have `len` bytes. `None` without memory.
    #[inline]
    pub fn new(napi: &'a Napi, len: u32) -> Option<Self> {
        let mut linear = 0;
        // SAFETY: A `Napi` is only ever seen within its poll, where this may be called; `linear` may be written.
        let skb = unsafe { ffi::xenpv_rx_begin(napi.as_raw(), len, &mut linear) };
        // INVARIANT: A new packet's only reference is ours, it has so much room, and `napi` is what it was allocated for.
        Some(Self {
            skb: Skb(NonNull::new(skb)?),
            napi,
            linear,
        })
    }

    /// Appends `len` bytes that begin at `offset` of `page`, each copied once. Others may change the page meanwhile.
    ///
    /// # Errors
    /// `EINVAL` when they are not in the page, `EMSGSIZE` when the packet has 17 pages, `ENOMEM`.
    #[inline]
    pub fn append(&mut self, page: &Page, offset: u32, len: u32) -> Result {
        if offset.saturating_add(len) as usize > page.len() {
            return Err(EINVAL);
        }
        let linear = len.min(self.linear);
        let from = page.as_ptr().as_ptr().wrapping_add(offset as usize);
        // INVARIANT: The function fills so much of the room, and takes a page only when none is left.
        self.linear -= linear;
        // SAFETY: The bytes are in the page, as just checked, and apart from the packet, for a `Page` owns them. By the type
        // invariant the packet is ours and `napi`'s, which is seen within its poll only, and there is room for `linear`.
        to_result(unsafe {
            ffi::xenpv_rx_append(
                self.napi.as_raw(),
                self.skb.0.as_ptr(),
                linear,
                from.cast(),
                len,
            )
        })
    }

    /// Gives the packet, which has at least an Ethernet header, to the stack; false if it was dropped for its
    /// headers or for want of memory. With `gso` it stands for segments of so much payload; the headers are checked to
    /// be of that kind.
    #[inline]
    pub fn deliver(self, checksum: RxChecksum, gso: Option<(GsoKind, NonZeroU16)>) -> bool {
        let (gso, gso_size) = match gso {
            None => (ffi::XENPV_RX_GSO_NONE, 0),
            Some((GsoKind::TcpV4, size)) => (ffi::XENPV_RX_GSO_V4, size.get()),
            Some((GsoKind::TcpV6, size)) => (ffi::XENPV_RX_GSO_V6, size.get()),
        };
        let (skb, checksum) = (self.skb.into_raw(), checksum as u32);
        // SAFETY: By the type invariant this is a packet for `napi` and its reference is ours to give away; a `Napi`
        // is only seen within its poll.
        unsafe { ffi::xenpv_rx_deliver(self.napi.as_raw(), skb, checksum, gso, gso_size) }
    }
}
