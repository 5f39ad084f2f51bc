// SPDX-License-Identifier: GPL-2.0-only
//! Pages of other domains in the guest: whatever fails on the way there and back, no page is freed that has not its own
//! memory, and none is lost that could be had again.
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use fake_xen::{Call, FakeXen};
use grant_table::foreign::{give_back, lose, map, ForeignPage, Frame, Left};
use grant_table::Access;
use xen_sys::{Domid, Gfn, GrantRef, Hypervisor, XenError};

const PEER: Domid = Domid(3);
/// More than one batch.
const PAGES: usize = 40;

/// What became of the pages.
#[derive(Default)]
struct Fate {
    live: Cell<usize>,
    used: Cell<bool>,
}

struct TestPage {
    gfn: Gfn,
    fate: Rc<Fate>,
}

impl Frame for TestPage {
    fn gfn(&self) -> Gfn {
        self.gfn
    }

    fn is_used(&self) -> bool {
        self.fate.used.get()
    }
}

impl Drop for TestPage {
    fn drop(&mut self) {
        self.fate.live.set(self.fate.live.get() - 1);
    }
}

struct Scene {
    xen: Arc<FakeXen>,
    fate: Rc<Fate>,
    pages: Vec<ForeignPage<TestPage>>,
    refs: Vec<(Domid, GrantRef)>,
}

impl Scene {
    fn new() -> Self {
        let (xen, fate) = (FakeXen::new(1, 1000), Rc::new(Fate::default()));
        xen.set_maximum(1000);
        fate.live.set(PAGES);
        let page = |number| TestPage {
            gfn: Gfn(100 + number),
            fate: fate.clone(),
        };
        let pages = (0..PAGES as u64).map(|number| ForeignPage::new(page(number)));
        let refs = (0..PAGES as u32).map(|number| (PEER, GrantRef(8 + number)));
        let refs: Vec<_> = refs.collect();
        for (domid, gref) in &refs {
            xen.foreign().offer(*domid, *gref, true, 0);
        }
        Self {
            pages: pages.collect(),
            xen,
            fate,
            refs,
        }
    }

    fn map(&mut self) -> xen_sys::Result {
        let (xen, pages) = (&*self.xen, &mut self.pages);
        map(xen, pages, &self.refs, Access::ReadWrite, |_| true)
    }

    fn give_back(&mut self) -> Left {
        give_back(&*self.xen, &mut self.pages)
    }

    /// Drops the pages; how many were not freed.
    fn end(mut self) -> usize {
        self.pages.clear();
        self.fate.live.get()
    }
}

#[test]
fn there_and_back() {
    let mut scene = Scene::new();
    assert_eq!(scene.map(), Ok(()));
    assert_eq!(scene.xen.foreign().mapped_and_empty(), (PAGES, 0));
    assert!(scene.pages.iter().all(|page| page.mapped().is_some()));
    assert_eq!(scene.give_back(), Left::default());
    assert_eq!(scene.xen.foreign().mapped_and_empty(), (0, 0));
    assert!(scene.pages.iter().all(|page| page.mapped().is_none()));
    assert_eq!(scene.end(), 0);
}

#[test]
fn a_page_that_is_away_is_waited_for() {
    let mut scene = Scene::new();
    scene.xen.foreign().offer(PEER, GrantRef(20), true, 3);
    assert_eq!(scene.map(), Ok(()));
    assert_eq!(scene.give_back(), Left::default());
    assert_eq!(scene.end(), 0);
}

#[test]
fn all_pages_together_are_waited_for_with_an_end() {
    let mut scene = Scene::new();
    scene.refs.clear();
    scene.pages.clear();
    for number in 0..320 {
        // So often that a page of each batch is waited for by seconds.
        let absent = if number % 32 == 0 { 12 } else { 0 };
        scene
            .xen
            .foreign()
            .offer(PEER, GrantRef(number), true, absent);
        scene.refs.push((PEER, GrantRef(number)));
        let (gfn, fate) = (Gfn(100 + u64::from(number)), scene.fate.clone());
        fate.live.set(fate.live.get() + 1);
        scene.pages.push(ForeignPage::new(TestPage { gfn, fate }));
    }
    let mut waited = 0;
    let (xen, pages) = (&*scene.xen, &mut scene.pages);
    let mapped = map(xen, pages, &scene.refs, Access::ReadOnly, |milliseconds| {
        waited += milliseconds;
        true
    });
    assert_eq!(mapped, Err(XenError::EAGAIN));
    assert!((7000..=8000).contains(&waited), "{waited}");
    assert_eq!(scene.give_back(), Left::default());
    assert_eq!(scene.end(), 0);
}

#[test]
fn each_page_that_cannot_be_mapped_ends_all() {
    for (bad, error) in (0..PAGES).flat_map(|bad| [(bad, 0), (bad, 1), (bad, 2)]) {
        let mut scene = Scene::new();
        let (domid, gref) = scene.refs[bad];
        let error = match error {
            0 => {
                scene.refs[bad] = (domid, GrantRef(9999));
                XenError::EINVAL
            }
            1 => {
                scene.xen.foreign().offer(domid, gref, false, 0);
                XenError::EPERM
            }
            _ => {
                scene.xen.foreign().offer(domid, gref, true, u32::MAX);
                XenError::EAGAIN
            }
        };
        assert_eq!(scene.map(), Err(error));
        assert_eq!(scene.give_back(), Left::default(), "page {bad}");
        assert_eq!(scene.xen.foreign().mapped_and_empty(), (0, 0));
        assert_eq!(scene.end(), 0);
    }
}

#[test]
fn each_hypercall_may_fail() {
    for nth in 0.. {
        let mut scene = Scene::new();
        scene.xen.faults().fail_after(nth, XenError::EFAULT);
        let mapped = scene.map();
        let first = scene.give_back();
        let planned = scene.xen.faults().heal();
        if planned {
            assert!(nth > 4, "the plan was never carried out");
            break;
        }
        assert!(mapped.is_err() || first != Left::default());
        assert_eq!(first.lost, 0);
        // The second try has no fault, and finds what the first left.
        assert_eq!(scene.give_back(), Left::default(), "call {nth}");
        assert_eq!(scene.xen.foreign().mapped_and_empty(), (0, 0));
        assert_eq!(scene.end(), 0);
    }
}

#[test]
fn memory_may_be_short() {
    let mut scene = Scene::new();
    scene.map().unwrap();
    scene.xen.set_maximum(1000 - 5);
    assert_eq!(
        scene.give_back(),
        Left {
            waiting: 5,
            lost: 0
        }
    );
    assert_eq!(scene.xen.foreign().mapped_and_empty(), (0, 5));
    scene.xen.set_maximum(1000);
    assert_eq!(scene.give_back(), Left::default());
    assert_eq!(scene.end(), 0);
}

#[test]
fn a_page_in_use_stays_mapped() {
    let mut scene = Scene::new();
    scene.map().unwrap();
    scene.fate.used.set(true);
    let all = Left {
        waiting: PAGES,
        lost: 0,
    };
    assert_eq!(scene.give_back(), all);
    assert_eq!(scene.xen.faults().calls_of(Call::GrantUnmap), 0);
    assert_eq!(scene.xen.foreign().mapped_and_empty(), (PAGES, 0));
    scene.fate.used.set(false);
    assert_eq!(scene.give_back(), Left::default());
    assert_eq!(scene.end(), 0);
}

#[test]
fn a_page_that_xen_does_not_unmap_is_never_freed() {
    for nth in [0, 1, 31, 32, 39] {
        let mut scene = Scene::new();
        scene.map().unwrap();
        scene.xen.foreign().stick(nth);
        let lost = Left {
            waiting: 0,
            lost: 1,
        };
        assert_eq!(scene.give_back(), lost);
        assert_eq!(scene.give_back(), lost);
        assert_eq!(scene.end(), 1);
    }
}

#[test]
fn pages_that_are_dropped_on_the_way_are_kept() {
    let mut scene = Scene::new();
    scene.map().unwrap();
    assert_eq!(scene.end(), PAGES);
}

#[test]
fn pages_and_references_are_as_many() {
    let mut scene = Scene::new();
    scene.refs.pop();
    assert_eq!(scene.map(), Err(XenError::EINVAL));
    assert_eq!(scene.xen.faults().calls(), 0);
    // Mapped ones are not mapped again.
    let mut scene = Scene::new();
    scene.map().unwrap();
    assert_eq!(scene.map(), Err(XenError::EINVAL));
    assert_eq!(scene.xen.foreign().mapped_and_empty(), (PAGES, 0));
    assert_eq!(scene.give_back(), Left::default());
    assert_eq!(scene.end(), 0);
}

/// In the domain that goes on from this one there are no mappings; their frames have memory or not.
#[test]
fn in_another_domain_all_pages_have_their_memory_again() {
    for keeps_memory in [false, true] {
        for nth in 0.. {
            let mut scene = Scene::new();
            let all = scene.xen.current_reservation().unwrap();
            scene.map().unwrap();
            if keeps_memory {
                scene.xen.foreign().keep_memory();
            }
            scene.xen.sched_suspend().unwrap();
            lose(&mut scene.pages);
            assert!(scene.pages.iter().all(|page| page.mapped().is_none()));
            // A process has them still.
            scene.fate.used.set(true);
            assert_eq!(scene.give_back().waiting, PAGES);
            scene.fate.used.set(false);
            scene.xen.faults().fail_after(nth, XenError::EFAULT);
            let first = scene.give_back();
            assert_eq!(first.lost, 0);
            let planned = scene.xen.faults().heal();
            assert_eq!(scene.give_back(), Left::default(), "call {nth}");
            assert_eq!(scene.xen.foreign().mapped_and_empty(), (0, 0));
            assert_eq!(scene.xen.current_reservation(), Ok(all));
            assert_eq!(scene.end(), 0);
            if planned {
                assert!(nth > 40, "the plan was never carried out");
                break;
            }
        }
    }
}

/// What was lost in one domain, and what was mapped in the new one before anybody knew of it.
#[test]
fn another_domain_comes_in_between() {
    let mut scene = Scene::new();
    scene.map().unwrap();
    scene.xen.foreign().stick(7);
    assert_eq!(scene.give_back().lost, 1);
    scene.xen.sched_suspend().unwrap();
    lose(&mut scene.pages);
    assert_eq!(scene.give_back(), Left::default());
    scene.map().unwrap();
    lose(&mut scene.pages);
    assert_eq!(scene.give_back(), Left::default());
    assert_eq!(scene.xen.foreign().mapped_and_empty(), (0, 0));
    assert_eq!(scene.end(), 0);
}
