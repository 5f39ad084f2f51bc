// SPDX-License-Identifier: GPL-2.0-only
//! What a benchmark run says: from the raw counts of the test bed to statistics, tables and plots.
//!
//! The bed fills [`results::Results`], one [`results::Run`] for each repetition of each workload with each driver.
//! [`comparison`] makes figures an operation of them and sets our driver's beside mainline's, by the
//! [`statistics`] of few repetitions; [`table`] shows them on a terminal. None of it reads or writes a file.
#![forbid(unsafe_code)]

mod chart;
pub mod comparison;
pub mod format;
pub mod plots;
pub mod results;
pub mod sheets;
pub mod statistics;
pub mod table;

#[cfg(test)]
mod sample;
