//! Progress of long work: on a terminal one bar a stage with rate and time left, in a log a line now and then.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::names::printable_lines;

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

/// How long a log says nothing of a stage that goes on.
const SILENCE: Duration = Duration::from_secs(60);

/// Whether and how progress is shown.
#[derive(Debug, Clone, Copy)]
pub enum Progress {
    Bars,
    Log,
    Hidden,
}

/// One stage's bar; disappears when dropped.
pub struct Bar {
    bar: ProgressBar,
    /// What an earlier call has done.
    kept: u64,
    /// When a log was last told how far it is, where there is one to tell.
    told: Option<Mutex<Instant>>,
}

impl Progress {
    /// Bars where standard error is a terminal, else lines.
    pub fn on_stderr() -> Progress {
        if std::io::stderr().is_terminal() { Progress::Bars } else { Progress::Log }
    }

    /// A line above the bars (also without a terminal: the log of a long run).
    pub fn say(&self, line: &str) {
        eprintln!("{}", printable_lines(line));
    }

    /// A line that shows that something without countable steps is going on.
    pub fn spinner(&self, what: &str) -> Bar {
        self.show(|| ProgressBar::new_spinner().with_message(what.to_owned()))
    }

    /// A bar over `images` images.
    pub fn bar(&self, stage: &str, images: usize) -> Bar {
        if let Progress::Log = self {
            let bar = ProgressBar::hidden().with_prefix(stage.to_owned());
            bar.set_length(images as u64);
            return Bar { bar, kept: 0, told: Some(Mutex::new(Instant::now())) };
        }
        self.show(|| {
            let bar = ProgressBar::new(images as u64).with_prefix(stage.to_owned());
            bar.with_style(style("  {prefix:12} {bar:30} {pos}/{len} images, {per_sec}, {eta} left"))
        })
    }

    /// A bar over bytes, of which `kept` are there already; without a total, how many and how fast.
    pub fn bytes(&self, stage: &str, kept: u64, total: Option<u64>) -> Bar {
        let bar = self.show(|| {
            let template = match total {
                Some(_) => "  {prefix:12} {bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left",
                None => "  {prefix:12} {spinner} {bytes}, {bytes_per_sec}",
            };
            let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new).with_prefix(stage.to_owned());
            bar.with_style(style(template))
        });
        bar.begun_at(kept)
    }

    fn show(&self, make: impl FnOnce() -> ProgressBar) -> Bar {
        let Progress::Bars = self else { return Bar { bar: ProgressBar::hidden(), kept: 0, told: None } };
        let bar = make();
        bar.enable_steady_tick(Duration::from_millis(200));
        Bar { bar, kept: 0, told: None }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Bar {
    /// An earlier call has done so many images or bytes: the rate is that of this call.
    pub fn begun_at(mut self, kept: u64) -> Bar {
        self.bar.set_position(kept);
        self.bar.reset_eta();
        self.kept = kept;
        self
    }

    /// So many images or bytes more.
    pub fn inc(&self, steps: usize) {
        self.bar.inc(steps as u64);
        let Some(Ok(mut told)) = self.told.as_ref().map(Mutex::try_lock) else { return };
        if told.elapsed() >= SILENCE {
            *told = Instant::now();
            eprintln!("{}", self.line(self.bar.elapsed()));
        }
    }

    /// How far it is after `elapsed`. The rate is that of the whole call, not of its last seconds as a bar shows it:
    /// between two lines much else may happen, as a look at val after an epoch.
    fn line(&self, elapsed: Duration) -> String {
        let (done, all) = (self.bar.position(), self.bar.length().unwrap_or_default());
        let rate = done.saturating_sub(self.kept) as f64 / elapsed.as_secs_f64();
        let left = Duration::try_from_secs_f64(all.saturating_sub(done) as f64 / rate).unwrap_or(Duration::MAX);
        format!("  {}: {done} of {all} images, {rate:.1}/s, {} left", self.bar.prefix(), HumanDuration(left))
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_told_how_far_a_stage_is() {
        let bar = Progress::Log.bar("train", 1000).begun_at(400);
        bar.inc(300);
        let line = bar.line(Duration::from_secs(600));
        assert_eq!(line, "  train: 700 of 1000 images, 0.5/s, 10 minutes left");
        assert!(Progress::Hidden.bar("train", 1000).told.is_none());
    }
}
