//! The drawn images: what must not give their classes away, and that they are the same everywhere.

use std::collections::BTreeMap;

use featbench::dataset::{Dataset, ImageFile};
use featbench::image::decode_rgb;

/// Accuracy of guessing among the eight classes.
const CHANCE: f64 = 1.0 / 8.0;

/// Mean of each channel, and the class, which is in the path.
fn colour(image: &ImageFile) -> ([f64; 3], String) {
    let picture = decode_rgb(&image.read().unwrap()).unwrap();
    let mean = |channel| {
        let values = picture.data.iter().skip(channel).step_by(3).map(|&value| f64::from(value));
        values.sum::<f64>() / f64::from(picture.width * picture.height)
    };
    let class = image.id.split('/').nth(1).unwrap();
    ([0, 1, 2].map(mean), class.to_owned())
}

fn distance(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// Classes by the nearest mean colour of their training images.
#[test]
fn colours_tell_nothing() {
    let set = Dataset::open("procedural", None, 0).unwrap();
    let mut sums: BTreeMap<String, ([f64; 3], f64)> = BTreeMap::new();
    for (colour, class) in set.splits.train.images().iter().map(|image| colour(image)) {
        let (sum, count) = sums.entry(class).or_default();
        sum.iter_mut().zip(colour).for_each(|(sum, value)| *sum += value);
        *count += 1.0;
    }
    let means: Vec<(String, [f64; 3])> =
        sums.into_iter().map(|(class, (sum, count))| (class, sum.map(|value| value / count))).collect();
    assert_eq!(means.len(), 8);
    let is_right = |image: &ImageFile| {
        let (colour, class) = colour(image);
        let nearest = means.iter().min_by(|(_, a), (_, b)| distance(a, &colour).total_cmp(&distance(b, &colour)));
        nearest.is_some_and(|(nearest, _)| *nearest == class)
    };
    let test = set.splits.test.images();
    let accuracy = test.iter().filter(|image| is_right(image)).count() as f64 / test.len() as f64;
    assert!((accuracy - CHANCE).abs() < 0.1, "{accuracy}");
}

#[test]
fn a_set_is_named_by_what_was_set() {
    let small = Dataset::open("procedural,classes=2,train=3,val=1,test=2,clutter=0", None, 0).unwrap();
    assert_eq!(small.name, "procedural,classes=2,train=3,val=1,test=2,clutter=0");
    assert_eq!(small.splits.classes, ["burr", "caterpillar"]);
    assert_eq!([small.splits.train.len(), small.splits.val.len(), small.splits.test.len()], [6, 2, 4]);
    let error = Dataset::open("procedural,fog=1", None, 0).unwrap_err().to_string();
    assert!(error.starts_with("`fog` is not one of classes, train, val"), "{error}");
}
