//! The search for weights, where val is a formula.

use super::*;

fn fusion() -> Fusion {
    let member = |name: &str| {
        format!(
            "[[member]]\nname = \"{name}\"\nfeatures = {{ kind = \"centrist\", scales = [{{ reduce = 1, cells = [[1, 1]] \
             }}] }}\n"
        )
    };
    let members: String = ["a", "b", "c"].map(member).concat();
    toml::from_str(&format!("weights = [0.25, 0.5, 1.0]\n{members}")).unwrap()
}

/// What the search judged, in its order, where so many images are right with these weights of a, b and c.
fn judged(correct: impl Fn([f64; 3]) -> usize) -> Vec<(String, usize)> {
    let mut judged = Vec::new();
    let mut judge = |choice: &Choice| {
        let weight = |name: &str| {
            let pairs = choice.describe().split(' ').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(member, _)| *member == name).map(|(_, weight)| weight.parse::<f64>().unwrap()).sum::<f64>()
        };
        let correct = correct(["a", "b", "c"].map(weight));
        judged.push((choice.describe().to_owned(), correct));
        Ok(correct)
    };
    fusion().search(&mut judge).unwrap();
    judged
}

#[test]
fn the_search_finds_weights_and_judges_them_without_each_member() {
    // best: half of a, all of b, nothing of c
    let all = judged(|[a, b, c]| (100.0 * (b - (a - 0.5).powi(2) - 0.5 * c)).max(0.0) as usize);
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    let first = ["a=1", "b=1", "c=1", "a=0.5 b=1 c=0.5", "a=0.25 b=1 c=0.25", "a=1 b=1 c=1"];
    let mut sorted = names[..6].to_vec();
    sorted[3..].sort_unstable();
    let mut expected = first.to_vec();
    expected[3..].sort_unstable();
    assert_eq!((names[3], sorted), ("a=0.5 b=1 c=0.5", expected), "each alone, then all, the middle weight first");
    let best = all.iter().max_by_key(|(_, correct)| *correct).unwrap();
    assert_eq!(best.0, "a=0.5 b=1");
    assert!(["b=1", "a=0.5"].iter().all(|without| names.contains(without)));
    let mut once = names.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), names.len(), "none is judged twice");
}

#[test]
fn the_first_of_equal_weights_stays() {
    let all = judged(|_| 7);
    assert_eq!(all[3].0, "a=1 b=0.5 c=0.5");
    // each alone, three weights beside the first, and what lies around the first of these
    assert_eq!(all.len(), 3 + 3 + 8);
}
