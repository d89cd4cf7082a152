//! The arms that the binary carries: their files, and of each what whoever reads records has to know of those that did
//! not run. What an arm does is read elsewhere.

use std::sync::LazyLock;

use crate::record::Family;

/// Their files, in the order of the tables.
pub const ARMS: [&str; 32] = [
    include_str!("../arms/majority.toml"),
    include_str!("../arms/metadata-1nn.toml"),
    include_str!("../arms/thumbnail-1nn.toml"),
    include_str!("../arms/sift-bovw-svm.toml"),
    include_str!("../arms/orb-bovw-svm.toml"),
    include_str!("../arms/akaze-bovw-svm.toml"),
    include_str!("../arms/kaze-bovw-svm.toml"),
    include_str!("../arms/surf-bovw-svm.toml"),
    include_str!("../arms/brisk-bovw-svm.toml"),
    include_str!("../arms/brief-bovw-svm.toml"),
    include_str!("../arms/colour-histogram-svm.toml"),
    include_str!("../arms/centrist-svm.toml"),
    include_str!("../arms/lbp-svm.toml"),
    include_str!("../arms/hog-svm.toml"),
    include_str!("../arms/gist-svm.toml"),
    include_str!("../arms/dense-sift-bovw-pyramid-svm.toml"),
    include_str!("../arms/dense-sift-vlad-svm.toml"),
    include_str!("../arms/dense-sift-fisher-svm.toml"),
    include_str!("../arms/colour-sift-fisher-svm.toml"),
    include_str!("../arms/patch-fisher-svm.toml"),
    include_str!("../arms/colour-statistics-fisher-svm.toml"),
    include_str!("../arms/handcrafted-fast.toml"),
    include_str!("../arms/handcrafted-best.toml"),
    include_str!("../arms/resnet-frozen-svm.toml"),
    include_str!("../arms/resnet-frozen-softmax.toml"),
    include_str!("../arms/resnet-finetuned-1cycle.toml"),
    include_str!("../arms/resnet-finetuned-1cycle-svm.toml"),
    include_str!("../arms/resnet-finetuned-probe-1cycle.toml"),
    include_str!("../arms/resnet-finetuned-step.toml"),
    include_str!("../arms/resnet-finetuned-adam-step.toml"),
    include_str!("../arms/resnet-head-only.toml"),
    include_str!("../arms/resnet-scratch.toml"),
];

/// An arm's name and family.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Known {
    pub name: String,
    pub family: Family,
}

/// All of them, in the order of the tables.
pub fn known() -> &'static [Known] {
    static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
        let known = |text: &&str| toml::from_str(text).expect("a test reads every embedded arm");
        ARMS.iter().map(known).collect()
    });
    &KNOWN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_arm_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<&str> = known().iter().map(|arm| arm.name.as_str()).collect();
        assert_eq!(names.len(), ARMS.len());
    }
}
