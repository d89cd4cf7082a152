//! Max and average pooling and their gradients. A gradient is collected by the pixel that it belongs to, never strewn
//! about, so that rows are independent tasks.

#[cfg(test)]
mod tests;

use crate::Run;
use crate::conv::ShapeError;
use crate::isa::Kernel;
use crate::shared::Shared;
use crate::simd::Simd;

/// Vectors of channels that are looked at together.
const WIDE: usize = 4;

/// A window that moves over images of some channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// Rows and columns of an image.
    pub input: [usize; 2],
    pub channels: usize,
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    /// Top, left, bottom, right.
    pub padding: [usize; 4],
    /// Is a last window kept that reaches over the padded image (ONNX's `ceil_mode`)?
    pub ceil: bool,
}

/// A window that was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pooling(Window);

impl Pooling {
    /// # Errors
    /// A window that can't be.
    pub fn new(window: Window) -> Result<Pooling, ShapeError> {
        let Window { input, channels, kernel, stride, padding, .. } = window;
        for (what, zero) in [
            ("the number of channels", channels == 0),
            ("a side of the window", kernel.contains(&0)),
            ("a stride", stride.contains(&0)),
            ("a side of the input", input.contains(&0)),
        ] {
            if zero {
                return Err(ShapeError::Zero(what));
            }
        }
        let padded = [0, 1].map(|axis| input[axis] + padding[axis] + padding[axis + 2]);
        if kernel[0] > padded[0] || kernel[1] > padded[1] {
            return Err(ShapeError::Kernel { reach: kernel, padded });
        }
        if (0..4).any(|side| padding[side] >= kernel[side % 2]) {
            return Err(ShapeError::Padding { padding, kernel });
        }
        Ok(Pooling(window))
    }

    /// One window over the whole image.
    ///
    /// # Errors
    /// A side that is 0.
    pub fn global(input: [usize; 2], channels: usize) -> Result<Pooling, ShapeError> {
        Pooling::new(Window { input, channels, kernel: input, stride: [1; 2], padding: [0; 4], ceil: false })
    }

    pub fn window(&self) -> &Window {
        &self.0
    }

    /// Rows and columns of an output image.
    pub fn output(&self) -> [usize; 2] {
        let Window { input, kernel, stride, padding, ceil, .. } = self.0;
        [0, 1].map(|axis| {
            let room = input[axis] + padding[axis] + padding[axis + 2] - kernel[axis];
            let floor = room / stride[axis] + 1;
            // a window must start inside of the image or its first padding
            let another = ceil && room % stride[axis] != 0 && floor * stride[axis] < input[axis] + padding[axis];
            floor + usize::from(another)
        })
    }

    /// The largest number of every window, and which tap it was (row x columns of the window + column, the first of
    /// equals), where it is asked for.
    ///
    /// # Panics
    /// Slices whose lengths do not fit together; places of a window of more than 256 taps.
    pub fn max(&self, run: Run, x: &[f32], y: &mut [f32], places: Option<&mut [u8]>) {
        self.check(x, y);
        if let Some(places) = &places {
            assert!(places.len() == y.len() && self.0.kernel[0] * self.0.kernel[1] <= 256, "places of the maxima");
        }
        let ([rows, columns], channels) = (self.output(), self.0.channels);
        let (length, tasks) = (columns * channels, y.len() / (columns * channels));
        let (shared, places) = (Shared::new(y), places.map(Shared::new));
        run.pool.run(tasks, &|task| {
            // SAFETY: each task has a row of its own.
            let y = unsafe { shared.part(task * length, length) };
            // SAFETY: likewise.
            let places = places.map(|places| unsafe { places.part(task * length, length) });
            run.isa.run(Largest { pooling: self, x, image: task / rows, row: task % rows, y, places });
        });
    }

    /// dx from dy and the places of the maxima.
    ///
    /// # Panics
    /// Slices whose lengths do not fit together.
    pub fn max_gradient(&self, run: Run, dy: &[f32], places: &[u8], dx: &mut [f32]) {
        assert_eq!(places.len(), dy.len(), "places of the maxima");
        self.collect(
            run,
            dy,
            dx,
            #[inline(always)]
            |sums, tap, start, _| {
                let count = sums.len();
                let (dy, places) = (&dy[start..][..count], &places[start..][..count]);
                for i in 0..count {
                    sums[i] += if places[i] == tap as u8 { dy[i] } else { 0.0 };
                }
            },
        );
    }

    /// The mean of every window: of its pixels in the image, or of those in the padding too (`with_padding`), which are
    /// 0.
    ///
    /// # Panics
    /// Slices whose lengths do not fit together.
    pub fn average(&self, run: Run, x: &[f32], with_padding: bool, y: &mut [f32]) {
        self.check(x, y);
        let ([rows, columns], channels) = (self.output(), self.0.channels);
        let (length, tasks) = (columns * channels, y.len() / (columns * channels));
        let shared = Shared::new(y);
        run.pool.run(tasks, &|task| {
            // SAFETY: each task has a row of its own.
            let y = unsafe { shared.part(task * length, length) };
            let (image, row) = (task / rows, task % rows);
            run.isa.vectorised(
                #[inline(always)]
                || {
                    for (column, y) in y.chunks_exact_mut(channels).enumerate() {
                        y.fill(0.0);
                        self.taps([row, column], |_, source| {
                            let x = &x[self.start(image, source)..][..channels];
                            y.iter_mut().zip(x).for_each(|(y, x)| *y += x);
                        });
                        let share = self.share([row, column], with_padding);
                        y.iter_mut().for_each(|y| *y *= share);
                    }
                },
            );
        });
    }

    /// dx from dy.
    ///
    /// # Panics
    /// Slices whose lengths do not fit together.
    pub fn average_gradient(&self, run: Run, dy: &[f32], with_padding: bool, dx: &mut [f32]) {
        self.collect(
            run,
            dy,
            dx,
            #[inline(always)]
            |sums, _, start, place| {
                let share = self.share(place, with_padding);
                let dy = &dy[start..][..sums.len()];
                sums.iter_mut().zip(dy).for_each(|(sum, dy)| *sum += share * dy);
            },
        );
    }

    /// Calls `add` for every pixel of the input and every window that saw it, with the sums of some channels, the tap,
    /// where the window's channels start, and its place.
    fn collect(&self, run: Run, dy: &[f32], dx: &mut [f32], add: impl Fn(&mut [f32], usize, usize, [usize; 2]) + Sync) {
        self.check(dx, dy);
        let (window, [rows, columns], channels) = (&self.0, self.output(), self.0.channels);
        let ([height, width], length) = (window.input, window.input[1] * channels);
        let tasks = dx.len() / length;
        let shared = Shared::new(dx);
        run.pool.run(tasks, &|task| {
            // SAFETY: each task has a row of its own.
            let dx = unsafe { shared.part(task * length, length) };
            let (image, y) = (task / height, task % height);
            run.isa.vectorised(
                #[inline(always)]
                || {
                    for (x, dx) in dx.chunks_exact_mut(channels).enumerate().take(width) {
                        dx.fill(0.0);
                        for (row, ky) in self.seen_by(0, y, rows) {
                            for (column, kx) in self.seen_by(1, x, columns) {
                                let start = ((image * rows + row) * columns + column) * channels;
                                add(dx, ky * window.kernel[1] + kx, start, [row, column]);
                            }
                        }
                    }
                },
            );
        });
    }

    /// The windows along one axis that see a pixel, and by which tap.
    #[inline(always)]
    fn seen_by(&self, axis: usize, pixel: usize, outputs: usize) -> impl Iterator<Item = (usize, usize)> {
        let (kernel, stride) = (self.0.kernel[axis], self.0.stride[axis]);
        let padded = pixel + self.0.padding[axis];
        let first = (padded + 1).saturating_sub(kernel).div_ceil(stride);
        (first..outputs.min(padded / stride + 1)).map(move |place| (place, padded - place * stride))
    }

    /// Calls `run` with the taps of a window that lie in the image, and with the pixels that they see.
    #[inline(always)]
    fn taps(&self, place: [usize; 2], mut run: impl FnMut(usize, [usize; 2])) {
        let [(y, from_y, to_y), (x, from_x, to_x)] = [0, 1].map(|axis| self.reach(axis, place[axis]));
        for ky in from_y..to_y {
            for kx in from_x..to_x {
                run(ky * self.0.kernel[1] + kx, [y + ky - self.0.padding[0], x + kx - self.0.padding[1]]);
            }
        }
    }

    /// Where a window starts in the padded image, and which of its taps lie in the image: from, to.
    #[inline(always)]
    fn reach(&self, axis: usize, place: usize) -> (usize, usize, usize) {
        let Window { input, kernel, stride, padding, .. } = self.0;
        let start = place * stride[axis];
        let to = (input[axis] + padding[axis]).saturating_sub(start).min(kernel[axis]);
        (start, padding[axis].saturating_sub(start), to)
    }

    /// One over the pixels that a window averages.
    #[inline(always)]
    fn share(&self, place: [usize; 2], with_padding: bool) -> f32 {
        let along = |axis: usize| {
            let (start, from, to) = self.reach(axis, place[axis]);
            if !with_padding {
                return to - from;
            }
            // what lies beyond the padding does not count
            let padded = self.0.input[axis] + self.0.padding[axis] + self.0.padding[axis + 2];
            self.0.kernel[axis].min(padded - start)
        };
        1.0 / (along(0) * along(1)) as f32
    }

    #[inline(always)]
    fn start(&self, image: usize, [y, x]: [usize; 2]) -> usize {
        ((image * self.0.input[0] + y) * self.0.input[1] + x) * self.0.channels
    }

    fn check(&self, x: &[f32], y: &[f32]) {
        let (input, output) = (self.0.input, self.output());
        let images = x.len() / (input[0] * input[1] * self.0.channels);
        assert_eq!(x.len(), images * input[0] * input[1] * self.0.channels, "numbers of the input of {:?}", self.0);
        assert_eq!(y.len(), images * output[0] * output[1] * self.0.channels, "numbers of the output of {:?}", self.0);
    }
}

/// The maxima of one row of windows. A NaN is larger than anything, as in PyTorch.
struct Largest<'a> {
    pooling: &'a Pooling,
    x: &'a [f32],
    image: usize,
    row: usize,
    y: &'a mut [f32],
    places: Option<&'a mut [u8]>,
}

impl Kernel for Largest<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let channels = self.pooling.0.channels;
        for column in 0..self.y.len() / channels {
            let mut first = 0;
            while first + WIDE * S::LANES <= channels {
                self.some::<S, WIDE>(simd, column, first, S::LANES);
                first += WIDE * S::LANES;
            }
            while first < channels {
                self.some::<S, 1>(simd, column, first, S::LANES.min(channels - first));
                first += S::LANES;
            }
        }
    }
}

impl Largest<'_> {
    /// Some vectors of channels, of which the last has `count` numbers.
    #[inline(always)]
    fn some<S: Simd, const W: usize>(&mut self, simd: S, column: usize, first: usize, count: usize) {
        let (pooling, length) = (self.pooling, (W - 1) * S::LANES + count);
        let place = [self.row, column];
        // a window of nothing but -infinity has its place in the image, too
        let first_tap = pooling.reach(0, place[0]).1 * pooling.0.kernel[1] + pooling.reach(1, place[1]).1;
        let mut best = [simd.splat(f32::NEG_INFINITY); W];
        // the bits of whole numbers: lanes are only chosen, never computed with
        let mut taps = [simd.splat(f32::from_bits(first_tap as u32)); W];
        pooling.taps(
            place,
            #[inline(always)]
            |tap, source| {
                let x = &self.x[pooling.start(self.image, source) + first..][..length];
                let tap = simd.splat(f32::from_bits(tap as u32));
                for i in 0..W {
                    // SAFETY: the slice has so many numbers.
                    let x = unsafe {
                        let x = x.as_ptr().add(i * S::LANES);
                        if count == S::LANES { simd.load(x) } else { simd.load_first(x, count) }
                    };
                    [best[i], taps[i]] = simd.larger(x, best[i], tap, taps[i]);
                }
            },
        );
        let start = column * pooling.0.channels + first;
        let mut lanes = [0.0f32; WIDE * 16];
        for i in 0..W {
            let y = &mut self.y[start + i * S::LANES..][..count];
            // SAFETY: both have so many numbers.
            unsafe {
                if count == S::LANES {
                    simd.store(best[i], y.as_mut_ptr())
                } else {
                    simd.store_first(best[i], y.as_mut_ptr(), count)
                }
                simd.store(taps[i], lanes.as_mut_ptr().add(i * S::LANES));
            }
        }
        if let Some(places) = &mut self.places {
            let places = &mut places[start..][..length];
            places.iter_mut().zip(&lanes).for_each(|(place, tap)| *place = tap.to_bits() as u8);
        }
    }
}
