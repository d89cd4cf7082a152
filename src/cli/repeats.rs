//! `--repeats K`: the splits of a folder that has none of its own, drawn K times and measured each time.

use anyhow::Result;
use clap::Args;

use crate::dataset::Dataset;

/// How often the splits of a small folder are drawn where nobody says it.
const OF_SMALL: u64 = 5;
/// A folder with fewer images a class is small.
const SMALL: f64 = 30.0;

/// For the commands that measure and report.
#[derive(Debug, Args)]
pub(super) struct Repeats {
    /// Draw the splits of a folder without published ones K times and measure each; reports then give the mean and an
    /// interval for what another draw would give [default: 5 under 30 images a class, else 1]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub repeats: Option<u64>,
}

impl Repeats {
    /// The further draws of a data set, by seed from 1; says why there are some where nobody asked for them.
    ///
    /// # Errors
    /// Repeats of published splits.
    pub fn of(&self, dataset: &Dataset) -> Result<Vec<Dataset>> {
        let small = dataset.has_drawn_splits() && dataset.images_a_class() < SMALL;
        let times = self.repeats.unwrap_or(if small { OF_SMALL } else { 1 });
        if self.repeats.is_none() && times > 1 {
            eprintln!(
                "{}: {:.0} images a class are few, so that one split says little: {times} are drawn and measured; --repeats 1 \
                 for one",
                dataset.name,
                dataset.images_a_class()
            );
        }
        Ok((1..times).map(|seed| dataset.resplit(seed)).collect::<Result<_, _>>()?)
    }
}
