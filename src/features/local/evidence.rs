//! Each descriptor's share of a linear function of the picture's vector: an entry's part of it is divided among the
//! descriptors by what each adds to the entry before roots and lengths. Of counted words that is exact: a word's part is
//! divided equally among its descriptors. Of the others it is linearised.

use anyhow::Result;

use crate::features::evidence::{Evidence, Explainer, Map, Spot};
use crate::features::{Encoded, Resources};
use crate::image::Canvas;
use crate::stage::stopwatch::Stopwatch;

use super::descriptor::{Describe, Descriptors};
use super::encoding::{Cells, Encoding};
use super::{Local, size};

/// What keeps a share small whose entry is near 0 because its descriptors contradict each other: so much of what these
/// add up to without their signs is added to the entry, and as much to each descriptor (as the stabiliser of Bach and
/// others 2015, but with shares that still sum up).
const STABILISER: f64 = 0.25;

pub(super) struct LocalExplainer {
    pub detector: Box<dyn Describe>,
    pub local: Local,
    pub canvas: Option<Canvas>,
}

impl LocalExplainer {
    pub fn new(local: &Local, resources: &Resources) -> Result<LocalExplainer> {
        let detector = local.descriptor.open(resources.canvas)?;
        Ok(LocalExplainer { detector, local: local.clone(), canvas: resources.canvas })
    }
}

impl Explainer for LocalExplainer {
    fn evidence(&mut self, image: &Encoded, weights: &[f64]) -> Result<Vec<Evidence>> {
        let mut watch = Stopwatch::start();
        let described = self.local.descriptor.describe(&mut *self.detector, image, self.canvas, &mut watch)?;
        let (value, shares) = self.local.shares(&described, size(image.image, self.canvas), weights);
        let spot = |place: &super::descriptor::Place| Spot { x: place.x, y: place.y, size: place.size };
        let shares = described.places().iter().map(spot).zip(shares).collect();
        let map = Map { shares, exact: self.local.encoding == Encoding::Words };
        Ok(vec![Evidence { name: String::new(), value, map: Some(map) }])
    }
}

impl Local {
    /// `weights . vector`, and of it each descriptor's share.
    fn shares(&self, described: &Descriptors, size: (u32, u32), weights: &[f64]) -> (f64, Vec<f64>) {
        let vector = self.encode(described, size);
        let parts: Vec<f64> = vector.iter().zip(weights).map(|(&v, w)| f64::from(v) * w).collect();
        let value = parts.iter().sum();
        let reduced = self.reduced(described, size);
        let encoder = self.encoding.with(&self.learned.codebook).expect("checked when the arm was read");
        let length = encoder.length();
        if described.is_empty() || length == 0 {
            return (value, vec![0.0; described.len()]);
        }
        let cells = Cells::of(&self.space);
        let of_piece = cells_of_pieces(&cells);
        let of_descriptor: Vec<&[usize]> =
            described.places().iter().map(|place| &of_piece[cells.piece(place, size)][..]).collect();
        // what all descriptors add to each entry, with their signs and without
        let (mut sums, mut sizes) = (vec![0.0f64; parts.len()], vec![0.0f64; parts.len()]);
        encoder.parts(&reduced, &mut |i, entry, numbers| {
            for cell in of_descriptor[i] {
                let range = cell * length + entry..cell * length + entry + numbers.len();
                sums[range.clone()].iter_mut().zip(numbers).for_each(|(sum, &r)| *sum += f64::from(r));
                sizes[range].iter_mut().zip(numbers).for_each(|(size, r)| *size += f64::from(r.abs()));
            }
        });
        // of each entry: its part over what it is divided by, and the sign that the stabiliser takes
        let factors: Vec<(f64, f64)> = sums
            .iter()
            .zip(&sizes)
            .zip(&parts)
            .map(|((&sum, &size), &part)| {
                let sign = if sum < 0.0 { -STABILISER } else { STABILISER };
                let whole = sum + sign * size;
                if whole == 0.0 { (0.0, 0.0) } else { (part / whole, sign) }
            })
            .collect();
        let mut shares = vec![0.0; described.len()];
        encoder.parts(&reduced, &mut |i, entry, numbers| {
            for cell in of_descriptor[i] {
                let factors = &factors[cell * length + entry..][..numbers.len()];
                let share =
                    |(&r, (factor, sign)): (&f32, &(f64, f64))| factor * (f64::from(r) + sign * f64::from(r.abs()));
                shares[i] += numbers.iter().zip(factors).map(share).sum::<f64>();
            }
        });
        (value, shares)
    }
}

/// The cells that each piece of the picture is part of.
fn cells_of_pieces(cells: &Cells) -> Vec<Vec<usize>> {
    let mut of_piece = vec![Vec::new(); cells.pieces()];
    for (cell, (pieces, _)) in cells.cells().enumerate() {
        pieces.iter().for_each(|&piece| of_piece[piece].push(cell));
    }
    of_piece
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::super::Learned;
    use super::super::codebook::{CodebookSettings, Words};
    use super::super::descriptor::{DescriptorSettings, Layout, Place};
    use super::super::encoding::Space;
    use super::*;
    use crate::random;

    const SIZE: (u32, u32) = (90, 60);

    /// Descriptors of six numbers all over a picture.
    fn described(count: usize) -> Descriptors {
        let mut rng = random::generator(3, "evidence");
        let mut at = |length: u32| rng.random::<f32>() * length as f32;
        let places = (0..count).map(|_| Place { x: at(SIZE.0), y: at(SIZE.1), size: 8.0 }).collect();
        let mut rng = random::generator(4, "evidence");
        Descriptors::of_floats(6, (0..6 * count).map(|_| rng.random::<f32>() - 0.3).collect(), places)
    }

    fn local(encoding: Encoding, codebook: &str, space: Space) -> Local {
        let settings: CodebookSettings = toml::from_str(codebook).unwrap();
        let descriptor: DescriptorSettings =
            toml::from_str("kind = 'dense-sift'\ngrids = [{ shorter = 0, sizes = [4], step = 4 }]").unwrap();
        let sample = described(400);
        let places: Vec<[f32; 2]> = super::super::sample::shares(&sample, SIZE);
        let sample = if space.xy > 0.0 { sample.with_places(&places, space.xy) } else { sample };
        assert!(matches!(sample.layout(), Layout::Floats(_)));
        let codebook = settings.method().learn(&sample, 5, &mut random::generator(5, "evidence"));
        Local { descriptor, learned: Learned { pca: None, codebook }, encoding, space, identity: String::new() }
    }

    #[test]
    fn shares_of_every_encoding_add_up_exactly() {
        let spaces = [
            Space::default(),
            Space { cells: vec![[1, 1], [3, 1], [2, 2]], xy: 0.0 },
            Space { cells: vec![[2, 3]], xy: 0.8 },
        ];
        for (encoding, codebook) in [
            (Encoding::Words, "kind = 'k-means'\nwords = [5]"),
            (Encoding::Vlad, "kind = 'k-means'\nwords = [5]"),
            (Encoding::Fisher, "kind = 'gaussian-mixture'\ncomponents = [5]"),
        ] {
            for space in &spaces {
                let local = local(encoding, codebook, space.clone());
                let mut rng = random::generator(6, "evidence");
                for count in [0, 1, 70] {
                    let described = described(count);
                    let vector = local.encode(&described, SIZE);
                    let weights: Vec<f64> = vector.iter().map(|_| rng.random::<f64>() - 0.5).collect();
                    let expected: f64 = vector.iter().zip(&weights).map(|(&v, w)| f64::from(v) * w).sum();
                    let (value, shares) = local.shares(&described, SIZE, &weights);
                    assert!((value - expected).abs() < 1e-12 && shares.len() == count);
                    assert!((shares.iter().sum::<f64>() - expected).abs() < 1e-9, "{encoding:?} {space:?} {count}");
                }
            }
        }
    }

    /// Of counted words a share is known without any of this: the word's number by its weight, divided equally.
    #[test]
    fn a_words_part_is_divided_equally_among_its_descriptors() {
        let local = local(Encoding::Words, "kind = 'k-means'\nwords = [5]", Space::default());
        let described = described(50);
        let weights = [0.5, -1.0, 2.0, 0.25, -0.125];
        let (_, shares) = local.shares(&described, SIZE, &weights);
        let words = local.learned.codebook.assign(&described);
        for (word, share) in words.iter().zip(shares) {
            let count = words.iter().filter(|other| *other == word).count() as f64;
            let expected = weights[*word] * (count / 50.0).sqrt() / count;
            assert!((share - expected).abs() < 1e-7, "{share} {expected}");
        }
    }
}
