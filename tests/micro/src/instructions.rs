// SPDX-License-Identifier: GPL-2.0-only
//! Counts the instructions that a piece of work executes, by letting a child do it step by step.
//!
//! Slow, but exact, with no tool to install and on machines without performance counters.
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::{raise, Signal};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, ForkResult, Pid};

/// Instructions of one round of `side`: what four rounds need more than two, so that all else cancels out.
///
/// # Errors
/// What the system said if it does not let us look at a child.
pub fn per_round(side: &mut dyn FnMut(u64) -> u64) -> Result<f64, Errno> {
    let two = count(|| side(2))?;
    let four = count(|| side(4))?;
    Ok(four.saturating_sub(two) as f64 / 2.0)
}

/// Instructions that a child needs for `work`, and a constant number more.
fn count(work: impl FnOnce() -> u64) -> Result<u64, Errno> {
    // SAFETY: the process has one thread, so the child finds every lock free. It ends in `stop_and_work`.
    match unsafe { fork() }? {
        ForkResult::Child => stop_and_work(work),
        ForkResult::Parent { child } => {
            let counted = step_through(child);
            // The child has stopped, or has ended by itself.
            let _ = ptrace::kill(child);
            let _ = waitpid(child, None);
            counted
        }
    }
}

/// The child: stops, works, stops again, and ends.
fn stop_and_work(work: impl FnOnce() -> u64) -> ! {
    if ptrace::traceme().is_ok() && raise(Signal::SIGSTOP).is_ok() {
        std::hint::black_box(work());
        let _ = raise(Signal::SIGSTOP);
    }
    // The parent sees that it did not stop where it should have.
    std::process::abort()
}

/// The parent: counts the steps from the child's first stop to its second.
fn step_through(child: Pid) -> Result<u64, Errno> {
    let stopped = |by: Signal| match waitpid(child, None)? {
        WaitStatus::Stopped(_, signal) => Ok(signal == by),
        _ => Err(Errno::ECHILD),
    };
    if !stopped(Signal::SIGSTOP)? {
        return Err(Errno::EPERM);
    }
    let (mut count, mut place) = (0u64, 0);
    loop {
        ptrace::step(child, None)?;
        if !stopped(Signal::SIGTRAP)? {
            return Ok(count);
        }
        // A repeated string instruction stops after each of its rounds, and is one instruction all the same.
        let now = ptrace::getregs(child)?.rip;
        count += u64::from(now != place);
        place = now;
    }
}
