// SPDX-License-Identifier: GPL-2.0-only
//! What only the FIFO ABI has: queues with an order and priorities, Xen at work on a word, links that lead nowhere.
use crate::fake_xen::{index, Abi, Domain, TEST_PORTS};
use crate::sync::Ordering::SeqCst;
use crate::{MaskReason, SharedPorts};
use std::vec::Vec;
use xen_sys::event_channel::{
    FIFO_BUSY, FIFO_LINKED, FIFO_LINK_MASK, FIFO_MASKED, FIFO_PENDING, FIFO_PRIORITY_DEFAULT,
};

const QUEUE: usize = FIFO_PRIORITY_DEFAULT as usize;

fn domain() -> Domain {
    let domain = Domain::new(Abi::Fifo);
    (0..TEST_PORTS.len()).for_each(|channel| domain.bind(channel, 0));
    domain
}

fn word(domain: &Domain, channel: usize) -> u32 {
    let fifo = domain.fifo.as_ref().unwrap();
    fifo.word(TEST_PORTS[channel]).load(SeqCst)
}

fn send(domain: &Domain, channels: &[usize]) {
    channels.iter().for_each(|&channel| domain.send(channel));
}

/// The ports that one upcall delivers, and those that the pause after it does.
fn served(domain: &Domain) -> (Vec<u32>, Vec<u32>) {
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    domain.interrupt(0, |port| first.push(port.port().0));
    domain.catch_up(0, |port| rest.push(port.port().0));
    (first, rest)
}

#[test]
fn events_are_served_in_their_order() {
    let domain = domain();
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        send(&domain, &order);
        let ports = order.map(|channel| TEST_PORTS[channel]);
        assert_eq!(served(&domain), (ports.to_vec(), Vec::new()));
    }
}

#[test]
fn a_higher_priority_comes_first() {
    let domain = domain();
    send(&domain, &[0, 1, 3]);
    let order = [3, 0, 1].map(|channel| TEST_PORTS[channel]);
    assert_eq!(served(&domain).0, order);
}

#[test]
fn an_upcall_ends_and_the_rest_is_served_later() {
    let domain = domain();
    send(&domain, &[0, 1, 2, 3]);
    let (first, rest) = served(&domain);
    assert_eq!((first.len(), rest), (3, [TEST_PORTS[2]].to_vec()));
    assert_eq!(served(&domain), (Vec::new(), Vec::new()));
}

/// Two peers that send again as soon as they are served stand one behind the other for ever.
#[test]
fn a_storm_does_not_keep_an_upcall_from_its_end() {
    let domain = domain();
    send(&domain, &[0, 1]);
    let again = |port: crate::PortIndex| match port.port().0 {
        1 => domain.send(0),
        2 => domain.send(1),
        _ => {}
    };
    assert!(domain.interrupt(0, again));
    assert_eq!(domain.deliveries(0) + domain.deliveries(1), 3);
    domain.send(2);
    domain.catch_up(0, again);
    assert!(domain.is_served(2), "the others have their turn");
}

#[test]
fn a_port_on_which_xen_is_at_work_is_opened_by_xen() {
    let domain = domain();
    domain.mask(0, MaskReason::Driver);
    let word_of = domain.fifo.as_ref().unwrap().word(TEST_PORTS[0]);
    word_of.fetch_or(FIFO_BUSY, SeqCst);
    let (ports, state) = (domain.ports(), domain.state(0));
    let raise = state.unmask(ports, index(0), MaskReason::Driver);
    assert_eq!(raise, crate::Raise::Needed);
    assert_eq!(word(&domain, 0), FIFO_BUSY | FIFO_MASKED);
}

#[test]
fn a_masked_port_leaves_the_queue_with_its_event() {
    let domain = domain();
    domain.send(0);
    domain.mask(0, MaskReason::Driver);
    assert_eq!(served(&domain).0, []);
    assert_eq!(word(&domain, 0), FIFO_PENDING | FIFO_MASKED);
    domain.unmask(0, MaskReason::Driver);
    assert_eq!(served(&domain).0, [TEST_PORTS[0]]);
    assert_eq!(word(&domain, 0), 0);
}

#[test]
fn links_that_lead_nowhere_end_the_queue_and_are_counted() {
    for link in [4096, 4097, 32768, FIFO_LINK_MASK] {
        let domain = domain();
        domain.send(0);
        let word = domain.fifo.as_ref().unwrap().word(TEST_PORTS[0]);
        word.fetch_or(link, SeqCst);
        assert_eq!(served(&domain).0, [TEST_PORTS[0]]);
        assert_eq!(domain.events(0).counters().strays, 1, "link {link}");
        domain.send(0);
        assert_eq!(served(&domain).0, [TEST_PORTS[0]]);
    }
}

#[test]
fn a_loop_of_links_ends_with_the_upcall() {
    let domain = domain();
    domain.send(0);
    let word = domain.fifo.as_ref().unwrap().word(TEST_PORTS[0]);
    word.fetch_or(TEST_PORTS[0], SeqCst);
    assert_eq!(served(&domain), ([TEST_PORTS[0]].to_vec(), Vec::new()));
    assert_eq!(word.load(SeqCst), 0);
}

#[test]
fn heads_and_queues_that_do_not_exist_are_counted_or_passed_over() {
    let domain = domain();
    let block = domain.fifo.as_ref().unwrap().block(0);
    for head in [0, 4096, u32::MAX] {
        block.set_head(QUEUE, head);
        block.set_ready(QUEUE);
        block.set_ready(31);
        domain.catch_up(0, |_| panic!("delivered"));
    }
    assert_eq!(domain.events(0).counters().strays, 3);
    domain.send(1);
    assert_eq!(served(&domain).0, [TEST_PORTS[1]]);
}

#[test]
fn a_vcpu_that_went_leaves_its_events_to_be_found() {
    let domain = domain();
    send(&domain, &[0, 1, 3]);
    domain.restart(0);
    for channel in [0, 1, 3] {
        assert_ne!(word(&domain, channel) & (FIFO_LINKED | FIFO_PENDING), 0);
    }
    domain.settle();
    assert!([0, 1, 3]
        .into_iter()
        .all(|channel| domain.is_served(channel)));
}

#[test]
fn ports_past_the_pages_that_xen_knows_do_nothing() {
    let domain = domain();
    let SharedPorts::Fifo(array) = domain.ports() else {
        panic!("no array");
    };
    let port = crate::PortIndex::new(xen_sys::Port(4096)).unwrap();
    array.mask(port);
    array.set_pending(port);
    assert!(!array.is_masked(port) && !array.is_pending(port) && array.try_open(port));
    assert_eq!(array.waiting(port.word()), 0);
    assert!(array.unlink(0, true).is_none() && array.unlink(4096, true).is_none());
}
