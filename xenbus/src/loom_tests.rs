// SPDX-License-Identifier: GPL-2.0-only
//! Every interleaving of the threads that meet at a client: those that ask, the one that reads the
//! ring, the one that runs callbacks, those that remove watches. The locks are loom's, used as the
//! kernel half uses the kernel's.

use crate::client::{Client, Received};
use crate::transaction::Scope;
use crate::watch::{Event, EventQueue, Token, Watches};
use crate::wire::{self, Operation};
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use std::collections::VecDeque;
use std::vec::Vec;
use zerocopy::IntoBytes;

/// What the reply says, once it is there.
type Waiter = Arc<(Mutex<Option<Vec<u8>>>, Condvar)>;

/// The client with its two rings.
struct Store {
    client: Client<Waiter, 2>,
    requests: VecDeque<(u32, u8)>,
    responses: VecDeque<u8>,
    stopped: bool,
}

/// Two threads ask, one store answers in reverse order, one thread reads: each gets its own reply.
/// With four threads every interleaving is out of reach; those with two preemptions are not.
#[test]
fn loom_replies_reach_their_askers() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let store = Arc::new((
            Mutex::new(Store {
                client: Client::new(),
                requests: VecDeque::new(),
                responses: VecDeque::new(),
                stopped: false,
            }),
            Condvar::new(),
        ));
        let asker = |name: u8| {
            let store = store.clone();
            thread::spawn(move || {
                let waiter: Waiter = Arc::new((Mutex::new(None), Condvar::new()));
                let mut inner = store.0.lock().unwrap();
                let begun =
                    inner
                        .client
                        .begin(Operation::Read, Scope::Free, &[&[name]], waiter.clone());
                let Ok((id, _)) = begun else {
                    panic!("no slot")
                };
                inner.requests.push_back((id.raw(), name));
                store.1.notify_all();
                drop(inner);
                let mut reply = waiter.0.lock().unwrap();
                while reply.is_none() {
                    reply = waiter.1.wait(reply).unwrap();
                }
                assert_eq!(reply.as_deref(), Some(&[name][..]));
            })
        };
        let askers = [asker(b'a'), asker(b'b')];
        let reader = {
            let store = store.clone();
            thread::spawn(move || {
                let mut inner = store.0.lock().unwrap();
                while !(inner.stopped && inner.requests.is_empty()) {
                    while let Some((id, name)) = inner.requests.pop_back() {
                        let header = wire::request(Operation::Read, id, 0, &[&[name]]).unwrap();
                        inner.responses.extend(header.as_bytes());
                        inner.responses.push_back(name);
                    }
                    let Store {
                        client, responses, ..
                    } = &mut *inner;
                    while let Some(Received::Reply(waiter, reply)) = client
                        .receive(|buffer| {
                            let count = buffer.len().min(responses.len());
                            let bytes = responses.drain(..count);
                            buffer
                                .iter_mut()
                                .zip(bytes)
                                .for_each(|(to, from)| *to = from);
                            count
                        })
                        .unwrap()
                    {
                        *waiter.0.lock().unwrap() = Some(reply.unwrap().to_vec());
                        waiter.1.notify_one();
                    }
                    if !inner.stopped {
                        inner = store.1.wait(inner).unwrap();
                    }
                }
            })
        };
        askers.into_iter().for_each(|asker| asker.join().unwrap());
        store.0.lock().unwrap().stopped = true;
        store.1.notify_all();
        reader.join().unwrap();
    });
}

/// One watch's entry: its queue, and whether its owner still lives.
struct Watch {
    queue: EventQueue<u8, 2>,
    alive: Arc<AtomicBool>,
}

fn run_one(watches: &(Mutex<Watches<Watch, 1>>, Condvar)) -> bool {
    let mut inner = watches.0.lock().unwrap();
    let Some((token, watch)) = inner.next_ready() else {
        return false;
    };
    let (event, alive) = (watch.queue.pop(), watch.alive.clone());
    drop(inner);
    assert!(event.is_some(), "a callback without an event");
    assert!(
        alive.load(Ordering::Relaxed),
        "a callback after its watch was removed"
    );
    let mut inner = watches.0.lock().unwrap();
    let more = inner
        .get_mut(token)
        .is_some_and(|watch| !watch.queue.is_empty());
    inner.done(more);
    watches.1.notify_all();
    true
}

fn remove(watches: &(Mutex<Watches<Watch, 1>>, Condvar), token: Token, alive: &AtomicBool) {
    let mut inner = watches.0.lock().unwrap();
    inner.remove(token);
    while inner.is_running(token) {
        inner = watches.1.wait(inner).unwrap();
    }
    drop(inner);
    alive.store(false, Ordering::Relaxed);
}

/// A watch is removed while events come and its callback may run: after the removal no callback
/// runs, and without the removal none would be lost.
#[test]
fn loom_no_callback_after_removal() {
    loom::model(|| {
        let alive = Arc::new(AtomicBool::new(true));
        let watches = Arc::new((Mutex::new(Watches::<Watch, 1>::new()), Condvar::new()));
        let watch = Watch {
            queue: EventQueue::new(),
            alive: alive.clone(),
        };
        let token = watches.0.lock().unwrap().insert(watch).ok().unwrap();
        let feeder = {
            let watches = watches.clone();
            thread::spawn(move || {
                for path in 0..2 {
                    let mut inner = watches.0.lock().unwrap();
                    if let Some(watch) = inner.event(token) {
                        watch.queue.push(path);
                    }
                }
            })
        };
        let worker = {
            let watches = watches.clone();
            thread::spawn(move || {
                run_one(&watches);
                run_one(&watches);
            })
        };
        remove(&watches, token, &alive);
        feeder.join().unwrap();
        worker.join().unwrap();
        assert!(!watches.0.lock().unwrap().has_ready());
    });
}

/// Events that come while the callback runs are not lost.
#[test]
fn loom_no_event_is_lost() {
    loom::model(|| {
        let alive = Arc::new(AtomicBool::new(true));
        let watches = Arc::new((Mutex::new(Watches::<Watch, 1>::new()), Condvar::new()));
        let watch = Watch {
            queue: EventQueue::new(),
            alive,
        };
        let token = watches.0.lock().unwrap().insert(watch).ok().unwrap();
        let feeder = {
            let watches = watches.clone();
            thread::spawn(move || {
                for path in 0..3 {
                    watches
                        .0
                        .lock()
                        .unwrap()
                        .event(token)
                        .unwrap()
                        .queue
                        .push(path);
                }
            })
        };
        run_one(&watches);
        feeder.join().unwrap();
        while run_one(&watches) {}
        let mut inner = watches.0.lock().unwrap();
        assert_eq!(inner.get_mut(token).unwrap().queue.pop(), None::<Event<u8>>);
    });
}
