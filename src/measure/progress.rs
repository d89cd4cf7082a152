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
        self.show(|| ProgressBar::new_spinner().with_message(what.to_owned()))
    }

    /// A bar over `images` images.
    pub fn bar(&self, stage: &str, images: usize) -> Bar {
        self.show(|| {
            let bar = ProgressBar::new(images as u64).with_prefix(stage.to_owned());
            bar.with_style(style("  {prefix:12} {bar:30} {pos}/{len} images, {per_sec}, {eta} left"))
        })
    }

    /// A bar over bytes, of which `kept` are there already; without a total, how many and how fast.
    pub fn bytes(&self, stage: &str, kept: u64, total: Option<u64>) -> Bar {
        self.show(|| {
            let template = match total {
                Some(_) => "  {prefix:12} {bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left",
                None => "  {prefix:12} {spinner} {bytes}, {bytes_per_sec}",
            };
            let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new).with_prefix(stage.to_owned());
            let bar = bar.with_style(style(template));
            // Before the clock starts: the rate is that of this transfer.
            bar.set_position(kept);
            bar.reset_eta();
            bar
        })
    }

    fn show(&self, make: impl FnOnce() -> ProgressBar) -> Bar {
        if !self.shown {
            return Bar(ProgressBar::hidden());
        }
        let bar = make();
        bar.enable_steady_tick(Duration::from_millis(200));
        Bar(bar)
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
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
