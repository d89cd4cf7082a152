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

    /// A bar over bytes, of which `kept` are there already; without a total, how many and how fast.
    pub fn bytes(&self, stage: &str, kept: u64, total: Option<u64>) -> Bar {
        if !self.shown {
            return Bar(ProgressBar::hidden());
        }
        let template = match total {
            Some(_) => "  {prefix:12} {bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left",
            None => "  {prefix:12} {spinner} {bytes}, {bytes_per_sec}",
        };
        let style = ProgressStyle::with_template(template);
        let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new).with_prefix(stage.to_owned());
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        // Before the clock starts: the rate is that of this transfer.
        bar.set_position(kept);
        bar.reset_eta();
        bar.enable_steady_tick(Duration::from_millis(200));
        Bar(bar)
    }
}

impl Bar {
    /// So many images or bytes more.
    pub fn inc(&self, steps: usize) {
        self.0.inc(steps as u64);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
