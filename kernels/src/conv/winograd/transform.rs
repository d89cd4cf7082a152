//! Tiles of images into what is multiplied, and products into tiles of images: vectors of channels.

use super::points::{Points, both};
use super::walk::Walk;
use crate::conv::epilogue::Epilogue;
use crate::isa::Kernel;
use crate::shared::Shared;
use crate::simd::{Simd, load_square};
use crate::tile::GROUP;

/// Reads a tile of n x n pixels whose first stands at `place` (it may lie outside): some channels of each, zeros
/// outside and for channels that do not exist.
#[inline(always)]
pub(super) fn load<S: Simd, const N: usize>(
    simd: S,
    image: &[f32],
    [rows, columns]: [usize; 2],
    channels: usize,
    place: [isize; 2],
    first: usize,
) -> [[S::V; N]; N] {
    let [y, x] = place;
    let inside = y >= 0 && x >= 0 && y as usize + N <= rows && x as usize + N <= columns;
    let count = channels.saturating_sub(first).min(S::LANES);
    if inside && count == S::LANES {
        let start = (y as usize * columns + x as usize) * channels + first;
        assert!(start + ((N - 1) * columns + N - 1) * channels + S::LANES <= image.len());
        // SAFETY: the last of these vectors was just seen to be inside.
        return unsafe { load_square(simd, image.as_ptr().add(start), [columns * channels, channels]) };
    }
    let mut tile = [[simd.splat(0.0); N]; N];
    for (row, line) in tile.iter_mut().enumerate() {
        let y = y + row as isize;
        if y < 0 || y >= rows as isize {
            continue;
        }
        for (column, v) in line.iter_mut().enumerate() {
            let x = x + column as isize;
            if x < 0 || x >= columns as isize {
                continue;
            }
            let start = (y as usize * columns + x as usize) * channels + first.min(channels);
            let pixel = &image[start..start + count];
            // SAFETY: the slice has so many numbers.
            *v = unsafe {
                if count == S::LANES { simd.load(pixel.as_ptr()) } else { simd.load_first(pixel.as_ptr(), count) }
            };
        }
    }
    tile
}

/// Tiles of the source, transformed: `[position][panel][channel / 16][tile][16]`, where a panel has as many tiles as
/// `panels` says.
pub(super) struct Input<'a, P, I> {
    pub points: P,
    pub walk: &'a Walk,
    pub source: &'a [f32],
    /// The first tile, and (first, tiles) of every panel, counted from there.
    pub start: usize,
    pub panels: I,
    /// First and number of the tiles of each panel that are done.
    pub part: (usize, usize),
    /// Numbers from a position to the next.
    pub stride: usize,
    pub out: Shared<'a>,
}

/// The same for points of M outputs and N products.
pub(super) struct Tiled<T, const M: usize, const N: usize>(pub T);

impl<P: Points<M, N>, I: Iterator<Item = (usize, usize)>, const M: usize, const N: usize> Kernel
    for Tiled<Input<'_, P, I>, M, N>
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Input { points, walk, source, start, panels, part, stride, out } = self.0;
        let (groups, channels) = (walk.channels.div_ceil(GROUP), walk.channels);
        let image_length = walk.source[0] * walk.source[1] * channels;
        for (first, tiles) in panels {
            for tile in part.0..tiles.min(part.0 + part.1) {
                let (image, place) = walk.tile::<M>(start + first + tile);
                let image = &source[image * image_length..][..image_length];
                for lane in (0..groups * GROUP).step_by(S::LANES) {
                    let d = load::<S, N>(simd, image, walk.source, channels, walk.seen(place), lane);
                    let v = both(
                        d,
                        #[inline(always)]
                        |row| points.input(simd, row),
                    );
                    let place = first * groups * GROUP + (lane / GROUP * tiles + tile) * GROUP + lane % GROUP;
                    for (position, v) in v.as_flattened().iter().enumerate() {
                        // SAFETY: each task has panels of its own.
                        let out = unsafe { out.part(position * stride + place, S::LANES) };
                        // SAFETY: the slice has so many numbers.
                        unsafe { simd.store(*v, out.as_mut_ptr()) };
                    }
                }
            }
        }
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

impl<P: Points<M, N>, const M: usize, const N: usize> Kernel for Tiled<Output<'_, P>, M, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Output { points, walk, sums, start, tiles, columns, filter, epilogue, target } = self.0;
        assert!(sums.len() >= N * N * tiles * columns && columns.is_multiple_of(S::LANES));
        for tile in 0..tiles {
            let (image, place) = walk.tile::<M>(start + tile);
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
                for (row, line) in y.iter().enumerate().take(walk.target[0] - place[0]) {
                    for (column, v) in line.iter().enumerate().take(walk.target[1] - place[1]) {
                        let pixel = (image * walk.target[0] + place[0] + row) * walk.target[1] + place[1] + column;
                        let start = pixel * walk.filters + filter;
                        // SAFETY: each task has tiles and filters of its own.
                        let out = unsafe { target.part(start, count) };
                        epilogue.finish_vector(simd, *v, out, filter, start);
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
    /// The first tile of all, and (first, tiles) of those to be done, of so many.
    pub start: usize,
    pub part: (usize, usize),
    pub tiles: usize,
    pub columns: usize,
    /// Numbers from a position to the next.
    pub stride: usize,
    pub out: Shared<'a>,
}

impl<P: Points<M, N>, const M: usize, const N: usize> Kernel for Tiled<Spread<'_, P>, M, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Spread { points, walk, gradient, start, part, tiles, columns, stride, out } = self.0;
        let image_length = walk.target[0] * walk.target[1] * walk.filters;
        for tile in part.0..part.0 + part.1 {
            let (image, place) = walk.tile::<M>(start + tile);
            let image = &gradient[image * image_length..][..image_length];
            for lane in (0..walk.filters.next_multiple_of(columns)).step_by(S::LANES) {
                let place = place.map(|place| place as isize);
                let y = load::<S, M>(simd, image, walk.target, walk.filters, place, lane);
                let z = both(
                    y,
                    #[inline(always)]
                    |row| points.spread(simd, row),
                );
                let place = (lane / columns * tiles + tile) * columns + lane % columns;
                for (position, z) in z.as_flattened().iter().enumerate() {
                    // SAFETY: each task has tiles of its own.
                    let out = unsafe { out.part(position * stride + place, S::LANES) };
                    // SAFETY: the slice has so many numbers.
                    unsafe { simd.store(*z, out.as_mut_ptr()) };
                }
            }
        }
    }
}
