//! Sweeps: one factor at a time, everything else as it is, on drawn images or on any data set. Reported images become
//! less clear, or classes, training images or the scene change; every point is a data set of its own.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::dataset::variant::Variant;
use crate::dataset::{Dataset, DatasetError, procedural};
use crate::finetune::settings::Start;
use crate::image::degrade::Clarity;
use crate::names;
use crate::record::{FactorRecord, Family, LevelRecord, SweepComparison, SweepQuestion, SweepRecord};

use super::arm::Arm;

/// What is swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Classes,
    Train,
    Blur,
    Noise,
    Contrast,
    Clutter,
    Pose,
}

/// A factor with its levels, from the one that is thought easiest to the hardest.
#[derive(Debug)]
struct Factor {
    kind: Kind,
    name: &'static str,
    title: &'static str,
    levels: [f64; 5],
}

const fn factor(kind: Kind, name: &'static str, title: &'static str, levels: [f64; 5]) -> Factor {
    Factor { kind, name, title, levels }
}

const FACTORS: [Factor; 7] = [
    factor(Kind::Classes, "classes", "classes", [2.0, 4.0, 8.0, 16.0, 32.0]),
    factor(Kind::Train, "train", "training images a class", [64.0, 32.0, 16.0, 8.0, 4.0]),
    factor(Kind::Blur, "blur", "blur of reported images, px of 128", [0.0, 1.0, 2.0, 4.0, 8.0]),
    factor(Kind::Noise, "noise", "noise of reported images, share of range", [0.0, 0.05, 0.1, 0.2, 0.4]),
    factor(Kind::Contrast, "contrast", "contrast of reported images", [1.0, 0.5, 0.25, 0.12, 0.06]),
    factor(Kind::Clutter, "clutter", "clutter", [0.0, 0.25, 0.5, 0.75, 1.0]),
    factor(Kind::Pose, "pose", "pose range", [0.0, 0.25, 0.5, 0.75, 1.0]),
];

/// Drawn classes where they are swept.
const CLASSES: usize = 32;

/// Images of a class that learn where they are not what is swept, that select and that are reported.
const TRAIN: usize = 64;
const JUDGED: usize = 60;

/// Of drawn images, where the scene is as it is by default.
const DRAWN: &str = "val=60,test=60";

/// The experiments that are sweeps and that the binary carries.
const EMBEDDED: [&str; 1] = [include_str!("../../experiments/scratch.toml")];

/// A sweep of one factor with trainings of equal length, as its file says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    pub name: String,
    title: String,
    /// Name of the data set.
    pub dataset: String,
    factor: String,
    levels: Vec<f64>,
    pub arms: Vec<String>,
    forms: BTreeMap<String, PresetSize>,
}

/// How large it is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresetSize {
    /// Side of the networks' input in pixels.
    pub input: u32,
    /// Views of training images that each training takes, whatever their number.
    image_steps: usize,
    pub seeds: Vec<u64>,
}

/// What is to be measured: a data set for every factor, level and seed.
pub struct Sweep<'a> {
    base: &'a Dataset,
    title: &'a str,
    factors: Vec<(&'static Factor, Vec<f64>)>,
    seeds: &'a [u64],
    /// Views of training images of every training; as the arms say where `None`.
    image_steps: Option<usize>,
    /// Training images of the data set's largest class.
    largest: usize,
}

/// One data set that is to be measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Of the data set; points of different factors may have one.
    pub name: String,
    /// Of the arms on it.
    pub seed: u64,
    /// Name of the drawn images that it is a variant of; `None` for a variant of the sweep's own data set.
    drawn: Option<String>,
    variant: Option<Variant>,
}

impl Preset {
    /// Every experiment that is a sweep.
    ///
    /// # Errors
    /// None: a test reads the embedded files.
    pub fn embedded() -> Result<Vec<Preset>> {
        EMBEDDED.iter().map(|text| super::read_toml(text, "an embedded sweep")).collect()
    }

    /// # Errors
    /// The file has no such form.
    pub fn size(&self, form: &str) -> Result<&PresetSize> {
        self.forms.get(form).with_context(|| format!("experiment {} has no form `{form}`", self.name))
    }

    /// The sweep in this form.
    ///
    /// # Errors
    /// A factor that the data set does not have.
    pub fn sweep<'a>(&'a self, base: &'a Dataset, size: &'a PresetSize) -> Result<Sweep<'a>> {
        let mut sweep = Sweep::of(base, std::slice::from_ref(&self.factor), &size.seeds)?;
        sweep.factors.iter_mut().for_each(|(_, levels)| levels.clone_from(&self.levels));
        Ok(Sweep { title: &self.title, image_steps: Some(size.image_steps), ..sweep })
    }
}

impl<'a> Sweep<'a> {
    /// A sweep of these factors, or of all that `base` has.
    ///
    /// # Errors
    /// A name that is no factor, or one that only drawn images have.
    pub fn of(base: &'a Dataset, factors: &[String], seeds: &'a [u64]) -> Result<Sweep<'a>> {
        let drawn = base.folder.is_none();
        let possible = |factor: &&Factor| drawn || !matches!(factor.kind, Kind::Clutter | Kind::Pose);
        let find = |name: &String| {
            let Some(factor) = FACTORS.iter().find(|factor| factor.name == name) else {
                bail!(names::unknown("factor", name, FACTORS.iter().map(|factor| factor.name)))
            };
            if !possible(&factor) {
                bail!("{name} can't be set in the images of {}; it can in `procedural`", base.name)
            }
            Ok(factor)
        };
        let factors: Vec<&'static Factor> = match factors {
            [] => FACTORS.iter().filter(possible).collect(),
            named => named.iter().map(find).collect::<Result<_>>()?,
        };
        let classes = base.splits.classes.len();
        let largest = base.record(&[]).counts.iter().map(|count| count.train).max().unwrap_or(0);
        let has = |factor: &Factor, level: &f64| match factor.kind {
            _ if drawn => true,
            Kind::Classes => *level <= classes as f64,
            Kind::Train => *level <= largest as f64,
            _ => true,
        };
        let levels = |factor: &Factor| factor.levels.into_iter().filter(|level| has(factor, level)).collect();
        let factors = factors.into_iter().map(|factor| (factor, levels(factor))).collect();
        Ok(Sweep { base, title: &base.title, factors, seeds, image_steps: None, largest })
    }

    /// Every point, factor by factor, level by level, seed by seed.
    pub fn points(&self) -> Vec<Point> {
        let of_factor = |(factor, levels): &(&'static Factor, Vec<f64>)| -> Vec<Point> {
            // as many as the first level has are drawn
            let train = if factor.kind == Kind::Train { levels[0] as usize } else { TRAIN };
            let of_level = |&level| self.seeds.iter().map(move |&seed| self.point(factor.kind, level, train, seed));
            levels.iter().flat_map(of_level).collect()
        };
        self.factors.iter().flat_map(of_factor).collect()
    }

    /// The arms, their trainings as long as the sweep's are.
    pub fn arms(&self, arms: &[Arm], dataset: &Dataset) -> Vec<Arm> {
        let Some(steps) = self.image_steps else { return arms.to_vec() };
        let epochs = (steps / dataset.splits.train.len()).max(1);
        arms.iter().map(|arm| arm.retrained(|training| training.in_epochs(epochs))).collect()
    }

    /// `train` is how many images of a class there are before any are left out.
    fn point(&self, kind: Kind, level: f64, train: usize, seed: u64) -> Point {
        let all = Variant { classes: None, train: None, judged: None, clarity: Clarity::FULL, seed };
        let mut variant = all;
        match kind {
            Kind::Classes => variant.classes = Some(level as usize),
            Kind::Train => variant.train = Some(level as usize),
            Kind::Blur => variant.clarity.blur = level as f32,
            Kind::Noise => variant.clarity.noise = level as f32,
            Kind::Contrast => variant.clarity.contrast = level as f32,
            Kind::Clutter | Kind::Pose => {}
        }
        // every class makes the search for settings longer twice over: one more machine, and more images in each
        let train = if kind == Kind::Classes { train / 2 } else { train };
        if self.base.folder.is_some() {
            let classes = without_all(variant.classes, self.base.splits.classes.len());
            let train = without_all(variant.train.or(Some(train)), self.largest);
            let variant = Variant { classes, train, judged: Some(JUDGED), ..variant };
            return Point { name: variant.name(&self.base.name), seed, drawn: None, variant: Some(variant) };
        }
        let scene = match kind {
            Kind::Classes => format!("classes={CLASSES},"),
            Kind::Clutter => format!("clutter={level},"),
            Kind::Pose => format!("pose={level},"),
            Kind::Train | Kind::Blur | Kind::Noise | Kind::Contrast => String::new(),
        };
        let settings = format!("{scene}train={train},{DRAWN},seed={seed}");
        let drawn = procedural::full_name(&settings).expect("these settings are valid, a test reads them");
        let (classes, train) = (without_all(variant.classes, CLASSES), without_all(variant.train, train));
        let variant = Variant { classes, train, ..variant };
        let variant = (variant != all).then_some(variant);
        let name = variant.map_or_else(|| drawn.clone(), |variant| variant.name(&drawn));
        Point { name, seed, drawn: Some(drawn), variant }
    }

    /// The data set of a point.
    ///
    /// # Errors
    /// None that the sweep's own data set did not have.
    pub fn open(&self, point: &Point) -> Result<Dataset, DatasetError> {
        let drawn = point.drawn.as_ref().map(|name| Dataset::open(name, None, 0)).transpose()?;
        let base = drawn.as_ref().unwrap_or(self.base);
        point.variant.as_ref().map_or_else(|| Ok(base.clone()), |variant| base.variant(variant))
    }

    /// What the records say of it: which data set is which point, and which command measures them.
    ///
    /// # Errors
    /// None: a test reads the embedded arms.
    pub fn record(&self, form: &str, command: &str, arms: &[Arm]) -> Result<SweepRecord> {
        let mut names = self.points().into_iter().map(|point| point.name);
        let all = self.base.splits.classes.len();
        let mut level = |kind, value| LevelRecord {
            value,
            classes: if kind == Kind::Classes { value as usize } else { all },
            datasets: names.by_ref().take(self.seeds.len()).collect(),
        };
        let factor = |(factor, levels): &(&'static Factor, Vec<f64>)| FactorRecord {
            name: factor.name.into(),
            title: factor.title.into(),
            levels: levels.iter().map(|&value| level(factor.kind, value)).collect(),
        };
        Ok(SweepRecord {
            title: self.title.into(),
            image_steps: self.image_steps,
            form: form.into(),
            seeds: self.seeds.to_vec(),
            command: command.into(),
            comparisons: comparisons(arms)?,
            factors: self.factors.iter().map(factor).collect(),
        })
    }
}

/// What the sentences compare, of these arms and then of those that the binary carries: the first handcrafted arm with
/// every deep one whose features are not those of an earlier one, every other handcrafted one of these with the first of
/// those, and a network that starts from random weights with the first that is trained from others.
fn comparisons(arms: &[Arm]) -> Result<Vec<SweepComparison>> {
    let named = |other: &Arm| arms.iter().any(|arm| arm.name == other.name);
    let embedded = Arm::embedded()?;
    let all: Vec<&Arm> = arms.iter().chain(embedded.iter().filter(|arm| !named(arm))).collect();
    let of = |family: Family| all.iter().filter(move |arm| arm.family == family);
    let mut deep: Vec<&Arm> = Vec::new();
    for arm in of(Family::Deep) {
        if deep.iter().all(|earlier| earlier.features != arm.features) {
            deep.push(arm);
        }
    }
    let random = |arm: &&&Arm| arm.training().is_some_and(|training| training.start == Start::Random);
    let pretrained = deep.iter().find(|arm| arm.training().is_some() && !random(arm));
    let compare = |first: &Arm, second: &Arm, question| SweepComparison {
        first: first.name.clone(),
        second: second.name.clone(),
        question,
    };
    let suffers = of(Family::Handcrafted)
        .take(1)
        .flat_map(|first| deep.iter().map(|second| compare(first, second, SweepQuestion::Suffers)));
    let others = of(Family::Handcrafted).skip(1).filter(|arm| named(arm));
    let suffers =
        suffers.chain(others.flat_map(|arm| deep.first().map(|second| compare(arm, second, SweepQuestion::Suffers))));
    let pretraining = pretrained
        .into_iter()
        .flat_map(|first| deep.iter().filter(random).map(|second| compare(first, second, SweepQuestion::Pretraining)));
    Ok(suffers.chain(pretraining).collect())
}

/// `None` for as many as there are: one data set has one name, and what is measured of it is recorded under that.
fn without_all(count: Option<usize>, all: usize) -> Option<usize> {
    count.filter(|&count| count < all)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn points_have_names_of_their_own_unless_they_are_the_same() {
        let base = Dataset::open(procedural::NAME, None, 0).unwrap();
        let sweep = Sweep::of(&base, &[], &[0, 1]).unwrap();
        let points = sweep.points();
        assert_eq!(points.len(), 7 * 5 * 2);
        // training images, blur, noise and contrast begin, and clutter and pose pass, at the images as they are
        let names: BTreeSet<&str> = points.iter().map(|point| point.name.as_str()).collect();
        assert_eq!(names.len(), (7 * 5 - 5) * 2);
        let manifests = |point: &Point| sweep.open(point).unwrap().manifest.sha256();
        let clear = [5 * 2, 10 * 2, 15 * 2].map(|place| manifests(&points[place]));
        assert!(clear.iter().all(|manifest| *manifest == clear[0]));
        let record = sweep.record("reduced", "", &[]).unwrap();
        assert_eq!(record.factors[0].levels[2].datasets, [&points[4].name, &points[5].name].map(String::clone));
    }

    #[test]
    fn a_point_is_the_data_set_that_it_is_called() {
        let base = Dataset::open(procedural::NAME, None, 0).unwrap();
        let sweep = Sweep::of(&base, &["train".into(), "noise".into()], &[3]).unwrap();
        let points = sweep.points();
        for (place, train) in [(4, 8 * 4), (5, 8 * 64), (6, 8 * 64)] {
            let set = sweep.open(&points[place]).unwrap();
            assert_eq!((&set.name, set.splits.train.len()), (&points[place].name, train));
            assert_eq!(set.splits.test.len(), 8 * JUDGED);
        }
    }

    #[test]
    fn an_experiment_trains_equally_long_on_fewer_images() {
        let preset = Preset::embedded().unwrap().into_iter().find(|preset| preset.name == "scratch").unwrap();
        let size = preset.size("reduced").unwrap();
        let base = Dataset::open(procedural::NAME, None, 0).unwrap();
        let sweep = preset.sweep(&base, size).unwrap();
        let points = sweep.points();
        assert_eq!(points.len(), 4 * 3);
        let arms = Arm::select(&preset.arms).unwrap();
        let epochs = |point: &Point| {
            let dataset = sweep.open(point).unwrap();
            sweep.arms(&arms, &dataset).iter().map(|arm| arm.training().unwrap().epochs).collect::<Vec<_>>()
        };
        assert_eq!((epochs(&points[0]), epochs(&points[9])), (vec![8, 8], vec![64, 64]));
    }

    #[test]
    fn arms_of_two_families_and_two_starts_are_compared() {
        let named = Arm::select(&["orb-bovw-svm".into(), "resnet-scratch".into()]).unwrap();
        let pairs = |arms: &[Arm], question| -> Vec<(String, String)> {
            let all = comparisons(arms).unwrap().into_iter().filter(|pair| pair.question == question);
            all.map(|pair| (pair.first, pair.second)).collect()
        };
        let pair = |first: &str, second: &str| (first.to_owned(), second.to_owned());
        let suffers = pairs(&[], SweepQuestion::Suffers);
        assert_eq!(
            suffers[..2],
            [pair("sift-bovw-svm", "resnet-frozen-svm"), pair("sift-bovw-svm", "resnet-finetuned-1cycle")]
        );
        let same_features = ["resnet-frozen-softmax", "resnet-finetuned-1cycle-svm"];
        assert!(suffers.iter().all(|(first, second)| first == "sift-bovw-svm" && !same_features.contains(&&**second)));
        assert_eq!(pairs(&named, SweepQuestion::Suffers)[0], pair("orb-bovw-svm", "resnet-scratch"));
        let pretraining = [pair("resnet-finetuned-1cycle", "resnet-scratch")];
        let more =
            Arm::select(&["sift-bovw-svm".into(), "handcrafted-fast".into(), "resnet-frozen-svm".into()]).unwrap();
        let of_more = pairs(&more, SweepQuestion::Suffers);
        assert_eq!(of_more[0], pair("sift-bovw-svm", "resnet-frozen-svm"));
        let of_fast: Vec<_> = of_more.iter().filter(|(first, _)| first == "handcrafted-fast").collect();
        assert_eq!(of_fast, [&pair("handcrafted-fast", "resnet-frozen-svm")]);
        assert!(of_more.iter().all(|(first, _)| first != "orb-bovw-svm"), "only what was asked for");
        assert_eq!(pairs(&[], SweepQuestion::Pretraining), pretraining);
        assert_eq!(pairs(&named, SweepQuestion::Pretraining), pretraining);
    }

    #[test]
    fn factors_are_known_or_named() {
        let base = Dataset::open(procedural::NAME, None, 0).unwrap();
        let error = Sweep::of(&base, &["claases".into()], &[0]).err().unwrap().to_string();
        assert!(error.starts_with("no factor is called `claases`, did you mean `classes`?"), "{error}");
    }
}
