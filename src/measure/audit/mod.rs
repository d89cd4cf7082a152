//! Is something wrong with the pictures? What each content-free property tells of the class, and labels that look wrong;
//! near-duplicates across splits are looked for beside it and share its looks at the images.

pub mod align;
pub mod copies;
mod labels;
pub mod look;
mod properties;

use anyhow::Result;

use crate::dataset::Dataset;
use crate::features::Resources;
use crate::record::{AuditRecord, LabelsRecord, Records};

use super::plan::Planned;

use look::looks;

/// Of what is looked for, and how.
const VERSION: u32 = 1;

/// The record of the pictures of a data set, or `None` where what is recorded says it already. Labels are judged by the
/// strongest arm of `plan` that is recorded; one that was stronger on the selection images, of another plan, keeps its
/// word. `of_run` gives what a planned run works with, `of_none` what work without a run does.
///
/// # Errors
/// An image that can't be read, a cache that can't be written, a fit that fails.
pub fn audit<'r>(
    dataset: &Dataset,
    plan: &'r [Planned],
    records: &Records,
    of_run: impl Fn(&'r Planned) -> Resources<'r>,
    of_none: &Resources,
) -> Result<Option<AuditRecord>> {
    let known = records.audit.as_ref().filter(|audit| audit.version == VERSION);
    let judge = labels::judge(plan, records);
    let said = known.and_then(|audit| audit.labels.as_ref());
    let judge = judge.filter(|(_, run, accuracy)| {
        let stands = |said: &LabelsRecord| records.runs.iter().any(|run| run.run_id == said.run_id);
        said.is_none_or(|said| !stands(said) || (said.run_id != run.run_id && said.val_accuracy < *accuracy))
    });
    if known.is_some() && judge.is_none() {
        return Ok(None);
    }
    let labels = match judge {
        Some(judge) => labels::labels(dataset, judge, records, &of_run(judge.0))?,
        None => said.cloned(),
    };
    if let Some(known) = known {
        return Ok(Some(AuditRecord { labels, ..known.clone() }));
    }
    let splits = &dataset.splits;
    let mut learned = looks(splits.train.images(), of_none)?;
    learned.extend(looks(splits.val.images(), of_none)?);
    let reported = looks(splits.test.images(), of_none)?;
    let properties::Found { images, majority, properties } = properties::properties(dataset, &learned, &reported)?;
    Ok(Some(AuditRecord { version: VERSION, images, majority, properties, labels }))
}
