//! Nested subsets of training images: what a learning curve is measured on. The fewer are always among the more, every
//! class keeps its share and, of what it has, two images at least; images of one group come in one after the other.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::Dataset;
use super::splits::{Split, Train};

/// Images that a class keeps at least, of those that it has.
const LEAST: usize = 2;

impl Dataset {
    /// Places in `train` for each of the sizes, which ascend; another `draw`, other images. A subset may have a few images
    /// more or less than its size, as classes round their shares.
    pub fn nested(&self, train: &Split<Train>, sizes: &[usize], draw: u64) -> Vec<Vec<usize>> {
        let groups: HashMap<&str, &str> =
            self.manifest.used().filter_map(|row| Some((row.path.as_str(), row.group.as_deref()?))).collect();
        let mut of_class: Vec<Vec<usize>> = vec![Vec::new(); self.splits.classes.len()];
        train.labels().iter().enumerate().for_each(|(place, &class)| of_class[class].push(place));
        for places in &mut of_class {
            places.sort_by_cached_key(|&place| {
                let id = train.images()[place].id.as_str();
                let unit = groups.get(id).copied().unwrap_or(id);
                (order(draw, unit), order(draw, id))
            });
        }
        let all = train.len().max(1);
        let subset = |&size: &usize| {
            let of = |places: &Vec<usize>| {
                let share = (places.len() * size + all / 2) / all;
                places[..share.clamp(LEAST.min(places.len()), places.len())].to_vec()
            };
            let mut subset: Vec<usize> = of_class.iter().flat_map(of).collect();
            subset.sort_unstable();
            subset
        };
        sizes.iter().map(subset).collect()
    }
}

/// A place that only the draw and the name itself decide.
fn order(draw: u64, name: &str) -> [u8; 32] {
    Sha256::digest(format!("curve {draw} {name}").as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::procedural;

    #[test]
    fn subsets_are_nested_and_every_class_keeps_its_share() {
        let set = Dataset::open(&format!("{},classes=4,train=20,val=2,test=2", procedural::NAME), None, 0).unwrap();
        let train = &set.splits.train;
        let subsets = set.nested(train, &[4, 20, 41, 80], 0);
        assert_eq!(subsets.iter().map(Vec::len).collect::<Vec<_>>(), [8, 20, 40, 80], "two of each class at least");
        for (few, more) in subsets.iter().zip(&subsets[1..]) {
            assert!(few.iter().all(|place| more.contains(place)));
        }
        let of_class = |subset: &[usize], class| subset.iter().filter(|&&place| train.labels()[place] == class).count();
        assert!((0..4).all(|class| of_class(&subsets[1], class) == 5));
        assert_eq!(subsets, set.nested(train, &[4, 20, 41, 80], 0));
        assert_ne!(subsets[1], set.nested(train, &[20], 1)[0], "another draw has other images");
    }
}
