// SPDX-License-Identifier: GPL-2.0-only
//! Progress as a person sees it: bars on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::progress::{Progress, Step};

/// How a step of known length looks.
const BAR: &str = "{elapsed:>4} {prefix} [{bar:30}] {percent}% {wide_msg:.dim}";
/// How any other step looks.
const SPINNER: &str = "{elapsed:>4} {prefix} {spinner} {wide_msg:.dim}";

/// Shows progress on standard error.
pub struct Show {
    bars: Option<MultiProgress>,
}

impl Show {
    /// Bars if standard error is a terminal, lines if not.
    pub fn new() -> Self {
        Show {
            bars: std::io::stderr().is_terminal().then(MultiProgress::new),
        }
    }
}

impl Default for Show {
    fn default() -> Self {
        Show::new()
    }
}

impl Progress for Show {
    fn step(&self, what: &str, total: Option<u64>) -> Box<dyn Step> {
        let Some(bars) = &self.bars else {
            eprintln!("{what} ...");
            return Box::new(Line {
                what: what.to_owned(),
                begun: Instant::now(),
            });
        };
        let (bar, template) = match total {
            Some(total) => (ProgressBar::new(total), BAR),
            None => (ProgressBar::new_spinner(), SPINNER),
        };
        let bar = bars.add(bar);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Box::new(Bar {
            bar,
            bars: bars.clone(),
        })
    }

    fn note(&self, line: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
        }
    }
}

struct Bar {
    bar: ProgressBar,
    bars: MultiProgress,
}

impl Step for Bar {
    fn at(&self, position: u64) {
        self.bar.set_position(position);
    }

    fn doing(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        let line = format!(
            "{:>4} s  {}",
            self.bar.elapsed().as_secs(),
            self.bar.prefix()
        );
        self.bar.finish_and_clear();
        self.bars.remove(&self.bar);
        self.bars.suspend(|| eprintln!("{line}"));
    }
}

struct Line {
    what: String,
    begun: Instant,
}

impl Step for Line {
    fn at(&self, _position: u64) {}

    fn doing(&self, _what: &str) {}
}

impl Drop for Line {
    fn drop(&mut self) {
        eprintln!("{}: {:.1} s", self.what, self.begun.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_understood() {
        for template in [BAR, SPINNER] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
