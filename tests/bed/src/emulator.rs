// SPDX-License-Identifier: GPL-2.0-only
//! The emulator's own faults: what no processor does and no driver in a guest can bring about, so that a run in which
//! it happened says nothing of the modules.

use std::fs;
use std::path::Path;

/// What the emulator did wrong in a run, if the logs in its directory tell of it.
pub fn fault(logs: &Path) -> Option<&'static str> {
    let log = |name| fs::read_to_string(logs.join(name)).unwrap_or_default();
    let (console, state) = (log("console.log"), log("state.log"));
    if interrupted_with_interrupts_off(&console) || overran_entry_stack(&state) {
        return Some("interrupted the guest with interrupts off");
    }
    let lost = stood_still(&kernel_log(&state)) || stood_still(&console);
    lost.then_some("lost the timer of the whole machine")
}

/// What dom0's kernel said, of all that [`exec::inquest`](crate::exec::inquest) wrote down: the guest's is there too.
fn kernel_log(state: &str) -> String {
    let lines = state
        .lines()
        .skip_while(|line| !line.starts_with("==== dmesg"))
        .skip(1);
    let lines = lines.take_while(|line| !line.starts_with("==== "));
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether dom0 as well had not a single timer tick for longer than a guest that runs wild could keep it from its own
/// processor. dom0's Linux says by how much it came too late: its clocksource watchdog, which looks twice a second, in
/// nanoseconds, and its lockup detector, which looks every few seconds, in seconds.
fn stood_still(log: &str) -> bool {
    const LIMIT_S: u64 = 60;
    let number = |text: &str| {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().ok()
    };
    // Lines of the guest's kernel have "(d1)" before them.
    let lines = log.lines().filter(|line| !line.contains("(d"));
    let mut late = lines.filter_map(|line| {
        let (sign, figure, per_second) = [
            (
                "clocksource: Long readout interval",
                "wd_nsec: ",
                1_000_000_000,
            ),
            ("watchdog: BUG: soft lockup", " stuck for ", 1),
        ]
        .into_iter()
        .find(|(sign, ..)| line.contains(sign))?;
        let (_, after) = line.split_once(sign)?.1.split_once(figure)?;
        Some(number(after)? / per_second)
    });
    late.any(|seconds| seconds > LIMIT_S)
}

/// Whether the guest died of an interrupt that was delivered although interrupts were off, in the very first
/// instructions of the handler of another one. No processor does that and no driver can: QEMU's emulation of a nested
/// guest does, about once in some hundred runs. The guest's kernel then recurses until its entry stack is full, and its
/// trace shows the interrupted entry code with IF (0x200) clear.
fn interrupted_with_interrupts_off(console: &str) -> bool {
    let mut lines = console
        .lines()
        .skip_while(|line| !line.contains("BUG: ENTRY_TRAMPOLINE stack guard page was hit"))
        .skip_while(|line| !line.contains("RIP: 0010:asm_sysvec_"));
    let flags = lines.find_map(|line| line.split_once("EFLAGS: "));
    let flags = flags.and_then(|(_, flags)| u64::from_str_radix(flags.trim(), 16).ok());
    flags.is_some_and(|flags| flags & 0x200 == 0)
}

/// Whether the guest died of the same, silently: after a restore its panic reaches no console. xenctx then shows a
/// processor on one of the stacks of its cpu_entry_area, where the double fault is handled and the panic reported, and
/// in CR2 the guard page of another one, which nothing but entry code ever touches.
fn overran_entry_stack(state: &str) -> bool {
    const CPU_ENTRY_AREA: u64 = 0xffff_fe00_0000_0000;
    let in_area = |line: &str, name| {
        let value = line.trim().strip_prefix(name)?;
        let value = u64::from_str_radix(value.split_whitespace().next()?, 16).ok()?;
        Some(value >> 39 == CPU_ENTRY_AREA >> 39)
    };
    let mut on_its_stack = false;
    state.lines().any(|line| {
        on_its_stack = in_area(line, "rsp:").unwrap_or(on_its_stack);
        on_its_stack && in_area(line, "cr2:") == Some(true)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_interrupt_with_interrupts_off_is_the_emulators_fault() {
        let death = |flags: &str| {
            format!(
                "(d1) BUG: ENTRY_TRAMPOLINE stack guard page was hit at ff8\n(d1) RIP: 0010:irqentry_enter+0x15/0x80\n\
                 (d1) RSP: 0000:ff EFLAGS: 00010246\n(d1) RIP: 0010:asm_sysvec_apic_timer_interrupt+0x7/0x20\n\
                 (d1) Code: 00\n(d1) RSP: 0000:ff EFLAGS: {flags}\n(d1) RIP: 0033:0x4526f0\n"
            )
        };
        assert!(interrupted_with_interrupts_off(&death("00010003")));
        assert!(!interrupted_with_interrupts_off(&death("00010203")));
        assert!(!interrupted_with_interrupts_off(
            "(d1) RIP: 0010:asm_sysvec_x+0x7\n(d1) EFLAGS: 00010003\n(d1) Kernel panic - not syncing\n"
        ));
    }

    #[test]
    fn a_silent_death_on_the_entry_stack_is_the_emulators_fault() {
        let state = |rsp, cr2| {
            format!("vcpu0:\nrip: ffffffffc041297d\nrsp: {rsp}\nrax: 1d\trcx: 0\n\ncr0: 0\ncr2: {cr2}\n")
        };
        let (area, guard) = ("fffffe000000ada0", "fffffe0000001ff8");
        let (stack, user) = ("ffffc90000003e68", "000000000058a27d");
        assert!(overran_entry_stack(&state(area, guard)));
        assert!(!overran_entry_stack(&state(area, user)));
        assert!(!overran_entry_stack(&state(stack, guard)));
        let two = state(area, user) + &state(stack, guard);
        assert!(!overran_entry_stack(&two));
        assert!(overran_entry_stack(&(two + &state(area, guard))));
    }

    #[test]
    fn only_a_long_stop_of_dom0_is_the_emulators_fault() {
        let late = |time| {
            format!("[  503.7] clocksource: Long readout interval, skipping watchdog check: cs_nsec: 1 wd_nsec: {time}\n")
        };
        assert!(stood_still(&format!(
            "{}[  504.0] x\n",
            late("476803267382")
        )));
        assert!(!stood_still(&late("1010456521")));
        assert!(!stood_still("[  504.0] clocksource: Switched to xen\n"));
        let stuck = |who, time| {
            format!("  1007.65 {who}[ 1037.8] watchdog: BUG: soft lockup - CPU#0 stuck for {time}s! [sh:243]\n")
        };
        let state = |dom0: &str, guest: &str| {
            format!("==== xl list -v\n==== dmesg | tail -40\n{dom0}==== tail -n 60 /var/log/xen/console/*\n{guest}")
        };
        assert!(stood_still(&kernel_log(&state(&stuck("", 915), ""))));
        assert!(!stood_still(&kernel_log(&state("", &stuck("", 915)))));
        assert!(stood_still(&stuck("", 915)));
        assert!(!stood_still(&stuck("", 26)));
        assert!(!stood_still(&stuck("(d1) ", 915)));
    }
}
