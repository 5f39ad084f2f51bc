// SPDX-License-Identifier: GPL-2.0-only
//! A process of the guest that has event channels of its own: what it may ask for.
//!
//! C counterparts: `include/uapi/xen/evtchn.h`, `drivers/xen/evtchn.c`.
use xen_sys::{Domid, Port};

/// How long a command's argument is at most.
pub const ARGUMENT_MAX: usize = 8;

/// What is said to a process that may not do what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such command.
    Unknown,
    /// The argument makes no sense.
    Invalid,
    /// The file is restricted, and this is outside.
    Restricted,
}

/// Where a new port comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is new, and this domain may bind to it.
    Unbound(Domid),
    /// It is bound to this port of that domain.
    Interdomain(Domid, Port),
    /// It is this virtual interrupt of vCPU 0.
    Virq(u32),
    /// It was there before.
    Static(Port),
}

/// A command of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// The file is to have one more port; the command's result is its number.
    Bind(Source),
    /// The file is to give this port up.
    Unbind(Port),
    /// The other end of this port is to be told.
    Notify(Port),
    /// What waits to be read is to be forgotten.
    Reset,
    /// From now on the file may deal with this domain only.
    Restrict(Domid),
}

/// `_IOC(_IOC_NONE, 'E', number, size)`.
const fn ioc(number: u32, size: u32) -> u32 {
    size << 16 | (b'E' as u32) << 8 | number
}

const BIND_VIRQ: u32 = ioc(0, 4);
const BIND_INTERDOMAIN: u32 = ioc(1, 8);
const BIND_UNBOUND_PORT: u32 = ioc(2, 4);
const UNBIND: u32 = ioc(3, 4);
const NOTIFY: u32 = ioc(4, 4);
const RESET: u32 = ioc(5, 0);
const RESTRICT_DOMID: u32 = ioc(6, 2);
const BIND_STATIC: u32 = ioc(7, 4);

impl Command {
    /// How many bytes the argument of command `number` has; `None` when there is no such command.
    pub fn argument_len(number: u32) -> Option<usize> {
        match number {
            BIND_VIRQ | BIND_UNBOUND_PORT | UNBIND | NOTIFY | BIND_STATIC => Some(4),
            BIND_INTERDOMAIN => Some(8),
            RESTRICT_DOMID => Some(2),
            RESET => Some(0),
            _ => None,
        }
    }

    /// The command `number` with its argument, as far as it has one, in a file with this restriction.
    ///
    /// # Errors
    /// Says why there is none.
    pub fn of(
        number: u32,
        argument: &[u8; ARGUMENT_MAX],
        restriction: Option<Domid>,
    ) -> Result<Self, Refused> {
        let [a, b, c, d, e, f, g, h] = *argument;
        let (first, second) = (
            u32::from_ne_bytes([a, b, c, d]),
            u32::from_ne_bytes([e, f, g, h]),
        );
        let command = match number {
            BIND_VIRQ => Self::Bind(Source::Virq(first)),
            BIND_INTERDOMAIN => Self::Bind(Source::Interdomain(domain(first)?, Port(second))),
            BIND_UNBOUND_PORT => Self::Bind(Source::Unbound(domain(first)?)),
            BIND_STATIC => Self::Bind(Source::Static(Port(first))),
            UNBIND => Self::Unbind(Port(first)),
            NOTIFY => Self::Notify(Port(first)),
            RESET => Self::Reset,
            RESTRICT_DOMID => Self::Restrict(other_domain(u16::from_ne_bytes([a, b]))?),
            _ => return Err(Refused::Unknown),
        };
        command.check(restriction)
    }

    fn check(self, restriction: Option<Domid>) -> Result<Self, Refused> {
        let Some(only) = restriction else {
            return Ok(self);
        };
        match self {
            Self::Bind(Source::Unbound(domain) | Source::Interdomain(domain, _))
                if domain == only =>
            {
                Ok(self)
            }
            Self::Bind(_) | Self::Restrict(_) => Err(Refused::Restricted),
            Self::Unbind(_) | Self::Notify(_) | Self::Reset => Ok(self),
        }
    }
}

/// A domain, or one of the names that Xen has for some; Xen says whether it can be.
fn domain(number: u32) -> Result<Domid, Refused> {
    u16::try_from(number)
        .map(Domid)
        .map_err(|_| Refused::Invalid)
}

/// A domain that is not the one which controls Xen.
fn other_domain(number: u16) -> Result<Domid, Refused> {
    let domain = Domid(number);
    match domain.is_domain() && number != 0 {
        true => Ok(domain),
        false => Err(Refused::Invalid),
    }
}

/// Takes up to `room` of those among `count` places that `take` says have something, beginning behind `last`, so that
/// each has its turn; calls `give` with each place. Returns the last one, to begin behind it the next time.
pub fn in_turn(
    count: usize,
    last: usize,
    room: usize,
    mut take: impl FnMut(usize) -> bool,
    mut give: impl FnMut(usize),
) -> usize {
    let first = if last < count {
        last.saturating_add(1)
    } else {
        0
    };
    let mut given = 0usize;
    let mut end = last;
    for place in (first..count).chain(0..first) {
        if given == room {
            break;
        }
        if take(place) {
            give(place);
            given = given.saturating_add(1);
            end = place;
        }
    }
    end
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    fn argument(first: u32, second: u32) -> [u8; ARGUMENT_MAX] {
        let mut bytes = [0; ARGUMENT_MAX];
        bytes[..4].copy_from_slice(&first.to_ne_bytes());
        bytes[4..].copy_from_slice(&second.to_ne_bytes());
        bytes
    }

    /// The numbers as they stand in Linux's header, worked out by a C compiler.
    const NUMBERS: [u32; 8] = [
        0x0004_4500,
        0x0008_4501,
        0x0004_4502,
        0x0004_4503,
        0x0004_4504,
        0x0000_4505,
        0x0002_4506,
        0x0004_4507,
    ];

    fn of(number: usize, first: u32, second: u32, only: Option<Domid>) -> Result<Command, Refused> {
        Command::of(NUMBERS[number], &argument(first, second), only)
    }

    #[test]
    fn each_command_has_its_number_and_argument() {
        let bind = |source| Ok(Command::Bind(source));
        assert_eq!(of(0, 3, 9, None), bind(Source::Virq(3)));
        let interdomain = Source::Interdomain(Domid(5), Port(9));
        assert_eq!(of(1, 5, 9, None), bind(interdomain));
        assert_eq!(of(2, 0x7ff0, 9, None), bind(Source::Unbound(Domid(0x7ff0))));
        assert_eq!(of(3, 7, 9, None), Ok(Command::Unbind(Port(7))));
        assert_eq!(of(4, 7, 9, None), Ok(Command::Notify(Port(7))));
        assert_eq!(of(5, 7, 9, None), Ok(Command::Reset));
        assert_eq!(of(6, 7, 9, None), Ok(Command::Restrict(Domid(7))));
        assert_eq!(of(7, 7, 9, None), bind(Source::Static(Port(7))));
    }

    #[test]
    fn numbers_that_are_no_domains() {
        for number in [1, 2] {
            assert_eq!(of(number, 0x1_0000, 0, None), Err(Refused::Invalid));
        }
        for domain in [0, 0x7ff0, 0x7ff1, 0xffff] {
            assert_eq!(of(6, domain, 0, None), Err(Refused::Invalid));
        }
    }

    #[test]
    fn a_restricted_file_deals_with_one_domain() {
        let only = Some(Domid(5));
        for number in [1, 2] {
            assert!(of(number, 5, 0, only).is_ok());
            assert_eq!(of(number, 6, 0, only), Err(Refused::Restricted));
        }
        for number in [0, 6, 7] {
            assert_eq!(of(number, 5, 0, only), Err(Refused::Restricted));
        }
        for number in [3, 4, 5] {
            assert!(of(number, 6, 0, only).is_ok());
        }
    }

    proptest! {
        #[test]
        fn no_other_number_is_a_command(number: u32, bytes: [u8; ARGUMENT_MAX]) {
            let known = NUMBERS.contains(&number);
            prop_assert_eq!(Command::argument_len(number).is_some(), known);
            let unknown = Command::of(number, &bytes, None) == Err(Refused::Unknown);
            prop_assert_eq!(unknown, !known);
        }

        /// However little is read at a time, every port with an event is read before any is read twice.
        #[test]
        fn each_has_its_turn(busy in prop::collection::vec(any::<bool>(), 0..40), room in 1usize..5, start in 0usize..50) {
            let wanted: Vec<usize> = (0..busy.len()).filter(|i| busy[*i]).collect();
            let (mut last, mut seen) = (start, vec![]);
            // All of them have a new event at once, whenever they were read.
            while seen.len() < wanted.len() {
                let before = seen.len();
                last = in_turn(busy.len(), last, room.min(wanted.len() - before), |i| busy[i], |i| seen.push(i));
                prop_assert!(seen.len() > before);
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, wanted);
        }
    }
}
