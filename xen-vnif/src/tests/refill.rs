// SPDX-License-Identifier: GPL-2.0-only
use crate::refill::Refill;

#[test]
fn a_ring_with_enough_pages_needs_no_timer() {
    let mut refill = Refill::new();
    assert_eq!(refill.after(256, 256), None);
    assert_eq!(refill.after(32, 256), None);
    assert_eq!(refill.after(4, 4), None);
}

#[test]
fn a_dry_ring_is_tried_again_ever_more_slowly() {
    let mut refill = Refill::new();
    let delays: std::vec::Vec<_> = (0..10).map(|_| refill.after(3, 256)).collect();
    assert_eq!(delays[0], Some(10));
    assert!(delays.windows(2).all(|pair| pair[0] <= pair[1]));
    assert_eq!(delays[9], Some(1000));
    assert_eq!(refill.after(200, 256), None);
    assert_eq!(refill.after(0, 256), Some(10), "success starts over");
}
