//! Tiles of images into what is multiplied, and products into tiles of images: vectors of channels.

use super::points::{Points, Reverse, both};
use super::walk::Walk;
use crate::conv::epilogue::Epilogue;
use crate::isa::Kernel;
use crate::shared::Shared;
use crate::simd::{Simd, load_square, prefetch};
use crate::tile::GROUP;

/// Where the pixels of a tile are; those outside of the image are zeros.
#[derive(Clone, Copy)]
struct Pixels<const N: usize> {
    starts: [[*const f32; N]; N],
    channels: usize,
}

impl<const N: usize> Pixels<N> {
    /// The tile whose first pixel is `place`, which may lie outside. There are as many zeros as channels at least.
    #[inline(always)]
    fn new(image: &[f32], [rows, columns]: [usize; 2], channels: usize, place: [isize; 2], zeros: &[f32]) -> Pixels<N> {
        assert!(image.len() >= rows * columns * channels && zeros.len() >= channels);
        let mut starts = [[zeros.as_ptr(); N]; N];
        let [y, x] = place;
        let inside = y >= 0 && x >= 0 && y as usize + N <= rows && x as usize + N <= columns;
        for (row, line) in starts.iter_mut().enumerate() {
            let y = y + row as isize;
            for (column, start) in line.iter_mut().enumerate() {
                let x = x + column as isize;
                if inside || (y >= 0 && y < rows as isize && x >= 0 && x < columns as isize) {
                    *start = image.as_ptr().wrapping_add((y as usize * columns + x as usize) * channels);
                }
            }
        }
        Pixels { starts, channels }
    }

    /// Asks for some channels of the pixels that the tile before, `advance` pixels to the left, did not see.
    #[inline(always)]
    fn prefetch(&self, first: usize, advance: usize) {
        for line in &self.starts {
            line[N.saturating_sub(advance)..].iter().for_each(|start| prefetch(start.wrapping_add(first)));
        }
    }

    /// Some channels of each from `first` on, zeros for those that do not exist.
    #[inline(always)]
    fn load<S: Simd>(&self, simd: S, first: usize) -> [[S::V; N]; N] {
        let mut tile = [[simd.splat(0.0); N]; N];
        if first + S::LANES <= self.channels {
            for (line, starts) in tile.iter_mut().zip(&self.starts) {
                for (v, start) in line.iter_mut().zip(starts) {
                    // SAFETY: a pixel and the zeros have so many channels.
                    *v = unsafe { simd.load(start.add(first)) };
                }
            }
        } else if first < self.channels {
            for (line, starts) in tile.iter_mut().zip(&self.starts) {
                for (v, start) in line.iter_mut().zip(starts) {
                    // SAFETY: likewise.
                    *v = unsafe { simd.load_first(start.add(first), self.channels - first) };
                }
            }
        }
        tile
    }
}

/// Tiles of the source, transformed: `[position][panel][channel / 16][tile][16]`, where a panel has as many tiles as
/// `panels` says.
pub(super) struct Input<'a, P> {
    pub points: P,
    pub walk: &'a Walk,
    pub source: &'a [f32],
    /// As many as a pixel has channels.
    pub zeros: &'a [f32],
    /// The first tile, and (first, tiles) of every panel, counted from there.
    pub start: usize,
    pub panels: &'a [(usize, usize)],
    /// First and number of the tiles of each panel that are done.
    pub part: (usize, usize),
    /// Numbers from a position to the next.
    pub stride: usize,
    pub out: Shared<'a>,
}

/// One of these kernels for points of I inputs, N products, O outputs and D kernels.
pub(super) struct Tiled<T, const I: usize, const N: usize, const O: usize, const D: usize>(pub T);

impl<P: Points<I, N, O, D>, const I: usize, const N: usize, const O: usize, const D: usize> Kernel
    for Tiled<Input<'_, P>, I, N, O, D>
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Input { points, walk, source, zeros, start, panels, part, stride, out } = self.0;
        let (groups, channels) = (walk.channels.div_ceil(GROUP), walk.channels);
        let image_length = walk.source[0] * walk.source[1] * channels;
        for &(first, tiles) in panels {
            let pixels_of = |tile: usize| {
                let (image, place) = walk.tile::<O>(start + first + tile);
                let image = &source[image * image_length..][..image_length];
                Pixels::<I>::new(image, walk.source, channels, walk.seen::<O>(place), zeros)
            };
            let end = tiles.min(part.0 + part.1);
            let mut next = pixels_of(part.0.min(end - 1));
            for tile in part.0..end {
                let pixels = next;
                next = pixels_of((tile + 1).min(end - 1));
                for lane in (0..groups * GROUP).step_by(S::LANES) {
                    next.prefetch(lane, walk.advance);
                    let d = pixels.load(simd, lane);
                    let v = both(
                        d,
                        #[inline(always)]
                        |row| points.input(simd, row),
                    );
                    let place = first * groups * GROUP + (lane / GROUP * tiles + tile) * GROUP + lane % GROUP;
                    // SAFETY: each task has panels of its own.
                    unsafe { store_all(simd, &v, out, place, stride) };
                }
            }
        }
    }
}

/// Writes vectors `stride` apart.
/// # Safety
/// No other task has these numbers.
#[inline(always)]
unsafe fn store_all<S: Simd, const N: usize>(simd: S, all: &[[S::V; N]; N], out: Shared, start: usize, stride: usize) {
    let out = out.pointer(start, (N * N - 1) * stride + S::LANES);
    for (position, v) in all.as_flattened().iter().enumerate() {
        // SAFETY: the last was seen to be inside.
        unsafe { simd.store(*v, out.add(position * stride)) };
    }
}

/// Products of a panel of filters, `[position][tile][columns]`, transformed into pixels of the target.
pub(super) struct Output<'a, P> {
    pub points: P,
    pub walk: &'a Walk,
    pub sums: &'a [f32],
    /// Tiles: the first one and how many.
    pub start: usize,
    pub tiles: usize,
    /// Columns of a panel, and the first filter of this one.
    pub columns: usize,
    pub filter: usize,
    pub epilogue: &'a Epilogue<'a>,
    pub target: Shared<'a>,
}

impl<P: Points<I, N, O, D>, const I: usize, const N: usize, const O: usize, const D: usize> Kernel
    for Tiled<Output<'_, P>, I, N, O, D>
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Output { points, walk, sums, start, tiles, columns, filter, epilogue, target } = self.0;
        assert!(sums.len() >= N * N * tiles * columns && columns.is_multiple_of(S::LANES));
        for tile in 0..tiles {
            let (image, place) = walk.tile::<O>(start + tile);
            for lane in (0..columns).step_by(S::LANES) {
                let filter = filter + lane;
                if filter >= walk.filters {
                    break;
                }
                let steps = [N * tiles * columns, tiles * columns];
                // SAFETY: the numbers of all positions were seen to be there.
                let m = unsafe { load_square::<S, N>(simd, sums.as_ptr().add(tile * columns + lane), steps) };
                let y = both(
                    m,
                    #[inline(always)]
                    |row| points.output(simd, row),
                );
                let count = S::LANES.min(walk.filters - filter);
                let first = (image * walk.target[0] + place[0]) * walk.target[1] + place[1];
                let [height, width] = [0, 1].map(|axis| O.min(walk.target[axis] - place[axis]));
                let of_filter = epilogue.of_filter(simd, filter, count);
                for (row, line) in y.iter().enumerate() {
                    for (column, v) in line.iter().enumerate() {
                        if row >= height || column >= width {
                            continue;
                        }
                        let start = (first + row * walk.target[1] + column) * walk.filters + filter;
                        // SAFETY: each task has tiles and filters of its own.
                        unsafe { epilogue.store(simd, *v, &of_filter, target, start, count) };
                    }
                }
            }
        }
    }
}

/// Tiles of the target's gradient, spread out to the positions: `[position][panel of columns][tile][columns]`.
pub(super) struct Spread<'a, P> {
    pub points: P,
    pub walk: &'a Walk,
    pub gradient: &'a [f32],
    /// As many as there are filters.
    pub zeros: &'a [f32],
    /// The first tile of all, and (first, tiles) of those to be done, of so many.
    pub start: usize,
    pub part: (usize, usize),
    pub tiles: usize,
    pub columns: usize,
    /// Numbers from a position to the next.
    pub stride: usize,
    pub out: Shared<'a>,
}

impl<P: Reverse<N, O>, const I: usize, const N: usize, const O: usize, const D: usize> Kernel
    for Tiled<Spread<'_, P>, I, N, O, D>
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Spread { points, walk, gradient, zeros, start, part, tiles, columns, stride, out } = self.0;
        let image_length = walk.target[0] * walk.target[1] * walk.filters;
        for tile in part.0..part.0 + part.1 {
            let (image, place) = walk.tile::<O>(start + tile);
            let image = &gradient[image * image_length..][..image_length];
            let place = place.map(|place| place as isize);
            let pixels = Pixels::<O>::new(image, walk.target, walk.filters, place, zeros);
            for lane in (0..walk.filters.next_multiple_of(columns)).step_by(S::LANES) {
                let y = pixels.load(simd, lane);
                let z = both(
                    y,
                    #[inline(always)]
                    |row| points.spread(simd, row),
                );
                let place = (lane / columns * tiles + tile) * columns + lane % columns;
                // SAFETY: each task has tiles of its own.
                unsafe { store_all(simd, &z, out, place, stride) };
            }
        }
    }
}
