// SPDX-License-Identifier: GPL-2.0-only
//! The only part that knows files: where the results go.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{ensure, Context, Result};

use crate::comparison::{compare, Comparison};
use crate::document::{self, Block};
use crate::host::{self, Host};
use crate::results::Results;
use crate::{markdown, plots, sheets, table};

/// The file that has what a run comes to.
const FIGURES: &str = "figures.json";
/// The file that has what this machine itself was measured to do.
const HOST: &str = "host.json";

/// Writes everything into a directory, which is made if need be, and returns what was written.
///
/// | File | What it has |
/// |---|---|
/// | `results.json` | what was measured, as it came |
/// | `repetitions.csv` | the same, a line for each count |
/// | `figures.json`, `figures.csv` | what it comes to: means, spreads, ratios |
/// | `table.txt` | the table of the terminal |
/// | `report.md` | all tables |
/// | `ratios.svg`, `instructions.svg`, `functions-WORKLOAD.svg` | the plots |
pub fn publish(results: &Results, directory: &Path) -> Result<Vec<PathBuf>> {
    let comparison = compare(results);
    let report = format!(
        "## Benchmarks\n\n{}",
        markdown::render(&comparison, Some("."))
    );
    let mut files = vec![
        (
            "results.json".to_owned(),
            serde_json::to_string_pretty(results)? + "\n",
        ),
        ("repetitions.csv".to_owned(), sheets::repetitions(results)?),
        (
            FIGURES.to_owned(),
            serde_json::to_string_pretty(&comparison)? + "\n",
        ),
        (
            "figures.csv".to_owned(),
            sheets::figures(&comparison.workloads)?,
        ),
        ("table.txt".to_owned(), table::render(&comparison)),
        ("report.md".to_owned(), report),
    ];
    files.extend(pictures(&comparison)?);
    for workload in &comparison.workloads {
        if let Some(svg) = plots::functions(workload)? {
            files.push((format!("functions-{}.svg", file_name(&workload.name)), svg));
        }
    }
    write(directory, files)
}

/// Puts the results into the block of a document, and what the block is made from into the folder beside it that has
/// the document's name: its figures as JSON, and its pictures.
pub fn update_document(path: &Path, results: &Results) -> Result<()> {
    let mut comparison = compare(results);
    comparison.keep_functions(markdown::FUNCTIONS);
    let figures = serde_json::to_string(&comparison)? + "\n";
    Block::Bench
        .of(&read(path)?)
        .with_context(|| path.display().to_string())?;
    write(&path.with_extension(""), [(FIGURES.to_owned(), figures)])?;
    refresh_document(path)
}

/// Puts what `make bench-host` has written into its block of a document, and the figures into the folder beside it.
pub fn update_host(path: &Path, figures: &Path) -> Result<()> {
    let text = read(figures)?;
    let new = with_host(&read(path)?, path, &parse_host(&text, figures)?)?;
    write(&path.with_extension(""), [(HOST.to_owned(), text)])?;
    fs::write(path, new).with_context(|| format!("cannot write {}", path.display()))
}

/// Makes a document's block and pictures once more from its figures.
pub fn refresh_document(path: &Path) -> Result<()> {
    let comparison = read_figures(&path.with_extension("").join(FIGURES))?;
    let new = document_with(path, &comparison)?;
    write(&path.with_extension(""), pictures(&comparison)?)?;
    fs::write(path, new).with_context(|| format!("cannot write {}", path.display()))
}

/// Whether a document's block is what its figures say, if it has any.
pub fn check_document(path: &Path) -> Result<()> {
    let old = read(path)?;
    let host = path.with_extension("").join(HOST);
    if host.exists() {
        let figures = parse_host(&read(&host)?, &host)?;
        ensure!(
            old == with_host(&old, path, &figures)?,
            "{} is not what {} says: run make bench-host",
            path.display(),
            host.display()
        );
    }
    let block = Block::Bench
        .of(&old)
        .with_context(|| path.display().to_string())?;
    let figures = path.with_extension("").join(FIGURES);
    if !figures.exists() {
        ensure!(
            block == document::EMPTY,
            "{} has figures of unknown origin",
            path.display()
        );
        return Ok(());
    }
    let comparison = read_figures(&figures)?;
    ensure!(
        old == document_with(path, &comparison)?,
        "{} is not what {} says: run make bench, or bench-report refresh",
        path.display(),
        figures.display()
    );
    for (name, picture) in pictures(&comparison)? {
        let path = path.with_extension("").join(name);
        ensure!(
            read(&path)? == picture,
            "{} is not what the figures say",
            path.display()
        );
    }
    Ok(())
}

/// A document with a comparison in its block.
fn document_with(path: &Path, comparison: &Comparison) -> Result<String> {
    let folder = path.with_extension("");
    let folder = folder
        .file_name()
        .context("the document has no name")?
        .to_string_lossy();
    let block = markdown::render(comparison, Some(&folder));
    Block::Bench
        .replace(&read(path)?, &block)
        .with_context(|| format!("cannot update {}", path.display()))
}

/// A document with the figures of a machine in its block.
fn with_host(document: &str, path: &Path, host: &Host) -> Result<String> {
    Block::Host
        .replace(document, &host::render(host))
        .with_context(|| format!("cannot update {}", path.display()))
}

/// The pictures that a report shows.
fn pictures(comparison: &Comparison) -> Result<[(String, String); 2]> {
    Ok([
        (
            "ratios.svg".to_owned(),
            plots::ratios(&comparison.workloads)?,
        ),
        (
            "instructions.svg".to_owned(),
            plots::instructions(&comparison.workloads)?,
        ),
    ])
}

/// Reads results that [`publish`] or the bed has written.
pub fn read_results(path: &Path) -> Result<Results> {
    serde_json::from_str(&read(path)?).with_context(|| format!("{} has no results", path.display()))
}

fn parse_host(text: &str, path: &Path) -> Result<Host> {
    serde_json::from_str(text).with_context(|| format!("{} has no figures", path.display()))
}

fn read_figures(path: &Path) -> Result<Comparison> {
    serde_json::from_str(&read(path)?).with_context(|| format!("{} has no figures", path.display()))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(
    directory: &Path,
    files: impl IntoIterator<Item = (String, String)>,
) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let mut written = Vec::new();
    for (name, text) in files {
        let path = directory.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        written.push(path);
    }
    Ok(written)
}

/// A name of which nothing leads out of the directory.
fn file_name(name: &str) -> String {
    let safe = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => character,
        _ => '-',
    };
    name.chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::results;

    #[test]
    fn everything_is_published_and_the_results_can_be_read_back() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("a/b");
        let mut results = results();
        results.runs[1].workload = "net-../../x".to_owned();
        let files = publish(&results, &directory).unwrap();
        assert_eq!(files.len(), 11);
        for file in &files {
            assert_eq!(file.parent(), Some(directory.as_path()));
            assert!(fs::metadata(file).unwrap().len() > 0, "{file:?}");
        }
        assert!(directory.join("functions-net-------x.svg").exists());
        assert_eq!(
            read_results(&directory.join("results.json")).unwrap(),
            results
        );
        // Once more: what is there is replaced.
        assert_eq!(publish(&results, &directory).unwrap(), files);
    }

    #[test]
    fn a_document_gets_its_block_and_its_pictures() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("speed.md");
        let document = format!(
            "# Speed\n{}\n{}\nEnd\n",
            Block::Bench.begin(),
            Block::Bench.end()
        );
        fs::write(&path, &document).unwrap();
        update_document(&path, &results()).unwrap();
        let new = fs::read_to_string(&path).unwrap();
        assert!(new.starts_with("# Speed\n") && new.ends_with("\nEnd\n"));
        let block = Block::Bench.of(&new).unwrap();
        assert!(block.contains("`block-randread-4k-qd1`"));
        assert!(block.contains("(speed/ratios.svg)"));
        assert!(home.path().join("speed/ratios.svg").exists());
        assert!(home.path().join("speed/instructions.svg").exists());
        check_document(&path).unwrap();
    }

    #[test]
    fn figures_that_were_typed_are_found() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("speed.md");
        let document = |block| format!("{}\n{block}{}\n", Block::Bench.begin(), Block::Bench.end());
        fs::write(&path, document("| 1.0 |\n")).unwrap();
        assert!(check_document(&path).is_err());
        fs::write(&path, document(document::EMPTY)).unwrap();
        check_document(&path).unwrap();
        update_document(&path, &results()).unwrap();
        let good = fs::read_to_string(&path).unwrap();
        fs::write(&path, good.replace("0.716", "0.700")).unwrap();
        let error = check_document(&path).unwrap_err().to_string();
        assert!(error.contains("figures.json"), "{error}");
        refresh_document(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), good);
        fs::write(home.path().join("speed/ratios.svg"), "<svg/>").unwrap();
        let error = check_document(&path).unwrap_err().to_string();
        assert!(error.contains("ratios.svg"), "{error}");
    }

    #[test]
    fn a_document_gets_the_figures_of_a_machine() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("speed.md");
        let figures = home.path().join("measured.json");
        let blocks = [Block::Bench, Block::Host].map(|block| (block.begin(), block.end()));
        let [(begin, end), (host_begin, host_end)] = blocks;
        let document = format!(
            "{host_begin}\n{host_end}\n{begin}\n{}{end}\n",
            document::EMPTY
        );
        fs::write(&path, &document).unwrap();
        check_document(&path).unwrap();
        fs::write(
            &figures,
            serde_json::to_string(&host::tests::sample()).unwrap(),
        )
        .unwrap();
        update_host(&path, &figures).unwrap();
        check_document(&path).unwrap();
        let new = fs::read_to_string(&path).unwrap();
        assert!(Block::Host.of(&new).unwrap().contains("| 1.50 |"));
        assert!(Block::Bench.of(&new).unwrap() == document::EMPTY);
        fs::write(&path, new.replace("1.50", "1.05")).unwrap();
        let error = check_document(&path).unwrap_err().to_string();
        assert!(error.contains("host.json"), "{error}");
    }

    #[test]
    fn figures_of_any_size_are_read_as_they_were_written() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("speed.md");
        let document = format!(
            "{}\n{}{}\n",
            Block::Bench.begin(),
            document::EMPTY,
            Block::Bench.end()
        );
        for seconds in [1e-300, 0.1 + 0.2, 1.0 / 3.0, 1e300] {
            let mut results = results();
            results.runs[2].metrics.seconds = seconds;
            fs::write(&path, &document).unwrap();
            update_document(&path, &results).unwrap();
            check_document(&path).unwrap();
        }
    }

    #[test]
    fn a_document_without_a_block_stays_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("speed.md");
        fs::write(&path, "# Speed\n").unwrap();
        let error = format!("{:#}", update_document(&path, &results()).unwrap_err());
        assert!(
            error.contains("speed.md") && error.contains(Block::Bench.begin()),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "# Speed\n");
        assert!(!home.path().join("speed").exists());
    }

    #[test]
    fn what_is_no_results_is_named() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("results.json");
        fs::write(&path, "{}").unwrap();
        let error = format!("{:#}", read_results(&path).unwrap_err());
        assert!(error.contains("results.json"), "{error}");
    }
}
