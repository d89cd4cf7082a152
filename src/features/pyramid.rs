//! Histograms over a pyramid of cells (Lazebnik et al. 2006): how often each code occurs in the whole picture, in its
//! quarters, in its stripes. A cell's shares come under a square root, so that Euclidean distance is Hellinger's.

/// Rows and columns of equal cells that the picture is cut into.
pub type Grid = [usize; 2];

/// Rows or columns of a grid at most.
const MOST: usize = 16;

/// A code for each pixel, row-major.
pub struct Codes<T> {
    pub width: usize,
    pub height: usize,
    pub codes: Vec<T>,
}

/// What is wrong with a list of grids, if anything is; `name` is the setting.
///
/// # Errors
/// A sentence that names the setting.
pub fn check(name: &str, grids: &[Grid]) -> Result<(), String> {
    if grids.is_empty() {
        return Err(format!("{name} needs at least one grid, such as [1, 1]"));
    }
    match grids.iter().flatten().find(|count| !(1..=MOST).contains(*count)) {
        Some(count) => Err(format!("{count} in {name} must be from 1 to {MOST} rows or columns")),
        None => Ok(()),
    }
}

/// Cells of all grids.
pub fn cells(grids: &[Grid]) -> usize {
    grids.iter().map(|[rows, columns]| rows * columns).sum()
}

/// The histograms of all cells, grid after grid, `bins` numbers each: square roots of shares, over the square root of
/// the grid's number of cells, so that every grid counts as much as another. A cell without a pixel stays 0.
pub fn write<T: Copy + Into<u32>>(codes: &Codes<T>, grids: &[Grid], bins: usize, out: &mut [f32]) {
    let mut out = out;
    for (grid, counts) in grids.iter().zip(counted(codes, grids, bins)) {
        let here;
        (here, out) = out.split_at_mut(counts.len());
        let weight = 1.0 / ((grid[0] * grid[1]) as f32).sqrt();
        for (out, counts) in here.chunks_exact_mut(bins).zip(counts.chunks_exact(bins)) {
            let total = counts.iter().sum::<u32>().max(1) as f32;
            out.iter_mut().zip(counts).for_each(|(out, &count)| *out = (count as f32 / total).sqrt() * weight);
        }
    }
}

/// Divides a vector by its length; 0 stays 0.
pub fn unit(vector: &mut [f32]) {
    let squares: f32 = vector.chunks(64).map(|part| part.iter().map(|v| v * v).sum::<f32>()).sum();
    if squares > 0.0 {
        let factor = 1.0 / squares.sqrt();
        vector.iter_mut().for_each(|value| *value *= factor);
    }
}

/// Counts of each grid. Only grids that are not made of another one's whole cells are counted pixel by pixel.
fn counted<T: Copy + Into<u32>>(codes: &Codes<T>, grids: &[Grid], bins: usize) -> Vec<Vec<u32>> {
    let mut counts = vec![Vec::new(); grids.len()];
    let mut order: Vec<usize> = (0..grids.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(grids[i][0] * grids[i][1]));
    for (done, &i) in order.iter().enumerate() {
        let [rows, columns] = grids[i];
        let finer = |&&j: &&usize| grids[j][0].is_multiple_of(rows) && grids[j][1].is_multiple_of(columns);
        counts[i] = match order[..done].iter().rev().find(finer) {
            Some(&j) => gathered(&counts[j], grids[j], grids[i], bins),
            None => count(codes, grids[i], bins),
        };
    }
    counts
}

/// Pixel (x, y) belongs to row `y * rows / height` and column `x * columns / width` of the cells.
fn count<T: Copy + Into<u32>>(codes: &Codes<T>, [rows, columns]: Grid, bins: usize) -> Vec<u32> {
    let mut counts = vec![0; rows * columns * bins];
    if codes.codes.is_empty() {
        return counts;
    }
    let starts: Vec<usize> = (0..=columns).map(|column| (column * codes.width).div_ceil(columns)).collect();
    for (y, line) in codes.codes.chunks_exact(codes.width).enumerate() {
        let row = y * rows / codes.height;
        let cells = counts[row * columns * bins..][..columns * bins].chunks_exact_mut(bins);
        for (cell, ends) in cells.zip(starts.windows(2)) {
            line[ends[0]..ends[1]].iter().for_each(|&code| cell[code.into() as usize] += 1);
        }
    }
    counts
}

/// Counts of a grid whose cells are whole blocks of another one's.
fn gathered(finer: &[u32], from: Grid, to: Grid, bins: usize) -> Vec<u32> {
    let mut counts = vec![0; to[0] * to[1] * bins];
    for (cell, part) in finer.chunks_exact(bins).enumerate() {
        let (row, column) = (cell / from[1] * to[0] / from[0], cell % from[1] * to[1] / from[1]);
        let sums = &mut counts[(row * to[1] + column) * bins..][..bins];
        sums.iter_mut().zip(part).for_each(|(sum, count)| *sum += count);
    }
    counts
}

/// One number that depends on every value and on its place, for comparison with references.
#[cfg(test)]
pub fn weighted_sum(vector: &[f32]) -> f64 {
    vector.iter().enumerate().map(|(i, &value)| (i % 97 + 1) as f64 * f64::from(value)).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_pixel_is_counted_once_in_every_grid(width in 1..40_usize, height in 1..40_usize, seed: u8) {
            let codes: Vec<u8> = (0..width * height).map(|i| (i * 37 + i / 7) as u8 ^ seed).map(|code| code % 5).collect();
            let grids = [[1, 1], [3, 1], [2, 2], [4, 4], [5, 3]];
            let codes = Codes { width, height, codes };
            for (grid, counts) in grids.iter().zip(counted(&codes, &grids, 5)) {
                let mut expected = vec![0; grid[0] * grid[1] * 5];
                for (i, &code) in codes.codes.iter().enumerate() {
                    let (row, column) = (i / width * grid[0] / height, i % width * grid[1] / width);
                    expected[(row * grid[1] + column) * 5 + usize::from(code)] += 1;
                }
                prop_assert_eq!(counts, expected);
            }
        }
    }

    #[test]
    fn every_grid_counts_as_much_as_another() {
        let codes = Codes { width: 4, height: 2, codes: vec![0_u8, 0, 1, 1, 0, 0, 1, 0] };
        let mut out = vec![0.0; 2 * 3];
        write(&codes, &[[1, 1], [1, 2]], 2, &mut out);
        let half = 0.5_f32.sqrt();
        let expected = [0.625_f32.sqrt(), 0.375_f32.sqrt(), half, 0.0, half * 0.25_f32.sqrt(), half * 0.75_f32.sqrt()];
        assert!(out.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{out:?}");
        unit(&mut out);
        assert!((out.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn cells_without_pixels_stay_zero() {
        let mut out = vec![0.0; 17 * 2];
        write(&Codes::<u8> { width: 0, height: 0, codes: Vec::new() }, &[[1, 1], [4, 4]], 2, &mut out);
        unit(&mut out);
        assert!(out.iter().all(|&value| value == 0.0));
    }
}
