//! A k-d tree: rows in halves of halves, each half with the box around its rows. A search opens the nearest box first
//! and ends when the next is too far, which is exact, or after so many rows, which is not.
//!
//! Bentley, Multidimensional binary search trees used for associative searching, 1975; the order of the search is the
//! best-bin-first of Beis and Lowe, Shape indexing using approximate nearest-neighbour search, 1997.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::ops::Range;

/// Rows of a half that is not halved again; they are compared side by side.
const LEAF: usize = 16;

/// Rows of equal length, ordered for searching.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    dimension: usize,
    /// Leaf by leaf, the values of each dimension side by side; the last leaf is filled up with rows that are nowhere.
    points: Vec<[f32; LEAF]>,
    /// The number that each row came with, leaf by leaf.
    rows: Vec<usize>,
    /// A node stands before its halves, the first of which follows it.
    nodes: Vec<Node>,
    /// Smallest and then largest value of each dimension, node by node.
    boxes: Vec<f32>,
}

#[derive(Debug, Clone, PartialEq)]
struct Node {
    rows: Range<usize>,
    /// The second half; `None` in a leaf.
    second: Option<usize>,
}

/// A node to be opened, with what its rows are away at least.
#[derive(PartialEq)]
struct Bin {
    bound: f32,
    node: usize,
}

impl Eq for Bin {}

impl Ord for Bin {
    fn cmp(&self, other: &Bin) -> Ordering {
        self.bound.total_cmp(&other.bound).then(self.node.cmp(&other.node))
    }
}

impl PartialOrd for Bin {
    fn partial_cmp(&self, other: &Bin) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Tree {
    /// `points` are the rows under each other, `dimension` values each (at least one).
    pub fn new(points: Vec<f32>, dimension: usize) -> Tree {
        let mut order: Vec<usize> = (0..points.len() / dimension).collect();
        let mut tree = Tree { dimension, points: Vec::new(), rows: Vec::new(), nodes: Vec::new(), boxes: Vec::new() };
        if !order.is_empty() {
            tree.grow(&points, &mut order, 0);
        }
        for leaf in order.chunks(LEAF) {
            tree.points.extend((0..dimension).map(|i| {
                std::array::from_fn(|place| leaf.get(place).map_or(f32::INFINITY, |row| points[row * dimension + i]))
            }));
        }
        tree.rows = order;
        tree
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds the node of the rows in `order`, which begin at `start` of all, and those below it.
    fn grow(&mut self, points: &[f32], order: &mut [usize], start: usize) {
        let node = self.nodes.len();
        self.nodes.push(Node { rows: start..start + order.len(), second: None });
        let value = |row: usize, dimension: usize| points[row * self.dimension + dimension];
        let ends = |dimension: usize| {
            let widen = |(low, high): (f32, f32), &row: &usize| {
                (low.min(value(row, dimension)), high.max(value(row, dimension)))
            };
            order.iter().fold((f32::INFINITY, f32::NEG_INFINITY), widen)
        };
        let ends: Vec<(f32, f32)> = (0..self.dimension).map(ends).collect();
        self.boxes.extend(ends.iter().map(|(low, _)| low).chain(ends.iter().map(|(_, high)| high)));
        if order.len() <= LEAF {
            // The same order whatever the halving left.
            order.sort_unstable();
            return;
        }
        let width = |dimension: usize| ends[dimension].1 - ends[dimension].0;
        let widest = (0..self.dimension).fold(0, |best, other| if width(other) > width(best) { other } else { best });
        // Whole leaves, so that each begins at a multiple of its size.
        let half = (order.len() / 2).next_multiple_of(LEAF);
        order.select_nth_unstable_by(half, |a, b| value(*a, widest).total_cmp(&value(*b, widest)).then(a.cmp(b)));
        let (first, second) = order.split_at_mut(half);
        self.grow(points, first, start);
        self.nodes[node].second = Some(self.nodes.len());
        self.grow(points, second, start + half);
    }

    /// Calls `look(row, squares)` for rows whose squared distance to `query` is below a limit, which is `limit` at first
    /// and then what the last call said. Boxes are opened from the nearest on, until none is below the limit or `most`
    /// rows were compared; equal rows of one tree always come in the same order.
    ///
    /// A box is never farther than a row in it, to the last bit: both sums run over the dimensions in their order.
    pub fn search(&self, query: &[f32], limit: f32, most: usize, mut look: impl FnMut(usize, f32) -> f32) {
        let (mut limit, mut compared) = (limit, 0);
        let mut bins = BinaryHeap::new();
        if !self.is_empty() {
            bins.push(Reverse(self.bin(0, query)));
        }
        while let Some(Reverse(mut bin)) = bins.pop() {
            if bin.bound >= limit || compared >= most {
                return;
            }
            while let Some(second) = self.nodes[bin.node].second {
                let (first, second) = (self.bin(bin.node + 1, query), self.bin(second, query));
                let (near, far) = if second < first { (second, first) } else { (first, second) };
                if far.bound < limit {
                    bins.push(Reverse(far));
                }
                bin = near;
            }
            let rows = &self.rows[self.nodes[bin.node].rows.clone()];
            for (&row, distance) in rows.iter().zip(self.squares(bin.node, query)) {
                if distance < limit {
                    limit = look(row, distance);
                }
            }
            compared += rows.len();
        }
    }

    /// Of every row of a leaf, each summed over the dimensions in their order.
    fn squares(&self, leaf: usize, query: &[f32]) -> [f32; LEAF] {
        let mut sums = [0.0; LEAF];
        let points = &self.points[self.nodes[leaf].rows.start / LEAF * self.dimension..];
        for (value, others) in query.iter().zip(points) {
            sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += (value - other) * (value - other));
        }
        sums
    }

    fn bin(&self, node: usize, query: &[f32]) -> Bin {
        let (low, high) = self.boxes[2 * node * self.dimension..][..2 * self.dimension].split_at(self.dimension);
        let outside = |((&value, &low), &high): ((&f32, &f32), &f32)| {
            let away = if value < low { low - value } else { (value - high).max(0.0) };
            away * away
        };
        Bin { bound: query.iter().zip(low).zip(high).map(outside).sum(), node }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::nearest::squares;

    /// The nearest row and its squared distance, the first of equals.
    fn nearest(tree: &Tree, query: &[f32], most: usize) -> Option<(f32, usize)> {
        let mut best: Option<(f32, usize)> = None;
        tree.search(query, f32::INFINITY, most, |row, distance| {
            best =
                Some(best.map_or((distance, row), |best| if (distance, row) < best { (distance, row) } else { best }));
            // equals are looked at
            best.map_or(f32::INFINITY, |(distance, _)| distance.next_up())
        });
        best
    }

    fn by_comparing_all(points: &[f32], dimension: usize, query: &[f32]) -> Option<(f32, usize)> {
        let rows = points.chunks_exact(dimension).map(|row| squares(query, row)).enumerate();
        rows.fold(
            None,
            |best: Option<(f32, usize)>, (row, distance)| {
                if best.is_none_or(|(least, _)| distance < least) { Some((distance, row)) } else { best }
            },
        )
    }

    /// Rows of small whole numbers, so that many are equal and many equally far, or of any.
    fn drawn() -> impl Strategy<Value = (usize, Vec<f32>, Vec<f32>)> {
        let value = prop_oneof![(0..4_i8).prop_map(f32::from), -1e3_f32..1e3];
        (1_usize..6, 0_usize..200).prop_flat_map(move |(dimension, n)| {
            let rows = prop::collection::vec(value.clone(), n * dimension);
            (Just(dimension), rows, prop::collection::vec(value.clone(), dimension))
        })
    }

    proptest! {
        #[test]
        fn the_nearest_is_that_of_comparing_all((dimension, points, query) in drawn()) {
            let tree = Tree::new(points.clone(), dimension);
            prop_assert_eq!(nearest(&tree, &query, usize::MAX), by_comparing_all(&points, dimension, &query));
        }

        #[test]
        fn every_row_below_the_limit_is_looked_at_once((dimension, points, query) in drawn(), limit in 0.0_f32..20.0) {
            let mut found = Vec::new();
            let tree = Tree::new(points.clone(), dimension);
            tree.search(&query, limit, usize::MAX, |row, distance| {
                found.push((row, distance));
                limit
            });
            found.sort_by_key(|(row, _)| *row);
            let all = points.chunks_exact(dimension).map(|row| squares(&query, row)).enumerate();
            prop_assert_eq!(found, all.filter(|(_, distance)| *distance < limit).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_bound_of_rows_ends_the_search_with_the_best_so_far() {
        let points: Vec<f32> = (0..1000).map(|i| (i * 7919 % 1000) as f32).collect();
        let tree = Tree::new(points, 1);
        let mut seen = 0;
        let limit = f32::INFINITY;
        tree.search(&[500.2], limit, 40, |_, _| {
            seen += 1;
            limit
        });
        assert!((40..40 + LEAF).contains(&seen), "{seen}");
        // the nearest box comes first, so that few rows are enough
        assert_eq!(nearest(&tree, &[500.2], 1), nearest(&tree, &[500.2], usize::MAX));
    }

    #[test]
    fn ten_thousand_equal_rows_are_one_look() {
        let tree = Tree::new(vec![3.0; 20_000], 2);
        let mut looks = 0;
        tree.search(&[3.0, 3.0], f32::INFINITY, usize::MAX, |_, distance| {
            looks += 1;
            distance
        });
        assert_eq!(looks, 1);
    }
}
