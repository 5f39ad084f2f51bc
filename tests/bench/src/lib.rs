// SPDX-License-Identifier: GPL-2.0-only
//! What a benchmark run says: from the raw counts of the test bed to statistics, tables and plots.
//!
//! The bed fills [`results::Results`], one [`results::Run`] for each repetition of each workload with each driver.
//! [`comparison`] makes figures an operation of them and sets our driver's beside mainline's, by the
//! [`statistics`] of few repetitions. [`table`] shows them on a terminal; [`sheets`], [`plots`] and [`markdown`]
//! render them for other readers. None of these reads or writes a file: [`publish()`] and [`update_document`] do.
#![forbid(unsafe_code)]

pub mod baseline;
mod chart;
pub mod comparison;
pub mod document;
pub mod format;
pub mod host;
pub mod markdown;
pub mod metric;
pub mod plots;
mod publish;
pub mod results;
#[cfg(test)]
mod sample;
pub mod sheets;
pub mod statistics;
pub mod table;

pub use publish::{
    check_document, publish, read_results, refresh_document, update_document, update_host,
};

/// The table of the terminal.
pub fn table_of(results: &results::Results) -> String {
    table::render(&comparison::compare(results))
}
