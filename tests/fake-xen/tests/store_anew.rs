// SPDX-License-Identifier: GPL-2.0-only
//! A connection to the store that is begun anew, and a store that does not do what it is asked: no transaction touches
//! another's, and each watch is registered in the end.
use fake_xen::{Manners, StoreClient, StoreFailure, Xenstored};
use ring::SharedMemory;
use xen_sys::xenstore::MessageType as Op;
use xenbus::client::Refused;
use xenbus::errors::{StoreError, STALE};
use xenbus::text;
use xenbus::transaction::{Retry, Scope};
use xenbus::watch::registration::{News, PAUSE};
use xenbus::watch::{Event, Token};

/// Linux's number for no answer.
const TIMED_OUT: i32 = 110;

struct Store {
    page: SharedMemory,
    server: Xenstored,
    client: StoreClient,
}

impl Store {
    fn new() -> Self {
        let page = SharedMemory::zeroed(4096);
        let server = Xenstored::new(&page).unwrap();
        let client = StoreClient::new(&page).unwrap();
        Self {
            page,
            server,
            client,
        }
    }

    fn restart(&mut self) {
        self.server.restart(&self.page).unwrap();
        self.client.restart(&self.page).unwrap();
    }

    /// A request, and the errno that it ends with.
    fn ask(&mut self, op: Op, scope: Scope, parts: &[&[u8]]) -> Result<Vec<u8>, i32> {
        match self.client.request_in(&mut self.server, op, scope, parts) {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(Refused::Store(error))) => Err(error.errno()),
            Err(StoreFailure::Stale) => Err(STALE),
            Err(StoreFailure::Silence) => Err(TIMED_OUT),
            other => panic!("{other:?}"),
        }
    }

    fn begin(&mut self) -> Result<u32, i32> {
        let epoch = self.client.epoch();
        let start = Scope::Entered { epoch, tx_id: 0 };
        let reply = self.ask(Op::TransactionStart, start, &[b"\0"])?;
        Ok(text::transaction_id(&reply).expect("an id"))
    }

    fn has(&self, node: &str) -> bool {
        self.server.tree().read(node.as_bytes()).is_some()
    }
}

/// The kernel's transaction, of two writes.
struct Transaction {
    /// The id of the attempt that was begun last.
    id: u32,
    attempts: u32,
}

/// Requests of an attempt that meets no trouble: the beginning, two writes, the end.
const STEPS: usize = 4;

impl Transaction {
    /// One attempt; before each step `meanwhile` happens.
    fn attempt(
        &mut self,
        store: &mut Store,
        meanwhile: &mut dyn FnMut(usize, &Self, &mut Store),
    ) -> Result<(), i32> {
        self.attempts += 1;
        meanwhile(0, self, store);
        let epoch = store.client.epoch();
        self.id = store.begin()?;
        let tx_id = self.id;
        let scope = Scope::Entered { epoch, tx_id };
        let written = ["a", "b"].iter().enumerate().try_for_each(|(n, node)| {
            meanwhile(n + 1, self, store);
            let path = format!("/kernel/{node}\0");
            store.ask(Op::Write, scope, &[path.as_bytes(), b"x"])?;
            Ok(())
        });
        if written.is_err() {
            let _ = store.ask(Op::TransactionEnd, scope, &[b"F\0"]);
            return written;
        }
        meanwhile(3, self, store);
        store.ask(Op::TransactionEnd, scope, &[b"T\0"]).map(drop)
    }

    fn run(
        store: &mut Store,
        mut meanwhile: impl FnMut(usize, &Self, &mut Store),
    ) -> (Result<(), i32>, u32) {
        let mut this = Self { id: 0, attempts: 0 };
        let mut retry = Retry::new(0, 1000);
        loop {
            let result = this.attempt(store, &mut meanwhile);
            let again = result.err().and_then(|errno| retry.after(errno, 0));
            if again.is_none() {
                return (result, this.attempts);
            }
        }
    }
}

/// On the new connection a process has begun a transaction, which got the number of the kernel's old one.
#[test]
fn a_transaction_that_was_lost_is_run_again_and_leaves_anothers_alone() {
    for lost_before in 1..STEPS {
        let mut store = Store::new();
        let mut of_process = None;
        let (result, attempts) = Transaction::run(&mut store, |step, kernel, store| {
            if step == lost_before && of_process.is_none() {
                store.restart();
                let tx_id = store.begin().unwrap();
                assert_eq!(tx_id, kernel.id, "the same number");
                let epoch = store.client.epoch();
                let scope = Scope::Bound { epoch, tx_id };
                store.ask(Op::Write, scope, &[b"/process\0", b"x"]).unwrap();
                of_process = Some(scope);
            } else if let (0, Some(scope)) = (step, of_process) {
                // The kernel's attempt has failed and was abandoned.
                let ended = store.ask(Op::TransactionEnd, scope, &[b"T\0"]);
                assert_eq!(ended, Ok(b"OK\0".to_vec()), "before step {lost_before}");
                assert!(store.has("/process"));
                assert!(!store.has("/kernel/a") && !store.has("/kernel/b"));
            }
        });
        assert_eq!(
            (result, attempts),
            (Ok(()), 2),
            "lost before step {lost_before}"
        );
        assert!(store.has("/kernel/a") && store.has("/kernel/b") && store.has("/process"));
        assert_eq!(store.server.open_transactions(), 0);
    }
}

#[test]
fn a_connection_that_is_lost_again_and_again_ends_a_transaction_in_bounded_time() {
    let mut store = Store::new();
    let (result, attempts) = Transaction::run(&mut store, |step, _, store| {
        if step == 2 {
            store.restart();
        }
    });
    assert_eq!(result, Err(STALE));
    assert_eq!(attempts, xenbus::transaction::ATTEMPTS_MAX);
    assert!(!store.has("/kernel/a") && !store.has("/kernel/b"));
}

/// Whichever reply is a refusal or does not come, all was written or nothing, and nothing stays open that the guest
/// knows of.
#[test]
fn each_reply_of_a_transaction_fails_in_turn() {
    for failing in 0..STEPS {
        for error in StoreError::ALL {
            let mut store = Store::new();
            store.server.refuse_after(failing, *error);
            let (result, attempts) = Transaction::run(&mut store, |_, _, _| {});
            let (expected, tries) = match error {
                StoreError::Again => (Ok(()), 2),
                error => (Err(error.errno()), 1),
            };
            assert_eq!((result, attempts), (expected, tries), "{failing} {error:?}");
            let nodes = ["/kernel/a", "/kernel/b"].map(|node| store.has(node));
            assert_eq!(nodes, [expected.is_ok(); 2], "{failing} {error:?}");
            assert_eq!(store.server.open_transactions(), 0, "{failing} {error:?}");
        }
        let mut store = Store::new();
        let withheld = std::iter::repeat_n(Manners::Honest, failing);
        store.server.behave(withheld.chain([Manners::Withheld]));
        let (result, attempts) = Transaction::run(&mut store, |_, _, _| {});
        assert_eq!((result, attempts), (Err(TIMED_OUT), 1), "{failing}");
        let nodes = ["/kernel/a", "/kernel/b"].map(|node| store.has(node));
        // Its end was done, though nothing said so.
        assert_eq!(nodes, [failing == STEPS - 1; 2], "{failing}");
        // Of one whose beginning is not answered the guest does not know the number.
        let open = usize::from(failing == 0);
        assert_eq!(store.server.open_transactions(), open, "{failing}");
    }
}

const NODES: [&[u8]; 3] = [b"/one", b"/two", b"/three"];

/// A store that knows of three watches, and has forgotten them.
fn forgotten() -> (Store, [Token; 3]) {
    let mut store = Store::new();
    let tokens = NODES.map(|node| store.client.watch_later(node));
    store.client.begin_registration(0);
    assert_eq!(store.client.tell_due(&mut store.server, 0), None);
    assert_eq!(store.client.unregistered(), 0);
    store.restart();
    assert_eq!(
        (store.client.unregistered(), store.server.watches()),
        (3, 0)
    );
    store.client.begin_registration(1000);
    (store, tokens)
}

fn round(store: &mut Store, now: u64) -> Option<News> {
    store.client.tell_due(&mut store.server, now)
}

/// All watches are there once, and fire.
fn all_fire(store: &mut Store, tokens: [Token; 3]) {
    assert_eq!(
        (store.client.unregistered(), store.server.watches()),
        (0, 3)
    );
    assert_eq!(store.client.registration_due(), None);
    store.client.settle(&mut store.server).unwrap();
    for (token, node) in tokens.into_iter().zip(NODES) {
        while store.client.event(token).is_some() {}
        store.server.write(node, b"x");
        store.client.settle(&mut store.server).unwrap();
        let changed = Some(Event::Changed(node.to_vec()));
        assert_eq!(store.client.event(token), changed);
        assert_eq!(store.client.event(token), None, "it is registered once");
    }
}

/// The reply to each registration in turn is a refusal, for one round or several.
#[test]
fn a_watch_that_the_store_refuses_is_registered_later() {
    // What it knows of already it need not take.
    let errors = StoreError::ALL
        .iter()
        .filter(|error| **error != StoreError::Exists);
    for (error, failing, rounds) in
        errors.flat_map(|error| (0..9).map(move |n| (*error, n % 3, 1 + n / 3)))
    {
        let (mut store, tokens) = forgotten();
        let mut now = 1000;
        for n in 0..rounds {
            // From the second round on only the refused one is asked for.
            let before = if n == 0 { failing } else { 0 };
            store.server.refuse_after(before, error);
            let news = (n == 0).then_some(News::Failing);
            assert_eq!(round(&mut store, now), news, "told once");
            assert_eq!(store.client.unregistered(), 1);
            assert_eq!(round(&mut store, now + PAUSE - 1), None);
            assert_eq!(store.client.unregistered(), 1, "not before its time");
            now += PAUSE;
        }
        assert_eq!(round(&mut store, now), Some(News::Healed));
        all_fire(&mut store, tokens);
    }
}

#[test]
fn a_silent_store_is_asked_once_a_round() {
    for failing in 0..NODES.len() {
        let (mut store, tokens) = forgotten();
        // Each registration before has a reply and an event.
        let honest = std::iter::repeat_n(Manners::Honest, 2 * failing);
        store.server.behave(honest.chain([Manners::Withheld]));
        assert_eq!(round(&mut store, 1000), Some(News::Failing));
        assert_eq!(store.client.unregistered(), 3 - failing);
        assert_eq!(store.server.watches(), failing + 1, "nothing more is asked");
        assert_eq!(store.client.in_flight(), 0);
        assert_eq!(round(&mut store, 1000 + PAUSE), Some(News::Healed));
        all_fire(&mut store, tokens);
    }
}

/// The store answers for all but the first.
#[test]
fn a_watch_that_is_never_answered_for_keeps_no_other_from_its_turn() {
    let (mut store, tokens) = forgotten();
    store.server.behave([Manners::Withheld]);
    assert_eq!(round(&mut store, 1000), Some(News::Failing));
    let others = [Manners::Honest; 4];
    store
        .server
        .behave(others.into_iter().chain([Manners::Withheld]));
    assert_eq!(round(&mut store, 1000 + PAUSE), None);
    assert_eq!(store.client.unregistered(), 1);
    for n in 2..10 {
        store.server.behave([Manners::Withheld]);
        assert_eq!(round(&mut store, 1000 + n * PAUSE), None);
    }
    assert_eq!(round(&mut store, 1000 + 10 * PAUSE), Some(News::Healed));
    all_fire(&mut store, tokens);
}

/// A watch that is gone is not asked for any more: what remains is healed.
#[test]
fn a_refused_watch_that_goes_is_forgotten() {
    let (mut store, tokens) = forgotten();
    store.server.refuse_after(1, StoreError::TooBig);
    assert_eq!(round(&mut store, 1000), Some(News::Failing));
    store.client.unwatch(tokens[1]);
    assert_eq!(round(&mut store, 1000 + PAUSE), Some(News::Healed));
    assert_eq!(
        (store.client.unregistered(), store.server.watches()),
        (0, 2)
    );
}
