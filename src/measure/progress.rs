//! Progress of long work on the terminal: one bar a stage with rate and time left, nothing where nobody looks.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Whether and how progress is shown.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    shown: bool,
}

/// One stage's bar; disappears when dropped.
pub struct Bar(ProgressBar);

impl Progress {
    /// Shown where standard error is a terminal.
    pub fn on_terminal() -> Progress {
        Progress { shown: std::io::stderr().is_terminal() }
    }

    pub fn hidden() -> Progress {
        Progress { shown: false }
    }

    /// A line above the bars (also without a terminal: the log of a long run).
    pub fn say(&self, line: &str) {
        eprintln!("{line}");
    }

    /// A line that shows that something without countable steps is going on.
    pub fn spinner(&self, what: &str) -> Bar {
        if !self.shown {
            return Bar(ProgressBar::hidden());
        }
        let bar = ProgressBar::new_spinner().with_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Bar(bar)
    }

    /// A bar over `images` images.
    pub fn bar(&self, stage: &str, images: usize) -> Bar {
        if !self.shown {
            return Bar(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template("  {prefix:12} {bar:30} {pos}/{len} images, {per_sec}, {eta} left");
        let bar = ProgressBar::new(images as u64).with_prefix(stage.to_owned());
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Bar(bar)
    }
}

impl Bar {
    pub fn inc(&self, images: usize) {
        self.0.inc(images as u64);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
