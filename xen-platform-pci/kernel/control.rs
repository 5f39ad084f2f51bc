// SPDX-License-Identifier: GPL-2.0-only
//! Follows the toolstack: `xl shutdown`, `xl reboot`, `xl save`, `xl migrate`, `xl sysrq`.
//!
//! What the nodes mean is decided in [`xenbus::control`]. A request is taken out of its node in a transaction, so that
//! it is followed once and none that came meanwhile is wiped out; the toolstack sees the empty node as the answer.
//!
//! Each look at a node begins with the feature nodes: it is the first one after the store came up, or after a new domain
//! was made of a saved one, whose nodes say nothing yet.

use core::sync::atomic::{AtomicBool, Ordering};
use kernel::{prelude::*, sync::Arc};
use linux::power;
use xen_bus::store::{self, Event, Watch, WatchHandler};
use xenbus::control::{self, Key, Request, Shutdown};

use crate::suspend;

/// As long as this lives, the toolstack is followed.
pub(crate) struct Control {
    // Dropped after `drop` has withdrawn the features.
    _shutdown: Watch,
    _sysrq: Watch,
    state: Arc<State>,
}

/// What both watches share.
#[derive(Default)]
struct State {
    /// The toolstack was told that we follow it.
    announced: AtomicBool,
    /// A node that cannot be written was complained about.
    complained: AtomicBool,
}

impl Control {
    /// Begins to follow, as soon as the store is there.
    ///
    /// # Errors
    /// `ENOMEM`; see [`store::watch`].
    pub(crate) fn start() -> Result<Self> {
        let state = Arc::new(State::default(), GFP_KERNEL)?;
        let watch = |node, handle| {
            let state = state.clone();
            store::watch(node, Arc::new(Follow { state, handle }, GFP_KERNEL)?)
        };
        Ok(Self {
            _sysrq: watch(control::SYSRQ, press)?,
            _shutdown: watch(control::SHUTDOWN, shut_down)?,
            state,
        })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if self.state.announced.load(Ordering::Relaxed) {
            self.state.withdraw();
        }
    }
}

/// One watch and what to do when its node changes.
struct Follow {
    state: Arc<State>,
    handle: fn() -> Result,
}

impl WatchHandler for Follow {
    fn changed(&self, _event: Event<'_>) {
        self.state.announce();
        if let Err(error) = (self.handle)() {
            self.state.complain("cannot be taken from", error);
        }
    }
}

impl State {
    /// Says what is followed, where the store does not say so.
    fn announce(&self) {
        for node in control::FEATURES {
            let word = control::feature(true);
            if store::read(node).is_ok_and(|value| *value == *word) {
                continue;
            }
            match store::write(node, word) {
                Ok(()) => self.announced.store(true, Ordering::Relaxed),
                // An older toolstack has no such node and lets us make none.
                Err(error) if error == EACCES => {}
                Err(error) => self.complain("cannot be announced in", error),
            }
        }
    }

    /// Says that nobody follows any more. A store that does not answer is not waited for node by node.
    fn withdraw(&self) {
        for node in control::FEATURES {
            match store::write(node, control::feature(false)) {
                Err(error) if error != EACCES => return,
                _ => {}
            }
        }
    }

    fn complain(&self, what: &str, error: Error) {
        if !self.complained.swap(true, Ordering::Relaxed) {
            pr_warn!("what the toolstack asks {what} xenstore's control nodes ({error:?})\n");
        }
    }
}

/// Reads a node and empties it when `take` says so, with nobody in between. A node that is not there is empty.
fn take_out(node: &[u8], take: impl Fn(&[u8]) -> bool) -> Result<Option<store::StoreValue>> {
    store::transaction(|transaction| match transaction.read(node) {
        Ok(value) => {
            if take(&value) {
                transaction.write(node, b"")?;
            }
            Ok(Some(value))
        }
        Err(error) if error == ENOENT => Ok(None),
        Err(error) => Err(error),
    })
}

/// Follows `control/shutdown`.
fn shut_down() -> Result {
    let known = |value: &[u8]| matches!(Request::parse(value), Request::Known(_));
    let Some(value) = take_out(control::SHUTDOWN, known)? else {
        return Ok(());
    };
    match Request::parse(&value) {
        Request::None => {}
        Request::Known(request) => follow(request),
        Request::Unknown(word) => {
            kernel::pr_warn_once!(
                "the toolstack asks for \"{}\" in control/shutdown, which this driver does not know\n",
                format_args!("{word}")
            );
        }
    }
    Ok(())
}

fn follow(request: Shutdown) {
    pr_info!("the toolstack asks for {}\n", request.word());
    let follows = match request {
        Shutdown::Poweroff | Shutdown::Halt => power::power_off(),
        Shutdown::Reboot => power::restart(),
        Shutdown::Suspend => {
            suspend::request();
            true
        }
    };
    if !follows {
        pr_info!("the system is going down already\n");
    }
}

/// Follows `control/sysrq`.
fn press() -> Result {
    let any = |value: &[u8]| Key::parse(value) != Key::None;
    let Some(value) = take_out(control::SYSRQ, any)? else {
        return Ok(());
    };
    match Key::parse(&value) {
        Key::None => {}
        Key::Pressed(key) => power::sysrq(key),
        Key::Nonsense => {
            kernel::pr_warn_once!("control/sysrq holds no key: it is a letter or a digit\n");
        }
    }
    Ok(())
}
