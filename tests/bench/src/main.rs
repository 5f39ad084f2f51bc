// SPDX-License-Identifier: GPL-2.0-only
//! Reports once more what an earlier run has measured.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Reports what `make bench` has measured. RESULTS is the results.json of a run.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the table.
    Show { results: PathBuf },
    /// Write tables, CSV, JSON and plots into a directory.
    Publish {
        results: PathBuf,
        directory: PathBuf,
    },
    /// Put the results into the generated block of a document.
    Document { results: PathBuf, document: PathBuf },
    /// Put what `make bench-host` has measured into its block of a document.
    Host { figures: PathBuf, document: PathBuf },
    /// Make the block of a document once more from the figures that it has.
    Refresh { document: PathBuf },
}

fn main() -> Result<()> {
    use bench_report::read_results;
    match Arguments::parse().command {
        Command::Show { results } => print!("{}", bench_report::table_of(&read_results(&results)?)),
        Command::Publish { results, directory } => {
            bench_report::publish(&read_results(&results)?, &directory)?;
        }
        Command::Document { results, document } => {
            bench_report::update_document(&document, &read_results(&results)?)?;
        }
        Command::Host { figures, document } => bench_report::update_host(&document, &figures)?,
        Command::Refresh { document } => bench_report::refresh_document(&document)?,
    }
    Ok(())
}
