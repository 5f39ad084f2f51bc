// SPDX-License-Identifier: GPL-2.0-only
//! The kernel half of the event channels: shared_info, the upcalls of each CPU, and a Linux interrupt for each port.
//!
//! The way of an event, from the peer's hypercall to the driver:
//!
//! 1. Xen sets the port's pending bit in [shared_info](shared_info) and raises the upcall of the port's vCPU: a vector
//!    of that CPU's own, or the platform device's PCI line (vCPU 0 only).
//! 2. The upcall scans the pending bits of its CPU ([`event_channel::VcpuEvents::upcall`]) and looks up each port's
//!    slot: no lock, no allocation, no reference count.
//! 3. The slot leads to the interrupt's descriptor; the interrupt core runs the driver's [`EventHandler`].
//! 4. When that finds no work, again and again, its [gate](gate) closes the port for a time.
//!
//! A driver has an [`EventChannel`]; dropping it masks the port, waits for the handler, and closes the port. Where ports
//! are served follows their affinity (/proc/irq) and the CPUs that come and go; new ones are spread over the CPUs.
//! Virtual interrupts and IPIs stay on their CPU.
//!
//! With the FIFO ABI ([fifo](fifo)) the bits are elsewhere; the way is the same.
//!
//! A process has ports of its own through /dev/xen/evtchn (`user`).
//!
//! For a suspend, [`freeze`] brings channels and CPUs to rest; [`Remake`] is for a guest that goes on in a new domain.
//!
//! The platform module calls [`start`] once and drops [`Events`] last, when all channels are gone.
//!
//! C counterparts: `drivers/xen/events/events_base.c`, `drivers/xen/platform-pci.c`, `arch/x86/xen/enlighten_hvm.c`,
//! `drivers/xen/evtchn.c`.
#![warn(missing_docs, unreachable_pub, clippy::undocumented_unsafe_blocks)]

mod channel;
mod check;
mod counters;
mod fifo;
mod freeze;
mod gate;
mod lost;
mod presence;
mod service;
mod shared_info;
mod slot;
mod upcall;
mod user;

pub use channel::{ChannelCounters, EventChannel};
pub use counters::{counters, Counters};
pub use event_channel::Handled;
pub use freeze::{freeze, Frozen, Remake};
pub use gate::{DeviceEvents, EventHandler};
pub use service::{start, time_info, Abi, Events, Upcall};
pub use user::{hold_processes, EventDevice, HeldPort, Processes};

const __LOG_PREFIX: &[u8] = b"xen-platform-pci\0";
