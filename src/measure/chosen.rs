//! An arm on its way to be judged: features and classifier chosen on val, then fitted again on the final training images.
//! The same flow for every arm, whether it is recorded, timed or exported.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use crate::classify::{Candidate, Classifier, ClassifierSettings, Labelled, decide, rows};
use crate::dataset::splits::{FittedArm, Prediction};
use crate::dataset::{Dataset, ImageFile, Refit, Split, Train};
use crate::deep::exported::are_scores;
use crate::features::{Choice, Features, Lessons, Resources, VectorsOf, hashes, of_vectors};
use crate::stage::cache::Key;

use super::curves::Curves;
use super::plan::Planned;

/// One candidate with its score on val.
pub(super) struct Tried {
    pub features: Choice,
    pub candidate: Candidate,
    /// `None` where nothing was to be chosen and val is learnt from.
    pub correct: Option<usize>,
}

/// The outcome of selection.
pub(super) struct Selected {
    pub tried: Vec<Tried>,
    pub chosen: usize,
    pub seconds: f64,
    /// Of every training, the final one among them.
    pub curves: Curves,
}

/// A classifier with the time that its fit took, as it is cached.
#[derive(Serialize, Deserialize)]
pub(super) struct Fit {
    pub classifier: Classifier,
    pub seconds: f64,
}

/// Features and classifier as selection chose them, fitted on the final training images.
pub(super) struct Chosen {
    pub selected: Selected,
    pub features: Box<dyn Features>,
    pub fit: Fit,
}

/// What the final evaluation gets: it can predict, and nothing else.
pub(super) struct Fitted<'a> {
    features: &'a dyn Features,
    classifier: &'a Classifier,
    resources: &'a Resources<'a>,
    /// Of the images that it predicted; `None` where keypoints are not used.
    pub without_keypoints: Cell<Option<usize>>,
}

impl<'a> Fitted<'a> {
    fn new(features: &'a dyn Features, classifier: &'a Classifier, resources: &'a Resources<'a>) -> Fitted<'a> {
        Fitted { features, classifier, resources, without_keypoints: Cell::new(None) }
    }
}

impl FittedArm for Fitted<'_> {
    fn predict(&self, images: &[Arc<ImageFile>]) -> Result<Vec<Prediction>> {
        let mut predictions = Vec::with_capacity(images.len());
        for range in rows::ranges(images.len(), self.features.dimension()) {
            let block = &images[range];
            let vectors = self.features.vectors(self.resources, block)?;
            rows::check(vectors.x.view(), |row| block[row].place())?;
            let scores = self.classifier.scores(vectors.x.view());
            for (row, image) in scores.outer_iter().zip(block) {
                ensure!(
                    are_scores(&row.to_vec()),
                    "{}: the classifier's scores are no finite numbers (NaN or infinite): its features are too large or too \
                     small for these settings; scale them (scale = \"standardise\")",
                    image.place()
                );
            }
            let of_row = |(class, scores): (usize, ArrayView1<f32>)| Prediction { class, scores: scores.to_vec() };
            predictions.extend(decide(&scores).into_iter().zip(scores.outer_iter()).map(of_row));
            let before = self.without_keypoints.get().unwrap_or(0);
            self.without_keypoints.set(vectors.without_keypoints.map(|here| before + here));
        }
        Ok(predictions)
    }
}

impl Chosen {
    fn best(&self) -> &Tried {
        &self.selected.tried[self.selected.chosen]
    }

    /// The settings of the classifier that val chose.
    pub fn candidate(&self) -> &Candidate {
        &self.best().candidate
    }

    /// The candidate of the features that val chose.
    pub fn choice(&self) -> &Choice {
        &self.best().features
    }

    /// Images of val that the chosen settings had right, where there was something to be chosen.
    pub fn correct_on_val(&self) -> Option<usize> {
        self.best().correct
    }

    /// The settings that val chose, the learning rate that range tests did, and what is to be said of the final fit.
    pub fn settings(&self, planned: &Planned) -> String {
        let found = self.features.training().and_then(|training| training.found.clone());
        let remark = self.fit.classifier.remark(&planned.arm.classifier);
        let parts = [self.best().settings()].into_iter().chain(found).chain([remark]);
        parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }

    pub fn fitted<'a>(&'a self, resources: &'a Resources<'a>) -> Fitted<'a> {
        Fitted::new(&*self.features, &self.fit.classifier, resources)
    }

    /// What a fit that has not seen them says of the images of val: the final one, or where that learnt from val the chosen
    /// settings on train alone. `None` where there is none without them: of a network whose one training takes val in.
    pub fn on_val(
        &self,
        planned: &Planned,
        dataset: &Dataset,
        resources: &Resources,
    ) -> Result<Option<Vec<Prediction>>> {
        let (train, val, classes) = (&dataset.splits.train, &dataset.splits.val, dataset.splits.classes.len());
        match planned.refit {
            _ if self.best().correct.is_none() => Ok(None),
            Refit::Train => self.fitted(resources).predict(val.images()).map(Some),
            Refit::TrainAndVal => {
                let lessons = Lessons { train, val: Some(val), reported: dataset.splits.test.images(), classes };
                let features = planned.arm.features.kind().fit(self.choice(), resources, &lessons)?;
                let fit = final_fit(planned, &*features, &self.best().candidate, resources, train, classes)?;
                Fitted::new(&*features, &fit.classifier, resources).predict(val.images()).map(Some)
            }
        }
    }
}

/// Images of the final fit.
pub(super) fn final_images(planned: &Planned, dataset: &Dataset) -> Split<Train> {
    match planned.refit {
        Refit::Train => dataset.splits.train.clone(),
        Refit::TrainAndVal => dataset.splits.train.with(&dataset.splits.val),
    }
}

pub(super) fn choose(planned: &Planned, dataset: &Dataset, resources: &Resources) -> Result<Chosen> {
    let classes = dataset.splits.classes.len();
    let mut selected = select(planned, dataset, resources, classes)?;
    let best = &selected.tried[selected.chosen];
    let train = final_images(planned, dataset);
    let val = (planned.refit == Refit::Train).then_some(&dataset.splits.val);
    let lessons = Lessons { train: &train, val, reported: dataset.splits.test.images(), classes };
    let features = planned.arm.features.kind().fit(&best.features, resources, &lessons)?;
    let fit = final_fit(planned, &*features, &best.candidate, resources, &train, classes)?;
    if planned.refit == Refit::TrainAndVal {
        selected.curves.add(features.training(), planned, dataset, None);
    }
    Ok(Chosen { selected, features, fit })
}

impl Tried {
    pub fn settings(&self) -> String {
        let parts = [self.features.describe().to_owned(), self.candidate.describe()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// Tries every candidate on val with a fit on train alone; the first of the best is chosen.
fn select(planned: &Planned, dataset: &Dataset, resources: &Resources, classes: usize) -> Result<Selected> {
    let (train, val) = (&dataset.splits.train, &dataset.splits.val);
    let mut curves = Curves::default();
    let mut tried = Vec::new();
    let mut seconds = 0.0;
    let head = planned.arm.classifier == ClassifierSettings::Head;
    if head && planned.refit == Refit::TrainAndVal {
        // nothing is chosen: the one training is the final one
        tried.push(Tried { features: Choice::only(), candidate: Candidate::Head, correct: None });
        return Ok(Selected { tried, chosen: 0, seconds, curves });
    }
    let lessons = Lessons { train, val: Some(val), reported: dataset.splits.test.images(), classes };
    planned.arm.features.kind().search(&mut |candidate| {
        let fitted = planned.arm.features.kind().fit(candidate, resources, &lessons)?;
        curves.add(fitted.training(), planned, dataset, Some(val.len()));
        if let Some(training) = fitted.training().filter(|_| head) {
            let x = VectorsOf::new(&*fitted, resources, val.images());
            let correct = training.classifier.count_correct(Labelled { x: &x, y: val.labels() })?;
            tried.push(Tried { features: candidate.clone(), candidate: Candidate::Head, correct: Some(correct) });
            return Ok(correct);
        }
        let images = (hashes(train.images()), hashes(val.images()));
        let ingredients = (images, train.labels(), val.labels(), &planned.arm.classifier);
        let key = classifier_key("select", planned, &*fitted, resources, &ingredients)?;
        let (results, spent): (Vec<(Candidate, usize)>, f64) =
            resources.cache.get_or(&key, || try_on_val(planned, dataset, resources, &*fitted, classes))?;
        seconds += spent;
        let most = results.iter().map(|(_, correct)| *correct).max().unwrap_or(0);
        tried.extend(results.into_iter().map(|(c, correct)| Tried {
            features: candidate.clone(),
            candidate: c,
            correct: Some(correct),
        }));
        Ok(most)
    })?;
    let chosen = (0..tried.len()).fold(0, |best, i| if tried[i].correct > tried[best].correct { i } else { best });
    tried.get(chosen).context("the arm's grid is empty")?;
    Ok(Selected { tried, chosen, seconds, curves })
}

/// Every candidate of the classifier with the images of val that it gets right, and the seconds that this took besides
/// computing vectors.
fn try_on_val(
    planned: &Planned,
    dataset: &Dataset,
    resources: &Resources,
    fitted: &dyn Features,
    classes: usize,
) -> Result<(Vec<(Candidate, usize)>, f64)> {
    let (train, val, classifier) = (&dataset.splits.train, &dataset.splits.val, &planned.arm.classifier);
    let bar = resources.progress.spinner("choosing settings on val");
    let all: Vec<Arc<ImageFile>> = train.images().iter().chain(val.images()).cloned().collect();
    if let Some(products) = fitted.products(resources, train.len(), &all)? {
        let start = Instant::now();
        let labels = (train.labels(), val.labels());
        if let Some(results) = classifier.try_all_on(products.view(), labels, classes) {
            return Ok((results?, start.elapsed().as_secs_f64()));
        }
    }
    let train_x = VectorsOf::new(fitted, resources, train.images());
    let val_x = VectorsOf::new(fitted, resources, val.images());
    let start = Instant::now();
    let results = classifier.try_all(
        Labelled { x: &train_x, y: train.labels() },
        Labelled { x: &val_x, y: val.labels() },
        classes,
    )?;
    drop(bar);
    Ok((results, start.elapsed().saturating_sub(train_x.spent() + val_x.spent()).as_secs_f64()))
}

fn final_fit(
    planned: &Planned,
    features: &dyn Features,
    candidate: &Candidate,
    resources: &Resources,
    train: &Split<Train>,
    classes: usize,
) -> Result<Fit> {
    if let (Candidate::Head, Some(training)) = (candidate, features.training()) {
        return Ok(Fit { classifier: training.classifier.clone(), seconds: training.seconds });
    }
    let ingredients = (hashes(train.images()), train.labels(), candidate, classes);
    let key = classifier_key("fit", planned, features, resources, &ingredients)?;
    resources.cache.get_or(&key, || {
        let x = VectorsOf::new(features, resources, train.images());
        let start = Instant::now();
        let classifier = candidate.fit(Labelled { x: &x, y: train.labels() }, classes)?;
        Ok(Fit { classifier, seconds: start.elapsed().saturating_sub(x.spent()).as_secs_f64() })
    })
}

/// Key of what a classifier gave: with everything that its vectors depend on, whatever made them.
fn classifier_key(
    stage: &'static str,
    planned: &Planned,
    features: &dyn Features,
    resources: &Resources,
    ingredients: &impl Serialize,
) -> Result<Key> {
    Key::new(stage, planned.arm.classifier.version(), &(of_vectors(features, resources), ingredients))
}
