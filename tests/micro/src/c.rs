// SPDX-License-Identifier: GPL-2.0-only
//! The C side behind safe types. What is unsafe of this crate is here, in `memory` and in `instructions`.
use std::ffi::{c_int, c_void};
use std::marker::PhantomData;

use ring::Slot;
use xen_sys::blkif::{BlkifRequest, BlkifResponse};
use xen_sys::netif::{NetifTxResponse, NetifTxSlot};
use xen_sys::{Domid, Gfn, GrantRef, PAGE_SIZE};

use crate::memory::Page;

/// `struct …_front_ring` or `struct …_back_ring`, which look the same for every ring.
#[repr(C)]
struct CHalf {
    produced: u32,
    consumed: u32,
    nr_ents: u32,
    sring: *mut c_void,
}

impl CHalf {
    const NONE: Self = Self {
        produced: 0,
        consumed: 0,
        nr_ents: 0,
        sring: std::ptr::null_mut(),
    };
}

type Init = unsafe extern "C" fn(*mut CHalf, *mut c_void, u32, u32);
type Ask = unsafe extern "C" fn(*mut CHalf) -> c_int;
type Push<T> = unsafe extern "C" fn(*mut CHalf, *const T) -> c_int;
type Fill<T> = unsafe extern "C" fn(*mut CHalf, *mut T) -> c_int;

/// The functions that `c/ring.c` has for one kind of ring.
pub struct RingFunctions<Req, Rsp> {
    front_init: Init,
    front_push: Push<Req>,
    front_publish: Ask,
    front_next: Fill<Rsp>,
    front_final_check: Ask,
    back_init: Init,
    back_next: Fill<Req>,
    back_push: Push<Rsp>,
    back_publish: Ask,
    back_final_check: Ask,
    front_rounds: unsafe extern "C" fn(*mut CHalf, *const Req, u32, u64) -> u64,
    both_rounds: unsafe extern "C" fn(*mut CHalf, *mut CHalf, *const Req, u32, u64) -> u64,
}

/// A kind of ring that C knows.
pub trait CRing: Sized {
    /// What the frontend sends.
    type Req: Slot + 'static;
    /// What comes back.
    type Rsp: Slot + 'static;
    /// C's functions for it.
    const FUNCTIONS: &'static RingFunctions<Self::Req, Self::Rsp>;
}

/// Declares a ring's C functions, and the type that stands for the ring.
macro_rules! c_ring {
    ($(#[$doc:meta])* $ring:ident: $req:ty, $rsp:ty, {$($field:ident: $function:ident($($arg:ty),*) -> $ret:ty;)*}) => {
        extern "C" {
            $(fn $function(_: *mut CHalf $(, _: $arg)*) -> $ret;)*
        }

        $(#[$doc])*
        pub struct $ring;

        impl CRing for $ring {
            type Req = $req;
            type Rsp = $rsp;
            const FUNCTIONS: &'static RingFunctions<$req, $rsp> = &RingFunctions { $($field: $function,)* };
        }
    };
}

c_ring! {
    /// A disk's ring.
    Block: BlkifRequest, BlkifResponse, {
        front_init: micro_blkif_front_init(*mut c_void, u32, u32) -> ();
        front_push: micro_blkif_front_push(*const BlkifRequest) -> c_int;
        front_publish: micro_blkif_front_publish() -> c_int;
        front_next: micro_blkif_front_next(*mut BlkifResponse) -> c_int;
        front_final_check: micro_blkif_front_final_check() -> c_int;
        back_init: micro_blkif_back_init(*mut c_void, u32, u32) -> ();
        back_next: micro_blkif_back_next(*mut BlkifRequest) -> c_int;
        back_push: micro_blkif_back_push(*const BlkifResponse) -> c_int;
        back_publish: micro_blkif_back_publish() -> c_int;
        back_final_check: micro_blkif_back_final_check() -> c_int;
        front_rounds: micro_blkif_front_rounds(*const BlkifRequest, u32, u64) -> u64;
        both_rounds: micro_blkif_both_rounds(*mut CHalf, *const BlkifRequest, u32, u64) -> u64;
    }
}

c_ring! {
    /// A network interface's transmit ring.
    NetTx: NetifTxSlot, NetifTxResponse, {
        front_init: micro_netif_tx_front_init(*mut c_void, u32, u32) -> ();
        front_push: micro_netif_tx_front_push(*const NetifTxSlot) -> c_int;
        front_publish: micro_netif_tx_front_publish() -> c_int;
        front_next: micro_netif_tx_front_next(*mut NetifTxResponse) -> c_int;
        front_final_check: micro_netif_tx_front_final_check() -> c_int;
        back_init: micro_netif_tx_back_init(*mut c_void, u32, u32) -> ();
        back_next: micro_netif_tx_back_next(*mut NetifTxSlot) -> c_int;
        back_push: micro_netif_tx_back_push(*const NetifTxResponse) -> c_int;
        back_publish: micro_netif_tx_back_publish() -> c_int;
        back_final_check: micro_netif_tx_back_final_check() -> c_int;
        front_rounds: micro_netif_tx_front_rounds(*const NetifTxSlot, u32, u64) -> u64;
        both_rounds: micro_netif_tx_both_rounds(*mut CHalf, *const NetifTxSlot, u32, u64) -> u64;
    }
}

/// What a C half says to "is there another one?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<T> {
    /// This one.
    Some(T),
    /// Not now.
    None,
    /// The peer's index cannot be true.
    Violation,
}

/// Calls a C function that fills a slot in and says whether it did.
fn next<T: Slot>(call: impl FnOnce(*mut T) -> c_int) -> Next<T> {
    let mut slot = T::new_zeroed();
    match call(&mut slot) {
        1 => Next::Some(slot),
        0 => Next::None,
        _ => Next::Violation,
    }
}

/// The frontend's half of a ring by Xen's macros.
pub struct CFront<R: CRing> {
    half: CHalf,
    kind: PhantomData<fn() -> R>,
}

// SAFETY: the pointer in `half` is to a page that may be used from any thread and lives for ever.
unsafe impl<R: CRing> Send for CFront<R> {}

/// The backend's half of a ring by Xen's macros.
pub struct CBack<R: CRing> {
    half: CHalf,
    kind: PhantomData<fn() -> R>,
}

// SAFETY: as for `CFront`.
unsafe impl<R: CRing> Send for CBack<R> {}

// In this file's calls of `R::FUNCTIONS`, the half was made by the same ring's init function over a whole page that
// lives for ever (`Page`), and is borrowed exclusively for the call.
impl<R: CRing> CFront<R> {
    /// Makes a ring in `page`, with all indices at `index`.
    pub fn new(page: Page, index: u32) -> Self {
        let mut half = CHalf::NONE;
        // SAFETY: the page has that many bytes, and is aligned.
        unsafe { (R::FUNCTIONS.front_init)(&mut half, page.address(), PAGE_SIZE as u32, index) };
        Self {
            half,
            kind: PhantomData,
        }
    }

    /// Writes a request into the next slot, if there is one.
    pub fn push(&mut self, request: &R::Req) -> bool {
        // SAFETY: see above the impl.
        unsafe { (R::FUNCTIONS.front_push)(&mut self.half, request) == 1 }
    }

    /// `RING_PUSH_REQUESTS_AND_CHECK_NOTIFY`.
    pub fn publish(&mut self) -> bool {
        // SAFETY: see above the impl.
        unsafe { (R::FUNCTIONS.front_publish)(&mut self.half) != 0 }
    }

    /// The next response.
    pub fn next_response(&mut self) -> Next<R::Rsp> {
        // SAFETY: see above the impl.
        next(|slot| unsafe { (R::FUNCTIONS.front_next)(&mut self.half, slot) })
    }

    /// `RING_FINAL_CHECK_FOR_RESPONSES`.
    pub fn final_check(&mut self) -> bool {
        // SAFETY: see above the impl.
        unsafe { (R::FUNCTIONS.front_final_check)(&mut self.half) != 0 }
    }

    /// The timed loop of the frontend alone, which finds its responses where its requests were.
    pub fn rounds(&mut self, requests: &[R::Req], rounds: u64) -> u64 {
        let (start, count) = (requests.as_ptr(), requests.len() as u32);
        // SAFETY: see above the impl; `start` is that of `count` requests.
        unsafe { (R::FUNCTIONS.front_rounds)(&mut self.half, start, count, rounds) }
    }
}

impl<R: CRing> CBack<R> {
    /// Joins the ring in `page`, all of whose indices are `index`.
    pub fn new(page: Page, index: u32) -> Self {
        let mut half = CHalf::NONE;
        // SAFETY: the page has that many bytes, and is aligned.
        unsafe { (R::FUNCTIONS.back_init)(&mut half, page.address(), PAGE_SIZE as u32, index) };
        Self {
            half,
            kind: PhantomData,
        }
    }

    /// The next request.
    pub fn next_request(&mut self) -> Next<R::Req> {
        // SAFETY: see above the impl.
        next(|slot| unsafe { (R::FUNCTIONS.back_next)(&mut self.half, slot) })
    }

    /// Writes a response into the next slot, if a request is unanswered.
    pub fn push(&mut self, response: &R::Rsp) -> bool {
        // SAFETY: see above the impl.
        unsafe { (R::FUNCTIONS.back_push)(&mut self.half, response) == 1 }
    }

    /// `RING_PUSH_RESPONSES_AND_CHECK_NOTIFY`.
    pub fn publish(&mut self) -> bool {
        // SAFETY: see above the impl.
        unsafe { (R::FUNCTIONS.back_publish)(&mut self.half) != 0 }
    }

    /// `RING_FINAL_CHECK_FOR_REQUESTS`.
    pub fn final_check(&mut self) -> bool {
        // SAFETY: see above the impl.
        unsafe { (R::FUNCTIONS.back_final_check)(&mut self.half) != 0 }
    }
}

/// The timed loop of both sides.
pub fn both_rounds<R: CRing>(
    front: &mut CFront<R>,
    back: &mut CBack<R>,
    requests: &[R::Req],
    rounds: u64,
) -> u64 {
    let (start, count) = (requests.as_ptr(), requests.len() as u32);
    // SAFETY: see above `impl CFront`; `start` is that of `count` requests.
    unsafe { (R::FUNCTIONS.both_rounds)(&mut front.half, &mut back.half, start, count, rounds) }
}

extern "C" {
    fn micro_handle_event(sum: *mut u64, port: u32);

    fn micro_grants_new(references: u32) -> *mut c_void;
    fn micro_grants_allocate(grants: *mut c_void, out: *mut GrantRef, count: u32) -> c_int;
    fn micro_grants_free(grants: *mut c_void, reference: GrantRef);
    fn micro_grants_grant(
        grants: *mut c_void,
        reference: GrantRef,
        domid: Domid,
        frame: Gfn,
        readonly: c_int,
    );
    fn micro_grants_end(grants: *mut c_void, reference: GrantRef) -> c_int;
    fn micro_grants_rounds(grants: *mut c_void, count: u32, rounds: u64) -> u64;
    fn micro_grants_page_rounds(grants: *mut c_void, rounds: u64) -> u64;

    fn micro_events_new() -> *mut c_void;
    fn micro_events_bind(events: *mut c_void, port: u32);
    fn micro_events_send(events: *mut c_void, selected: u64, bits: u64);
    fn micro_events_upcall(events: *mut c_void, sum: *mut u64) -> u32;
    fn micro_events_rounds(events: *mut c_void, selected: u64, bits: u64, rounds: u64) -> u64;

    fn micro_store_encode(
        buffer: *mut u8,
        kind: u32,
        req_id: u32,
        tx_id: u32,
        parts: *const CPart,
        count: u64,
    ) -> u64;
    fn micro_store_encode_rounds(
        buffer: *mut u8,
        kind: u32,
        parts: *const CPart,
        count: u64,
        rounds: u64,
    ) -> u64;
    fn micro_store_read_rounds(
        reader: *mut CReader,
        message: *const u8,
        len: u64,
        rounds: u64,
    ) -> u64;
    fn micro_store_split(payload: *const u8, len: u64) -> u64;
    fn micro_store_split_rounds(payload: *const u8, len: u64, rounds: u64) -> u64;
}

/// What both sides call for each event.
#[inline]
pub fn handle_event(sum: &mut u64, port: u32) {
    // SAFETY: the function does arithmetic on the two and nothing else.
    unsafe { micro_handle_event(sum, port) };
}

/// The most references that [`CGrants::rounds`] takes at a time.
pub const MOST_REFERENCES: u32 = 64;

/// C's grant table. It is never freed.
pub struct CGrants(*mut c_void);

// In the calls below, the pointer is what `micro_…_new` returned, and is used by this value alone.
impl CGrants {
    /// A table of so many references, the first eight of which are reserved.
    pub fn new(references: u32) -> Self {
        // SAFETY: allocates.
        Self(unsafe { micro_grants_new(references) })
    }

    /// Fills `out` with free references, if there are as many.
    pub fn allocate(&mut self, out: &mut [GrantRef]) -> bool {
        // SAFETY: see above the impl; `out` has room for as many.
        unsafe { micro_grants_allocate(self.0, out.as_mut_ptr(), out.len() as u32) == 1 }
    }

    /// Gives a reference back that [`allocate`](Self::allocate) gave.
    ///
    /// # Safety
    /// C does not check whether it is one.
    pub unsafe fn free(&mut self, reference: GrantRef) {
        // SAFETY: see above the impl; the reference is the caller's.
        unsafe { micro_grants_free(self.0, reference) };
    }

    /// Grants a frame by a reference that [`allocate`](Self::allocate) gave, and ends it: whether nobody used it.
    ///
    /// # Safety
    /// C does not check whether it is one.
    pub unsafe fn grant_and_end(&mut self, reference: GrantRef, domid: Domid, gfn: Gfn) -> bool {
        // SAFETY: see above the impl; the reference is the caller's.
        unsafe {
            micro_grants_grant(self.0, reference, domid, gfn, 0);
            micro_grants_end(self.0, reference) == 1
        }
    }

    /// The timed loop: allocate `count` references, free them.
    pub fn rounds(&mut self, count: u32, rounds: u64) -> u64 {
        assert!(count <= MOST_REFERENCES);
        // SAFETY: see above the impl; the function has room for `count` references.
        unsafe { micro_grants_rounds(self.0, count, rounds) }
    }

    /// The timed loop: allocate a reference, grant a frame, end that, free the reference.
    pub fn page_rounds(&mut self, rounds: u64) -> u64 {
        // SAFETY: see above the impl.
        unsafe { micro_grants_page_rounds(self.0, rounds) }
    }
}

/// C's shared_info and one vCPU. It is never freed.
pub struct CEvents(*mut c_void);

impl Default for CEvents {
    fn default() -> Self {
        Self::new()
    }
}

impl CEvents {
    /// No port bound.
    pub fn new() -> Self {
        // SAFETY: allocates.
        Self(unsafe { micro_events_new() })
    }

    /// Lets the vCPU serve `port`.
    pub fn bind(&mut self, port: u32) {
        assert!(port < event_channel::PORTS);
        // SAFETY: see above `impl CGrants`; there is such a port.
        unsafe { micro_events_bind(self.0, port) };
    }

    /// Sets `bits` in each selected word, and tells the vCPU.
    pub fn send(&mut self, selected: u64, bits: u64) {
        // SAFETY: see above `impl CGrants`.
        unsafe { micro_events_send(self.0, selected, bits) };
    }

    /// An upcall; says how many events were delivered.
    pub fn upcall(&mut self, sum: &mut u64) -> u32 {
        // SAFETY: see above `impl CGrants`.
        unsafe { micro_events_upcall(self.0, sum) }
    }

    /// The timed loop: send, serve.
    pub fn rounds(&mut self, selected: u64, bits: u64, rounds: u64) -> u64 {
        // SAFETY: see above `impl CGrants`.
        unsafe { micro_events_rounds(self.0, selected, bits, rounds) }
    }
}

/// One part of a message's payload.
#[repr(C)]
pub struct CPart {
    base: *const u8,
    len: u64,
}

impl CPart {
    /// Parts for C; they must not outlive `parts`, or C reads what is gone.
    fn of(parts: &[&[u8]]) -> Vec<Self> {
        let part = |bytes: &&[u8]| Self {
            base: bytes.as_ptr(),
            len: bytes.len() as u64,
        };
        parts.iter().map(part).collect()
    }
}

/// The longest message.
pub const MESSAGE_MAX: usize = xenbus::wire::HEADER_LEN + xenbus::wire::PAYLOAD_MAX;

/// C's encoder. Returns the length of the message, 0 if it would be too long.
pub fn store_encode(
    buffer: &mut [u8; MESSAGE_MAX],
    kind: u32,
    req_id: u32,
    tx_id: u32,
    parts: &[&[u8]],
) -> usize {
    let parts = CPart::of(parts);
    let (to, from, count) = (buffer.as_mut_ptr(), parts.as_ptr(), parts.len() as u64);
    // SAFETY: the buffer holds the longest message, and C writes no longer one.
    unsafe { micro_store_encode(to, kind, req_id, tx_id, from, count) as usize }
}

/// The timed loop of the encoder.
pub fn store_encode_rounds(
    buffer: &mut [u8; MESSAGE_MAX],
    kind: u32,
    parts: &[&[u8]],
    rounds: u64,
) -> u64 {
    let parts = CPart::of(parts);
    let (to, from, count) = (buffer.as_mut_ptr(), parts.as_ptr(), parts.len() as u64);
    // SAFETY: as in `store_encode`.
    unsafe { micro_store_encode_rounds(to, kind, from, count, rounds) }
}

/// Room for C's reader of messages, which starts as zeroes.
#[repr(C, align(64))]
pub struct CReader([u8; MESSAGE_MAX + 64]);

impl Default for CReader {
    fn default() -> Self {
        Self::new()
    }
}

impl CReader {
    /// A reader between two messages.
    pub fn new() -> Self {
        Self([0; MESSAGE_MAX + 64])
    }

    /// The timed loop: reads one message again and again.
    pub fn rounds(&mut self, message: &[u8], rounds: u64) -> u64 {
        let (start, len) = (message.as_ptr(), message.len() as u64);
        // SAFETY: the reader has the size that C needs (asserted there), the message is `len` bytes long.
        unsafe { micro_store_read_rounds(self, start, len, rounds) }
    }
}

/// C's walk over a list of strings, the last of which must end in a NUL.
pub fn store_split(payload: &[u8]) -> u64 {
    assert_eq!(payload.last(), Some(&0));
    // SAFETY: C stops at the NUL that ends the payload.
    unsafe { micro_store_split(payload.as_ptr(), payload.len() as u64) }
}

/// The timed loop of the walk.
pub fn store_split_rounds(payload: &[u8], rounds: u64) -> u64 {
    assert_eq!(payload.last(), Some(&0));
    // SAFETY: as in `store_split`.
    unsafe { micro_store_split_rounds(payload.as_ptr(), payload.len() as u64, rounds) }
}
