//! The report before it has a format: title, findings and tables, in the order of reading. Markdown, page and
//! terminal show the same view.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::record::{DatasetRecord, RunRow};

use super::audit::{AuditView, audit};
use super::cost;
use super::experiment::{ExperimentView, experiment};
use super::findings::{column_resolution, findings};
use super::format::{column_name, counted, trimmed};
use super::learning::{LearningView, learning};
use super::metrics;
use super::plot::{Figure, figures, slopes};
use super::price;
use super::repeats::RepeatsView;
use super::said;
use super::summary::{Entry, Question, Summary};
use super::sure::{self, SureView};
use super::table::Table;
use super::tables;
use super::trainings;
use super::verdict::{self, verdict};

#[derive(Debug, Serialize)]
pub struct View {
    /// Name and title of the data set, where it comes from, what a reader must know.
    pub name: String,
    pub title: String,
    pub source: String,
    pub remarks: Vec<String>,
    /// One line: images, classes, reported split.
    pub size: String,
    /// Which arm to take.
    pub verdict: Vec<String>,
    /// Is something wrong with the pictures?
    pub audit: AuditView,
    pub findings: Vec<String>,
    /// Of the folder's experiment, where it has one.
    pub experiment: Option<ExperimentView>,
    pub columns: Vec<ColumnView>,
    /// Where splits were drawn more than once.
    pub repeats: Option<RepeatsView>,
    /// Where learning curves were measured.
    pub learning: Option<LearningView>,
    /// What the metrics of a table are.
    pub metrics_note: String,
    /// How any two arms were compared.
    pub method: String,
    /// Native beside canvas; without rows where only one of them was measured.
    pub canvas: Table,
    pub cost: Table,
    /// What its columns mean.
    pub cost_note: String,
    /// Where arms have scores.
    pub sure: Option<SureView>,
    /// How networks were trained; without rows where none was.
    pub trainings: Table,
    pub selection: Table,
    pub classes: Vec<ClassesView>,
    /// Runs without a result and the remedy.
    pub missing: Table,
    pub counts: Table,
    pub files: Table,
    /// Images that could not be judged or had nothing to describe.
    pub unusual: Vec<String>,
    pub arms: Vec<ArmView>,
    pub networks: Vec<NetworkView>,
    pub environments: Table,
    pub manifest_sha256: String,
    pub command: String,
    /// The command that writes the arm which is to be taken to a file.
    pub export: Option<String>,
    pub figures: Vec<Figure>,
    /// Native against canvas once more, for the page.
    pub slopes: Option<Figure>,
}

/// The arms on native images or on one canvas.
#[derive(Debug, Serialize)]
pub struct ColumnView {
    pub title: String,
    /// What the canvas does to an image; empty for native images.
    pub frame: String,
    pub accuracy: Table,
    /// Every two of them, and how far apart two must be to be told apart.
    pub pairs: Table,
    pub resolution: String,
}

/// One arm, class by class.
#[derive(Debug, Serialize)]
pub struct ClassesView {
    pub title: String,
    /// Unique within the report, fit for a file name.
    pub slug: String,
    pub table: Table,
    /// There is a picture of the confusion matrix: one column is enough in files.
    pub picture: bool,
}

/// What an arm is, in its own words.
#[derive(Debug, Serialize)]
pub struct ArmView {
    pub name: String,
    pub title: String,
    pub family: String,
    pub expectation: String,
    pub analysis: String,
    pub settings: String,
}

/// A network of some arms.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NetworkView {
    pub name: String,
    /// Its features, and how pictures are prepared for it.
    pub about: String,
}

impl View {
    pub fn of(summary: &Summary) -> View {
        let (dataset, experiment) = (&summary.records.dataset, experiment(summary));
        let (opening, learning, curves) = learning(summary)
            .map_or_else(Default::default, |(opening, view, figure)| (Some(opening), Some(view), Some(figure)));
        View {
            name: dataset.name.clone(),
            title: experiment.as_ref().map_or(&dataset.title, |experiment| &experiment.title).clone(),
            source: dataset.source.clone(),
            remarks: dataset.remarks.clone(),
            size: size(summary),
            verdict: verdict(summary).into_iter().chain(opening).collect(),
            audit: audit(summary),
            findings: experiment.iter().flat_map(|e| e.answers.clone()).chain(findings(summary)).collect(),
            experiment,
            columns: summary
                .columns
                .iter()
                .map(|column| ColumnView {
                    title: column_title(&column.canvas),
                    frame: frame(summary, &column.canvas).unwrap_or_default(),
                    accuracy: tables::accuracy(summary, column),
                    pairs: tables::pairs(summary, column),
                    resolution: column_resolution(summary, column).unwrap_or_default(),
                })
                .collect(),
            repeats: None,
            learning,
            metrics_note: metrics::note(|metric| summary.entries.iter().any(|e| e.score_of(metric).is_some())),
            method: said::method(summary.question.rule),
            canvas: tables::canvas(summary),
            cost: cost::table(summary),
            cost_note: cost::note(summary),
            sure: sure::view(summary),
            trainings: trainings::table(summary),
            selection: tables::selection(summary),
            classes: summary.entries.iter().filter_map(classes_of(summary)).collect(),
            missing: tables::missing(summary),
            counts: tables::counts(summary),
            files: tables::files(summary),
            unusual: unusual(summary),
            arms: arms(summary),
            networks: networks(summary),
            environments: tables::environments(&summary.records.environments),
            manifest_sha256: dataset.manifest_sha256.clone(),
            command: command(summary),
            export: export(summary),
            figures: figures(summary).into_iter().chain(curves).collect(),
            slopes: slopes(summary),
        }
    }
}

/// `Native images`, or `On a canvas of 96 × 96 px`.
fn column_title(canvas: &str) -> String {
    if canvas == "native" { "Native images".to_owned() } else { format!("On {}", column_name(canvas)) }
}

fn frame(summary: &Summary, canvas: &str) -> Option<String> {
    let reduce = summary.records.dataset.canvas_reduce.get(&canvas.parse().ok()?)?;
    Some(format!(
        "The shorter side of every image is reduced to {reduce} px, the central {reduce} × {reduce} px are cut out and \
         brought to {canvas} × {canvas} px."
    ))
}

fn size(summary: &Summary) -> String {
    let dataset = &summary.records.dataset;
    let of = |count: fn(&crate::record::ClassCount) -> usize| dataset.counts.iter().map(count).sum::<usize>();
    format!(
        "{} classes; {} to train on, {} to choose settings ({}), {} to report on ({})",
        dataset.counts.len(),
        counted(of(|c| c.train), "image"),
        counted(of(|c| c.val), "image"),
        dataset.selection_split,
        counted(of(|c| c.test), "image"),
        dataset.reported_split,
    )
}

fn classes_of<'s>(summary: &'s Summary) -> impl Fn(&Entry) -> Option<ClassesView> + 's {
    |entry| {
        let table = tables::classes(summary, entry.scores.as_ref()?);
        let title = format!("`{}` on {}", entry.label, column_name(&entry.row.canvas));
        let picture = summary.first_column().is_some_and(|column| column.canvas == entry.row.canvas);
        Some(ClassesView { title, slug: entry.slug(), table, picture })
    }
}

fn unusual(summary: &Summary) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in &summary.entries {
        let place = format!("`{}` on {}", entry.label, column_name(&entry.row.canvas));
        if entry.row.skipped > 0 {
            lines.push(format!(
                "{place}: {} could not be read and have no prediction.",
                counted(entry.row.skipped, "image")
            ));
        }
        if let Some(n) = entry.row.without_keypoints.filter(|n| *n > 0) {
            lines.push(format!("{place}: {} without a single keypoint (the vector is zero).", counted(n, "image")));
        }
    }
    lines
}

/// The arms that have a run, in the order of display.
fn arms(summary: &Summary) -> Vec<ArmView> {
    let mut seen = BTreeSet::new();
    let first = summary.entries.iter().filter(|e| seen.insert(&e.row.arm));
    let view = |entry: &Entry| {
        let arm = summary.arm(entry)?;
        Some(ArmView {
            name: entry.row.arm.clone(),
            title: arm.title.clone(),
            family: arm.family.clone(),
            expectation: arm.expectation.trim().to_owned(),
            analysis: arm.analysis.trim().to_owned(),
            settings: arm.settings.trim().to_owned(),
        })
    };
    first.filter_map(view).collect()
}

/// Older records don't say it.
fn networks(summary: &Summary) -> Vec<NetworkView> {
    let said = summary.runs.iter().map(|run| run.row).filter(|row| !row.network.is_empty());
    let views = said.map(|row| NetworkView { name: row.backbone.clone(), about: row.network.clone() });
    views.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The command that measures all of this again.
fn command(summary: &Summary) -> String {
    if let Some(experiment) = &summary.records.experiment {
        return format!("featbench experiment {} --form {}", experiment.name, experiment.form);
    }
    let rows: Vec<&RunRow> = summary.runs.iter().map(|run| run.row).collect();
    let values = |of: fn(&RunRow) -> String| -> Vec<String> {
        let mut seen = BTreeMap::new();
        rows.iter().map(|row| of(row)).filter(|v| !v.is_empty()).for_each(|v| *seen.entry(v).or_insert(0) += 1);
        seen.into_keys().collect()
    };
    let DatasetRecord { name, reading, .. } = &summary.records.dataset;
    let mut command = format!("featbench report --dataset {name}{reading}");
    let mut option = |name: &str, values: Vec<String>| {
        if !values.is_empty() {
            command.push_str(&format!(" {name} {}", values.join(",")));
        }
    };
    option("--arms", values(|row| row.arm.clone()));
    option("--backbone", values(|row| row.backbone.clone()));
    let inputs = values(|row| row.input_px.map_or_else(String::new, |px| px.to_string()));
    // networks of different inputs state these themselves
    option("--input", inputs.clone().into_iter().filter(|_| inputs.len() == 1).collect());
    option("--seeds", {
        let seeds: BTreeSet<u64> = rows.iter().map(|row| row.seed).collect();
        seeds.iter().map(u64::to_string).collect()
    });
    summary.columns.iter().for_each(|column| option("--canvas", vec![column.canvas.clone()]));
    let target = summary.question.target.map(|target| trimmed(100.0 * target, 6));
    option("--target", target.into_iter().collect());
    command + &asked(&summary.question)
}

/// The command that writes the recommended arm to a file. What is asked is part of it: it decides which arm that is.
fn export(summary: &Summary) -> Option<String> {
    let entry = &summary.entries[verdict::taken(summary)?];
    // where files were measured and it has none, it can't be exported
    let measured = summary.runs.iter().any(|run| run.row.file_bytes.is_some());
    if measured && price::file_mib(entry, &summary.runs).is_none() {
        return None;
    }
    let DatasetRecord { name, reading, .. } = &summary.records.dataset;
    let kind = if entry.row.backbone.is_empty() { "featbench" } else { "onnx" };
    let file = name.split(';').next().unwrap_or(name).replace([',', '='], "-");
    Some(format!("featbench export --dataset {name}{reading}{} -o {file}.{kind}", asked(&summary.question)))
}

/// The options that say what is asked, where that is not the usual question.
fn asked(question: &Question) -> String {
    let usual = Question::default();
    let metric = (question.aim != usual.aim).then(|| format!(" --metric {}", question.aim.name()));
    let margin =
        (question.rule != usual.rule).then(|| format!(" --margin {}", trimmed(100.0 * question.rule.margin, 6)));
    let limits = [(question.budget.ms, "ms"), (question.budget.mib, "MiB")];
    let limits: Vec<String> = limits.iter().filter_map(|(limit, unit)| Some(format!("{}{unit}", (*limit)?))).collect();
    let budget = (!limits.is_empty()).then(|| format!(" --budget {}", limits.join(",")));
    [metric, margin, budget].into_iter().flatten().collect()
}
