//! featbench's side of the comparison with VLFeat: the work that the head of `vlfeat.c` describes, on the same files.
//! All of it runs on one thread; an answer is the median of the runs in milliseconds, after one that is not timed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use featbench::features::FeatureSettings;
use featbench::features::codebook::mixture::Mixture;
use featbench::features::codebook::{Codebook, Words};
use featbench::features::descriptor::{DenseSift, Descriptor, Descriptors, Grid, HogCells, Place, Sizes};
use featbench::features::encoding::{Encode, Fisher, Vlad};
use featbench::image::Grey;
use featbench::random;
use ndarray::{Array2, ArrayView2, s};
use serde::Deserialize;
use serde_json::{Value, json};

use super::one_image::{self, Model};
use super::{read_floats, write_floats};

/// What is done `runs` times, and the file that its numbers go to.
#[derive(Deserialize)]
pub struct Timed {
    work: Work,
    runs: usize,
    out: PathBuf,
}

#[derive(Deserialize)]
#[serde(tag = "what", rename_all = "lowercase")]
enum Work {
    /// RootSIFT of a picture, as floats from 0 to 1, at all sizes.
    Dsift { picture: PathBuf, size: [u32; 2], step: u32, bins: Vec<u32>, smooth: bool },
    /// HOG of such a picture, 2 x 2 cells a descriptor.
    Hog { picture: PathBuf, size: [u32; 2], cell: u32 },
    /// Features of a whole picture, an image file, by their settings.
    Whole { picture: PathBuf, features: FeatureSettings },
    /// The improved Fisher vector of rows: for each Gaussian its weight, means and variances.
    Fisher { rows: PathBuf, mixture: PathBuf, d: usize, k: usize },
    /// The intra-normalised VLAD under a signed root, words being the mixture's means.
    Vlad { rows: PathBuf, mixture: PathBuf, d: usize, k: usize },
    /// A mixture of rows: means, variances, weights.
    Fit { rows: PathBuf, d: usize, k: usize },
}

impl Timed {
    pub fn time(&self) -> Result<Value> {
        let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
        let (milliseconds, numbers) = one_thread.install(|| self.work.done(self.runs))?;
        write_floats(&self.out, ArrayView2::from_shape((1, numbers.len()), &numbers)?)?;
        Ok(json!({ "milliseconds": milliseconds }))
    }
}

impl Work {
    /// The median time, and what the work gives.
    fn done(&self, runs: usize) -> Result<(f64, Vec<f32>)> {
        match self {
            Work::Dsift { picture, size, step, bins, smooth } => {
                let grids = vec![Sizes { shorter: 0, sizes: bins.clone(), step: *step }];
                let grid = Grid { longer: None, reduce: 1, smooth: *smooth, grids };
                described(&DenseSift(grid), &grey(picture, *size)?, runs)
            }
            Work::Hog { picture, size, cell } => {
                let cells = HogCells { longer: None, reduce: 1, sizes: vec![*cell] };
                described(&cells, &grey(picture, *size)?, runs)
            }
            Work::Whole { picture, features } => {
                let features = features.kind().restore(&features.kind().candidates().remove(0), &[])?;
                let (times, vector) =
                    one_image::times(&Model { features: &*features, classifier: None }, picture, runs)?;
                Ok((median(times), vector))
            }
            Work::Fisher { rows, mixture, d, k } => encoded(&Fisher(&read_mixture(mixture, *d, *k)?), rows, *d, runs),
            Work::Vlad { rows, mixture, d, k } => {
                let words = read_floats(mixture, *d)?.slice(s![..*k, ..]).to_owned();
                let codebook: Codebook = serde_json::from_value(json!({ "KMeans": words }))?;
                encoded(&Vlad::of(&codebook).context("words have a place")?, rows, *d, runs)
            }
            Work::Fit { rows, d, k } => {
                let rows = read_floats(rows, *d)?;
                let (time, mixture) = timed(runs, || Mixture::learn(rows.view(), *k, &mut random::generator(0, "fit")));
                let parts: Vec<_> = (0..mixture.len()).map(|i| mixture.component(i)).collect();
                let means = parts.iter().flat_map(|part| part.1);
                let numbers = means.chain(parts.iter().flat_map(|part| part.2)).copied();
                Ok((time, numbers.chain(parts.iter().map(|part| part.0)).collect()))
            }
        }
    }
}

/// The median of `runs` times, in milliseconds, and what the run before them gave.
fn timed<T>(runs: usize, mut work: impl FnMut() -> T) -> (f64, T) {
    let first = work();
    let times = (0..runs).map(|_| one_image::milliseconds(|| drop(std::hint::black_box(work()))).0).collect();
    (median(times), first)
}

pub fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    (times[(times.len() - 1) / 2] + times[times.len() / 2]) / 2.0
}

/// A picture whose values were bytes before.
fn grey(path: &Path, [width, height]: [u32; 2]) -> Result<Grey> {
    let values = read_floats(path, width as usize)?;
    Ok(Grey { width, height, data: values.iter().map(|value| (value * 255.0).round() as u8).collect() })
}

/// K x D means, K x D variances, K weights.
fn read_mixture(path: &Path, d: usize, k: usize) -> Result<Mixture> {
    let values = read_floats(path, 1)?.into_raw_vec_and_offset().0;
    let matrix = |from: usize| Array2::from_shape_vec((k, d), values[from..][..k * d].to_vec());
    Ok(Mixture::new(values[2 * k * d..].to_vec().into(), matrix(0)?, matrix(k * d)?))
}

fn described(method: &dyn Descriptor, grey: &Grey, runs: usize) -> Result<(f64, Vec<f32>)> {
    let mut detector = method.open(None)?;
    let (time, described) = timed(runs, || detector.describe(&grey.into()));
    Ok((time, described?.floats().into_owned()))
}

fn encoded(encoding: &dyn Encode, rows: &Path, d: usize, runs: usize) -> Result<(f64, Vec<f32>)> {
    let rows = read_floats(rows, d)?;
    let places = vec![Place { x: 0.0, y: 0.0, size: 1.0 }; rows.nrows()];
    let rows = Descriptors::of_floats(d, rows.into_raw_vec_and_offset().0, places);
    let cells = vec![0; rows.len()];
    Ok(timed(runs, || {
        let mut sums = vec![0.0; encoding.length()];
        encoding.add(&rows, &cells, &mut sums);
        encoding.finish(rows.len(), &mut sums);
        sums
    }))
}
