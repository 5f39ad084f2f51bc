// SPDX-License-Identifier: GPL-2.0-only
//! One packet, owned (`struct sk_buff`).

use core::{ffi::c_void, mem::ManuallyDrop, num::NonZeroU16, ptr::NonNull};
use kernel::{bindings::sk_buff, error::to_result, prelude::*};

use crate::{ffi, Napi};

/// Most pages that a packet has behind its linear part (`MAX_SKB_FRAGS`).
pub const MAX_FRAGS: usize = kernel::bindings::CONFIG_MAX_SKB_FRAGS as usize;

/// Contiguous bytes of a packet; `offset` and `len` may span pages.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Fragment {
    /// Page frame number that `offset` counts from.
    pub pfn: u64,
    /// First byte.
    pub offset: u32,
    /// Bytes.
    pub len: u32,
}

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

    /// All headers are known to be in the linear part.
    #[inline]
    pub fn headers_linear(self) -> bool {
        self.0 & ffi::XENPV_TX_HEADERS_LINEAR != 0
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

    /// The linear part: at least the link-level header, for most packets all headers.
    #[inline]
    pub fn head(&self) -> &[u8] {
        let skb = self.as_ref();
        let len = skb.len.saturating_sub(skb.data_len) as usize;
        // SAFETY: The linear part is `skb_headlen()` bytes at `data`. While references are held nobody writes to it:
        // the stack copies a packet before it changes one.
        unsafe { core::slice::from_raw_parts(skb.data, len) }
    }

    /// To be called once on each packet that is about to be sent: takes its software timestamp and says what the
    /// stack knows about it. Within `start_xmit` only.
    #[inline]
    pub fn begin_transmit(&mut self) -> TxInfo {
        // SAFETY: By the type invariant.
        TxInfo(unsafe { ffi::xenpv_skb_tx_begin(self.0.as_ptr()) })
    }

    /// Where the packet lies, linear part first; `None` if it has too many parts to say so.
    #[inline]
    pub fn fragments<'a>(&self, into: &'a mut [Fragment; MAX_FRAGS + 1]) -> Option<&'a [Fragment]> {
        // SAFETY: By the type invariant; there is room for as many fragments as the function is told.
        let count = unsafe {
            ffi::xenpv_skb_fragments(self.0.as_ptr(), into.as_mut_ptr(), into.len() as u32)
        };
        into.get(..count as usize)
    }

    /// Copies `into.len()` bytes of the packet from `offset` on, from wherever they are.
    ///
    /// # Errors
    /// `EFAULT` when the packet is shorter.
    pub fn copy_bits(&self, offset: u32, into: &mut [u8]) -> Result {
        let len = u32::try_from(into.len())?;
        // SAFETY: By the type invariant, and `into` has room for `len` bytes. The function checks the bounds.
        to_result(unsafe {
            ffi::xenpv_skb_copy_bits(self.0.as_ptr(), offset, into.as_mut_ptr().cast(), len)
        })
    }

    /// Gathers the whole packet in its linear part.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn linearize(&mut self) -> Result {
        // SAFETY: By the type invariant. The interface's flags say that it takes no shared packets, so the one
        // reference in `start_xmit` is ours.
        to_result(unsafe { ffi::xenpv_skb_linearize(self.0.as_ptr()) })
    }

    /// Another reference to the same packet.
    #[inline]
    pub fn another(&self) -> Self {
        // SAFETY: By the type invariant.
        let skb = unsafe { ffi::xenpv_skb_get(self.0.as_ptr()) };
        // INVARIANT: `skb_get` returns its argument and has counted a reference, which is now this value's.
        // SAFETY: The argument was not null.
        Self(unsafe { NonNull::new_unchecked(skb) })
    }

    /// Drops the reference of a packet that was sent, in any context.
    #[inline]
    pub fn consume(self) {
        // SAFETY: By the type invariant; `into_raw` gives up the reference.
        unsafe { ffi::xenpv_skb_consume_any(self.into_raw().as_ptr().cast()) };
    }

    /// Drops the reference of a packet that was sent, within a poll of `budget`.
    #[inline]
    pub fn consume_in_poll(self, budget: u32) {
        let budget = i32::try_from(budget).unwrap_or(1);
        // SAFETY: By the type invariant; `into_raw` gives up the reference. A budget above 0 says that this is the
        // softirq of a poll; 0 says that it may be any context.
        unsafe { ffi::napi_consume_skb(self.into_raw().as_ptr().cast(), budget) };
    }

    /// Gives up the reference, for [`RELEASE_SKB`] to drop.
    #[inline]
    pub fn into_raw(self) -> NonNull<c_void> {
        ManuallyDrop::new(self).0.cast()
    }

    /// Takes back what [`into_raw`](Self::into_raw) gave up.
    ///
    /// # Safety
    ///
    /// `raw` comes from [`into_raw`](Self::into_raw) and its reference was not dropped or taken back since.
    #[inline]
    pub unsafe fn from_owned_raw(raw: NonNull<c_void>) -> Self {
        // INVARIANT: As the caller promises, this is the reference that `into_raw` gave up.
        Self(raw.cast())
    }
}

impl Drop for Skb {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, and nobody has the reference after this.
        unsafe { ffi::xenpv_skb_drop_any(self.0.as_ptr()) };
    }
}

/// Drops a packet that [`Skb::into_raw`] gave up, in process context. A function of the kernel itself, so that a
/// pointer to it stays good when the driver is gone.
///
/// # Safety
///
/// The pointer comes from [`Skb::into_raw`], and nobody uses or drops it later.
pub const RELEASE_SKB: unsafe extern "C" fn(skb: *mut c_void) = ffi::consume_skb;

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

/// A received packet in the making.
///
/// # Invariants
///
/// The packet is nobody else's, and `napi` is the one it was allocated for.
pub struct RxSkb<'a> {
    skb: Skb,
    napi: &'a Napi,
    pages: usize,
}

impl<'a> RxSkb<'a> {
    /// A packet of the `len` bytes at `data`, copied once. `None` without memory.
    ///
    /// # Safety
    ///
    /// `data` is the address of at least `len` bytes that stay mapped. Others may change them meanwhile.
    #[inline]
    pub unsafe fn copied(napi: &'a Napi, data: NonNull<u8>, len: u32) -> Option<Self> {
        // SAFETY: A `Napi` is only ever seen within its poll, where this may be called; the bytes are as promised.
        let skb = unsafe { ffi::xenpv_rx_copied(napi.as_raw(), data.as_ptr().cast(), len) };
        Self::new(napi, skb)
    }

    /// A packet without data, for [`add_page`](Self::add_page). `None` without memory.
    #[inline]
    pub fn with_pages(napi: &'a Napi) -> Option<Self> {
        // SAFETY: As in `copied`.
        let skb = unsafe { ffi::xenpv_rx_begin(napi.as_raw()) };
        Self::new(napi, skb)
    }

    #[inline]
    fn new(napi: &'a Napi, skb: *mut sk_buff) -> Option<Self> {
        // INVARIANT: A new packet's only reference is ours, and `napi` is what it was allocated for.
        Some(Self {
            skb: Skb(NonNull::new(skb)?),
            napi,
            pages: 0,
        })
    }

    /// Appends `len` bytes at `offset` of the page, which the packet takes over, or gives the page back when the
    /// packet has [`MAX_FRAGS`] or the bytes are not in the page.
    #[inline]
    pub fn add_page(
        &mut self,
        page: linux::page::Page,
        offset: u32,
        len: u32,
    ) -> Result<(), linux::page::Page> {
        let end = offset.saturating_add(len) as usize;
        if self.pages >= MAX_FRAGS || end > kernel::page::PAGE_SIZE {
            return Err(page);
        }
        self.pages += 1;
        let address = page.into_kernel();
        // SAFETY: There is a free fragment, as just checked. The page was an owned one of at least a page's bytes;
        // its reference passes to the packet.
        unsafe { ffi::xenpv_rx_add_page(self.skb.0.as_ptr(), address.as_ptr(), offset, len) };
        Ok(())
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
        let (skb, checksum) = (self.skb.into_raw().as_ptr().cast(), checksum as u32);
        // SAFETY: By the type invariant this is a packet for `napi` and its reference is ours to give away; a `Napi`
        // is only seen within its poll.
        unsafe { ffi::xenpv_rx_deliver(self.napi.as_raw(), skb, checksum, gso, gso_size) }
    }
}
