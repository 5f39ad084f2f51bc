// SPDX-License-Identifier: GPL-2.0-only
//! What happens next: steps in an order that a seed decides, each possible where the ones before it have led.

use std::fmt;

use crate::session::Side;

/// Disks and interfaces that come and go: `xvdf`, `xvdg`, `eth1`, `eth2`.
const EXTRA: usize = 2;

/// MiB that may be taken from the guest, of 256.
const MOST_OUT: u32 = 64;

/// MiB of a disk that are written to: xvde's first 8 are the load's.
const WRITTEN: std::ops::Range<u32> = 8..60;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    AttachDisk(usize),
    DetachDisk(usize),
    AttachVif(usize),
    DetachVif(usize),
    /// So many MiB are out of the guest from now on.
    Memory(u32),
    /// 1 MiB to disk number `disk` (0 is the one that stays) and back.
    Write {
        disk: usize,
        at: u32,
    },
    Send,
    Receive,
    /// I/O goes on from here until [`Step::LoadEnd`].
    LoadBegin,
    LoadEnd,
    RestartBackend,
    /// xen-vbd cannot go under load.
    Refused,
    ReloadBlock,
    /// With the interfaces that are there.
    ReloadNet(World),
    ReloadBalloon(u32),
    ReloadAll(World),
}

/// What is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct World {
    disks: [bool; EXTRA],
    /// How many interfaces: Linux names them in order, so the last one goes first.
    vifs: usize,
    out: u32,
    load: bool,
}

impl World {
    /// Calls that bring the interfaces up that are there.
    fn vifs_come(&self, calls: &mut Vec<(Side, String)>) {
        calls.push((Side::Guest, "vif_came 0; reaches 0".into()));
        for number in 1..=self.vifs {
            calls.push((Side::Guest, format!("vif_came {number}")));
            calls.push((Side::Dom0, format!("address {number}")));
            calls.push((Side::Guest, format!("reaches {number}")));
        }
    }
}

fn there(which: &[bool; EXTRA]) -> impl Iterator<Item = usize> + '_ {
    (0..EXTRA).filter(|number| which[*number])
}

fn disk(number: usize) -> char {
    char::from(b'e' + number as u8)
}

impl Step {
    /// Its kind, for people.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Step::AttachDisk(_) => "a disk is attached",
            Step::DetachDisk(_) => "a disk is detached",
            Step::AttachVif(_) => "an interface is attached",
            Step::DetachVif(_) => "an interface is detached",
            Step::Memory(_) => "xl mem-set",
            Step::Write { .. } => "a disk is written and read back",
            Step::Send => "the guest sends by TCP",
            Step::Receive => "the guest receives by TCP",
            Step::LoadBegin => "a load begins",
            Step::LoadEnd => "the load ends",
            Step::RestartBackend => "the disk's backend restarts",
            Step::Refused => "rmmod xen-vbd is refused",
            Step::ReloadBlock => "xen-vbd is reloaded",
            Step::ReloadNet(_) => "xen-vnif is reloaded",
            Step::ReloadBalloon(_) => "xen-balloon is reloaded",
            Step::ReloadAll(_) => "all modules are reloaded",
        }
    }

    /// What is to be called for it, in order. Those that are more than calls have none.
    pub(super) fn calls(self) -> Vec<(Side, String)> {
        let guest = |call: String| (Side::Guest, call);
        let dom0 = |call: String| (Side::Dom0, call);
        match self {
            Step::AttachDisk(number) => {
                let name = format!("xvd{}", disk(number + 1));
                vec![
                    dom0(format!("attach_disk {} {name}", number + 1)),
                    guest(format!("disk_came {name}")),
                ]
            }
            Step::DetachDisk(number) => {
                let name = format!("xvd{}", disk(number + 1));
                vec![
                    dom0(format!("detach_disk {name}")),
                    guest(format!("disk_gone {name}")),
                ]
            }
            Step::AttachVif(number) => {
                let number = number + 1;
                vec![
                    dom0(format!("attach_vif {number}")),
                    guest(format!("vif_came {number}")),
                    dom0(format!("address {number}")),
                    guest(format!("reaches {number}")),
                ]
            }
            Step::DetachVif(number) => vec![
                dom0(format!("detach_vif {}", number + 1)),
                guest(format!("vif_gone {}", number + 1)),
            ],
            Step::Memory(out) => vec![
                dom0(format!("memory {out}")),
                guest(format!("balloon_out {out}")),
            ],
            Step::Write { disk: number, at } => {
                vec![guest(format!("disk_io xvd{} {at}", disk(number)))]
            }
            Step::RestartBackend => vec![
                dom0("restart_backend 51776".into()),
                guest("disk_came xvde".into()),
            ],
            Step::Refused => vec![guest("refused xen_vbd".into())],
            Step::ReloadBlock => vec![guest(
                "unload xen-vbd; insert xen-vbd; disk_came xvde".into(),
            )],
            Step::ReloadNet(world) => {
                let mut calls = vec![guest("unload xen-vnif; insert xen-vnif".into())];
                world.vifs_come(&mut calls);
                calls
            }
            Step::ReloadBalloon(out) => vec![guest(format!(
                "unload xen-balloon; insert xen-balloon; balloon_out {out}"
            ))],
            Step::ReloadAll(world) => {
                let mut calls = vec![guest(
                    "unload_frontends; unload xen-platform-pci; \
                     for module in xen-platform-pci xen-balloon xen-vbd xen-vnif; do insert $module; done; \
                     disk_came xvde"
                        .into(),
                )];
                world.vifs_come(&mut calls);
                calls.push(guest(format!("balloon_out {}", world.out)));
                calls
            }
            Step::Send | Step::Receive | Step::LoadBegin | Step::LoadEnd => Vec::new(),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Step::AttachDisk(number) | Step::DetachDisk(number) => {
                write!(f, ": xvd{}", disk(number + 1))
            }
            Step::AttachVif(number) | Step::DetachVif(number) => write!(f, ": eth{}", number + 1),
            Step::Memory(out) => write!(f, ": {out} MiB out"),
            Step::Write { disk: number, at } => write!(f, ": xvd{} at {at} MiB", disk(*number)),
            _ => Ok(()),
        }
    }
}

/// The steps that a seed brings.
pub(super) struct Plan {
    world: World,
    random: u64,
}

impl Plan {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            world: World::default(),
            random: seed,
        }
    }

    /// A number below `bound`: splitmix64, good enough to shuffle by.
    fn below(&mut self, bound: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed % bound as u64) as usize
    }

    /// The next step; the plan is then where it leads.
    pub(super) fn next(&mut self) -> Step {
        let possible = self.possible();
        let step = possible[self.below(possible.len())];
        self.follow(step);
        step
    }

    /// All that could come next, with its numbers chosen.
    fn possible(&mut self) -> Vec<Step> {
        let world = self.world;
        let at = WRITTEN.start + self.below(WRITTEN.len()) as u32;
        let out = 8 * self.below(MOST_OUT as usize / 8 + 1) as u32;
        let mut steps = vec![
            Step::Write { disk: 0, at },
            Step::Send,
            Step::Receive,
            Step::RestartBackend,
            Step::ReloadNet(world),
            Step::ReloadBalloon(world.out),
        ];
        if out != world.out {
            steps.push(Step::Memory(out));
        }
        for number in 0..EXTRA {
            if world.disks[number] {
                let disk = number + 1;
                steps.extend([Step::DetachDisk(number), Step::Write { disk, at }]);
            } else {
                steps.push(Step::AttachDisk(number));
            }
        }
        if world.vifs < EXTRA {
            steps.push(Step::AttachVif(world.vifs));
        }
        if let Some(last) = world.vifs.checked_sub(1) {
            steps.push(Step::DetachVif(last));
        }
        if world.load {
            steps.extend([Step::LoadEnd, Step::Refused]);
        } else {
            steps.extend([Step::LoadBegin, Step::ReloadBlock, Step::ReloadAll(world)]);
        }
        steps
    }

    fn follow(&mut self, step: Step) {
        let world = &mut self.world;
        match step {
            Step::AttachDisk(number) => world.disks[number] = true,
            Step::DetachDisk(number) => world.disks[number] = false,
            Step::AttachVif(_) => world.vifs += 1,
            Step::DetachVif(_) => world.vifs -= 1,
            Step::Memory(out) => world.out = out,
            Step::LoadBegin => world.load = true,
            Step::LoadEnd => world.load = false,
            _ => {}
        }
    }

    /// The steps back to where it began.
    pub(super) fn homeward(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.world.load {
            steps.push(Step::LoadEnd);
        }
        steps.extend(there(&self.world.disks).map(Step::DetachDisk));
        steps.extend((0..self.world.vifs).rev().map(Step::DetachVif));
        if self.world.out != 0 {
            steps.push(Step::Memory(0));
        }
        for step in steps.clone() {
            self.follow(step);
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_brings_the_same_steps_and_another_brings_others() {
        let steps = |seed| -> Vec<Step> {
            let mut plan = Plan::new(seed);
            (0..200).map(|_| plan.next()).collect()
        };
        assert_eq!(steps(1), steps(1));
        assert_ne!(steps(1), steps(2));
    }

    #[test]
    fn every_kind_of_step_comes() {
        let mut plan = Plan::new(7);
        let kinds: BTreeSet<_> = (0..2000).map(|_| plan.next().kind()).collect();
        assert_eq!(kinds.len(), 16);
    }

    #[test]
    fn steps_are_possible_where_they_come() {
        let mut plan = Plan::new(3);
        for _ in 0..2000 {
            let before = plan.world;
            match plan.next() {
                Step::AttachDisk(number) => assert!(!before.disks[number]),
                Step::DetachDisk(number) => assert!(before.disks[number]),
                Step::AttachVif(number) => assert_eq!(number, before.vifs),
                Step::DetachVif(number) => assert_eq!(number + 1, before.vifs),
                Step::Write { disk, at } => {
                    assert!((disk == 0 || before.disks[disk - 1]) && WRITTEN.contains(&at));
                }
                Step::Memory(out) => assert!(out <= MOST_OUT && out != before.out),
                Step::LoadBegin | Step::ReloadBlock | Step::ReloadAll(_) => assert!(!before.load),
                Step::LoadEnd | Step::Refused => assert!(before.load),
                _ => {}
            }
        }
    }

    #[test]
    fn the_way_home_ends_where_it_began() {
        for seed in 0..100 {
            let mut plan = Plan::new(seed);
            for _ in 0..50 {
                plan.next();
            }
            plan.homeward();
            assert_eq!(plan.world, World::default());
            assert!(plan.homeward().is_empty());
        }
    }
}
