//! What each property that has nothing to do with what an image shows tells of its class: a small tree learns from the
//! property alone and is judged on the reported images. What beats the most frequent class is a shortcut.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;
use ndarray::Array2;

use crate::classify::tree::DecisionTree;
use crate::dataset::splits::{FittedArm, Prediction};
use crate::dataset::{Dataset, ImageFile};
use crate::record::PropertyRecord;

use super::look::Look;

/// A name, and the numbers that stand for it.
struct Property {
    name: &'static str,
    of: fn(&ImageFile, &Look, &Names) -> Vec<f32>,
}

/// In the order of the table.
const PROPERTIES: [Property; 9] = [
    Property { name: "size in pixels", of: |image, _, _| vec![image.width as f32 * image.height as f32] },
    Property { name: "shape", of: |image, _, _| vec![image.width as f32 / image.height as f32] },
    Property { name: "file size", of: |image, _, _| vec![image.bytes as f32] },
    Property {
        name: "format and quality",
        of: |_, look, names| vec![code(&names.formats, &look.traces.format), look.traces.quantisation as f32],
    },
    Property { name: "brightness", of: |_, look, _| vec![look.brightness] },
    Property { name: "mean colour", of: |_, look, _| look.colour.to_vec() },
    Property { name: "blur", of: |_, look, _| vec![look.sharpness] },
    Property { name: "border", of: |_, look, _| look.border.to_vec() },
    Property { name: "camera", of: |_, look, names| vec![code(&names.cameras, &look.traces.camera)] },
];

/// Words of the images to learn from, each with a number.
struct Names<'a> {
    formats: Vec<&'a str>,
    cameras: Vec<&'a str>,
}

/// Numbers of a word; -1 where it is not among those to learn from.
fn code(known: &[&str], word: &str) -> f32 {
    known.binary_search(&word).map_or(-1.0, |place| place as f32)
}

/// What was found: reported images, those of the class that most of them show, and each property.
pub struct Found {
    pub images: usize,
    pub majority: usize,
    pub properties: Vec<PropertyRecord>,
}

/// Fits on train and val, since nothing is chosen, and judges the reported images.
///
/// # Errors
/// None but those of [`crate::dataset::Split::evaluate`].
pub fn properties(dataset: &Dataset, learned: &[Look], reported: &[Look]) -> Result<Found> {
    let train = dataset.splits.train.with(&dataset.splits.val);
    let (classes, test) = (dataset.splits.classes.len(), &dataset.splits.test);
    let words = |of: fn(&Look) -> &str| learned.iter().map(of).collect::<BTreeSet<_>>().into_iter().collect();
    let names = Names { formats: words(|look| &look.traces.format), cameras: words(|look| &look.traces.camera) };
    let correct = |answers: Vec<usize>| -> Result<usize> {
        Ok(test.evaluate(&Answers(answers))?.iter().filter(|judged| judged.truth == judged.prediction.class).count())
    };
    let mut found = Vec::new();
    for Property { name, of } in PROPERTIES {
        let rows = |images: &[Arc<ImageFile>], looks: &[Look]| {
            let rows: Vec<Vec<f32>> = images.iter().zip(looks).map(|(image, look)| of(image, look, &names)).collect();
            Array2::from_shape_fn((rows.len(), rows.first().map_or(0, Vec::len)), |(i, j)| rows[i][j])
        };
        let (x, asked) = (rows(train.images(), learned), rows(test.images(), reported));
        let values: BTreeSet<Vec<u32>> =
            x.outer_iter().map(|row| row.iter().map(|value| value.to_bits()).collect()).collect();
        let tree = DecisionTree::fit(x.view(), train.labels(), classes);
        let correct = correct(asked.outer_iter().map(|row| tree.predict(row)).collect())?;
        found.push(PropertyRecord { name: name.into(), values: values.len(), correct });
    }
    // no constant answer is right more often, whatever train says
    let constant = (0..classes).map(|class| correct(vec![class; test.len()]));
    let majority = constant.collect::<Result<Vec<_>>>()?.into_iter().max().unwrap_or(0);
    Ok(Found { images: test.len(), majority, properties: found })
}

/// The class of each reported image, found beforehand.
struct Answers(Vec<usize>);

impl FittedArm for Answers {
    fn predict(&self, _: &[Arc<ImageFile>]) -> Result<Vec<Prediction>> {
        Ok(self.0.iter().map(|&class| Prediction { class, scores: Vec::new() }).collect())
    }
}
