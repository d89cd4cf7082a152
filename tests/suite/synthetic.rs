//! Records that nobody measured: what a report is made from, drawn from a small generator so that every run of the
//! tests sees the same.

use std::collections::BTreeMap;
use std::path::Path;

use featbench::record::{
    ArmRecord, AuditRecord, ClassCount, DatasetRecord, Details, Environment, EpochRow, Finding, LabelsRecord,
    NearDuplicate, PredictionRow, PropertyRecord, Records, RunRecord, RunRow, SelectionRow, Status, StepRow, Store,
    SuspectRecord, TimingRow,
};

/// An arm with the accuracies that its runs are to have.
pub struct Arm {
    pub name: &'static str,
    pub family: &'static str,
    pub backbone: &'static str,
    pub native: f64,
    /// `None` where it can't run on a canvas.
    pub canvas: Option<f64>,
    pub ms: f64,
}

/// Stands for the handcrafted arms.
pub const SIFT: Arm =
    Arm { name: "sift-bovw-svm", family: "handcrafted", backbone: "", native: 0.79, canvas: Some(0.58), ms: 13.0 };

/// Three classes, five arms on native images and a canvas, two seeds; one arm failed and one backbone is missing.
pub fn small() -> Records {
    let mut records = empty(&[("circle", 20), ("square", 16), ("triangle", 14)]);
    let orb = Arm { name: "orb-bovw-svm", native: 0.70, canvas: Some(0.38), ms: 6.4, ..SIFT };
    let majority = Arm { name: "majority", family: "floor", backbone: "", native: 0.40, canvas: Some(0.40), ms: 0.02 };
    let metadata = Arm { name: "metadata-1nn", native: 0.79, canvas: None, ms: 0.31, ..majority };
    let resnet = Arm {
        name: "resnet-frozen-svm",
        family: "deep",
        backbone: "resnet18-cntk",
        native: 0.99,
        canvas: Some(0.98),
        ms: 38.0,
    };
    for arm in [&majority, &metadata, &SIFT, &orb, &resnet] {
        measure(&mut records, arm, 2);
    }
    let last = records.runs.iter().position(|run| run.arm == "orb-bovw-svm" && run.canvas == "96").unwrap();
    for run in &mut records.runs[last..last + 2] {
        *run = broken(run.clone(), Status::Failed, "no image has a keypoint on this canvas");
    }
    let absent = Arm { backbone: "resnet50", ..resnet };
    let row = run(&absent, "absent".into(), "native", 0, 0, String::new(), 0.0);
    records.runs.push(broken(
        row,
        Status::Missing,
        "no weights for resnet50: put resnet50.safetensors into --model-dir",
    ));
    records.runs[1].skipped = 1;
    records.dataset.near_duplicate_rmse = Some(10);
    records.dataset.near_duplicates = vec![
        near_duplicate("circle/circle_0003.jpg", "train/circle/circle_0001.jpg", 8.25),
        near_duplicate("square/square_0000.jpg", "val/square/square_0002.jpg", 0.5),
    ];
    records.dataset.near_duplicates[0].change = "mirrored".into();
    records.dataset.near_duplicate_changes = 1;
    records.audit = Some(audit());
    records.dataset.findings = vec![
        finding("small", "test/circle/circle_0003.jpg", "61 × 90 px"),
        finding("unsupported", "train/square/placeholder.gif", "GIF"),
    ];
    records
}

/// Adds the training behind every run of an arm: three epochs of four steps under one cycle.
pub fn train(records: &mut Records, arm: &str) {
    for run in records.runs.iter().filter(|run| run.arm == arm) {
        let (run_id, training) = (&run.run_id, "train");
        let mut noise = Noise::new(run_id);
        let mut loss = |progress: f64| 1.2 * (-2.0 * progress).exp() * (0.8 + 0.4 * noise.next());
        records.details.steps.extend((1..=12).map(|step| {
            let height = 1.0 - (step as f64 - 5.0).abs() / 7.0;
            let (learning_rate, momentum) = (0.01 * height, 0.95 - 0.1 * height);
            StepRow {
                run_id: run_id.clone(),
                training: training.into(),
                step,
                learning_rate,
                momentum,
                effective: learning_rate / (1.0 - momentum),
                loss: loss(step as f64 / 12.0) as f32,
            }
        }));
        records.details.epochs.extend((1..=3).map(|epoch| EpochRow {
            run_id: run_id.clone(),
            training: training.into(),
            epoch,
            steps: 4 * epoch,
            train_loss: loss(epoch as f64 / 3.0),
            train_correct: 10 + 5 * epoch + run.seed as usize,
            train_n: 30,
            val_correct: Some(8 + 3 * epoch - run.seed as usize),
            val_n: 20,
            train_s: 1.5,
            val_s: 0.25,
            chosen: epoch == 3 - run.seed as usize,
            reported: String::new(),
        }));
    }
}

/// Where a run ended that did not end well.
pub fn broken(mut run: RunRow, status: Status, reason: &str) -> RunRow {
    run.status = status;
    run.reason = reason.to_owned();
    (run.n, run.dimension, run.val_accuracy, run.peak_mib) = (0, 0, None, None);
    run.chosen.clear();
    run
}

/// A data set of these classes and numbers of reported images, without any run.
pub fn empty(classes: &[(&str, usize)]) -> Records {
    let count = |(class, test): &(&str, usize)| ClassCount {
        class: (*class).to_owned(),
        train: test / 2 + 3,
        val: test / 3 + 2,
        test: *test,
    };
    Records {
        dataset: DatasetRecord {
            name: "shapes".into(),
            title: "Shapes".into(),
            source: "drawn by the tests".into(),
            remarks: vec!["Image size alone nearly gives the class.".into()],
            manifest_sha256: "5ha256".into(),
            reported_split: "test".into(),
            selection_split: "val".into(),
            canvas_reduce: BTreeMap::from([(96, 64)]),
            counts: classes.iter().map(count).collect(),
            findings: Vec::new(),
            near_duplicate_rmse: None,
            near_duplicates: Vec::new(),
            near_duplicate_changes: 0,
            reading: String::new(),
        },
        arms: BTreeMap::new(),
        experiment: None,
        sweep: None,
        draws: Vec::new(),
        audit: None,
        environments: BTreeMap::from([("e1".into(), environment())]),
        runs: Vec::new(),
        details: Details::default(),
    }
}

/// Writes `records` into `folder`, run by run, as a measurement does, and reads them there.
pub fn record(records: &Records, folder: &Path) -> Records {
    let mut store = Store::open(folder, |_| records.dataset.clone(), records.arms.clone()).unwrap();
    let all = &records.details;
    for run in &records.runs {
        let of_run = |id: &String| run.status == Status::Ok && *id == run.run_id;
        let details = Details {
            predictions: all.predictions.iter().filter(|row| of_run(&row.run_id)).cloned().collect(),
            timings: all.timings.iter().filter(|row| of_run(&row.run_id)).cloned().collect(),
            selection: all.selection.iter().filter(|row| of_run(&row.run_id)).cloned().collect(),
            steps: all.steps.iter().filter(|row| of_run(&row.run_id)).cloned().collect(),
            epochs: all.epochs.iter().filter(|row| of_run(&row.run_id)).cloned().collect(),
            learning: all.learning.iter().filter(|row| of_run(&row.run_id)).cloned().collect(),
        };
        let record = RunRecord { run: run.clone(), details };
        store.add(record, records.environments["e1"].clone()).unwrap();
    }
    Store::merge(folder).unwrap();
    Records::read(folder).unwrap()
}

/// Adds what a measurement of `arm` would have recorded: native images and a canvas of 96 px, each seed.
pub fn measure(records: &mut Records, arm: &Arm, seeds: u64) {
    let record = ArmRecord {
        family: arm.family.into(),
        title: format!("The {} of the tests", arm.name),
        expectation: "Better than the floors, since it sees the image.".into(),
        analysis: "As expected: `words` matter less than the canvas.".into(),
        settings: format!("family = \"{}\"\n\n[features]\nwords = 500\n", arm.family),
    };
    records.arms.insert(arm.name.into(), record);
    for (canvas, accuracy) in [("native", Some(arm.native)), ("96", arm.canvas)] {
        for seed in 0..if arm.family == "floor" { 1 } else { seeds } {
            if let Some(accuracy) = accuracy {
                measure_one(records, arm, canvas, accuracy, seed);
            }
        }
    }
}

fn measure_one(records: &mut Records, arm: &Arm, canvas: &str, accuracy: f64, seed: u64) {
    let run_id = format!("{}-{}-{canvas}-{seed}", arm.name, arm.backbone);
    let mut noise = Noise::new(&run_id);
    // Hard images are hard for all arms: what they share is what makes paired tests worth having.
    let mut difficulty = Noise::new("difficulty");
    let classes = records.dataset.counts.clone();
    let mut n = 0;
    for (truth, class) in classes.iter().enumerate() {
        for image in 0..class.test {
            let hard = 0.7 * difficulty.next() + 0.3 * noise.next();
            let wrong =
                (truth + 1 + (noise.next() * noise.next() * (classes.len() - 1) as f64) as usize) % classes.len();
            let predicted = if hard < quantile_of_difficulty(accuracy) { truth } else { wrong };
            let scores =
                (0..classes.len()).map(|c| if c == predicted { 0.5 + noise.next() } else { 0.4 * noise.next() });
            records.details.predictions.push(PredictionRow {
                run_id: run_id.clone(),
                image: format!("test/{}/{}_{image:04}.jpg", class.class, class.class),
                truth: class.class.clone(),
                predicted: classes[predicted].class.clone(),
                scores: if arm.family == "floor" {
                    String::new()
                } else {
                    scores.map(|s| format!("{s:.5}")).collect::<Vec<_>>().join(" ")
                },
            });
            n += 1;
        }
    }
    for sample in 0..40 {
        for (stage, share) in [("extract", 0.98), ("classify", 0.02)] {
            let milliseconds = arm.ms * share * (0.9 + 0.3 * noise.next().powi(3));
            let (scenario, stage, run_id) = ("single".into(), stage.into(), run_id.clone());
            records.details.timings.push(TimingRow { run_id, scenario, stage, sample, images: 1, milliseconds });
        }
    }
    let milliseconds = arm.ms * n as f64 / 1.8;
    let (scenario, stage) = ("offline".into(), "total".into());
    records.details.timings.push(TimingRow {
        run_id: run_id.clone(),
        scenario,
        stage,
        sample: 0,
        images: n,
        milliseconds,
    });
    let chosen = if arm.family == "floor" { String::new() } else { candidates(records, &run_id, accuracy, &mut noise) };
    records.runs.push(run(arm, run_id, canvas, seed, n, chosen, accuracy));
}

/// Of the mix of two uniform numbers that says how hard an image is, the share `accuracy` lies below this.
fn quantile_of_difficulty(accuracy: f64) -> f64 {
    // Mass of 0.7 U + 0.3 V: trapezium with corners 0, 0.3, 0.7, 1.
    let corner = 0.3 / 1.4;
    match accuracy {
        a if a < corner => (0.42 * a).sqrt(),
        a if a > 1.0 - corner => 1.0 - (0.42 * (1.0 - a)).sqrt(),
        a => 0.3 + (a - corner) * 0.7,
    }
}

fn candidates(records: &mut Records, run_id: &str, accuracy: f64, noise: &mut Noise) -> String {
    let n = 200;
    let tried: Vec<usize> = (0..6).map(|_| ((accuracy - 0.08 * noise.next()) * n as f64) as usize).collect();
    let best = (0..tried.len()).rev().max_by_key(|&i| tried[i]).unwrap();
    let settings = |i: usize| format!("words={} c={}", [250, 500][i % 2], ["0.1", "1", "10"][i / 2]);
    for (candidate, &correct) in tried.iter().enumerate() {
        let (run_id, settings, chosen) = (run_id.to_owned(), settings(candidate), candidate == best);
        records.details.selection.push(SelectionRow { run_id, candidate, settings, correct, n, chosen });
    }
    settings(best)
}

pub fn run(arm: &Arm, run_id: String, canvas: &str, seed: u64, n: usize, chosen: String, accuracy: f64) -> RunRow {
    RunRow {
        run_id,
        dataset: "shapes".into(),
        arm: arm.name.into(),
        family: arm.family.into(),
        backbone: arm.backbone.into(),
        input_px: (!arm.backbone.is_empty()).then_some(224),
        canvas: canvas.into(),
        seed,
        form: String::new(),
        epochs: None,
        protocol: "last".into(),
        refit: "train".into(),
        settings_hash: "5e771465".into(),
        environment_id: "e1".into(),
        split: "test".into(),
        status: Status::Ok,
        reason: String::new(),
        n,
        skipped: 0,
        without_keypoints: (arm.family == "handcrafted").then_some(seed as usize),
        dimension: if arm.family == "floor" { 3 } else { 500 },
        val_accuracy: (!chosen.is_empty()).then_some(accuracy - 0.01),
        chosen,
        temperature: None,
        thresholds: String::new(),
        select_s: 4.2,
        fit_s: 0.84,
        gap: None,
        peak_mib: Some(812.5),
        parameters: None,
        multiply_adds: None,
        file_bytes: None,
        image_mib: None,
        joules: None,
        threads: 2,
        network: String::new(),
        device: "cpu".into(),
    }
}

pub fn finding(kind: &str, what: &str, detail: &str) -> Finding {
    Finding { kind: kind.into(), what: what.into(), detail: detail.into() }
}

/// Size is a shortcut, brightness none, and two labels look wrong, one of them reported.
fn audit() -> AuditRecord {
    let property = |name: &str, values, correct| PropertyRecord { name: name.into(), values, correct };
    let suspect = |image: &str, label: &str, looks_like: &str, margin| {
        let role = image.split('/').next().unwrap().into();
        SuspectRecord { image: image.into(), role, label: label.into(), looks_like: looks_like.into(), margin }
    };
    AuditRecord {
        version: 1,
        images: 50,
        majority: 20,
        properties: vec![property("size in pixels", 61, 39), property("brightness", 90, 22), property("camera", 1, 20)],
        labels: Some(LabelsRecord {
            run_id: "r".into(),
            arm: "resnet-frozen-svm".into(),
            val_accuracy: 0.98,
            folds: 5,
            images: 90,
            correct: 87,
            reported: 50,
            suspects: vec![
                suspect("train/circle/circle_0007.jpg", "circle", "square", 2.75),
                suspect("test/square/square_0001.jpg", "square", "triangle", 1.5),
            ],
        }),
    }
}

fn near_duplicate(image: &str, other: &str, rmse: f64) -> NearDuplicate {
    let role = other.split('/').next().unwrap();
    let (other, other_role, change) = (other.into(), role.into(), String::new());
    NearDuplicate { image: format!("test/{image}"), other, other_role, rmse, change }
}

fn environment() -> Environment {
    Environment {
        commit: "0123456789ab".into(),
        dirty: true,
        featbench: "0.1.0".into(),
        rustc: "1.95.0".into(),
        profile: "release".into(),
        opencv: "4.6.0".into(),
        onnxruntime: "1.32.0".into(),
        providers: vec!["CPUExecutionProvider (intra-op threads 1)".into()],
        os: "Linux".into(),
        cpu: "A processor of the tests".into(),
        cores: 2,
        memory_mib: 7936,
        gpu: String::new(),
    }
}

/// A stream of numbers in [0, 1) that depends on nothing but its name (splitmix64).
struct Noise(u64);

impl Noise {
    fn new(name: &str) -> Noise {
        Noise(
            name.bytes()
                .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)),
        )
    }

    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
