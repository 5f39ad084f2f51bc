// SPDX-License-Identifier: GPL-2.0-only
//! Hypercalls that fail on demand.
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use xen_sys::{Result, XenError};

/// The operations of [`xen_sys::Hypervisor`] and [`xen_sys::About`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "named after the methods")]
pub enum Call {
    EvtchnAllocUnbound,
    EvtchnBindInterdomain,
    EvtchnBindIpi,
    EvtchnBindVirq,
    EvtchnClose,
    EvtchnSend,
    EvtchnUnmask,
    EvtchnBindVcpu,
    EvtchnStatus,
    EvtchnInitControl,
    EvtchnExpandArray,
    EvtchnSetPriority,
    HvmGetParam,
    HvmSetParam,
    SetUpcallVector,
    AddToPhysmap,
    RemoveFromPhysmap,
    PopulatePhysmap,
    DecreaseReservation,
    CurrentReservation,
    MaximumReservation,
    MaximumGfn,
    GrantQuerySize,
    GrantSetVersion,
    GrantGetVersion,
    GrantMap,
    GrantUnmap,
    GrantCopy,
    SchedShutdown,
    SchedSuspend,
    SchedWatchdog,
    Version,
    ConsoleWrite,
    ExtraVersion,
    CompileInfo,
    Capabilities,
    Changeset,
    VirtualStart,
    PageSize,
    Features,
    DomainHandle,
    BuildId,
}

#[derive(Default)]
struct State {
    /// Every call so far, in order.
    log: Vec<Call>,
    /// The call with this number, counted from 0, fails.
    nth: Option<(usize, XenError)>,
    /// The call that has failed for that.
    failed: Option<Call>,
    /// Every call of this kind fails.
    kinds: BTreeMap<Call, XenError>,
}

/// Which hypercalls are to fail, and which were made.
#[derive(Default)]
pub struct Faults(Mutex<State>);

impl Faults {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Lets the call after `n` more ones fail: 0 for the next. One failure only; replaces an earlier plan.
    pub fn fail_after(&self, n: usize, error: XenError) {
        let mut state = self.state();
        state.nth = Some((state.log.len() + n, error));
    }

    /// The call that has failed as [`fail_after`](Self::fail_after) wanted it.
    pub fn failed(&self) -> Option<Call> {
        self.state().failed
    }

    /// Lets every call of a kind fail until [`heal`](Self::heal).
    pub fn fail_all(&self, call: Call, error: XenError) {
        self.state().kinds.insert(call, error);
    }

    /// Lets nothing fail from now on. Says whether a planned single failure had still been ahead.
    pub fn heal(&self) -> bool {
        let mut state = self.state();
        state.kinds.clear();
        let made = state.log.len();
        state.nth.take().is_some_and(|(at, _)| at >= made)
    }

    /// How many calls were made.
    pub fn calls(&self) -> usize {
        self.state().log.len()
    }

    /// How many calls of a kind were made.
    pub fn calls_of(&self, call: Call) -> usize {
        self.state()
            .log
            .iter()
            .filter(|&&made| made == call)
            .count()
    }

    /// Notes a call, and fails if it is to fail.
    pub(crate) fn enter(&self, call: Call) -> Result {
        let mut state = self.state();
        let number = state.log.len();
        state.log.push(call);
        match state.nth {
            Some((at, error)) if at == number => {
                state.failed = Some(call);
                return Err(error);
            }
            _ => {}
        }
        state.kinds.get(&call).map_or(Ok(()), |error| Err(*error))
    }
}
