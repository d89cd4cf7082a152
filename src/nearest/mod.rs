//! Which of many rows of numbers is nearest to another one, without comparing it with all of them.
//! Knows nothing of images or classes: the floors and the search for near-duplicates both look here.
//!
//! Rows of a few numbers stand in a [`Tree`] as they are. Of long rows it holds a [`Projection`]: no two rows are
//! farther apart there than they are, so that what is too far in the tree is too far.

mod projection;
mod tree;

pub use projection::Projection;
pub use tree::Tree;

/// Sum of the squared differences of two rows of one length, one after the other: equal rows are at 0 exactly.
pub fn squares(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}
