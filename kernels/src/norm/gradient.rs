//! The gradients of batch norm in two passes: sums over every channel, then the gradient of the input, which depends on
//! them where the statistics are those of the batch.

use std::ops::Range;

use super::{LANES, Pieces, check, factors};
use crate::Run;
use crate::shared::Shared;

/// Calls a loop as compiled for what there is.
macro_rules! by_kind {
    ($before:ident, $loop:ident($($argument:expr),*)) => {
        match $before.kind() {
            (false, NONE) => $loop::<false, NONE>($($argument),*),
            (false, OUTPUT) => $loop::<false, OUTPUT>($($argument),*),
            (false, _) => $loop::<false, ANEW>($($argument),*),
            (true, NONE) => $loop::<true, NONE>($($argument),*),
            (true, OUTPUT) => $loop::<true, OUTPUT>($($argument),*),
            (true, _) => $loop::<true, ANEW>($($argument),*),
        }
    };
}

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
        self.all(run, Before { dy, more, y: self.y, line: None }, out);
    }

    /// The same where ReLU was fused and no residual, without the output: what it was is computed anew, bit by bit, which
    /// costs less than to read it. Takes the bias that was added.
    ///
    /// # Panics
    /// Slices whose lengths do not fit together; an output or a residual.
    pub fn backward_of_relu(&self, run: Run, dy: &[f32], more: Option<&[f32]>, bias: &[f32], out: Gradients) {
        self.check(dy, more, &out);
        assert!(self.y.is_none() && out.residual.is_none(), "neither the output nor a residual is expected");
        assert_eq!(bias.len(), self.mean.len(), "biases");
        let mut factor = run.scratch.take(self.mean.len());
        factors(self.scale, self.variance, self.epsilon, &mut factor);
        self.all(run, Before { dy, more, y: None, line: Some([&factor, bias]) }, out);
    }

    fn all(&self, run: Run, before: Before, out: Gradients) {
        let dy = before.dy;
        let (channels, pieces) = (self.mean.len(), Pieces::new(self.mean.len(), dy.len()));
        let mut sums = run.scratch.take(pieces.count() * 2 * channels);
        let residual = out.residual;
        // the residual's gradient is what the second pass needs
        let before = match residual {
            Some(residual) => {
                self.sum(run, &before, &pieces, Some(&mut *residual), &mut sums);
                Before::plain(residual)
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
                        products::<false, NONE>(x, &Before::plain(residual), self.mean, bias, scale);
                    }
                    None => by_kind!(before, products(x, &before, self.mean, bias, scale)),
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
                || by_kind!(before, bend(x, &before, self.mean, lines, dx)),
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
    /// Factor and bias of every channel, from which y follows.
    line: Option<[&'a [f32]; 2]>,
}

impl<'a> Before<'a> {
    fn plain(dy: &'a [f32]) -> Before<'a> {
        Before { dy, more: None, y: None, line: None }
    }

    /// Is there more, and what tells where ReLU passed?
    fn kind(&self) -> (bool, u8) {
        let relu = if self.line.is_some() { ANEW } else { u8::from(self.y.is_some()) };
        (self.more.is_some(), relu)
    }

    fn piece(&self, range: Range<usize>) -> Before<'a> {
        let piece = |numbers: &'a [f32]| &numbers[range.clone()];
        Before { dy: piece(self.dy), more: self.more.map(piece), y: self.y.map(piece), line: self.line }
    }

    /// What there is of some numbers; whatever where there is none.
    #[inline(always)]
    fn slices(&self, start: usize, count: usize) -> [&'a [f32]; 3] {
        let dy = &self.dy[start..][..count];
        [dy, self.more.map_or(dy, |more| &more[start..][..count]), self.y.map_or(dy, |y| &y[start..][..count])]
    }

    /// Factor and bias of some channels; whatever where they are not needed.
    #[inline(always)]
    fn lines(&self, first: usize, count: usize, whatever: &'a [f32]) -> [&'a [f32]; 2] {
        let [factor, bias] = self.line.unwrap_or([whatever; 2]);
        [&factor[first..][..count], &bias[first..][..count]]
    }

    #[inline(always)]
    fn write(&self, out: &mut [f32]) {
        let [dy, more, y] = self.slices(0, out.len());
        match self.kind() {
            (false, NONE) => out.copy_from_slice(dy),
            (true, NONE) => (0..dy.len()).for_each(|i| out[i] = after::<true, NONE>(dy[i], more[i], y[i])),
            (false, _) => (0..dy.len()).for_each(|i| out[i] = after::<false, OUTPUT>(dy[i], more[i], y[i])),
            (true, _) => (0..dy.len()).for_each(|i| out[i] = after::<true, OUTPUT>(dy[i], more[i], y[i])),
        }
    }
}

/// What tells where ReLU passed: there was none, the output, or the output computed anew.
const NONE: u8 = 0;
const OUTPUT: u8 = 1;
const ANEW: u8 = 2;

/// The gradient before the ReLU, whose output y is above 0 where it passes.
#[inline(always)]
fn after<const MORE: bool, const RELU: u8>(dy: f32, more: f32, y: f32) -> f32 {
    let dy = if MORE { dy + more } else { dy };
    if RELU == NONE || y > 0.0 { dy } else { 0.0 }
}

/// Sums of dy and of dy (x - mean) of every channel of a piece.
#[inline(always)]
fn products<const MORE: bool, const RELU: u8>(
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
fn add_products<const MORE: bool, const RELU: u8>(
    x: &[f32],
    before: &Before,
    mean: &[f32],
    first: usize,
    count: usize,
    [sum, product]: [&mut [f32; LANES]; 2],
) {
    let (about, [factor, bias]) = (&mean[first..][..count], before.lines(first, count, mean));
    for start in (first..x.len()).step_by(mean.len()) {
        let (x, [dy, more, y]) = (&x[start..][..count], before.slices(start, count));
        for i in 0..count {
            let apart = x[i] - about[i];
            let y = if RELU == ANEW { apart * factor[i] + bias[i] } else { y[i] };
            let dy = after::<MORE, RELU>(dy[i], more[i], y);
            sum[i] += dy;
            product[i] += dy * apart;
        }
    }
}

/// dx = a dy + b (x - mean) + c.
#[inline(always)]
fn bend<const MORE: bool, const RELU: u8>(x: &[f32], before: &Before, mean: &[f32], lines: &[f32], dx: &mut [f32]) {
    let channels = mean.len();
    let (a, rest) = lines.split_at(channels);
    let (b, c) = rest.split_at(channels);
    let (c, [factor, bias]) = (&c[..channels], before.lines(0, channels, mean));
    for (pixel, (x, dx)) in x.chunks_exact(channels).zip(dx.chunks_exact_mut(channels)).enumerate() {
        let [dy, more, y] = before.slices(pixel * channels, channels);
        for i in 0..channels {
            let apart = x[i] - mean[i];
            let y = if RELU == ANEW { apart * factor[i] + bias[i] } else { y[i] };
            dx[i] = a[i] * after::<MORE, RELU>(dy[i], more[i], y) + (b[i] * apart + c[i]);
        }
    }
}
