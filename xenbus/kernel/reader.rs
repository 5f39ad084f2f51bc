// SPDX-License-Identifier: GPL-2.0-only
//! The thread that takes messages out of the store's ring.

use crate::link::{refused, Io};
use crate::service::{Link, Shared};
use core::sync::atomic::Ordering;
use kernel::{prelude::*, sync::Arc};
use linux::thread::{should_stop, yield_if_due, Sleep, Work};
use xenbus::client::Received;

/// Looks at the ring at least this often, in milliseconds, should an event be lost.
const LOOK: u64 = 2_000;

/// What the thread works on.
pub(crate) struct Reader(pub(crate) Arc<Shared>);

impl Work for Reader {
    fn run(&self) {
        let shared = &self.0;
        while !should_stop() {
            shared.incoming.store(false, Ordering::Release);
            while shared.receive_one() && !should_stop() {
                yield_if_due();
            }
            // A wait ends by the condition, the time or the stop; each way there is the ring to look at.
            let _ = shared.reader.wait(Sleep::Idle, Some(LOOK), || {
                shared.incoming.load(Ordering::Acquire) || should_stop()
            });
        }
    }
}

/// How one look at the ring ended.
enum Look {
    /// A message was taken: there may be more.
    Taken,
    /// No complete message is there.
    Empty,
    /// The stream makes no sense.
    Lost(&'static str),
}

impl Shared {
    /// Takes one message, and sends what waits for room. Returns whether there may be another.
    fn receive_one(&self) -> bool {
        if matches!(self.link(), Link::Down | Link::Lost) {
            return false;
        }
        let look = {
            let mut io = self.io.lock();
            match io.push() {
                Ok(()) => self.look(&mut io),
                Err(_) => Look::Lost("its ring indices cannot be"),
            }
        };
        match look {
            Look::Taken => true,
            Look::Empty => false,
            Look::Lost(why) => {
                self.lose(why);
                false
            }
        }
    }

    fn look(&self, io: &mut Io) -> Look {
        let Io {
            client, connection, ..
        } = io;
        let Some(connection) = connection else {
            return Look::Empty;
        };
        let mut broken = false;
        let received = client.receive(|to| {
            connection.read(to).unwrap_or_else(|_| {
                broken = true;
                0
            })
        });
        match received {
            Ok(Some(Received::Reply(waiter, reply))) => {
                let copied = reply.map_err(refused).and_then(|payload| {
                    let mut bytes = KVec::new();
                    bytes.extend_from_slice(payload, GFP_KERNEL)?;
                    Ok(bytes)
                });
                let begun = match copied {
                    Err(error) if error == ENOMEM => client.last_begun(),
                    _ => None,
                };
                waiter.complete(copied);
                io.note_orphan(begun);
                self.note_reply();
                Look::Taken
            }
            Ok(Some(Received::WatchEvent { token, path })) => {
                self.note_event(token, path);
                Look::Taken
            }
            Ok(Some(Received::Late { begun })) => {
                io.note_orphan(begun);
                self.note_reply();
                Look::Taken
            }
            Ok(Some(Received::Ignored)) => Look::Taken,
            Ok(None) if broken => Look::Lost("its ring indices cannot be"),
            Ok(None) => Look::Empty,
            Err(_) => Look::Lost("a message of it is none"),
        }
    }

    /// A reply came: the store is alive, and there is room for one more request.
    fn note_reply(&self) {
        self.replies.fetch_add(1, Ordering::AcqRel);
        self.changed.wake_all();
        if self.silent.swap(false, Ordering::Relaxed) {
            pr_info!("xenstored answers again\n");
        }
    }
}
