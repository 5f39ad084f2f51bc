// SPDX-License-Identifier: GPL-2.0-only
//! Reports once more what an earlier run has measured.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;

/// Shows the results of `make bench`, and writes reports if asked to.
#[derive(Parser)]
struct Arguments {
    /// The results.json of a run.
    results: PathBuf,
    /// Write tables, CSV, JSON and plots into this directory.
    #[arg(long)]
    publish: Option<PathBuf>,
    /// Put the results into the generated block of this document.
    #[arg(long)]
    document: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let results = bench_report::read_results(&arguments.results)?;
    print!("{}", bench_report::table_of(&results));
    if let Some(directory) = arguments.publish {
        bench_report::publish(&results, &directory)?;
    }
    if let Some(document) = arguments.document {
        bench_report::update_document(&document, &results)?;
    }
    Ok(())
}
