// SPDX-License-Identifier: GPL-2.0-only
//! The grant table's version: how it is chosen, what version 2 does as version 1 does it, and what happens when Xen refuses.
use fake_xen::{Call, FakeXen, Grants, GuestPage, Mapping, BACKEND};
use grant_table::{choose_version, remake, Access, Chosen, Version, Wanted};
use xen_sys::{Gfn, Hypervisor, XenError};

const ONLY_V1: Wanted = Wanted::Only(Version::V1);
const ONLY_V2: Wanted = Wanted::Only(Version::V2);

fn chosen(version: Version) -> Result<Chosen, XenError> {
    Ok(Chosen {
        version,
        refused: None,
    })
}

#[test]
fn frames_above_32_bits_want_version_2() {
    let xen = FakeXen::new(1, 100);
    for (gfn, version) in [(u32::MAX.into(), Version::V1), (1 << 32, Version::V2)] {
        xen.set_maximum_gfn(Gfn(gfn));
        assert_eq!(choose_version(&*xen, Wanted::Auto), chosen(version));
        assert_eq!(xen.grant_get_version(), Ok(version.number()));
    }
    assert_eq!(choose_version(&*xen, ONLY_V1), chosen(Version::V1));
    assert_eq!(choose_version(&*xen, ONLY_V2), chosen(Version::V2));
    // A Xen that does not say how high they are.
    xen.faults().fail_all(Call::MaximumGfn, XenError::EPERM);
    assert_eq!(choose_version(&*xen, Wanted::Auto), chosen(Version::V1));
}

#[test]
fn xen_may_have_no_version_2() {
    let xen = FakeXen::new(1, 100);
    xen.refuse_grant_v2();
    xen.set_maximum_gfn(Gfn(1 << 32));
    let refused = Some(XenError::ENOSYS);
    let version = Version::V1;
    assert_eq!(
        choose_version(&*xen, Wanted::Auto),
        Ok(Chosen { version, refused })
    );
    assert_eq!(choose_version(&*xen, ONLY_V2), Err(XenError::ENOSYS));
    assert_eq!(choose_version(&*xen, ONLY_V1), chosen(version));
}

/// An earlier load of the module has left a page that its peer keeps: the version stays what it was.
#[test]
fn a_kept_page_keeps_its_version() {
    for (first, second) in [(ONLY_V1, ONLY_V2), (ONLY_V2, ONLY_V1)] {
        let xen = FakeXen::new(1, 100);
        let grants = Grants::with_version(&xen, 2, first).unwrap();
        let granted = grants.grant(GuestPage::new(&xen), BACKEND, Access::ReadWrite);
        let granted = granted.map_err(|(error, _)| error).unwrap();
        let kept = Mapping::new(&xen, granted.gref(), BACKEND, true).unwrap();
        drop(granted);
        assert_eq!(grants.counters().deferred, 1);
        drop(grants);
        let refused = Grants::with_version(&xen, 2, second);
        assert_eq!(refused.err(), Some(XenError::EBUSY));
        let grants = Grants::with_version(&xen, 2, Wanted::Auto).unwrap();
        assert_eq!(Wanted::Only(grants.layout().version), first);
        assert_eq!(grants.counters().deferred, 1);
        assert_eq!(grants.tick(1), 0);
        drop(kept);
        grants.tick(2);
        assert_eq!(grants.counters().deferred, 0);
    }
}

#[test]
fn a_page_of_version_2_is_kept_until_the_peer_lets_go() {
    let xen = FakeXen::new(1, 100);
    let grants = Grants::with_version(&xen, 2, ONLY_V2).unwrap();
    assert_eq!(grants.counters().total, 512);
    let granted = grants.grant(GuestPage::new(&xen), BACKEND, Access::ReadWrite);
    let granted = granted.map_err(|(error, _)| error).unwrap();
    let gref = granted.gref();
    let kept = Mapping::new(&xen, gref, BACKEND, true).unwrap();
    assert!(granted.end().is_none());
    assert_eq!(grants.tick(1), 0);
    assert!(Mapping::new(&xen, gref, BACKEND, false).is_none());
    drop(kept);
    assert_eq!(grants.tick(2), 1);
    xen.assert_sound();
    assert!(xen.granted().is_empty());
}

#[test]
fn version_2_goes_on_in_another_domain() {
    let xen = FakeXen::new(1, 100);
    let grants = Grants::with_version(&xen, 2, ONLY_V2).unwrap();
    let granted = grants.grant(GuestPage::new(&xen), BACKEND, Access::ReadWrite);
    let granted = granted.map_err(|(error, _)| error).unwrap();
    xen.sched_suspend().unwrap();
    assert_eq!(xen.grant_get_version(), Ok(1));
    assert_eq!(remake(&*xen, grants.layout(), 2), Ok(4));
    assert_eq!(xen.grant_get_version(), Ok(2));
    // Two of entries, one of marks.
    assert_eq!(xen.mapped_by_xen(), 3);
    assert!(Mapping::new(&xen, granted.gref(), BACKEND, true).is_none());
    assert!(granted.end().is_some());
    // One that has no version 2 cannot go on.
    xen.sched_suspend().unwrap();
    xen.refuse_grant_v2();
    assert_eq!(remake(&*xen, grants.layout(), 2), Err(XenError::ENOSYS));
}

/// Whichever hypercall fails on the way up, the table can be had afterwards, and is as it should be.
#[test]
fn each_hypercall_of_version_2_fails_in_turn() {
    let mut n = 0;
    loop {
        let xen = FakeXen::new(1, 100);
        xen.faults().fail_after(n, XenError::ENOMEM);
        let grants = Grants::with_version(&xen, 2, ONLY_V2);
        if xen.faults().heal() {
            assert!(grants.is_ok());
            break;
        }
        assert_eq!(grants.err(), Some(XenError::ENOMEM), "call {n}");
        let grants = Grants::with_version(&xen, 2, ONLY_V2).unwrap();
        assert_eq!(xen.mapped_by_xen(), 3, "call {n}");
        let page = grants.grant(GuestPage::new(&xen), BACKEND, Access::ReadOnly);
        assert!(page.is_ok_and(|granted| granted.end().is_some()));
        n += 1;
    }
    assert_eq!(
        n, 6,
        "two of the version, the size, two frames and one of marks"
    );
    assert_eq!(
        FakeXen::new(1, 1).faults().calls_of(Call::GrantSetVersion),
        0
    );
}

/// All frames of a table that grows are where nothing else is, and go away again.
#[test]
fn what_was_added_is_removed() {
    for wanted in [ONLY_V1, ONLY_V2] {
        let xen = FakeXen::new(1, 100);
        let grants = Grants::with_version(&xen, 4, wanted).unwrap();
        let layout = *grants.layout();
        assert_eq!(xen.mapped_by_xen(), layout.all_frames(4) as usize);
        let failed = |at, error| panic!("{at:?} stays: {error}");
        layout.remove(&*xen, 4, failed);
        assert_eq!(xen.mapped_by_xen(), 0);
    }
}
