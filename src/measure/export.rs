//! An arm as one file, chosen, trained and fitted as for its record: its network as ONNX with the classifier behind it, or
//! where it has none a file of our own.

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
use super::portable::{Parts, Portable, write};
use super::run::{Chosen, choose};

/// The bytes of the file. What is cached of the run is used, and what is not is computed and kept.
///
/// # Errors
/// A classifier that is not linear, or what keeps the arm from being measured.
pub fn run(planned: &Planned, dataset: &Dataset, resources: &Resources) -> Result<Vec<u8>> {
    let arm = &planned.arm;
    if !arm.needs().network {
        return without_network(planned, dataset, resources);
    }
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
        origin: origin(planned, dataset, Some(backbone)),
    };
    let score = |features: &[f32]| {
        let rows = ArrayView2::from_shape((features.len() / backbone.dimension, backbone.dimension), features);
        fit.classifier.scores(rows.expect("whole rows of features")).into_iter().collect()
    };
    Ok(export_with_head(model, backbone, &description, &score)?)
}

/// An arm without a network as a file of our own.
fn without_network(planned: &Planned, dataset: &Dataset, resources: &Resources) -> Result<Vec<u8>> {
    let arm = &planned.arm;
    ensure!(arm.needs().pixels, "--arm {}: it does not look at pixels, so there is nothing to export", arm.name);
    let chosen = choose(planned, dataset, resources)?;
    let logistic = matches!(arm.classifier, ClassifierSettings::Logistic(_));
    let parts = Parts {
        arm,
        choice: chosen.choice(),
        features: &*chosen.features,
        classifier: &chosen.fit.classifier,
        labels: &dataset.splits.classes,
        canvas: planned.canvas,
        scores: if logistic { Scores::Logits } else { Scores::Margins },
        origin: origin(planned, dataset, None),
    };
    let bytes = write(parts)?;
    let read = Portable::read(&bytes)?;
    ensure!(read.labels == dataset.splits.classes, "the exported file has other classes: please report this");
    Ok(bytes)
}

/// A fitted classifier as a layer, its scaling folded in.
fn head(classifier: &Classifier) -> Option<Head> {
    let (weights, intercepts) = classifier.as_linear()?;
    Some(Head::given(&Linear { weight: weights.t().iter().copied().collect(), bias: intercepts.to_vec() }))
}

fn origin(planned: &Planned, dataset: &Dataset, backbone: Option<&Backbone>) -> String {
    let backbone = backbone.map_or_else(String::new, |backbone| format!(", backbone {}", backbone.name));
    format!(
        "arm {}{backbone}, data set {}, fitted on {}, {}, seed {}, run {}",
        planned.arm.name,
        dataset.name,
        planned.refit,
        planned.frame(),
        planned.seed,
        planned.run_id
    )
}
