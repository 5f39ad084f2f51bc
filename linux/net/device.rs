// SPDX-License-Identifier: GPL-2.0-only
//! A network interface and its poll context (`struct net_device`, `struct napi_struct`).

use core::{
    ffi::{c_int, c_void},
    marker::PhantomData,
    ops::Deref,
    pin::Pin,
    ptr::NonNull,
};
use kernel::{bindings::sk_buff, error::to_result, ffi::c_char, prelude::*, types::NotThreadSafe};

use crate::{
    ffi::{self, Callbacks, Private, RawNapi, RawNetDevice},
    Skb,
};

/// What `ip -s link` shows (`struct rtnl_link_stats64`, the part that we have).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Statistics {
    /// Packets received.
    pub rx_packets: u64,
    /// Their bytes.
    pub rx_bytes: u64,
    /// Packets that came damaged.
    pub rx_errors: u64,
    /// Packets lost for want of memory.
    pub rx_dropped: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Their bytes.
    pub tx_bytes: u64,
    /// Packets that the other end could not send.
    pub tx_errors: u64,
    /// Packets that were not sent.
    pub tx_dropped: u64,
}

/// What the other end can bear.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Packets of several parts (`NETIF_F_SG`).
    pub sg: bool,
    /// Blank checksums of TCP and UDP over IPv4 (`NETIF_F_IP_CSUM`).
    pub csum_v4: bool,
    /// Blank checksums of TCP and UDP over IPv6 (`NETIF_F_IPV6_CSUM`).
    pub csum_v6: bool,
    /// TCP over IPv4 in packets larger than the MTU (`NETIF_F_TSO`).
    pub gso_v4: bool,
    /// TCP over IPv6 in packets larger than the MTU (`NETIF_F_TSO6`).
    pub gso_v6: bool,
    /// The largest MTU.
    pub mtu_max: u32,
}

/// The names of the driver's own counters, for `ethtool -S`, as C wants them.
pub struct CounterNames<const N: usize>([*const c_char; N]);

// SAFETY: The pointers are those of `&'static CStr`s and never written through.
unsafe impl<const N: usize> Sync for CounterNames<N> {}

impl<const N: usize> CounterNames<N> {
    /// Each name has fewer than 32 bytes (`ETH_GSTRING_LEN`), or it is cut.
    pub const fn new(names: [&'static CStr; N]) -> Self {
        let mut pointers = [core::ptr::null(); N];
        let mut i = 0;
        while i < N {
            pointers[i] = names[i].as_ptr().cast();
            i += 1;
        }
        Self(pointers)
    }

    /// The list, for [`Operations::COUNTERS`].
    pub const fn as_slice(&'static self) -> CounterList {
        CounterList(&self.0)
    }
}

/// Names of counters, see [`CounterNames`].
#[derive(Clone, Copy)]
pub struct CounterList(&'static [*const c_char]);

/// What a driver does for its interface. Everything may be called on any CPU.
pub trait Operations: Send + Sync + 'static {
    /// The driver's name, for `ethtool -i`.
    const DRIVER: &'static CStr;
    /// The driver's own counters, for `ethtool -S`.
    const COUNTERS: CounterList;

    /// Sends a packet. Called by one CPU at a time, bottom halves off.
    fn start_xmit(&self, interface: &Interface, skb: Skb);

    /// Receives up to `budget` packets and returns how many. If it was fewer, it must have called [`Napi::complete`].
    /// A softirq, on one CPU at a time. A `budget` of 0 asks only to reap what was sent.
    fn poll(&self, napi: &Napi, budget: u32) -> u32;

    /// The interface was brought up and packets may come: the driver stops the queue again if it has no room, and asks
    /// for a poll.
    fn opened(&self, interface: &Interface);

    /// The interface was taken down: no packet comes any more, no poll runs. In process context.
    fn closed(&self, interface: &Interface);

    /// The statistics as of now.
    fn statistics(&self) -> Statistics;

    /// Sets `values` to those of [`COUNTERS`](Self::COUNTERS) as of now. In process context.
    fn read_counters(&self, interface: &Interface, values: &mut [u64]);
}

/// What a driver may do to its interface from any of its operations.
///
/// # Invariants
///
/// Only ever seen behind a reference, which is one to a net_device that [`NetDevice`] allocated and has not freed.
#[repr(transparent)]
pub struct Interface(RawNetDevice);

impl Interface {
    fn as_raw(&self) -> *mut RawNetDevice {
        core::ptr::from_ref(self).cast_mut().cast()
    }

    /// No packet is to be sent until [`wake_queue`](Self::wake_queue). Under the lock that `wake_queue` is called
    /// under too.
    #[inline]
    pub fn stop_queue(&self) {
        // SAFETY: By the type invariant.
        unsafe { ffi::xenpv_net_tx_stop(self.as_raw()) };
    }

    /// Packets may be sent again. Not from hard interrupts.
    #[inline]
    pub fn wake_queue(&self) {
        // SAFETY: By the type invariant.
        unsafe { ffi::xenpv_net_tx_wake(self.as_raw()) };
    }

    /// Takes the lock that the stack holds around `start_xmit`, with softirqs held off. A driver's own transmit lock
    /// nests inside: netpoll, which sends from hard interrupts, tries this one and gives up where it would wait for
    /// itself. For the same reason a poll with a budget of 0 must not `wait`; it gets `None` when somebody sends.
    #[inline]
    pub fn lock_queue(&self, wait: bool) -> Option<QueueGuard<'_>> {
        // SAFETY: By the type invariant.
        let locked = unsafe { ffi::xenpv_net_tx_lock(self.as_raw(), wait) };
        locked.then_some(QueueGuard {
            interface: self,
            _cpu: NotThreadSafe,
        })
    }

    /// Waits for a running `start_xmit`; none runs afterwards until [`wake_queue`](Self::wake_queue). In process
    /// context.
    pub fn disable_queue(&self) {
        // SAFETY: By the type invariant.
        unsafe { ffi::xenpv_net_tx_disable(self.as_raw()) };
    }

    /// Says whether the link is up.
    pub fn set_carrier(&self, up: bool) {
        // SAFETY: By the type invariant.
        unsafe { ffi::xenpv_net_carrier(self.as_raw(), up) };
    }

    /// Tells the neighbours where we are, if the link is up. In process context, without the RTNL lock.
    pub fn notify_peers(&self) {
        // SAFETY: By the type invariant.
        unsafe { ffi::xenpv_net_notify_peers(self.as_raw()) };
    }

    /// Asks for a poll, from process context. Nothing happens while the interface is down.
    pub fn schedule_poll(&self) {
        // SAFETY: By the type invariant.
        unsafe { ffi::xenpv_net_schedule(self.as_raw()) };
    }

    /// Asks for a poll, with interrupts off. Nothing happens while the interface is down.
    #[inline]
    pub fn schedule_poll_from_interrupt(&self) {
        // SAFETY: By the type invariant.
        unsafe { ffi::xenpv_net_schedule_irqoff(self.as_raw()) };
    }

    /// Asks for a poll in about `ms` milliseconds; a later call moves it.
    pub fn schedule_poll_after(&self, ms: u32) {
        // SAFETY: By the type invariant.
        unsafe { ffi::xenpv_net_schedule_after(self.as_raw(), ms) };
    }

    /// Sets what the other end can bear. In process context, without the RTNL lock.
    pub fn set_limits(&self, limits: &Limits) {
        let features = [
            (limits.sg, ffi::XENPV_NET_SG),
            (limits.csum_v4, ffi::XENPV_NET_CSUM_V4),
            (limits.csum_v6, ffi::XENPV_NET_CSUM_V6),
            (limits.gso_v4, ffi::XENPV_NET_GSO_V4),
            (limits.gso_v6, ffi::XENPV_NET_GSO_V6),
        ]
        .into_iter()
        .filter(|(has, _)| *has)
        .fold(0, |all, (_, flag)| all | flag);
        // SAFETY: By the type invariant.
        unsafe { ffi::xenpv_net_set_limits(self.as_raw(), features, limits.mtu_max) };
    }
}

/// No `start_xmit` runs while it lives, see [`Interface::lock_queue`].
pub struct QueueGuard<'a> {
    interface: &'a Interface,
    _cpu: NotThreadSafe,
}

impl Drop for QueueGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: The lock was taken when this was made, and this cannot leave the thread.
        unsafe { ffi::xenpv_net_tx_unlock(self.interface.as_raw()) };
    }
}

/// The poll context, seen within a poll only.
///
/// # Invariants
///
/// Only ever seen behind a reference, which is one to the napi_struct of a live [`NetDevice`] whose poll runs.
#[repr(transparent)]
pub struct Napi(RawNapi);

impl Napi {
    pub(crate) fn as_raw(&self) -> *mut RawNapi {
        core::ptr::from_ref(self).cast_mut().cast()
    }

    /// The poll is done with `work` packets, fewer than the budget. False if another poll is due anyhow.
    #[inline]
    pub fn complete(&self, work: u32) -> bool {
        // SAFETY: By the type invariant. The work fits: it is less than a budget, which was a c_int.
        unsafe { ffi::xenpv_napi_complete(self.as_raw(), work as c_int) }
    }

    /// After [`complete`](Self::complete): there is more to do.
    pub fn reschedule(&self) {
        // SAFETY: By the type invariant.
        unsafe { ffi::xenpv_napi_reschedule(self.as_raw()) };
    }

    /// The interface it belongs to.
    #[inline]
    pub fn interface(&self) -> &Interface {
        // SAFETY: By the type invariant `private` is that of a live NetDevice, so `dev` is its interface.
        unsafe { &*(*private_of_napi(self.as_raw())).dev.cast() }
    }
}

/// # Safety
///
/// `napi` is that of a live [`NetDevice`].
#[inline]
unsafe fn private_of_napi(napi: *mut RawNapi) -> *mut Private {
    // SAFETY: The offset is a constant of C. As the caller promises, so far before the napi lies its `xenpv_net`.
    unsafe { napi.cast::<u8>().sub(ffi::xenpv_net_napi_offset).cast() }
}

/// An interface, owned: unregistered and freed when dropped. Not to be dropped in atomic context.
///
/// # Invariants
///
/// `raw` came from `xenpv_net_alloc` with `data`'s address, and is freed by our drop only.
pub struct NetDevice<T: Operations> {
    raw: NonNull<RawNetDevice>,
    data: Pin<KBox<T>>,
}

// SAFETY: A net_device may be used and freed on any thread; the data is `Send` and `Sync` by `Operations`.
unsafe impl<T: Operations> Send for NetDevice<T> {}
// SAFETY: As above; `Interface`'s methods do their own locking in C.
unsafe impl<T: Operations> Sync for NetDevice<T> {}

impl<T: Operations> NetDevice<T> {
    /// Makes an interface with the address `mac`, its carrier off, not yet registered.
    ///
    /// # Errors
    /// `ENOMEM`, or what `data` fails with.
    pub fn new(data: impl PinInit<T, Error>, mac: &[u8; 6]) -> Result<Self> {
        let data = KBox::pin_init(data, GFP_KERNEL)?;
        let pointer = core::ptr::from_ref::<T>(&data).cast_mut().cast();
        // SAFETY: The callbacks are `'static` and as C declares them; the name is a `'static` C string. The data
        // stays where it is, for it is pinned, and lives until the device is freed.
        let raw = unsafe {
            ffi::xenpv_net_alloc(
                Adapter::<T>::CALLBACKS,
                pointer,
                mac.as_ptr(),
                T::DRIVER.as_ptr().cast(),
            )
        };
        // INVARIANT: Just allocated with the data's address.
        Ok(Self {
            raw: NonNull::new(raw).ok_or(ENOMEM)?,
            data,
        })
    }

    /// Sets the MTU. Before [`register`](Self::register) only.
    pub fn set_initial_mtu(&self, mtu: u32) {
        // SAFETY: By the type invariant.
        unsafe { ffi::xenpv_net_set_mtu(self.raw.as_ptr(), mtu) };
    }

    /// Shows the interface to the system, below the device `parent`.
    ///
    /// # Errors
    /// What `register_netdev` fails with.
    ///
    /// # Safety
    ///
    /// `parent` is a device that outlives the registration.
    pub unsafe fn register(&self, parent: *mut kernel::bindings::device) -> Result {
        // SAFETY: By the type invariant, and `parent` is as promised.
        to_result(unsafe { ffi::xenpv_net_register(self.raw.as_ptr(), parent.cast()) })
    }

    /// Takes the interface down and away from the system, if it is registered. No operation runs afterwards. In
    /// process context, without the RTNL lock.
    pub fn unregister(&self) {
        // SAFETY: By the type invariant.
        unsafe { ffi::xenpv_net_unregister(self.raw.as_ptr()) };
    }

    /// What may be done to the interface.
    #[inline]
    pub fn interface(&self) -> &Interface {
        // SAFETY: By the type invariants of `NetDevice` and `Interface`.
        unsafe { &*self.raw.as_ptr().cast() }
    }
}

impl<T: Operations> Deref for NetDevice<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T: Operations> Drop for NetDevice<T> {
    fn drop(&mut self) {
        self.unregister();
        // SAFETY: By the type invariant; after `unregister` nobody else uses the device, and the data outlives it.
        unsafe { ffi::xenpv_net_free(self.raw.as_ptr()) };
    }
}

/// The C face of `T`.
struct Adapter<T>(PhantomData<T>);

impl<T: Operations> Adapter<T> {
    const CALLBACKS: &'static Callbacks = &Callbacks {
        start_xmit: Self::start_xmit,
        poll: Self::poll,
        opened: Self::opened,
        closed: Self::closed,
        statistics: Self::statistics,
        read_counters: Self::read_counters,
        counter_names: T::COUNTERS.0.as_ptr(),
        counters: T::COUNTERS.0.len() as u32,
    };

    /// # Safety
    ///
    /// `dev` is that of a `NetDevice<T>` which lives for `'a`.
    #[inline]
    unsafe fn of_device<'a>(dev: *mut RawNetDevice) -> (&'a T, &'a Interface) {
        // SAFETY: The offset is a constant of C: so far into the net_device lies its private part, whose data is the
        // `T` that outlives the device. The device is alive, as the invariant of `Interface` asks.
        unsafe {
            let private = dev.cast::<u8>().add(ffi::xenpv_net_private_offset);
            let data = (*private.cast::<Private>()).data.cast::<T>();
            (&*data, &*dev.cast())
        }
    }

    /// # Safety
    ///
    /// To be called as `ndo_start_xmit` of a live `NetDevice<T>`.
    unsafe extern "C" fn start_xmit(skb: *mut sk_buff, dev: *mut RawNetDevice) -> c_int {
        // SAFETY: As promised. The packet is not null and its reference ours from now on.
        let ((data, interface), skb) = unsafe {
            (
                Self::of_device(dev),
                Skb::from_raw(NonNull::new_unchecked(skb)),
            )
        };
        data.start_xmit(interface, skb);
        ffi::NETDEV_TX_OK
    }

    /// # Safety
    ///
    /// To be called as the poll function of the napi_struct of a live `NetDevice<T>`.
    unsafe extern "C" fn poll(napi: *mut RawNapi, budget: c_int) -> c_int {
        // SAFETY: The napi is that of a live `NetDevice<T>`, so the data is a `T` that outlives it, and its poll
        // runs, as the invariant of `Napi` asks.
        let (data, napi) = unsafe {
            (
                &*(*private_of_napi(napi)).data.cast::<T>(),
                &*napi.cast::<Napi>(),
            )
        };
        // Neither is ever negative, and the work is no more than the budget.
        data.poll(napi, budget as u32) as c_int
    }

    /// # Safety
    ///
    /// `dev` is that of a live `NetDevice<T>`.
    unsafe extern "C" fn opened(dev: *mut RawNetDevice) {
        // SAFETY: As promised.
        let (data, interface) = unsafe { Self::of_device(dev) };
        data.opened(interface);
    }

    /// # Safety
    ///
    /// `dev` is that of a live `NetDevice<T>`.
    unsafe extern "C" fn closed(dev: *mut RawNetDevice) {
        // SAFETY: As promised.
        let (data, interface) = unsafe { Self::of_device(dev) };
        data.closed(interface);
    }

    /// # Safety
    ///
    /// `data` is that of a live `NetDevice<T>`; `into` may be written.
    unsafe extern "C" fn statistics(data: *mut c_void, into: *mut Statistics) {
        // SAFETY: As promised.
        unsafe { into.write((*data.cast::<T>()).statistics()) };
    }

    /// # Safety
    ///
    /// `dev` is that of a live `NetDevice<T>`; `into` has room for as many numbers as there are counters, and they are
    /// set to something.
    unsafe extern "C" fn read_counters(dev: *mut RawNetDevice, into: *mut u64) {
        // SAFETY: As promised. The core has set its numbers to zero.
        let ((data, interface), values) = unsafe {
            (
                Self::of_device(dev),
                core::slice::from_raw_parts_mut(into, T::COUNTERS.0.len()),
            )
        };
        data.read_counters(interface, values);
    }
}
