// SPDX-License-Identifier: GPL-2.0-only
//! Rings: requests out, responses back.
use ring::{BackRing, FrontRing, RingViolation, SharedU32};
use xen_sys::blkif::{BlkifRequest, BlkifResponse, BlkifRwRequest, BlkifSegment, OP_READ};
use xen_sys::netif::{NetifTxRequest, NetifTxResponse, NetifTxSlot, TxFlags};
use xen_sys::{GrantRef, PAGE_SIZE};

use crate::c::{both_rounds, Block, CBack, CFront, CRing, NetTx};
use crate::memory::Page;
use crate::Case;

/// A ring's device: what it asks and answers.
pub trait Device: CRing + 'static {
    /// The `n`-th request.
    fn request(n: u32) -> Self::Req;
    /// The answer to a request.
    fn answer(request: &Self::Req) -> Self::Rsp;
    /// What a driver looks at in a response.
    fn sum(response: &Self::Rsp) -> u64;
}

impl Device for Block {
    fn request(n: u32) -> BlkifRequest {
        let mut request = BlkifRwRequest::new(OP_READ, 0xca00, n.into(), u64::from(n) * 8);
        request.nr_segments = 1;
        request.segments[0] = BlkifSegment::new(GrantRef(n + 8), 0, 7);
        request.into()
    }

    #[inline]
    fn answer(request: &BlkifRequest) -> BlkifResponse {
        BlkifResponse::new(request.id(), request.operation(), xen_sys::blkif::RSP_OKAY)
    }

    #[inline]
    fn sum(response: &BlkifResponse) -> u64 {
        response.id.wrapping_add(u64::from(response.status as u16))
    }
}

impl Device for NetTx {
    fn request(n: u32) -> NetifTxSlot {
        NetifTxRequest {
            gref: GrantRef(n + 8),
            offset: 64,
            flags: TxFlags::empty(),
            id: n as u16,
            size: 1500,
        }
        .into()
    }

    #[inline]
    fn answer(request: &NetifTxSlot) -> NetifTxResponse {
        NetifTxResponse {
            id: request.as_request().id,
            status: xen_sys::netif::RSP_OKAY,
        }
    }

    #[inline]
    fn sum(response: &NetifTxResponse) -> u64 {
        u64::from(response.id) + u64::from(response.status as u16)
    }
}

/// Our frontend's half of a device's ring.
pub type Front<D> = FrontRing<<D as CRing>::Req, <D as CRing>::Rsp>;
/// Our backend's half of a device's ring.
pub type Back<D> = BackRing<<D as CRing>::Req, <D as CRing>::Rsp>;

/// Requests numbered from 0 on, in the middle of a page.
///
/// A processor takes a load for one of what was just stored when both are at the same place of their pages. A ring's
/// slots begin at the start of a page; so neither side meets that, or meets it more often than the other.
struct Requests<D: Device> {
    all: Vec<D::Req>,
    start: usize,
}

impl<D: Device> Requests<D> {
    fn new(count: u32) -> Self {
        let size = size_of::<D::Req>();
        let to_choose = PAGE_SIZE / size + 1;
        let mut all = vec![D::request(0); to_choose + count as usize];
        let place = |index: usize| (all.as_ptr() as usize + index * size) % PAGE_SIZE;
        let middle = PAGE_SIZE / 2..PAGE_SIZE / 2 + size;
        let start = (0..=to_choose).find(|&index| middle.contains(&place(index)));
        let start = start.expect("steps smaller than a page meet its middle");
        for (n, request) in (0..count).zip(&mut all[start..]) {
            *request = D::request(n);
        }
        all.truncate(start + count as usize);
        Self { all, start }
    }

    fn as_slice(&self) -> &[D::Req] {
        &self.all[self.start..]
    }
}

/// A frontend, and a peer that says of every slot that it is answered.
struct Alone<D: Device> {
    front: Front<D>,
    req_prod: SharedU32,
    req_event: SharedU32,
    rsp_prod: SharedU32,
}

impl<D: Device> Alone<D> {
    fn new() -> Self {
        let memory = Page::new().shared();
        let front = FrontRing::new(&memory).expect("a page is large enough");
        let cell = |offset| memory.u32_at(offset).expect("inside of the page");
        Self {
            front,
            req_prod: cell(0),
            req_event: cell(4),
            rsp_prod: cell(8),
        }
    }

    #[inline(never)]
    fn rounds(&mut self, requests: &[D::Req], rounds: u64) -> u64 {
        use std::sync::atomic::Ordering::Relaxed;
        let mut sum = 0u64;
        for _ in 0..rounds {
            sum = sum.wrapping_add(send::<D>(&mut self.front, requests));
            let event = self.req_prod.load(Relaxed).wrapping_add(1);
            self.req_event.store(event, Relaxed);
            self.rsp_prod.store(self.req_prod.load(Relaxed), Relaxed);
            sum = sum.wrapping_add(collect::<D>(&mut self.front));
        }
        sum
    }
}

/// Pushes all requests and shows them. 1 if the peer is to be told.
#[inline(never)]
fn send<D: Device>(front: &mut Front<D>, requests: &[D::Req]) -> u64 {
    for request in requests {
        if front.push_request(request).is_err() {
            return u64::MAX;
        }
    }
    front.push_requests_and_check_notify().is_needed().into()
}

/// Takes all responses.
#[inline(never)]
fn collect<D: Device>(front: &mut Front<D>) -> u64 {
    try_collect::<D>(front).unwrap_or(u64::MAX)
}

#[inline(always)]
fn try_collect<D: Device>(front: &mut Front<D>) -> Result<u64, RingViolation> {
    let mut sum = 0u64;
    loop {
        while let Some(response) = front.next_response()? {
            sum = sum.wrapping_add(D::sum(&response));
        }
        if !front.final_check_for_responses()? {
            return Ok(sum);
        }
    }
}

/// Answers all requests; says how often the peer is to be told.
#[inline(never)]
fn serve<D: Device>(back: &mut Back<D>) -> u64 {
    try_serve::<D>(back).unwrap_or(u64::MAX)
}

#[inline(always)]
fn try_serve<D: Device>(back: &mut Back<D>) -> Result<u64, RingViolation> {
    let mut notifies = 0u64;
    loop {
        while let Some(request) = back.next_request()? {
            // A backend looks at all of it; without this, C would copy what the answer needs.
            let request = std::hint::black_box(&request);
            // The ring has room for the answer to each request.
            let _ = back.push_response(&D::answer(request));
        }
        notifies += u64::from(back.push_responses_and_check_notify().is_needed());
        if !back.final_check_for_requests()? {
            return Ok(notifies);
        }
    }
}

#[inline(never)]
fn both<D: Device>(
    front: &mut Front<D>,
    back: &mut Back<D>,
    requests: &[D::Req],
    rounds: u64,
) -> u64 {
    let mut sum = 0u64;
    for _ in 0..rounds {
        sum = sum.wrapping_add(send::<D>(front, requests));
        sum = sum.wrapping_add(serve::<D>(back));
        sum = sum.wrapping_add(collect::<D>(front));
    }
    sum
}

fn front_case<D: Device>(name: &'static str, items: u32) -> Case {
    let mut rust = Alone::<D>::new();
    let mut c = CFront::<D>::new(Page::new(), 0);
    let (ours, theirs) = (Requests::<D>::new(items), Requests::<D>::new(items));
    Case {
        name,
        items,
        rust: Box::new(move |rounds| rust.rounds(ours.as_slice(), rounds)),
        c: Box::new(move |rounds| c.rounds(theirs.as_slice(), rounds)),
    }
}

fn both_case<D: Device>(name: &'static str, items: u32) -> Case {
    let memory = Page::new().shared();
    let mut front = FrontRing::new(&memory).expect("a page is large enough");
    let mut back = BackRing::attach(&memory).expect("a page is large enough");
    let page = Page::new();
    let mut c_front = CFront::<D>::new(page, 0);
    let mut c_back = CBack::<D>::new(page, 0);
    let (ours, theirs) = (Requests::<D>::new(items), Requests::<D>::new(items));
    Case {
        name,
        items,
        rust: Box::new(move |rounds| both::<D>(&mut front, &mut back, ours.as_slice(), rounds)),
        c: Box::new(move |rounds| {
            both_rounds(&mut c_front, &mut c_back, theirs.as_slice(), rounds)
        }),
    }
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        front_case::<Block>("block ring, front, 1 in flight", 1),
        front_case::<Block>("block ring, front, 32 in flight", 32),
        front_case::<NetTx>("net ring, front, 1 in flight", 1),
        front_case::<NetTx>("net ring, front, 64 in flight", 64),
        both_case::<Block>("block ring, front and back, 8", 8),
        both_case::<NetTx>("net ring, front and back, 64", 64),
    ]
}
