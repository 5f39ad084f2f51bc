// SPDX-License-Identifier: GPL-2.0-only
//! What a process reads: replies and watch events, as the store would send them.

use kernel::uaccess::UserSliceWriter;
use kernel::{prelude::*, sync::Arc};
use xenbus::errors::StoreError;
use xenbus::user;
use xenbus::wire::Header;
use zerocopy::IntoBytes;

/// What a process calls a watch.
pub(super) struct Names {
    pub(super) path: KVec<u8>,
    pub(super) token: KVec<u8>,
}

/// What follows the header.
enum Body {
    Reply(KVec<u8>),
    Ok,
    Refusal(StoreError),
    /// Something changed at this path; none stands for the watched one.
    Event(Option<KVec<u8>>, Arc<Names>),
}

/// A message, read up to some byte. Making one never fails.
pub(super) struct Message {
    header: Header,
    body: Body,
    read: usize,
}

impl Message {
    fn new(header: Header, body: Body) -> Self {
        Self {
            header,
            body,
            read: 0,
        }
    }

    /// The store's reply to `request`.
    pub(super) fn reply(request: &Header, payload: KVec<u8>) -> Self {
        Self::new(user::reply(request, payload.len()), Body::Reply(payload))
    }

    /// All went well.
    pub(super) fn ok(request: &Header) -> Self {
        Self::new(user::reply(request, user::OK.len()), Body::Ok)
    }

    /// It failed.
    pub(super) fn refusal(request: &Header, error: StoreError) -> Self {
        Self::new(user::refusal(request, error), Body::Refusal(error))
    }

    /// Something changed at `path`, or anywhere at or below the watched node.
    pub(super) fn event(path: Option<KVec<u8>>, watch: Arc<Names>) -> Self {
        let changed = path.as_ref().unwrap_or(&watch.path);
        let header = user::event(changed, &watch.token);
        Self::new(header, Body::Event(path, watch))
    }

    /// The message in pieces.
    fn parts(&self) -> [&[u8]; 5] {
        let header = self.header.as_bytes();
        match &self.body {
            Body::Reply(payload) => [header, payload, b"", b"", b""],
            Body::Ok => [header, user::OK, b"", b"", b""],
            Body::Refusal(error) => [header, error.name().as_bytes(), b"\0", b"", b""],
            Body::Event(path, watch) => {
                let path = path.as_ref().unwrap_or(&watch.path);
                [header, path, b"\0", &watch.token, b"\0"]
            }
        }
    }

    /// Gives the process as much of the rest as it has room for, and says how much.
    ///
    /// # Errors
    /// `EFAULT`; what was not given is still there.
    pub(super) fn give(&mut self, to: &mut UserSliceWriter) -> Result<usize> {
        let (mut skip, mut given) = (self.read, 0usize);
        for part in self.parts() {
            let rest = part.get(skip..).unwrap_or(&[]);
            skip = skip.saturating_sub(part.len());
            let piece = rest.get(..rest.len().min(to.len())).unwrap_or(&[]);
            to.write_slice(piece)?;
            given = given.saturating_add(piece.len());
        }
        self.read = self.read.saturating_add(given);
        Ok(given)
    }

    /// Whether there is nothing left to give.
    pub(super) fn is_done(&self) -> bool {
        self.read >= self.parts().iter().map(|part| part.len()).sum()
    }
}
