// SPDX-License-Identifier: GPL-2.0-only
//! How many pages each domain keeps mapped after their end.

use xen_sys::Domid;

/// Domains that are counted one by one. Few guests have more than two or three domains with backends; those that
/// come when no place is free are counted together, so that naming many domains takes no memory.
const PLACES: usize = 16;

/// Too many pages are kept to share more of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooManyKept {
    /// By this domain.
    ByDomain(u32),
    /// By all domains together.
    ByAll(u32),
}

/// What a deferred reference is counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keeper(u8);

#[derive(Clone, Copy, Debug)]
struct Count {
    domid: Domid,
    /// 0: the place is free.
    pages: u32,
}

/// The pages of each domain.
#[derive(Debug)]
pub(crate) struct Ledger {
    places: [Count; PLACES],
    others: u32,
}

impl Ledger {
    pub(crate) const EMPTY: Self = Self {
        places: [Count {
            domid: Domid(0),
            pages: 0,
        }; PLACES],
        others: 0,
    };

    /// Counts one page more for `domid`. What comes back is for [`Self::remove`].
    pub(crate) fn add(&mut self, domid: Domid) -> Keeper {
        let place = self.place_of(domid).or_else(|| self.free_place());
        let count = place.and_then(|place| self.places.get_mut(place));
        let Some(count) = count else {
            self.others = self.others.saturating_add(1);
            return Keeper(PLACES as u8);
        };
        count.domid = domid;
        count.pages = count.pages.saturating_add(1);
        Keeper(place.map_or(PLACES as u8, |place| place as u8))
    }

    /// Counts one page less.
    pub(crate) fn remove(&mut self, keeper: Keeper) {
        let pages = match self.places.get_mut(usize::from(keeper.0)) {
            Some(count) => &mut count.pages,
            None => &mut self.others,
        };
        *pages = pages.saturating_sub(1);
    }

    /// The pages of `domid`; if it might be among the others, theirs.
    pub(crate) fn pages_of(&self, domid: Domid) -> u32 {
        let count = self
            .place_of(domid)
            .and_then(|place| self.places.get(place));
        match (count, self.free_place()) {
            (Some(count), _) => count.pages,
            (None, Some(_)) => 0,
            (None, None) => self.others,
        }
    }

    fn place_of(&self, domid: Domid) -> Option<usize> {
        self.places
            .iter()
            .position(|count| count.pages != 0 && count.domid == domid)
    }

    fn free_place(&self) -> Option<usize> {
        self.places.iter().position(|count| count.pages == 0)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_domain_is_counted_for_itself() {
        let mut ledger = Ledger::EMPTY;
        let first = ledger.add(Domid(1));
        let _ = ledger.add(Domid(1));
        let _ = ledger.add(Domid(0));
        let pages = [0, 1, 2].map(|id| ledger.pages_of(Domid(id)));
        assert_eq!(pages, [1, 2, 0]);
        ledger.remove(first);
        assert_eq!(ledger.pages_of(Domid(1)), 1);
    }

    #[test]
    fn a_place_is_free_when_its_domain_has_let_go() {
        let mut ledger = Ledger::EMPTY;
        for id in 0..1000 {
            let account = ledger.add(Domid(id));
            assert_eq!(ledger.pages_of(Domid(id)), 1);
            ledger.remove(account);
            assert_eq!(ledger.pages_of(Domid(id)), 0);
        }
        assert_eq!(ledger.others, 0);
    }

    #[test]
    fn domains_without_a_place_are_counted_together() {
        let mut ledger = Ledger::EMPTY;
        let places: [Keeper; PLACES] = core::array::from_fn(|id| ledger.add(Domid(id as u16)));
        let others = [ledger.add(Domid(100)), ledger.add(Domid(101))];
        // Also for one that has none: it might have.
        for id in 100..103 {
            assert_eq!(ledger.pages_of(Domid(id)), 2);
        }
        assert_eq!(ledger.pages_of(Domid(3)), 1);
        // One that gets a place later is counted there from then on.
        ledger.remove(places[3]);
        let late = ledger.add(Domid(100));
        assert_eq!(ledger.pages_of(Domid(100)), 1);
        assert_eq!(ledger.pages_of(Domid(3)), 2);
        for account in others {
            ledger.remove(account);
        }
        assert_eq!(ledger.others, 0);
        ledger.remove(late);
        assert_eq!(ledger.pages_of(Domid(100)), 0);
    }
}
