//! The page of a sweep, and what it says of a sweep of other images.

use featbench::record::{
    FactorRecord, LevelRecord, PredictionRow, Records, Status, SweepComparison, SweepQuestion, SweepRecord,
};
use featbench::report::{self, Question};

use crate::synthetic::{Arm, SIFT, broken, empty, run};

/// A sweep of blur over three levels and three seeds; of 100 images, so many are right at each level.
pub fn blurred(title: &str, sift: [usize; 3], resnet: [usize; 3]) -> Records {
    let mut records = empty(&[("circle", 50), ("square", 50)]);
    records.dataset.name = title.to_lowercase();
    let frozen = Arm {
        name: "resnet-frozen-svm",
        family: "deep",
        backbone: "resnet18-cntk",
        native: 0.9,
        canvas: None,
        ms: 38.0,
    };
    let (levels, seeds) = ([0.0, 2.0, 8.0], [0, 1, 2]);
    let dataset = |level: f64, seed: u64| format!("{title};blur={level};draw={seed}");
    for (i, level) in levels.into_iter().enumerate() {
        for (arm, right) in [(&SIFT, sift[i]), (&frozen, resnet[i])] {
            for seed in seeds {
                let run_id = format!("{}-{level}-{seed}", arm.name);
                let row = run(arm, run_id.clone(), "native", seed, 100, String::new(), 0.0);
                records.runs.push(featbench::record::RunRow { dataset: dataset(level, seed), ..row });
                records.details.predictions.extend((0..100).map(|image| PredictionRow {
                    run_id: run_id.clone(),
                    image: format!("test/circle/{image:04}.jpg"),
                    truth: "circle".into(),
                    predicted: if image < right + seed as usize { "circle" } else { "square" }.into(),
                    scores: String::new(),
                }));
            }
        }
    }
    let level =
        |value| LevelRecord { value, classes: 2, datasets: seeds.iter().map(|&seed| dataset(value, seed)).collect() };
    records.sweep = Some(SweepRecord {
        title: title.into(),
        form: String::new(),
        image_steps: None,
        seeds: seeds.to_vec(),
        command: "featbench sweep".into(),
        comparisons: vec![SweepComparison {
            first: SIFT.name.into(),
            second: frozen.name.into(),
            question: SweepQuestion::Suffers,
        }],
        factors: vec![FactorRecord {
            name: "blur".into(),
            title: "blur of reported images".into(),
            levels: levels.map(level).to_vec(),
        }],
    });
    records
}

fn page(records: &Records, others: &[Records]) -> String {
    let files = report::files(records, others, &Question::default()).unwrap();
    String::from_utf8(files.into_iter().find(|file| file.path == "report.md").unwrap().bytes).unwrap()
}

#[test]
fn a_page_says_where_other_images_disagree() {
    let drawn = blurred("Drawn", [90, 60, 55], [95, 90, 85]);
    let alone = page(&drawn, &[]);
    assert!(alone.contains("Blur of reported images, from 0 to 8: the handcrafted arm suffers more."), "{alone}");
    assert!(!alone.contains("What is missing"), "{alone}");
    assert!(!alone.contains("other images") && !alone.contains("disagree"), "{alone}");

    let photographed = blurred("Photographed", [90, 88, 86], [95, 60, 55]);
    let both = page(&drawn, &[photographed]);
    let first = both.lines().find(|line| line.starts_with("- ")).unwrap();
    assert_eq!(
        first,
        "- Blur of reported images: these images and those of `photographed` disagree on `sift-bovw-svm` and \
         `resnet-frozen-svm`. Here the handcrafted arm suffers more, there the deep arm suffers more."
    );
    assert!(both.contains("| `photographed` ") && both.contains("| disagree "), "{both}");

    let alike = blurred("Photographed", [90, 61, 54], [95, 91, 86]);
    let both = page(&drawn, &[alike]);
    assert!(both.contains("| agree ") && !both.contains("disagree"), "{both}");
    let another_form = page(&drawn, &[blurred("Drawn", [90, 88, 86], [95, 60, 55])]);
    assert_eq!(another_form, alone, "only other images are compared");
}

/// Levels that only one sweep has do not count where two are compared.
#[test]
fn sweeps_are_compared_on_the_levels_that_both_have() {
    let drawn = blurred("Drawn", [90, 60, 55], [95, 90, 85]);
    let mut short = blurred("Photographed", [90, 60, 55], [95, 90, 85]);
    let levels = &mut short.sweep.as_mut().unwrap().factors[0].levels;
    levels.remove(1);
    let both = page(&drawn, &[short]);
    let row = both.lines().find(|line| line.starts_with("| blur ")).unwrap();
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    assert_eq!((cells[2], cells[4]), ("0, 8", cells[6]), "{row}");
}

#[test]
fn what_could_not_be_measured_is_listed_with_its_reason() {
    let mut drawn = blurred("Drawn", [90, 60, 55], [95, 90, 85]);
    let last = drawn.runs.len() - 1;
    drawn.runs[last] = broken(drawn.runs[last].clone(), Status::Failed, "no space left");
    let page = page(&drawn, &[]);
    assert!(page.contains("## What is missing and why") && page.contains("| no space left |"), "{page}");
}

#[test]
fn a_page_says_where_no_keypoint_is_left() {
    let mut records = blurred("Drawn", [90, 60, 55], [95, 90, 85]);
    assert!(!page(&records, &[]).contains("no keypoint left"));
    let flat = |run: &&mut featbench::record::RunRow| run.arm == SIFT.name && run.dataset.contains("blur=8");
    records.runs.iter_mut().filter(flat).for_each(|run| run.without_keypoints = Some(99));
    let page = page(&records, &[]);
    assert!(
        page.contains("most images have no keypoint left: `sift-bovw-svm` finds none in 297 of 300 at 8."),
        "{page}"
    );
}

#[test]
fn an_arm_that_starts_near_chance_is_compared_with_none() {
    let page = page(&blurred("Drawn", [55, 50, 50], [95, 90, 85]), &[]);
    assert!(
        page.contains("Nothing can be said yet") && page.contains("`sift-bovw-svm` and `resnet-frozen-svm`"),
        "{page}"
    );
}
