// SPDX-License-Identifier: GPL-2.0-only
//! Our half of a ring against the other half by Xen's own macros.
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use micro::c::{Block, CBack, CFront, NetTx, Next};
use micro::memory::Page;
use micro::rings::{Back, Device, Front};

/// Indices at which the rings start: far from the wrap, and just before it.
const STARTS: [u32; 3] = [0, 77, u32::MAX - 3];

/// A step of a frontend or a backend, chosen by a number.
fn choices(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        state >> 33
    })
}

/// Both pairs (our front with C's back, C's front with our back) do the same steps and must agree at each.
fn agree<D: Device>(start: u32, seed: u64)
where
    D::Req: PartialEq + std::fmt::Debug,
    D::Rsp: PartialEq + std::fmt::Debug,
{
    let (ours, theirs) = (Page::new(), Page::new());
    let mut front = Front::<D>::starting_at(&ours.shared(), start).unwrap();
    let mut c_back = CBack::<D>::new(ours, start);
    let mut c_front = CFront::<D>::new(theirs, start);
    let mut back = Back::<D>::attach(&theirs.shared()).unwrap();
    let (mut sent, mut served, mut seen) = (0, 0, 0);
    for choice in choices(seed).take(3000) {
        match choice % 6 {
            0 | 1 => {
                let pushed = front.push_request(&D::request(sent)).is_ok();
                assert_eq!(c_front.push(&D::request(sent)), pushed);
                sent += u32::from(pushed);
            }
            2 => {
                let notify = front.push_requests_and_check_notify().is_needed();
                assert_eq!(c_front.publish(), notify);
            }
            3 => {
                let request = back.next_request().unwrap();
                assert_eq!(
                    c_back.next_request(),
                    request.map_or(Next::None, Next::Some)
                );
                if let Some(request) = request {
                    assert_eq!(request, D::request(served));
                    back.push_response(&D::answer(&request)).unwrap();
                    assert!(c_back.push(&D::answer(&request)));
                    served += 1;
                }
            }
            4 => {
                let notify = back.push_responses_and_check_notify().is_needed();
                assert_eq!(c_back.publish(), notify);
                assert_eq!(back.final_check_for_requests(), Ok(c_back.final_check()));
            }
            _ => {
                let response = front.next_response().unwrap();
                assert_eq!(
                    c_front.next_response(),
                    response.map_or(Next::None, Next::Some)
                );
                if let Some(response) = response {
                    assert_eq!(response, D::answer(&D::request(seen)));
                    seen += 1;
                } else {
                    assert_eq!(front.final_check_for_responses(), Ok(c_front.final_check()));
                }
            }
        }
    }
    assert!(seen > 100, "hardly anything went through: {seen}");
}

#[test]
fn every_step_is_that_of_the_macros() {
    for start in STARTS {
        for seed in 0..20 {
            agree::<Block>(start, seed);
            agree::<NetTx>(start, seed);
        }
    }
}

#[test]
fn both_call_the_same_indices_impossible() {
    for (claimed, possible) in [(1, true), (33, false), (u32::MAX, false)] {
        let (ours, theirs) = (Page::new(), Page::new());
        let mut front = Front::<Block>::new(&ours.shared()).unwrap();
        let mut c_front = CFront::<Block>::new(theirs, 0);
        for n in 0..2 {
            front.push_request(&Block::request(n)).unwrap();
            assert!(c_front.push(&Block::request(n)));
        }
        let _ = front.push_requests_and_check_notify();
        let _ = c_front.publish();
        for page in [ours, theirs] {
            let rsp_prod = page.shared().u32_at(8).unwrap();
            rsp_prod.store(claimed, std::sync::atomic::Ordering::Release);
        }
        let response = front.next_response();
        assert_eq!(response.is_ok(), possible, "{claimed}");
        assert_eq!(
            c_front.next_response() != Next::Violation,
            possible,
            "{claimed}"
        );
    }
}

/// One end of a pair of event channels.
struct Port {
    to: Sender<()>,
    from: Receiver<()>,
}

impl Port {
    fn pair() -> (Self, Self) {
        let ((to_back, from_front), (to_front, from_back)) = (channel(), channel());
        let front = Self {
            to: to_back,
            from: from_back,
        };
        let back = Self {
            to: to_front,
            from: from_front,
        };
        (front, back)
    }

    /// Tells the other side, unless it has gone.
    fn notify(&self, needed: bool) {
        if needed {
            let _ = self.to.send(());
        }
    }

    /// Sleeps until told, or until the other side has gone.
    fn wait(&self) {
        let told = self.from.recv_timeout(Duration::from_secs(20));
        assert_ne!(told, Err(RecvTimeoutError::Timeout), "a wake-up was lost");
    }
}

const COUNT: u32 = 100_000;

/// Our frontend on one CPU, C's backend on another, asleep whenever there is nothing to do.
#[test]
fn our_front_and_their_back_wake_each_other() {
    let page = Page::new();
    let mut front = Front::<Block>::new(&page.shared()).unwrap();
    let mut back = CBack::<Block>::new(page, 0);
    let (port, back_port) = Port::pair();
    let server = thread::spawn(move || {
        let mut served = 0;
        while served < COUNT {
            while let Next::Some(request) = back.next_request() {
                assert_eq!(request, Block::request(served), "a torn request");
                assert!(back.push(&Block::answer(&request)));
                served += 1;
            }
            back_port.notify(back.publish());
            if served < COUNT && !back.final_check() {
                back_port.wait();
            }
        }
    });
    let (mut sent, mut seen) = (0, 0);
    while seen < COUNT {
        while sent < COUNT && front.push_request(&Block::request(sent)).is_ok() {
            sent += 1;
        }
        port.notify(front.push_requests_and_check_notify().is_needed());
        while let Some(response) = front.next_response().unwrap() {
            assert_eq!(response, Block::answer(&Block::request(seen)));
            seen += 1;
        }
        if front.in_flight() != 0 && !front.final_check_for_responses().unwrap() {
            port.wait();
        }
    }
    server.join().unwrap();
}

/// C's frontend on one CPU, our backend on another.
#[test]
fn their_front_and_our_back_wake_each_other() {
    let page = Page::new();
    let mut front = CFront::<NetTx>::new(page, 0);
    let mut back = Back::<NetTx>::attach(&page.shared()).unwrap();
    let (port, back_port) = Port::pair();
    let server = thread::spawn(move || {
        let mut served = 0;
        while served < COUNT {
            while let Some(request) = back.next_request().unwrap() {
                assert_eq!(request, NetTx::request(served), "a torn request");
                back.push_response(&NetTx::answer(&request)).unwrap();
                served += 1;
            }
            back_port.notify(back.push_responses_and_check_notify().is_needed());
            if served < COUNT && !back.final_check_for_requests().unwrap() {
                back_port.wait();
            }
        }
    });
    let (mut sent, mut seen) = (0, 0);
    while seen < COUNT {
        while sent < COUNT && front.push(&NetTx::request(sent)) {
            sent += 1;
        }
        port.notify(front.publish());
        while let Next::Some(response) = front.next_response() {
            assert_eq!(response, NetTx::answer(&NetTx::request(seen)));
            seen += 1;
        }
        if seen < sent && !front.final_check() {
            port.wait();
        }
    }
    server.join().unwrap();
}
