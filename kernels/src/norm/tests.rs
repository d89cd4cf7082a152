//! Batch norm against its definition in f64, gradients against the derivatives of that definition.

use super::*;
use crate::testing::{Numbers, error};
use crate::{Isa, Scratch, Serial, Threads};

const EPSILON: f32 = 1e-3;

/// What the definition gives, in f64.
struct Expected {
    mean: Vec<f64>,
    variance: Vec<f64>,
    y: Vec<f64>,
    dx: Vec<f64>,
    dscale: Vec<f64>,
    dbias: Vec<f64>,
    dresidual: Vec<f64>,
}

struct Case {
    x: Vec<f32>,
    residual: Vec<f32>,
    dy: Vec<f32>,
    more: Vec<f32>,
    scale: Vec<f32>,
    bias: Vec<f32>,
}

impl Case {
    fn new(pixels: usize, channels: usize) -> Case {
        let mut numbers = Numbers::new((pixels * channels) as u64);
        let [mut x, residual, dy, more] = [0; 4].map(|_| numbers.take(pixels * channels));
        // far from 0: a mean square minus the square of the mean would lose digits
        x.iter_mut().for_each(|x| *x = *x * 0.5 + 30.0);
        let [scale, bias] = [0; 2].map(|_| numbers.take(channels));
        Case { x, residual, dy, more, scale, bias }
    }

    fn expected(&self, fused: Fused, more: Option<&[f32]>, given: Option<(&[f32], &[f32])>) -> Expected {
        let channels = self.scale.len();
        let pixels = self.x.len() / channels;
        let of = |numbers: &[f32], channel: usize| -> Vec<f64> {
            numbers.iter().skip(channel).step_by(channels).map(|&x| f64::from(x)).collect()
        };
        let zeros = || vec![0.0; self.x.len()];
        let mut all = Expected {
            mean: Vec::new(),
            variance: Vec::new(),
            y: zeros(),
            dx: zeros(),
            dscale: Vec::new(),
            dbias: Vec::new(),
            dresidual: zeros(),
        };
        for channel in 0..channels {
            let x = of(&self.x, channel);
            let mut mean = x.iter().sum::<f64>() / pixels as f64;
            let mut variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / pixels as f64;
            if let Some((means, variances)) = given {
                (mean, variance) = (f64::from(means[channel]), f64::from(variances[channel]));
            }
            let inverse = 1.0 / (variance + f64::from(EPSILON)).sqrt();
            let (scale, bias) = (f64::from(self.scale[channel]), f64::from(self.bias[channel]));
            let normal: Vec<f64> = x.iter().map(|x| (x - mean) * inverse).collect();
            let mut dy = of(&self.dy, channel);
            if let Some(more) = more {
                dy.iter_mut().zip(of(more, channel)).for_each(|(dy, more)| *dy += more);
            }
            for pixel in 0..pixels {
                let place = pixel * channels + channel;
                let y = scale * normal[pixel] + bias + fused.residual.map_or(0.0, |all| f64::from(all[place]));
                all.y[place] = if fused.relu { y.max(0.0) } else { y };
                dy[pixel] = if fused.relu && y <= 0.0 { 0.0 } else { dy[pixel] };
                all.dresidual[place] = dy[pixel];
            }
            let (dbias, dscale) = (dy.iter().sum::<f64>(), dy.iter().zip(&normal).map(|(dy, x)| dy * x).sum::<f64>());
            for pixel in 0..pixels {
                let through = (dbias + normal[pixel] * dscale) / pixels as f64;
                let through = if given.is_some() { 0.0 } else { through };
                all.dx[pixel * channels + channel] = scale * inverse * (dy[pixel] - through);
            }
            all.mean.push(mean);
            all.variance.push(variance);
            all.dscale.push(dscale);
            all.dbias.push(dbias);
        }
        all
    }

    fn check(&self, run: Run, fused: Fused, more: Option<&[f32]>, given: Option<(&[f32], &[f32])>) {
        let (channels, length) = (self.scale.len(), self.x.len());
        let expected = self.expected(fused, more, given);
        let norm = BatchNorm { scale: &self.scale, bias: &self.bias, epsilon: EPSILON };
        let [mut y, mut dx, mut dresidual] = [0; 3].map(|_| vec![f32::NAN; length]);
        let [mut mean, mut variance, mut dscale, mut dbias] = [0; 4].map(|_| vec![f32::NAN; channels]);
        match given {
            None => norm.train(run, &self.x, fused, &mut y, &mut mean, &mut variance),
            Some(given) => {
                (mean, variance) = (given.0.to_vec(), given.1.to_vec());
                norm.apply(run, &self.x, &mean, &variance, fused, &mut y);
            }
        }
        let forward = Forward {
            x: &self.x,
            y: fused.relu.then_some(&y[..]),
            mean: &mean,
            variance: &variance,
            scale: &self.scale,
            epsilon: EPSILON,
            of_batch: given.is_none(),
        };
        let residual = fused.residual.map(|_| &mut dresidual[..]);
        let out = Gradients { x: &mut dx, scale: &mut dscale, bias: &mut dbias, residual };
        forward.backward(run, &self.dy, more, out);
        if fused.relu && fused.residual.is_none() {
            let mut again = [vec![f32::NAN; length], vec![f32::NAN; channels], vec![f32::NAN; channels]];
            let [x, scale, bias] = &mut again;
            let out = Gradients { x, scale, bias, residual: None };
            Forward { y: None, ..forward }.backward_of_relu(run, &self.dy, more, &self.bias, out);
            assert!(again == [&dx[..], &dscale, &dbias], "an output computed anew is the same");
        }
        let mut pairs = vec![
            ("mean", &mean, &expected.mean),
            ("variance", &variance, &expected.variance),
            ("y", &y, &expected.y),
            ("dx", &dx, &expected.dx),
            ("dscale", &dscale, &expected.dscale),
            ("dbias", &dbias, &expected.dbias),
        ];
        if fused.residual.is_some() {
            pairs.push(("dresidual", &dresidual, &expected.dresidual));
        }
        for (what, found, expected) in pairs {
            let error = error(found, expected);
            assert!(error < 2e-5, "{} {length} x {channels}: {what} {error}", run.isa.name());
        }
    }
}

#[test]
fn norms_and_gradients_are_their_definition() {
    let scratch = Scratch::new();
    for isa in Isa::available() {
        let run = Run { isa, pool: &Serial, scratch: &scratch };
        for (pixels, channels) in [(2, 1), (7, 3), (49, 17), (300, 64), (700, 70), (33, 130)] {
            let case = Case::new(pixels, channels);
            let frozen = (vec![30.1; channels], vec![0.3; channels]);
            for bits in 0..16 {
                let is = |bit: usize| bits >> bit & 1 == 1;
                let fused = Fused { residual: is(0).then_some(&case.residual[..]), relu: is(1) };
                let more = is(2).then_some(&case.more[..]);
                case.check(run, fused, more, is(3).then_some((&frozen.0[..], &frozen.1[..])));
            }
        }
    }
}

#[test]
fn threads_and_instructions_do_not_change_a_bit() {
    let scratch = Scratch::new();
    let case = Case::new(3000, 70);
    let results = Isa::available().into_iter().flat_map(|isa| [1, 2, 5].map(|threads| (isa, threads)));
    let results: Vec<_> = results
        .map(|(isa, threads)| {
            let run = Run { isa, pool: &Threads(threads), scratch: &scratch };
            let norm = BatchNorm { scale: &case.scale, bias: &case.bias, epsilon: EPSILON };
            let [mut y, mut dx] = [0; 2].map(|_| vec![0.0; case.x.len()]);
            let [mut mean, mut variance, mut dscale, mut dbias] = [0; 4].map(|_| vec![0.0; 70]);
            norm.train(run, &case.x, Fused::default(), &mut y, &mut mean, &mut variance);
            let (scale, epsilon) = (&case.scale[..], EPSILON);
            let forward =
                Forward { x: &case.x, y: None, mean: &mean, variance: &variance, scale, epsilon, of_batch: true };
            let out = Gradients { x: &mut dx, scale: &mut dscale, bias: &mut dbias, residual: None };
            forward.backward(run, &case.dy, None, out);
            [y, dx, mean, variance, dscale, dbias]
        })
        .collect();
    assert!(results.iter().all(|result| *result == results[0]));
}

#[test]
fn a_nan_stays_one() {
    let scratch = Scratch::new();
    let run = Run { isa: Isa::detect(), pool: &Serial, scratch: &scratch };
    let norm = BatchNorm { scale: &[1.0], bias: &[0.0], epsilon: EPSILON };
    let mut y = [0.0; 3];
    let fused = Fused { relu: true, residual: None };
    norm.apply(run, &[f32::NAN, -1.0, 2.0], &[0.0], &[1.0], fused, &mut y);
    assert!(y[0].is_nan() && y[1] == 0.0 && y[2] > 1.9);
}
