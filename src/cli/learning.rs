//! `--curve`: learning curves of a report's best arms, measured where the rest is recorded.

use std::path::Path;

use anyhow::Result;
use clap::{Args as ClapArgs, ValueEnum};

use crate::dataset::Dataset;
use crate::measure::learning::{is_cheap, is_possible, measure};
use crate::measure::plan::Planned;
use crate::measure::session::Session;
use crate::record::Records;
use crate::report::{self, Question};

use super::Outcome;

#[derive(Debug, Clone, ClapArgs)]
pub(super) struct LearningCurve {
    /// Learning curves of the best arms, which say whether more images would help: where they take little of a report's
    /// time (auto), always or never
    #[arg(long, value_name = "auto|always|never", default_value = "auto", hide_possible_values = true)]
    curve: When,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

impl LearningCurve {
    /// Measures those that are not recorded yet.
    ///
    /// # Errors
    /// Records that can't be read or written.
    pub fn measure(
        &self,
        session: &Session,
        dataset: &Dataset,
        plan: &[Planned],
        folder: &Path,
        question: &Question,
    ) -> Result<Outcome> {
        if self.curve == When::Never {
            return Ok(Outcome::Complete);
        }
        let worthy = report::worth_a_curve(&Records::read(folder)?, question)?;
        let of_worthy = |planned: &&Planned| worthy.contains(&planned.run_id) && is_possible(planned, dataset);
        let possible: Vec<&Planned> = plan.iter().filter(of_worthy).collect();
        let cheap = |planned: &&Planned| self.curve == When::Always || is_cheap(planned, dataset);
        let (wanted, dear): (Vec<&Planned>, Vec<&Planned>) = possible.into_iter().partition(cheap);
        if !dear.is_empty() {
            session.progress.say(&format!(
                "{}: no learning curves, which would take long with so many images: --curve always",
                dataset.name
            ));
        }
        measure(session, dataset, folder, &wanted)
    }

    /// What a dry run says of them.
    pub fn preview(&self, dataset: &Dataset, plan: &[Planned]) -> Option<String> {
        let possible = |planned: &Planned| is_possible(planned, dataset) && planned.arm.needs().pixels;
        let wanted = |planned: &Planned| self.curve == When::Always || is_cheap(planned, dataset);
        let any = self.curve != When::Never && plan.iter().any(|planned| possible(planned) && wanted(planned));
        any.then(|| "  then learning curves of the best arms; --curve never leaves them out".to_owned())
    }
}
