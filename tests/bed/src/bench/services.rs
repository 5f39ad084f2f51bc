// SPDX-License-Identifier: GPL-2.0-only
//! What counts as the driver.
//!
//! A frontend alone would not be fair: Linux's own has its services (grants, events, the entry of the upcall) in the
//! kernel's image, this project's in xen-platform-pci. So the driver is on both sides the frontend's module and the
//! services that a request or packet goes through. What both use of the kernel (the block layer, the network stack, the
//! generic interrupt layer, memcpy) is on neither side; the figure of the whole kernel has it.

use bench_report::results::Group;

use super::symbols::Function;
use crate::guest::Driver;

/// What the kernel's image has of Linux's own services, with the reason. `*` stands for any end of a name.
const MAINLINE: &[(&str, &str)] = &[
    (
        "gnttab_*",
        "grants: references, granting, revoking, walking the pages to grant",
    ),
    (
        "get_free_entries",
        "grants: taking references from the free list",
    ),
    ("get_free_seq", "grants: taking a run of references"),
    ("put_free_entry*", "grants: giving a reference back"),
    ("asm_sysvec_xen_hvm_callback", "upcall: entry"),
    ("sysvec_xen_hvm_callback", "upcall: entry"),
    ("xen_evtchn_do_upcall", "upcall: looks for pending events"),
    ("__evtchn_fifo_handle_events", "events: walks the queues"),
    ("consume_one_event", "events: takes one off its queue"),
    ("evtchn_fifo_*", "events: ports of the FIFO kind"),
    ("evtchn_2l_*", "events: ports of the 2-level kind"),
    (
        "handle_irq_for_port",
        "events: from the port to the interrupt, and the guard against storms",
    ),
    (
        "evtchn_to_info",
        "events: from the port to what is known of it",
    ),
    (
        "info_for_irq",
        "events: from the interrupt to what is known of it",
    ),
    ("irq_from_evtchn", "events: from the port to the interrupt"),
    (
        "lateeoi_*",
        "events: callbacks of the interrupt chip the frontends use",
    ),
    ("xen_irq_lateeoi*", "events: the end of an interrupt"),
    ("ack_dynirq", "events: callback of the other interrupt chip"),
    (
        "mask_ack_dynirq",
        "events: callback of the other interrupt chip",
    ),
    (
        "enable_dynirq",
        "events: callback of the other interrupt chip",
    ),
    (
        "disable_dynirq",
        "events: callback of the other interrupt chip",
    ),
    ("do_mask", "events: masking a port"),
    ("do_unmask", "events: unmasking a port"),
    ("event_handler_exit", "events: after the handler"),
    ("notify_remote_via_irq", "events: sending"),
    (
        "xen_hypercall_*",
        "hypercalls: the instruction, and what leads to it",
    ),
    (
        "__xen_hypercall_*",
        "hypercalls: the instruction, and what leads to it",
    ),
];

/// What the kernel's image has of this project's services: their upcall comes by a vector of the kernel's.
const XENPV: &[(&str, &str)] = &[
    ("irq_entries_start", "upcall: entry"),
    ("asm_common_interrupt", "upcall: entry"),
    ("common_interrupt", "upcall: entry"),
    ("__common_interrupt", "upcall: entry"),
    (
        "apic_ack_edge",
        "upcall: callback of the vector's interrupt chip",
    ),
    (
        "apic_ack_irq",
        "upcall: callback of the vector's interrupt chip",
    ),
];

/// What this project's services have of the kernel's work: the copying of data, which Linux's own frontends leave to memcpy.
const COPYING: &str = "xenpv_copy";

/// The functions whose entries are the device's interrupts. The timer's are not among them: its events are of another
/// kind in Linux's own services, and none at all in this project's.
fn interrupt_handler(driver: Driver) -> (&'static str, &'static str) {
    match driver {
        Driver::Mainline => ("vmlinux", "handle_edge_irq"),
        Driver::Xenpv => ("xen_platform_pci", "xenpv_irq_deliver"),
    }
}

/// Whether a function is the driver's or one of its services'.
pub fn is_driver(driver: Driver, group: Group, function: &Function) -> bool {
    let (disk, interface, services) = match driver {
        Driver::Mainline => ("xen_blkfront", "xen_netfront", MAINLINE),
        Driver::Xenpv => ("xen_vbd", "xen_vnif", XENPV),
    };
    let frontend = match group {
        Group::Block => disk,
        Group::Net => interface,
        Group::Ceiling => return false,
    };
    match function.module.as_str() {
        "vmlinux" => services
            .iter()
            .any(|(pattern, _)| matches(pattern, &function.name)),
        module => (module == frontend || module == "xen_platform_pci") && function.name != COPYING,
    }
}

/// Whether a function's entries are the device's interrupts.
pub fn is_interrupt(driver: Driver, function: &Function) -> bool {
    let (module, name) = interrupt_handler(driver);
    function.module == module && function.name == name
}

/// Whether a name is what a pattern says, whatever parts of it the compiler has set apart (`.part.0`, `.cold`, …).
fn matches(pattern: &str, name: &str) -> bool {
    let name = name.split_once('.').map_or(name, |(name, _)| name);
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(module: &str, name: &str) -> Function {
        Function {
            module: module.to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn the_driver_is_the_frontend_and_its_services() {
        let is = |driver, group, module, name| is_driver(driver, group, &function(module, name));
        let (ours, theirs) = (Driver::Xenpv, Driver::Mainline);
        assert!(is(theirs, Group::Block, "xen_blkfront", "blkif_queue_rq"));
        assert!(!is(theirs, Group::Net, "xen_blkfront", "blkif_queue_rq"));
        assert!(is(
            theirs,
            Group::Net,
            "vmlinux",
            "gnttab_claim_grant_reference"
        ));
        assert!(is(
            theirs,
            Group::Net,
            "vmlinux",
            "xen_irq_lateeoi_locked.part.0"
        ));
        assert!(!is(theirs, Group::Net, "vmlinux", "do_masking"));
        assert!(is(ours, Group::Block, "xen_platform_pci", "any"));
        assert!(!is(ours, Group::Block, "xen_platform_pci", "xenpv_copy"));
        assert!(is(ours, Group::Block, "xen_vbd", "any"));
        assert!(!is(ours, Group::Block, "xen_vnif", "any"));
        assert!(!is(
            ours,
            Group::Block,
            "vmlinux",
            "gnttab_claim_grant_reference"
        ));
        assert!(is(ours, Group::Net, "vmlinux", "common_interrupt"));
        assert!(!is(ours, Group::Ceiling, "xen_platform_pci", "any"));
    }

    #[test]
    fn no_service_is_named_twice() {
        for list in [MAINLINE, XENPV] {
            let mut names: Vec<&str> = list.iter().map(|(name, _)| *name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), list.len());
        }
    }
}
