// SPDX-License-Identifier: GPL-2.0-only
//! The only part that knows files: where the results go.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::comparison::compare;
use crate::results::Results;
use crate::{document, markdown, plots, sheets, table};

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
    let workloads = compare(results);
    let mut files = vec![
        ("results.json".to_owned(), json(results)?),
        ("repetitions.csv".to_owned(), sheets::repetitions(results)?),
        ("figures.json".to_owned(), json(&workloads)?),
        ("figures.csv".to_owned(), sheets::figures(&workloads)?),
        ("table.txt".to_owned(), table::render(results, &workloads)),
        (
            "report.md".to_owned(),
            format!(
                "## Benchmarks\n\n{}",
                markdown::render(results, &workloads, Some("."))
            ),
        ),
        ("ratios.svg".to_owned(), plots::ratios(&workloads)?),
        (
            "instructions.svg".to_owned(),
            plots::instructions(&workloads)?,
        ),
    ];
    for workload in &workloads {
        if let Some(svg) = plots::functions(workload)? {
            files.push((format!("functions-{}.svg", file_name(&workload.name)), svg));
        }
    }
    write(directory, files)
}

/// Puts the results into the block of a document, and its pictures into the folder beside it that has its name.
pub fn update_document(path: &Path, results: &Results) -> Result<()> {
    let old = read(path)?;
    let workloads = compare(results);
    let folder = path.with_extension("");
    let name = folder
        .file_name()
        .context("the document has no name")?
        .to_string_lossy();
    let new = document::replace(&old, &markdown::render(results, &workloads, Some(&name)))
        .with_context(|| format!("cannot update {}", path.display()))?;
    let pictures = vec![
        ("ratios.svg".to_owned(), plots::ratios(&workloads)?),
        (
            "instructions.svg".to_owned(),
            plots::instructions(&workloads)?,
        ),
    ];
    write(&folder, pictures)?;
    fs::write(path, new).with_context(|| format!("cannot write {}", path.display()))
}

/// Reads results that [`publish`] or the bed has written.
pub fn read_results(path: &Path) -> Result<Results> {
    serde_json::from_str(&read(path)?).with_context(|| format!("{} has no results", path.display()))
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(directory: &Path, files: Vec<(String, String)>) -> Result<Vec<PathBuf>> {
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
        let document = format!("# Speed\n{}\n{}\nEnd\n", document::BEGIN, document::END);
        fs::write(&path, &document).unwrap();
        update_document(&path, &results()).unwrap();
        let new = fs::read_to_string(&path).unwrap();
        assert!(new.starts_with("# Speed\n") && new.ends_with("\nEnd\n"));
        let block = document::block(&new).unwrap();
        assert!(block.contains("`block-randread-4k-qd1`"));
        assert!(block.contains("(speed/ratios.svg)"));
        assert!(home.path().join("speed/ratios.svg").exists());
        assert!(home.path().join("speed/instructions.svg").exists());
    }

    #[test]
    fn a_document_without_a_block_stays_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("speed.md");
        fs::write(&path, "# Speed\n").unwrap();
        let error = format!("{:#}", update_document(&path, &results()).unwrap_err());
        assert!(
            error.contains("speed.md") && error.contains(document::BEGIN),
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
