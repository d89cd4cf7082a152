//! Several features of one picture together. Every member's vectors are centred on train and brought to a mean squared
//! length of 1 there, multiplied with the root of a weight, and put behind one another: a linear machine on top then
//! adds up the members' kernels with these weights. Val chooses the weights: all members alike but the strongest first, then
//! one after the other. (A search that begins with single members and adds others ends too soon: a val of some hundred
//! images can't see what a small weight brings.)

mod explainer;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use ndarray::{Array1, Array2, Axis, Zip, s};
use serde::{Deserialize, Serialize};

use crate::classify::rows::blocks;
use crate::classify::svm::matrix::products;
use crate::dataset::ImageFile;
use crate::stage::cache::Key;
use crate::stage::stopwatch::{Stage, Stopwatch};

use super::evidence::Explainer;
use super::fitted::{Features, Lessons, Vectors, Worker, of_vectors};
use super::resources::{Resources, hashes};
use super::rows::VectorsOf;
use super::{Choice, Cost, Encoded, FeatureSettings, Kind, Needs, Version};
use explainer::{FusedExplainer, MemberExplainer};

/// The `[features]` table of this kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fusion {
    /// What a member may weigh; in ascending order.
    weights: Vec<f64>,
    member: Vec<Member>,
}

/// Features with a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// As settings show it.
    name: String,
    features: FeatureSettings,
}

/// Raised when the same members may give other vectors.
const STAGE: Version = ("fusion", 3);
/// Most members: their weights are numbered together.
const MOST: usize = 8;

impl Kind for Fusion {
    fn check(&self) -> Result<(), String> {
        if !(2..=MOST).contains(&self.member.len()) {
            return Err(format!("a fusion needs from 2 to {MOST} members: [[features.member]] with name and features"));
        }
        let ascending = self.weights.windows(2).all(|pair| pair[0] < pair[1]);
        if self.weights.is_empty() || !ascending || self.weights.iter().any(|w| !(w.is_finite() && *w > 0.0)) {
            return Err(
                "weights of a fusion must be numbers above 0 in ascending order, such as [0.25, 0.5, 1.0]".into()
            );
        }
        for (i, member) in self.member.iter().enumerate() {
            if member.name.is_empty() || self.member[..i].iter().any(|other| other.name == member.name) {
                return Err(format!("name = \"{}\" of a member must be one of its own", member.name));
            }
            let kind = member.features.kind();
            kind.check().map_err(|wrong| format!("member {}: {wrong}", member.name))?;
            if kind.candidates().len() != 1 {
                return Err(format!("member {} must leave nothing to choose: one codebook, one space", member.name));
            }
            if kind.needs().training.is_some() || !kind.needs().pixels {
                return Err(format!("member {} must look at pixels and learn no labels", member.name));
            }
        }
        Ok(())
    }

    fn versions(&self) -> Vec<Version> {
        let mut versions: Vec<Version> = self.kinds().flat_map(|kind| kind.versions()).collect();
        versions.sort_unstable();
        versions.dedup();
        versions.push(STAGE);
        versions
    }

    fn needs(&self) -> Needs<'_> {
        Needs { pixels: true, network: self.kinds().any(|kind| kind.needs().network), training: None }
    }

    fn cost(&self, input: u32) -> Cost {
        self.kinds().map(|kind| kind.cost(input)).fold(Cost::default(), |sum, cost| Cost {
            milliseconds: sum.milliseconds + cost.milliseconds,
            bytes: sum.bytes + cost.bytes,
            bytes_a_pixel: sum.bytes_a_pixel.max(cost.bytes_a_pixel),
        })
    }

    /// All members alike, and each alone: some of what the search may come across.
    fn candidates(&self) -> Vec<Choice> {
        let all = (1..=self.weights.len()).rev().map(|weight| vec![weight; self.member.len()]);
        let alone = (0..self.member.len()).map(|i| self.alone(i));
        all.chain(alone).map(|places| self.choice(&places)).collect()
    }

    /// The strongest member with the largest weight and all others with the one that helps most; from there on, one step
    /// up or down in the weight of one member after the other, or without it, as long as that helps. So what was chosen
    /// has been judged without each of its members as well: that says what each adds.
    fn search(&self, judge: &mut dyn FnMut(&Choice) -> Result<usize>) -> Result<()> {
        let mut judged: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
        let mut best_of = |all: Vec<Vec<usize>>| -> Result<(usize, Vec<usize>)> {
            let mut best = (0, Vec::new());
            for places in all {
                let known = judged.get(&places).copied();
                let correct = known.map_or_else(|| judge(&self.choice(&places)), Ok)?;
                judged.insert(places.clone(), correct);
                // the first of equal ones
                if best.1.is_empty() || correct > best.0 {
                    best = (correct, places);
                }
            }
            Ok(best)
        };
        let (_, alone) = best_of((0..self.member.len()).map(|i| self.alone(i)).collect())?;
        let (mut most, mut places) = best_of(self.beside(&alone))?;
        loop {
            let (correct, better) = best_of(self.neighbours(&places))?;
            if correct <= most {
                return Ok(());
            }
            (most, places) = (correct, better);
        }
    }

    fn fit(&self, choice: &Choice, resources: &Resources, lessons: &Lessons) -> Result<Box<dyn Features>> {
        let places = self.places(choice);
        let mut members = Vec::new();
        for (member, place) in self.member.iter().zip(places).filter(|(_, place)| *place > 0) {
            let weight = self.weight(place);
            let kind = member.features.kind();
            let choice = kind.candidates().remove(0);
            let features = kind.fit(&choice, resources, lessons)?;
            members.push(Part::fit(&member.name, features, weight, resources, lessons.train.images())?);
        }
        Ok(Box::new(Fused { members }))
    }

    fn restore(&self, choice: &Choice, state: &[u8]) -> Result<Box<dyn Features>> {
        let states: Vec<State> = postcard::from_bytes(state)?;
        let places = self.places(choice);
        let used: Vec<&Member> =
            self.member.iter().zip(places).filter(|(_, p)| *p > 0).map(|(member, _)| member).collect();
        ensure!(used.len() == states.len(), "it has other members than its settings");
        let part = |(member, state): (&Member, State)| {
            let kind = member.features.kind();
            let features = kind.restore(&kind.candidates().remove(0), &state.features)?;
            ensure!(
                features.dimension() == state.mean.len(),
                "the vectors of member {} have another length",
                member.name
            );
            let name = member.name.clone();
            Ok(Part { name, features, mean: state.mean.into(), factor: state.factor })
        };
        let members = used.into_iter().zip(states).map(part).collect::<Result<_>>()?;
        Ok(Box::new(Fused { members }))
    }
}

/// A member, for a file.
#[derive(Serialize, Deserialize)]
struct State {
    features: Vec<u8>,
    mean: Vec<f32>,
    factor: f32,
}

impl Fusion {
    fn kinds(&self) -> impl Iterator<Item = &dyn Kind> {
        self.member.iter().map(|member| member.features.kind())
    }

    /// The largest weight for one member, none for the others.
    fn alone(&self, member: usize) -> Vec<usize> {
        (0..self.member.len()).map(|i| if i == member { self.weights.len() } else { 0 }).collect()
    }

    /// The same with all other members, of one weight each time; the middle weights come first.
    fn beside(&self, alone: &[usize]) -> Vec<Vec<usize>> {
        let mut weights: Vec<usize> = (1..=self.weights.len()).collect();
        weights.sort_by_key(|weight| weight.abs_diff(self.weights.len() / 2 + 1));
        weights.into_iter().map(|weight| alone.iter().map(|&place| place.max(weight)).collect()).collect()
    }

    /// One step up or down in the weight of each member, and without it.
    fn neighbours(&self, places: &[usize]) -> Vec<Vec<usize>> {
        let step = |member: usize, weight: usize| {
            let mut places = places.to_vec();
            places[member] = weight;
            places
        };
        let steps = |(member, &weight): (usize, &usize)| {
            let up = (weight < self.weights.len()).then(|| step(member, weight + 1));
            let down = (weight > 1).then(|| step(member, weight - 1));
            let without = (weight > 0).then(|| step(member, 0));
            [up, down, without].into_iter().flatten()
        };
        let all = places.iter().enumerate().flat_map(steps);
        all.filter(|places| places.iter().any(|&weight| weight > 0)).collect()
    }

    fn weight(&self, place: usize) -> f64 {
        self.weights[place - 1]
    }

    /// The candidate with these weights: 0 for none, then the list's.
    fn choice(&self, places: &[usize]) -> Choice {
        let base = self.weights.len() + 1;
        let place = places.iter().rev().fold(0, |number, place| number * base + place);
        let used = self.member.iter().zip(places).filter(|(_, place)| **place > 0);
        let names: Vec<String> =
            used.map(|(member, &place)| format!("{}={}", member.name, self.weight(place))).collect();
        Choice { place, description: names.join(" ") }
    }

    fn places(&self, choice: &Choice) -> Vec<usize> {
        let base = self.weights.len() + 1;
        (0..self.member.len())
            .scan(choice.place, |number, _| Some(std::mem::replace(number, *number / base) % base))
            .collect()
    }
}

/// A member as it was fitted.
struct Part {
    name: String,
    features: Box<dyn Features>,
    /// Of train.
    mean: Array1<f32>,
    /// Root of the weight over the root of the mean squared length on train.
    factor: f32,
}

/// What is subtracted, and the mean squared length of what is left.
#[derive(Serialize, Deserialize)]
struct Moments {
    mean: Vec<f32>,
    square: f64,
}

impl Part {
    fn fit(
        name: &str,
        features: Box<dyn Features>,
        weight: f64,
        resources: &Resources,
        train: &[Arc<ImageFile>],
    ) -> Result<Part> {
        let key = Key::new("moments", STAGE.1, &(of_vectors(&*features, resources), hashes(train)))?;
        let Moments { mean, square } = resources.cache.get_or(&key, || {
            let (rows, d) = (VectorsOf::new(&*features, resources, train), features.dimension());
            let (mut sum, mut square) = (Array1::<f64>::zeros(d), 0.0);
            for block in blocks(&rows) {
                let (_, block) = block?;
                for row in block.outer_iter() {
                    sum.zip_mut_with(&row, |sum, &v| *sum += f64::from(v));
                    square += row.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>();
                }
            }
            let n = train.len().max(1) as f64;
            let mean = sum / n;
            let square = square / n - mean.dot(&mean);
            Ok(Moments { mean: mean.iter().map(|&m| m as f32).collect(), square })
        })?;
        // vectors that are all alike say nothing
        let factor = if square > 1e-12 { (weight / square).sqrt() as f32 } else { 0.0 };
        Ok(Part { name: name.to_owned(), features, mean: mean.into(), factor })
    }

    fn dimension(&self) -> usize {
        self.mean.len()
    }

    /// Dot products of the images' vectors as they come from the features.
    fn products(&self, resources: &Resources, images: &[Arc<ImageFile>]) -> Result<Array2<f32>> {
        let key = Key::new("products", STAGE.1, &(of_vectors(&*self.features, resources), hashes(images)))?;
        resources.cache.get_or(&key, || Ok(products(&VectorsOf::new(&*self.features, resources, images))?))
    }
}

/// Members side by side.
pub struct Fused {
    members: Vec<Part>,
}

/// Centres and weighs a member's vectors and writes them into its place among all, which begins at column `start`; gives
/// the place after it.
fn place(x: &mut Array2<f32>, start: usize, vectors: &Array2<f32>, mean: &Array1<f32>, factor: f32) -> usize {
    let end = start + mean.len();
    Zip::from(x.slice_mut(s![.., start..end]))
        .and(vectors)
        .and_broadcast(mean)
        .for_each(|out, value, mean| *out = (value - mean) * factor);
    end
}

impl Features for Fused {
    fn dimension(&self) -> usize {
        self.members.iter().map(Part::dimension).sum()
    }

    fn identity(&self) -> String {
        let of_member = |part: &Part| {
            let mean: Vec<u8> = part.mean.iter().flat_map(|m| m.to_le_bytes()).collect();
            format!("{} {} {}", part.features.identity(), part.factor, blake3::hash(&mean).to_hex())
        };
        format!("{STAGE:?} {}", self.members.iter().map(of_member).collect::<Vec<_>>().join(" "))
    }

    fn vectors(&self, resources: &Resources, images: &[Arc<ImageFile>]) -> Result<Vectors> {
        let mut x = Array2::zeros((images.len(), self.dimension()));
        let mut start = 0;
        for part in &self.members {
            start = place(&mut x, start, &part.features.vectors(resources, images)?.x, &part.mean, part.factor);
        }
        Ok(Vectors { x, without_keypoints: None })
    }

    fn worker(&self, resources: &Resources, batch: usize) -> Result<Box<dyn Worker>> {
        let workers = self.members.iter().map(|part| part.features.worker(resources, batch)).collect::<Result<_>>()?;
        let members = self.members.iter().map(|part| (part.mean.clone(), part.factor)).collect();
        Ok(Box::new(FusedWorker { workers, members }))
    }

    fn explainer(&self, resources: &Resources) -> Result<Box<dyn Explainer>> {
        let of_member = |part: &Part| {
            let (name, mean, factor) = (part.name.clone(), part.mean.clone(), part.factor);
            Ok(MemberExplainer { name, explainer: part.features.explainer(resources)?, mean, factor })
        };
        Ok(Box::new(FusedExplainer(self.members.iter().map(of_member).collect::<Result<_>>()?)))
    }

    fn state(&self) -> Option<Vec<u8>> {
        let of_member = |part: &Part| {
            Some(State { features: part.features.state()?, mean: part.mean.to_vec(), factor: part.factor })
        };
        postcard::to_stdvec(&self.members.iter().map(of_member).collect::<Option<Vec<State>>>()?).ok()
    }

    fn batch(&self) -> usize {
        self.members.iter().map(|part| part.features.batch()).max().unwrap_or(1)
    }

    /// The members' products, centred and weighted: no vector is put together for them.
    fn products(&self, resources: &Resources, train: usize, images: &[Arc<ImageFile>]) -> Result<Option<Array2<f32>>> {
        let mut sum = Array2::zeros((images.len(), images.len()));
        for part in &self.members {
            let products = part.products(resources, images)?;
            let of_mean =
                products.slice(s![.., ..train]).mapv(f64::from).mean_axis(Axis(1)).context("train is empty")?;
            let of_means = of_mean.slice(s![..train]).mean().context("train is empty")?;
            let weight = f64::from(part.factor) * f64::from(part.factor);
            for ((i, j), value) in products.indexed_iter() {
                sum[(i, j)] += (weight * (f64::from(*value) - of_mean[i] - of_mean[j] + of_means)) as f32;
            }
        }
        Ok(Some(sum))
    }
}

struct FusedWorker {
    workers: Vec<Box<dyn Worker>>,
    /// Mean and factor of each.
    members: Vec<(Array1<f32>, f32)>,
}

impl Worker for FusedWorker {
    fn vectors(&mut self, images: &[Encoded], watch: &mut Stopwatch) -> Result<Array2<f32>> {
        // members look at the same pixels: whoever comes first decodes them for the others
        images.iter().for_each(Encoded::share);
        let dimension = self.members.iter().map(|(mean, _)| mean.len()).sum();
        let mut x = Array2::zeros((images.len(), dimension));
        let mut start = 0;
        for (worker, (mean, factor)) in self.workers.iter_mut().zip(&self.members) {
            start = place(&mut x, start, &worker.vectors(images, watch)?, mean, *factor);
            watch.lap(Stage::Encode);
        }
        Ok(x)
    }

    fn decode_ahead(&self, image: &mut Encoded) -> Result<bool> {
        let mut any = false;
        for worker in &self.workers {
            any |= worker.decode_ahead(image)?;
        }
        Ok(any)
    }
}

#[cfg(test)]
mod tests;
