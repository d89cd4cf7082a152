//! An arm as one ONNX file: its network, chosen, trained and fitted as for its record, with its classifier behind it.

use anyhow::{Context, Result, ensure};

use ndarray::ArrayView2;

use crate::classify::{Classifier, ClassifierSettings};
use crate::dataset::Dataset;
use crate::deep::backbone::Backbone;
use crate::deep::exported::{Description, Preprocessing, Scores, export_with_head};
use crate::deep::onnx::ModelProto;
use crate::features::Resources;
use crate::finetune::head::{Head, Linear};
use crate::finetune::settings::Keep;

use super::plan::Planned;
use super::run::{Chosen, choose};

/// The bytes of the file. What is cached of the run is used, and what is not is computed and kept.
///
/// # Errors
/// An arm without a network, a classifier that is not linear, or what keeps the arm from being measured.
pub fn run(planned: &Planned, dataset: &Dataset, resources: &Resources) -> Result<Vec<u8>> {
    let arm = &planned.arm;
    ensure!(arm.needs().network, "--arm {}: it has no network, so there is nothing to export", arm.name);
    let not_linear = || {
        format!(
            "--arm {}: its classifier is not one linear function of the features; one of the kind `head`, `logistic`, or `svm` \
             with `linear_c` alone can be exported",
            arm.name
        )
    };
    ensure!(arm.classifier.may_be_linear(), not_linear());
    ensure!(
        arm.training().is_none_or(|training| training.keep != Keep::BestReported),
        "--arm {}: its epoch is chosen on the reported images, and the weights of that epoch are not kept; an arm with \
         `keep = \"last\"` or `\"best\"` can be exported",
        arm.name
    );
    let Chosen { features, fit, .. } = choose(planned, dataset, resources)?;
    let backbone = features.network().context("an arm with a network has features of one")?;
    let mut model = ModelProto::read(&backbone.model(resources.input as usize)?).context(backbone.name.clone())?;
    if arm.classifier != ClassifierSettings::Head {
        model = head(&fit.classifier).with_context(not_linear)?.append(model, &backbone.ports.output);
    }
    let description = Description {
        preprocessing: Preprocessing::of(resources.input, backbone.normalisation, planned.canvas),
        labels: dataset.splits.classes.clone(),
        scores: if matches!(arm.classifier, ClassifierSettings::Svm(_)) { Scores::Margins } else { Scores::Logits },
        origin: origin(planned, dataset, backbone),
    };
    let score = |features: &[f32]| {
        let rows = ArrayView2::from_shape((features.len() / backbone.dimension, backbone.dimension), features);
        fit.classifier.scores(rows.expect("whole rows of features")).into_iter().collect()
    };
    Ok(export_with_head(model, backbone, &description, &score)?)
}

/// A fitted classifier as a layer, its scaling folded in.
fn head(classifier: &Classifier) -> Option<Head> {
    let (weights, intercepts) = classifier.as_linear()?;
    Some(Head::given(&Linear { weight: weights.t().iter().copied().collect(), bias: intercepts.to_vec() }))
}

fn origin(planned: &Planned, dataset: &Dataset, backbone: &Backbone) -> String {
    format!(
        "arm {}, backbone {}, data set {}, fitted on {}, {}, seed {}, run {}",
        planned.arm.name,
        backbone.name,
        dataset.name,
        planned.refit,
        planned.frame(),
        planned.seed,
        planned.run_id
    )
}
