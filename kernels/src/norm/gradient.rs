//! The gradients of batch norm in two passes: sums over every channel, then the gradient of the input, which depends on
//! them where the statistics are those of the batch.

use super::{LANES, Pieces, check};
use crate::Run;
use crate::shared::Shared;

/// What the gradients follow from.
#[derive(Debug, Clone, Copy)]
pub struct Forward<'a> {
    pub x: &'a [f32],
    /// The output, where ReLU was fused: its gradient passes where the output is above 0.
    pub y: Option<&'a [f32]>,
    pub mean: &'a [f32],
    pub variance: &'a [f32],
    pub scale: &'a [f32],
    pub epsilon: f32,
    /// Are mean and variance those of this batch, so that they depend on x?
    pub of_batch: bool,
}

/// Where the gradients go.
#[derive(Debug)]
pub struct Gradients<'a> {
    pub x: &'a mut [f32],
    pub scale: &'a mut [f32],
    pub bias: &'a mut [f32],
    /// The gradient of the residual: dy where ReLU passed it.
    pub residual: Option<&'a mut [f32]>,
}

impl Forward<'_> {
    /// All gradients, from that of the output: `dy`, and `more` added to it where the output has two users.
    ///
    /// # Panics
    /// Slices whose lengths do not fit together.
    pub fn backward(&self, run: Run, dy: &[f32], more: Option<&[f32]>, out: Gradients) {
        self.check(dy, more, &out);
        let (channels, pieces) = (self.mean.len(), Pieces::new(self.mean.len(), dy.len()));
        let mut sums = run.scratch.take(pieces.count() * 2 * channels);
        let before = Before { dy, more, y: self.y };
        let residual = out.residual;
        // the residual's gradient is what the second pass needs
        let before = match residual {
            Some(residual) => {
                self.sum(run, &before, &pieces, Some(&mut *residual), &mut sums);
                Before { dy: residual, more: None, y: None }
            }
            None => {
                self.sum(run, &before, &pieces, None, &mut sums);
                before
            }
        };
        let mut lines = run.scratch.take(3 * channels);
        let pixels = (dy.len() / channels) as f64;
        for channel in 0..channels {
            let total = |place: usize| sums.chunks_exact(2 * channels).map(|sums| f64::from(sums[place])).sum::<f64>();
            let inverse = 1.0 / (f64::from(self.variance[channel]) + f64::from(self.epsilon)).sqrt();
            let (bias, scale) = (total(channel), total(channels + channel) * inverse);
            (out.bias[channel], out.scale[channel]) = (bias as f32, scale as f32);
            // dx = a dy + b (x - mean) + c
            let a = f64::from(self.scale[channel]) * inverse;
            let share = if self.of_batch { -a / pixels } else { 0.0 };
            let line = [a, share * inverse * scale, share * bias];
            line.iter().enumerate().for_each(|(place, x)| lines[place * channels + channel] = *x as f32);
        }
        self.pass(run, &before, &pieces, &lines, out.x);
    }

    fn check(&self, dy: &[f32], more: Option<&[f32]>, out: &Gradients) {
        let of_channels = [
            ("variances", self.variance.len()),
            ("scales", self.scale.len()),
            ("scales' gradients", out.scale.len()),
            ("biases' gradients", out.bias.len()),
        ];
        check(self.mean.len(), dy.len(), &of_channels);
        let residual = out.residual.as_ref().map(|residual| residual.len());
        let others =
            [Some(self.x.len()), Some(out.x.len()), more.map(<[f32]>::len), self.y.map(<[f32]>::len), residual];
        for length in others.into_iter().flatten() {
            assert_eq!(length, dy.len(), "numbers of input, outputs and their gradients");
        }
    }

    /// Of every piece and channel: the sum of dy, and that of dy (x - mean). Fills the residual's gradient too.
    fn sum(&self, run: Run, before: &Before, pieces: &Pieces, residual: Option<&mut [f32]>, sums: &mut [f32]) {
        let (channels, shared, residual) = (self.mean.len(), Shared::new(sums), residual.map(Shared::new));
        run.pool.run(pieces.count(), &|piece| {
            // SAFETY: each task has sums of its own.
            let (bias, scale) = unsafe { shared.part(piece * 2 * channels, 2 * channels) }.split_at_mut(channels);
            let range = pieces.range(piece);
            // SAFETY: each task has a piece of its own.
            let residual = residual.map(|residual| unsafe { residual.part(range.start, range.len()) });
            let (x, before) = (&self.x[range.clone()], before.piece(range));
            run.isa.vectorised(
                #[inline(always)]
                || match residual {
                    Some(residual) => {
                        before.write(residual);
                        products::<false, false>(x, &Before::plain(residual), self.mean, bias, scale);
                    }
                    None => match before.kind() {
                        (false, false) => products::<false, false>(x, &before, self.mean, bias, scale),
                        (false, true) => products::<false, true>(x, &before, self.mean, bias, scale),
                        (true, false) => products::<true, false>(x, &before, self.mean, bias, scale),
                        (true, true) => products::<true, true>(x, &before, self.mean, bias, scale),
                    },
                },
            );
        });
    }

    fn pass(&self, run: Run, before: &Before, pieces: &Pieces, lines: &[f32], dx: &mut [f32]) {
        let shared = Shared::new(dx);
        run.pool.run(pieces.count(), &|piece| {
            let range = pieces.range(piece);
            // SAFETY: each task has a piece of its own.
            let dx = unsafe { shared.part(range.start, range.len()) };
            let (x, before) = (&self.x[range.clone()], before.piece(range));
            run.isa.vectorised(
                #[inline(always)]
                || match before.kind() {
                    (false, false) => bend::<false, false>(x, &before, self.mean, lines, dx),
                    (false, true) => bend::<false, true>(x, &before, self.mean, lines, dx),
                    (true, false) => bend::<true, false>(x, &before, self.mean, lines, dx),
                    (true, true) => bend::<true, true>(x, &before, self.mean, lines, dx),
                },
            );
        });
    }
}

/// The output's gradient before ReLU's rule.
#[derive(Clone, Copy)]
struct Before<'a> {
    dy: &'a [f32],
    more: Option<&'a [f32]>,
    y: Option<&'a [f32]>,
}

impl<'a> Before<'a> {
    fn plain(dy: &'a [f32]) -> Before<'a> {
        Before { dy, more: None, y: None }
    }

    /// Is there more, and was there a ReLU?
    fn kind(&self) -> (bool, bool) {
        (self.more.is_some(), self.y.is_some())
    }

    fn piece(&self, range: std::ops::Range<usize>) -> Before<'a> {
        let piece = |numbers: &'a [f32]| &numbers[range.clone()];
        Before { dy: piece(self.dy), more: self.more.map(piece), y: self.y.map(piece) }
    }

    /// What there is of some numbers; whatever where there is none.
    #[inline(always)]
    fn slices(&self, start: usize, count: usize) -> [&'a [f32]; 3] {
        let dy = &self.dy[start..][..count];
        [dy, self.more.map_or(dy, |more| &more[start..][..count]), self.y.map_or(dy, |y| &y[start..][..count])]
    }

    #[inline(always)]
    fn write(&self, out: &mut [f32]) {
        let [dy, more, y] = self.slices(0, out.len());
        match self.kind() {
            (false, false) => out.copy_from_slice(dy),
            (false, true) => (0..dy.len()).for_each(|i| out[i] = after::<false, true>(dy[i], more[i], y[i])),
            (true, false) => (0..dy.len()).for_each(|i| out[i] = after::<true, false>(dy[i], more[i], y[i])),
            (true, true) => (0..dy.len()).for_each(|i| out[i] = after::<true, true>(dy[i], more[i], y[i])),
        }
    }
}

/// The gradient before the ReLU, whose output y is above 0 where it passes.
#[inline(always)]
fn after<const MORE: bool, const RELU: bool>(dy: f32, more: f32, y: f32) -> f32 {
    let dy = if MORE { dy + more } else { dy };
    if !RELU || y > 0.0 { dy } else { 0.0 }
}

/// Sums of dy and of dy (x - mean) of every channel of a piece.
#[inline(always)]
fn products<const MORE: bool, const RELU: bool>(
    x: &[f32],
    before: &Before,
    mean: &[f32],
    bias: &mut [f32],
    scale: &mut [f32],
) {
    let channels = mean.len();
    for first in (0..channels).step_by(LANES) {
        let count = LANES.min(channels - first);
        let (mut sum, mut product) = ([0.0f32; LANES], [0.0f32; LANES]);
        let sums = [&mut sum, &mut product];
        if count == LANES {
            add_products::<MORE, RELU>(x, before, mean, first, LANES, sums);
        } else {
            add_products::<MORE, RELU>(x, before, mean, first, count, sums);
        }
        bias[first..][..count].copy_from_slice(&sum[..count]);
        scale[first..][..count].copy_from_slice(&product[..count]);
    }
}

#[inline(always)]
fn add_products<const MORE: bool, const RELU: bool>(
    x: &[f32],
    before: &Before,
    mean: &[f32],
    first: usize,
    count: usize,
    [sum, product]: [&mut [f32; LANES]; 2],
) {
    let about = &mean[first..][..count];
    for start in (first..x.len()).step_by(mean.len()) {
        let (x, [dy, more, y]) = (&x[start..][..count], before.slices(start, count));
        for i in 0..count {
            let dy = after::<MORE, RELU>(dy[i], more[i], y[i]);
            sum[i] += dy;
            product[i] += dy * (x[i] - about[i]);
        }
    }
}

/// dx = a dy + b (x - mean) + c.
#[inline(always)]
fn bend<const MORE: bool, const RELU: bool>(x: &[f32], before: &Before, mean: &[f32], lines: &[f32], dx: &mut [f32]) {
    let channels = mean.len();
    let (a, rest) = lines.split_at(channels);
    let (b, c) = rest.split_at(channels);
    let c = &c[..channels];
    for (pixel, (x, dx)) in x.chunks_exact(channels).zip(dx.chunks_exact_mut(channels)).enumerate() {
        let [dy, more, y] = before.slices(pixel * channels, channels);
        for i in 0..channels {
            dx[i] = a[i] * after::<MORE, RELU>(dy[i], more[i], y[i]) + (b[i] * (x[i] - mean[i]) + c[i]);
        }
    }
}
