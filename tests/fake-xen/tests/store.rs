// SPDX-License-Identifier: GPL-2.0-only
//! The store's client against an honest server: every operation, whatever way the bytes are cut.
use fake_xen::{StoreClient, Xenstored};
use proptest::prelude::*;
use ring::SharedMemory;
use xen_sys::xenstore::{interface, MessageType as Op, ABS_PATH_MAX, PAYLOAD_MAX};
use xenbus::client::{BeginError, Refused};
use xenbus::errors::StoreError;
use xenbus::text;
use xenbus::watch::Event;

/// Both ends of a store whose ring indices are at `start`.
fn store_at(start: u32) -> (SharedMemory, Xenstored, StoreClient) {
    let page = SharedMemory::zeroed(4096);
    for index in [
        interface::REQ_CONS,
        interface::REQ_PROD,
        interface::RSP_CONS,
        interface::RSP_PROD,
    ] {
        page.store(index, &start).unwrap();
    }
    let server = Xenstored::new(&page).unwrap();
    let client = StoreClient::new(&page).unwrap();
    (page, server, client)
}

fn store() -> (SharedMemory, Xenstored, StoreClient) {
    store_at(0)
}

fn write(client: &mut StoreClient, server: &mut Xenstored, tx: u32, path: &[u8], value: &[u8]) {
    let answer = client.request(server, Op::Write, tx, &[path, b"\0", value]);
    assert_eq!(answer, Ok(Ok(b"OK\0".to_vec())));
}

fn read(
    client: &mut StoreClient,
    server: &mut Xenstored,
    tx: u32,
    path: &[u8],
) -> Result<Vec<u8>, Refused> {
    client
        .request(server, Op::Read, tx, &[path, b"\0"])
        .unwrap()
}

fn refused<T>(error: StoreError) -> Result<T, Refused> {
    Err(Refused::Store(error))
}

#[test]
fn every_operation() {
    let (_page, mut server, mut client) = store();
    write(&mut client, &mut server, 0, b"/a/b", b"value");
    let mut ask = |op, parts: &[&[u8]]| client.request(&mut server, op, 0, parts).unwrap();
    assert_eq!(ask(Op::Read, &[b"/a/b\0"]), Ok(b"value".to_vec()));
    assert_eq!(ask(Op::Directory, &[b"/a\0"]), Ok(b"b\0".to_vec()));
    assert_eq!(ask(Op::Mkdir, &[b"/a/c\0"]), Ok(b"OK\0".to_vec()));
    assert_eq!(ask(Op::Directory, &[b"/a\0"]), Ok(b"b\0c\0".to_vec()));
    assert_eq!(
        ask(Op::SetPerms, &[b"/a/c\0", b"r0\0"]),
        Ok(b"OK\0".to_vec())
    );
    assert_eq!(ask(Op::GetPerms, &[b"/a/c\0"]), Ok(b"r0\0".to_vec()));
    assert_eq!(ask(Op::Rm, &[b"/a\0"]), Ok(b"OK\0".to_vec()));
    assert_eq!(ask(Op::Read, &[b"/a/b\0"]), refused(StoreError::NotFound));
    assert_eq!(
        ask(Op::GetDomainPath, &[b"7\0"]),
        Ok(b"/local/domain/7\0".to_vec())
    );
    assert_eq!(ask(Op::Release, &[b"7\0"]), refused(StoreError::Access));
    assert_eq!(ask(Op::Read, &[b"no NUL"]), refused(StoreError::Invalid));
    assert_eq!(client.counters().bad_replies, 0);
}

#[test]
fn the_longest_payload() {
    let (_page, mut server, mut client) = store();
    let path = vec![b'p'; ABS_PATH_MAX - 100];
    let path = [b"/", &path[..]].concat();
    let value = vec![b'v'; PAYLOAD_MAX - path.len() - 1];
    write(&mut client, &mut server, 0, &path, &value);
    assert_eq!(read(&mut client, &mut server, 0, &path), Ok(value));
    let long = vec![0; PAYLOAD_MAX + 1];
    assert!(matches!(
        client.begin(Op::Write, 0, &[&long]),
        Err(BeginError::TooLong(_))
    ));
}

#[test]
fn directories_in_parts() {
    let (_page, mut server, mut client) = store();
    let names: Vec<String> = (0..700)
        .map(|n| format!("a-rather-long-name-{n:04}"))
        .collect();
    for name in &names {
        server.write(format!("/many/{name}").as_bytes(), b"");
    }
    let whole = client.request(&mut server, Op::Directory, 0, &[b"/many\0"]);
    assert_eq!(whole, Ok(refused(StoreError::TooBig)));
    let mut got = Vec::new();
    loop {
        let offset = format!("{}\0", got.len());
        let answer = client
            .request(
                &mut server,
                Op::DirectoryPart,
                0,
                &[b"/many\0", offset.as_bytes()],
            )
            .unwrap()
            .unwrap();
        let piece = text::directory_piece(&answer).expect("a piece");
        got.extend_from_slice(piece.names);
        if piece.last {
            break;
        }
    }
    let got: Vec<&[u8]> = text::strings(&got).collect();
    let expected: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
    assert_eq!(got, expected);
}

#[test]
fn transactions_see_themselves_and_conflict_with_others() {
    let (_page, mut server, mut client) = store();
    server.write(b"/n", b"0");
    let start = |client: &mut StoreClient, server: &mut Xenstored| {
        let id = client
            .request(server, Op::TransactionStart, 0, &[b"\0"])
            .unwrap();
        text::transaction_id(&id.unwrap()).expect("an id")
    };
    let tx = start(&mut client, &mut server);
    write(&mut client, &mut server, tx, b"/n", b"1");
    assert_eq!(read(&mut client, &mut server, 0, b"/n"), Ok(b"0".to_vec()));
    assert_eq!(read(&mut client, &mut server, tx, b"/n"), Ok(b"1".to_vec()));
    let end = |client: &mut StoreClient, server: &mut Xenstored, tx, how: &[u8]| {
        client
            .request(server, Op::TransactionEnd, tx, &[how])
            .unwrap()
    };
    assert_eq!(
        end(&mut client, &mut server, tx, b"T\0"),
        Ok(b"OK\0".to_vec())
    );
    assert_eq!(read(&mut client, &mut server, 0, b"/n"), Ok(b"1".to_vec()));

    let tx = start(&mut client, &mut server);
    write(&mut client, &mut server, tx, b"/n", b"2");
    server.write(b"/elsewhere", b"");
    assert_eq!(
        end(&mut client, &mut server, tx, b"T\0"),
        refused(StoreError::Again)
    );
    assert_eq!(read(&mut client, &mut server, 0, b"/n"), Ok(b"1".to_vec()));

    let tx = start(&mut client, &mut server);
    write(&mut client, &mut server, tx, b"/n", b"3");
    assert_eq!(
        end(&mut client, &mut server, tx, b"F\0"),
        Ok(b"OK\0".to_vec())
    );
    assert_eq!(read(&mut client, &mut server, 0, b"/n"), Ok(b"1".to_vec()));
    assert_eq!(
        read(&mut client, &mut server, tx, b"/n"),
        refused(StoreError::NotFound)
    );
    assert_eq!(server.open_transactions(), 0);
}

#[test]
fn watches_tell_of_changes() {
    let (_page, mut server, mut client) = store();
    let token = client.watch(&mut server, b"/top").unwrap();
    let relative = client.watch(&mut server, b"device").unwrap();
    client.settle(&mut server).unwrap();
    let changed = |path: &[u8]| Some(Event::Changed(path.to_vec()));
    assert_eq!(client.event(token), changed(b"/top"));
    assert_eq!(client.event(relative), changed(b"device"));
    assert_eq!(client.event(token), None);
    server.write(b"/top/a", b"1");
    server.write(b"/topmost", b"not ours");
    server.write(b"/local/domain/7/device/vbd/51712", b"");
    client.settle(&mut server).unwrap();
    assert_eq!(client.event(token), changed(b"/top/a"));
    assert_eq!(client.event(token), None);
    assert_eq!(client.event(relative), changed(b"device/vbd/51712"));
    server.remove(b"/top");
    client.settle(&mut server).unwrap();
    assert_eq!(client.event(token), changed(b"/top"));
    assert_eq!(server.watches(), 2);
}

#[test]
fn many_in_flight() {
    let (_page, mut server, mut client) = store();
    for n in 0..16u32 {
        server.write(format!("/{n}").as_bytes(), format!("value {n}").as_bytes());
    }
    for round in 0..3 {
        let numbers: Vec<_> = (0..16)
            .map(|n| {
                let path = format!("/{n}\0");
                client.begin(Op::Read, 0, &[path.as_bytes()]).unwrap().0
            })
            .collect();
        assert!(matches!(
            client.begin(Op::Read, 0, &[b"/0\0"]),
            Err(BeginError::Busy(_))
        ));
        assert_eq!(client.in_flight(), 16, "round {round}");
        client.settle(&mut server).unwrap();
        for (n, number) in numbers.into_iter().enumerate() {
            let value = format!("value {n}").into_bytes();
            assert_eq!(client.answer(number), Some(Ok(value)));
        }
    }
}

/// The same conversation, cut at every place.
#[test]
fn split_at_every_byte() {
    for chunk in 1..60 {
        let (_page, mut server, mut client) = store();
        server.set_chunk(chunk);
        let token = client.watch(&mut server, b"/w").unwrap();
        write(&mut client, &mut server, 0, b"/w/x", b"hello");
        assert_eq!(
            read(&mut client, &mut server, 0, b"/w/x"),
            Ok(b"hello".to_vec())
        );
        assert_eq!(
            read(&mut client, &mut server, 0, b"/nothing"),
            refused(StoreError::NotFound)
        );
        client.settle(&mut server).unwrap();
        assert_eq!(client.event(token), Some(Event::Changed(b"/w".to_vec())));
        assert_eq!(client.event(token), Some(Event::Changed(b"/w/x".to_vec())));
    }
}

proptest! {
    /// Values come back as they were written, from any ring position, however cut.
    #[test]
    fn values_survive(
        start: u32,
        chunk in 1usize..2000,
        writes in prop::collection::vec((0..6u8, prop::collection::vec(any::<u8>(), 0..900)), 1..20),
    ) {
        let (_page, mut server, mut client) = store_at(start);
        server.set_chunk(chunk);
        let mut model = std::collections::BTreeMap::new();
        for (node, value) in writes {
            let path = format!("/nodes/{node}").into_bytes();
            write(&mut client, &mut server, 0, &path, &value);
            model.insert(path, value);
        }
        for (path, value) in &model {
            prop_assert_eq!(read(&mut client, &mut server, 0, path), Ok(value.clone()));
            prop_assert_eq!(server.tree().read(path), Some(&value[..]));
        }
    }
}
