//! The same data set with fewer classes, fewer training images, fewer or less clear reported ones: what a sweep compares.
//! No file is written or changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::Dataset;
use super::error::DatasetError;
use super::manifest::{Manifest, Part, Row, hex_sha256};
use super::splits::{ImageFile, Source};
use crate::image::degrade::Clarity;

/// What of a data set stays. The fewer classes or images are always among the more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variant {
    /// Drawn by the seed; all where `None` or where there are not more.
    pub classes: Option<usize>,
    /// Training images of each class, drawn by the seed.
    pub train: Option<usize>,
    /// Selection images and as many reported ones of each class, drawn by the seed.
    pub judged: Option<usize>,
    /// Of the reported images; the others stay as they are.
    pub clarity: Clarity,
    pub seed: u64,
}

impl Variant {
    /// Name of this variant of a data set.
    pub fn name(&self, dataset: &str) -> String {
        let Clarity { blur, noise, contrast } = self.clarity;
        let count = |name, count: Option<usize>| count.map(|count| format!(";{name}={count}"));
        let share = |name, value: f32, none| (value != none).then(|| format!(";{name}={value}"));
        let parts = [
            count("classes", self.classes),
            count("train", self.train),
            count("val", self.judged),
            count("test", self.judged),
            share("blur", blur, 0.0),
            share("noise", noise, 0.0),
            share("contrast", contrast, 1.0),
            Some(format!(";draw={}", self.seed)),
        ];
        [dataset.to_owned()].into_iter().chain(parts.into_iter().flatten()).collect()
    }
}

impl Dataset {
    /// This data set in a variant, under a name that says what it is.
    ///
    /// # Errors
    /// None that the data set itself did not have.
    pub fn variant(&self, variant: &Variant) -> Result<Dataset, DatasetError> {
        let (classes, images) = (self.chosen_classes(variant), self.images());
        let mut rows: Vec<Row> = self.manifest.used().filter(|row| classes.contains(&row.label)).cloned().collect();
        for (part, count) in [(Part::Train, variant.train), (Part::Val, variant.judged), (Part::Test, variant.judged)] {
            rows = keep(rows, part, count, variant.seed);
        }
        let clear = variant.clarity == Clarity::FULL;
        let reported = |row: &Row| row.role == Some(Part::Test) && !clear;
        for row in rows.iter_mut().filter(|row| reported(row)) {
            row.sha256 = hex_sha256(format!("{} {:?}", row.sha256, variant.clarity).as_bytes());
        }
        let source_of = |row: &Row| {
            let image = &images[row.path.as_str()];
            let degraded = || Source::Degraded { of: (*image).clone(), clarity: variant.clarity };
            Ok((if reported(row) { degraded() } else { image.source.clone() }, image.bytes))
        };
        let manifest = Manifest::new(rows);
        let splits = super::Splits::of(&manifest, &source_of)?;
        Ok(Dataset { name: variant.name(&self.name), splits, manifest, ..self.clone() })
    }

    fn chosen_classes(&self, variant: &Variant) -> BTreeSet<String> {
        let mut classes = self.splits.classes.clone();
        classes.sort_by_key(|class| draw(variant.seed, class));
        classes.into_iter().take(variant.classes.unwrap_or(usize::MAX)).collect()
    }

    /// By their names.
    pub(super) fn images(&self) -> HashMap<&str, &Arc<ImageFile>> {
        let super::Splits { train, val, test, .. } = &self.splits;
        let all = train.images().iter().chain(val.images()).chain(test.images());
        all.map(|image| (image.id.as_str(), image)).collect()
    }
}

/// At most `count` images of each class with this role.
fn keep(rows: Vec<Row>, role: Part, count: Option<usize>, seed: u64) -> Vec<Row> {
    let Some(count) = count else { return rows };
    let (mut chosen, mut kept): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.role == Some(role));
    chosen.sort_by_cached_key(|row| draw(seed, &row.sha256));
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    chosen.retain(|row| {
        let of_class = seen.entry(row.label.clone()).or_default();
        *of_class += 1;
        *of_class <= count
    });
    kept.append(&mut chosen);
    kept
}

/// An order that only the seed and the thing itself decide.
fn draw(seed: u64, what: &str) -> [u8; 32] {
    Sha256::digest(format!("{seed} {what}").as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::procedural;
    use crate::image::decode_rgb;

    const ALL: Variant = Variant { classes: None, train: None, judged: None, clarity: Clarity::FULL, seed: 0 };

    fn set() -> Dataset {
        Dataset::open(&format!("{},classes=4,train=6,val=3,test=3", procedural::NAME), None, 0).unwrap()
    }

    fn ids(images: &[Arc<ImageFile>]) -> BTreeSet<&str> {
        images.iter().map(|image| image.id.as_str()).collect()
    }

    #[test]
    fn fewer_are_among_the_more() {
        let set = set();
        let three = set.variant(&Variant { classes: Some(3), train: Some(4), judged: Some(2), ..ALL }).unwrap();
        let two = set.variant(&Variant { classes: Some(2), train: Some(2), judged: Some(2), ..ALL }).unwrap();
        assert_eq!((three.splits.classes.len(), two.splits.classes.len()), (3, 2));
        let sizes = |set: &Dataset| [set.splits.train.len(), set.splits.val.len(), set.splits.test.len()];
        assert_eq!((sizes(&three), sizes(&two)), ([12, 6, 6], [4, 4, 4]));
        assert!(ids(two.splits.train.images()).is_subset(&ids(three.splits.train.images())));
        assert!(ids(two.splits.test.images()).is_subset(&ids(three.splits.test.images())));
        assert_eq!(two.name, format!("{};classes=2;train=2;val=2;test=2;draw=0", set.name));
    }

    #[test]
    fn every_seed_draws_all_images_anew() {
        let set = set();
        let drawn = |seed| set.variant(&Variant { train: Some(2), judged: Some(1), seed, ..ALL }).unwrap().splits;
        let (first, again, other) = (drawn(0), drawn(0), drawn(1));
        let parts = |splits: &crate::dataset::Splits| {
            [splits.train.images(), splits.val.images(), splits.test.images()].map(|images| ids(images).len())
        };
        assert_eq!((parts(&first), parts(&other)), ([8, 4, 4], [8, 4, 4]));
        assert_eq!(ids(first.test.images()), ids(again.test.images()));
        assert_ne!(ids(first.train.images()), ids(other.train.images()));
        assert_ne!(ids(first.val.images()), ids(other.val.images()));
        assert_ne!(ids(first.test.images()), ids(other.test.images()));
    }

    #[test]
    fn only_reported_images_become_less_clear() {
        let set = set();
        let clarity = Clarity { contrast: 0.0, ..Clarity::FULL };
        let grey = set.variant(&Variant { clarity, ..ALL }).unwrap();
        assert_eq!(grey.splits.train.images(), set.splits.train.images());
        let (clear, image) = (&set.splits.test.images()[0], &grey.splits.test.images()[0]);
        assert_eq!(image.id, clear.id);
        assert_ne!(image.sha256, clear.sha256, "the cache must tell them apart");
        let picture = decode_rgb(&image.read().unwrap()).unwrap();
        assert!(picture.data.iter().all(|&value| value == 128), "nothing but middle grey is left");
    }
}
