//! Where things are: cells of the picture that are encoded by themselves (Lazebnik, Schmid and Ponce 2006), or the
//! place appended to a descriptor (Sanchez, Perronnin and de Campos 2012).

use serde::{Deserialize, Serialize};

use super::super::descriptor::Place;

/// A `space` of an arm; the default looks at the picture as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Space {
    /// Grids as rows and columns; each of them counts as much as another, whatever its number of cells.
    #[serde(default = "whole")]
    pub cells: Vec<[usize; 2]>,
    /// What x and y, from -0.5 to 0.5, are multiplied with before they are appended; 0 appends nothing.
    #[serde(default)]
    pub xy: f32,
}

fn whole() -> Vec<[usize; 2]> {
    vec![[1, 1]]
}

/// Most columns or rows of a grid.
const MOST: usize = 16;

impl Default for Space {
    fn default() -> Self {
        Space { cells: whole(), xy: 0.0 }
    }
}

impl Space {
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        if self.cells.is_empty() {
            return Err("cells of a space needs at least one grid, such as [1, 1]".into());
        }
        if let Some([rows, columns]) = self.cells.iter().find(|grid| grid.iter().any(|n| !(1..=MOST).contains(n))) {
            return Err(format!("the grid [{rows}, {columns}] of a space must have from 1 to {MOST} rows and columns"));
        }
        if !self.xy.is_finite() || self.xy < 0.0 {
            return Err(format!("xy = {} of a space must be a number from 0", self.xy));
        }
        Ok(())
    }

    /// `1x1+3x1`, and the factor of places where they are appended.
    pub fn describe(&self) -> String {
        let grids: Vec<String> = self.cells.iter().map(|[rows, columns]| format!("{rows}x{columns}")).collect();
        let xy = if self.xy > 0.0 { format!(" xy={}", self.xy) } else { String::new() };
        format!("cells={}{xy}", grids.join("+"))
    }

    /// Cells of all grids.
    pub fn count(&self) -> usize {
        self.cells.iter().map(|[rows, columns]| rows * columns).sum()
    }
}

/// Pieces of the picture that no line of a grid runs through, and which of them a cell is made of.
pub struct Cells {
    /// Where pieces begin, as shares of width and of height, in ascending order, without 0.
    x: Vec<f64>,
    y: Vec<f64>,
    /// Of each cell its pieces, and what its vector is multiplied with.
    cells: Vec<(Vec<usize>, f32)>,
}

impl Cells {
    pub fn of(space: &Space) -> Cells {
        let lines = |axis: usize| {
            let of_grid = |n: usize| (1..n).map(move |i| i as f64 / n as f64);
            let mut lines: Vec<f64> = space.cells.iter().flat_map(|grid| of_grid(grid[axis])).collect();
            lines.sort_by(f64::total_cmp);
            lines.dedup();
            lines
        };
        let (y, x) = (lines(0), lines(1));
        // the middle of a piece tells which cell of a grid it belongs to
        let middles = |lines: &[f64]| {
            let ends: Vec<f64> = [0.0].into_iter().chain(lines.iter().copied()).chain([1.0]).collect();
            ends.windows(2).map(|ends| 0.5 * (ends[0] + ends[1])).collect::<Vec<_>>()
        };
        let (middles_x, middles_y) = (middles(&x), middles(&y));
        let mut cells = Vec::new();
        for &[rows, columns] in &space.cells {
            let factor = 1.0 / ((columns * rows * space.cells.len()) as f32).sqrt();
            for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                let inside = |&(i, j): &(usize, usize)| {
                    (middles_y[i] * rows as f64) as usize == row && (middles_x[j] * columns as f64) as usize == column
                };
                let all = (0..middles_y.len()).flat_map(|i| (0..middles_x.len()).map(move |j| (i, j)));
                let pieces = all.filter(inside).map(|(i, j)| i * middles_x.len() + j).collect();
                cells.push((pieces, factor));
            }
        }
        Cells { x, y, cells }
    }

    pub fn pieces(&self) -> usize {
        (self.x.len() + 1) * (self.y.len() + 1)
    }

    /// The piece that a place lies in.
    pub fn piece(&self, place: &Place, (width, height): (u32, u32)) -> usize {
        let before = |lines: &[f64], at: f32, length: u32| {
            lines.partition_point(|line| *line * f64::from(length) <= f64::from(at))
        };
        before(&self.y, place.y, height) * (self.x.len() + 1) + before(&self.x, place.x, width)
    }

    /// The pieces of each cell with the cell's factor, grid after grid, row after row.
    pub fn cells(&self) -> impl Iterator<Item = (&[usize], f32)> {
        self.cells.iter().map(|(pieces, factor)| (&pieces[..], *factor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_belongs_to_one_cell_of_each_grid() {
        let space = Space { cells: vec![[1, 1], [3, 1], [2, 2], [4, 4]], xy: 0.0 };
        let cells = Cells::of(&space);
        assert_eq!(cells.pieces(), 4 * 6);
        let lists: Vec<_> = cells.cells().collect();
        assert_eq!(lists.len(), space.count());
        let mut start = 0;
        for [rows, columns] in space.cells {
            let mut pieces: Vec<usize> =
                lists[start..start + columns * rows].iter().flat_map(|l| l.0.to_vec()).collect();
            pieces.sort_unstable();
            assert_eq!(pieces, (0..24).collect::<Vec<_>>());
            start += columns * rows;
        }
        let squares: f32 = lists.iter().map(|(_, factor)| factor * factor).sum();
        assert!((squares - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_place_on_a_line_belongs_to_what_begins_there() {
        let cells = Cells::of(&Space { cells: vec![[2, 2]], xy: 0.0 });
        let at = |x, y| cells.piece(&Place { x, y, size: 1.0 }, (100, 50));
        assert_eq!([at(0.0, 0.0), at(49.9, 24.9), at(50.0, 0.0), at(0.0, 25.0), at(99.9, 49.9)], [0, 0, 1, 2, 3]);
    }
}
