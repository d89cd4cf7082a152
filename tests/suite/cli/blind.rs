//! Nothing looks at the labels of reported images: with others, no setting and no weight moves.

use super::data::{CLASSES, encode, texture};
use super::{Place, Row};

/// Training, val and reported pictures, by their numbers.
const PARTS: [(&str, std::ops::Range<u32>); 3] = [("train", 0..6), ("val", 6..10), ("test", 10..14)];

/// Words of keypoints, colours, and dense descriptors as Fisher vectors, one of them or more, by weights.
const FUSION: &str = r#"
name = "small-fusion"
family = "handcrafted"
title = "A little of everything"
expectation = "Enough to have weights."

[features]
kind = "fusion"
weights = [0.25, 0.5, 1.0]

[[features.member]]
name = "words"
[features.member.features]
kind = "local"
sample = 2000
descriptor = { kind = "root-sift", max_keypoints = 60 }
codebook = [{ kind = "k-means", words = [10] }]

[[features.member]]
name = "fisher"
[features.member.features]
kind = "local"
sample = 2000
encoding = "fisher"
descriptor = { kind = "dense-sift", grids = [{ shorter = 0, sizes = [4], step = 8 }] }
reduce = { pca = 2 }
codebook = [{ kind = "gaussian-mixture", components = [1] }]

[[features.member]]
name = "colours"
[features.member.features]
kind = "colour-histogram"
bins = [[4, 2, 2]]
cells = [[1, 1]]

[classifier]
kind = "svm"
scale = "none"
loss = "squared-hinge"
linear_c = [0.3, 1.0, 3.0]
"#;

impl Place {
    /// `FOLDER/PART/CLASS/CLASS-NUMBER.png`; reported pictures lie in the folder of the class that is so much further on.
    pub(super) fn draw_parts(&self, folder: &str, further: usize) {
        for (part, numbers) in PARTS {
            for (i, class) in CLASSES.iter().enumerate() {
                let label = if part == "test" { CLASSES[(i + further) % CLASSES.len()] } else { class };
                for number in numbers.clone() {
                    let file = format!("{folder}/{part}/{label}/{class}-{number}.png");
                    self.write(&file, encode(&texture(class, number), ".png"));
                }
            }
        }
    }

    /// The rows of a record, as they are written, without these columns.
    fn without(&self, inside: &str, columns: &[&str]) -> Vec<String> {
        let strip = |mut row: Row| {
            columns.iter().for_each(|&column| drop(row.remove(column).expect("the column is there")));
            format!("{row:?}")
        };
        self.rows(inside).into_iter().map(strip).collect()
    }

    /// What every reported picture was taken for, by file; and how many rightly.
    fn predicted(&self, inside: &str) -> (Vec<(String, String, String)>, usize) {
        let rows = self.rows(inside);
        let right = rows.iter().filter(|row| row["truth"] == row["predicted"]).count();
        let file = |row: &Row| row["image"].rsplit('/').next().unwrap().to_owned();
        let arms = self.rows(&inside.replace("predictions", "runs"));
        let arm = |row: &Row| arms.iter().find(|run| run["run_id"] == row["run_id"]).unwrap()["arm"].clone();
        let mut predicted: Vec<_> = rows.iter().map(|row| (arm(row), file(row), row["predicted"].clone())).collect();
        predicted.sort();
        (predicted, right)
    }
}

#[test]
fn other_reported_labels_move_no_setting_and_no_weight() {
    let place = Place::empty();
    place.write("small-fusion.toml", FUSION);
    let mut margins = Vec::new();
    for (folder, further) in [("right", 0), ("wrong", 1)] {
        place.draw_parts(folder, further);
        let arms = "small-sift.toml,small-orb.toml,small-fusion.toml";
        place.run(&format!("measure --dataset {folder} --arms {arms} --out out")).with(0);
        for arm in ["small-sift", "small-fusion"] {
            let file = format!("{folder}-{arm}.featbench");
            place.run(&format!("export --arm {arm}.toml --dataset {folder} -o {file}")).with(0);
            // the same pictures for both
            let classified = place.run(&format!("classify {file} right/test --top 3 --csv")).with(0);
            margins.push((arm, classified.stdout));
        }
        // nothing of one may come from the other
        place.run("cache --clear").with(0);
    }
    let selection = |folder: &str| place.without(&format!("out/{folder}/selection.csv"), &["run_id"]);
    assert_eq!(selection("right"), selection("wrong"));
    let fused = selection("right").into_iter().filter(|row| row.contains("words=") && row.contains("fisher="));
    assert!(fused.count() > 1, "weights were tried");
    let chosen = |folder: &str| -> Vec<(String, String)> {
        place
            .rows(&format!("out/{folder}/runs.csv"))
            .into_iter()
            .map(|row| (row["arm"].clone(), row["chosen"].clone()))
            .collect()
    };
    assert_eq!(chosen("right"), chosen("wrong"));
    let (right, of_right) = place.predicted("out/right/predictions.csv");
    let (wrong, of_wrong) = place.predicted("out/wrong/predictions.csv");
    assert_eq!(right, wrong);
    assert!(of_right > 24 && of_wrong < 12, "the labels were others: {of_right} and {of_wrong} of 36 are right");
    assert_eq!(margins[..2], margins[2..]);
}
