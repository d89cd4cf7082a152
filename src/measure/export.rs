//! An arm as one file, chosen, trained and fitted as for its record: its network as ONNX with the classifier behind it, or
//! where it has none a file of our own.

use anyhow::{Context, Result, ensure};

use ndarray::ArrayView2;

use crate::classify::{Classifier, ClassifierSettings};
use crate::dataset::Dataset;
use crate::deep::backbone::Backbone;
use crate::deep::exported::{Description, Preprocessing, Scores, export_with_head, size_with_head};
use crate::deep::onnx::ModelProto;
use crate::features::Resources;
use crate::finetune::head::{Head, Linear};
use crate::finetune::settings::Keep;

use super::calibrate::calibrate;
use super::chosen::{Chosen, choose};
use super::plan::Planned;
use super::portable::{Parts, Portable, write};

/// The bytes of the file. What is cached of the run is used, and what is not is computed and kept.
///
/// # Errors
/// A classifier that is not linear, or what keeps the arm from being measured.
pub fn run(planned: &Planned, dataset: &Dataset, resources: &Resources) -> Result<Vec<u8>> {
    let arm = &planned.arm;
    if arm.needs().network {
        ensure!(arm.classifier.may_be_linear(), not_linear(planned));
        ensure!(
            arm.training().is_none_or(|training| training.keep != Keep::BestReported),
            "--arm {}: its epoch is chosen on the reported images, and the weights of that epoch are not kept; an arm with \
             `keep = \"last\"` or `\"best\"` can be exported",
            arm.name
        );
    } else {
        ensure!(arm.needs().pixels, "--arm {}: it does not look at pixels, so there is nothing to export", arm.name);
    }
    let chosen = choose(planned, dataset, resources)?;
    let temperature = calibrate(&chosen, planned, dataset, resources)?.map(|calibration| calibration.temperature);
    let Some(network) = network(&chosen, planned, dataset, resources, temperature)? else {
        let bytes = write(parts(&chosen, planned, dataset, temperature))?;
        let read = Portable::read(&bytes)?;
        ensure!(read.labels == dataset.splits.classes, "the exported file has other classes: please report this");
        return Ok(bytes);
    };
    let Network { model, backbone, description } = network;
    let score = |features: &[f32]| {
        let rows = ArrayView2::from_shape((features.len() / backbone.dimension, backbone.dimension), features);
        chosen.fit.classifier.scores(rows.expect("whole rows of features")).into_iter().collect()
    };
    Ok(export_with_head(model, backbone, &description, &score)?)
}

/// Bytes of the file that [`run`] would write; `None` for an arm that can't be exported.
pub(super) fn size(
    chosen: &Chosen,
    planned: &Planned,
    dataset: &Dataset,
    resources: &Resources,
    temperature: Option<f64>,
) -> Result<Option<u64>> {
    let (needs, training) = (planned.arm.needs(), planned.arm.training());
    let kept = training.is_none_or(|training| training.keep != Keep::BestReported);
    if !needs.network {
        let written = needs.pixels.then(|| write(parts(chosen, planned, dataset, temperature)));
        // features that no file can hold have no size
        return Ok(written.and_then(Result::ok).map(|bytes| bytes.len() as u64));
    }
    if !kept || chosen.features.network().is_none() || chosen.fit.classifier.as_linear().is_none() {
        return Ok(None);
    }
    let Some(network) = network(chosen, planned, dataset, resources, temperature)? else { return Ok(None) };
    Ok(Some(size_with_head(network.model, network.backbone, &network.description)?))
}

/// A network with the classifier behind it, before it is a file.
struct Network<'a> {
    model: ModelProto,
    backbone: &'a Backbone,
    description: Description,
}

/// `None` for an arm that has none.
fn network<'a>(
    chosen: &'a Chosen,
    planned: &Planned,
    dataset: &Dataset,
    resources: &Resources,
    temperature: Option<f64>,
) -> Result<Option<Network<'a>>> {
    let arm = &planned.arm;
    if !arm.needs().network {
        return Ok(None);
    }
    let backbone = chosen.features.network().context("an arm with a network has features of one")?;
    let mut model = ModelProto::read(&backbone.model(resources.input as usize)?).context(backbone.name.clone())?;
    if arm.classifier != ClassifierSettings::Head {
        let head = head(&chosen.fit.classifier).with_context(|| not_linear(planned))?;
        model = head.append(model, &backbone.ports.output);
    }
    let description = Description {
        preprocessing: Preprocessing::of(resources.input, &backbone.preparation, planned.canvas),
        labels: dataset.splits.classes.clone(),
        scores: if matches!(arm.classifier, ClassifierSettings::Svm(_)) { Scores::Margins } else { Scores::Logits },
        temperature,
        origin: origin(planned, dataset, Some(backbone)),
    };
    Ok(Some(Network { model, backbone, description }))
}

/// An arm without a network, before it is a file of our own.
fn parts<'a>(chosen: &'a Chosen, planned: &'a Planned, dataset: &'a Dataset, temperature: Option<f64>) -> Parts<'a> {
    let logistic = matches!(planned.arm.classifier, ClassifierSettings::Logistic(_));
    Parts {
        arm: &planned.arm,
        choice: chosen.choice(),
        features: &*chosen.features,
        classifier: &chosen.fit.classifier,
        labels: &dataset.splits.classes,
        canvas: planned.canvas,
        scores: if logistic { Scores::Logits } else { Scores::Margins },
        temperature,
        origin: origin(planned, dataset, None),
    }
}

fn not_linear(planned: &Planned) -> String {
    format!(
        "--arm {}: its classifier is not one linear function of the features; one of the kind `head`, `logistic`, or `svm` \
         with `linear_c` alone can be exported",
        planned.arm.name
    )
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
