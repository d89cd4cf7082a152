//! What every method must hold, tried on every arm that the binary carries: a new one is tested the moment it is listed.
//! Which checks apply follows from what an arm needs. Networks see small pictures and are trained for a moment.

use std::path::Path;
use std::sync::Arc;

use featbench::dataset::{Dataset, ImageFile, Refit};
use featbench::deep::exported::Exported;
use featbench::deep::session::Device;
use featbench::features::{Choice, Encoded, Evidence, Features, FoundBackbone, Lessons, Map, Resources, read};
use featbench::finetune::settings::{Keep, Settings};
use featbench::image::encode::encode_png;
use featbench::image::{Canvas, Rgb, decode_rgb};
use featbench::measure::plan::{Asked, Planned, Request, plan};
use featbench::measure::portable::Portable;
use featbench::measure::{export, run};
use featbench::protocol::arm::Arm;
use featbench::record::{RunRecord, Status};
use featbench::stage::cache::Cache;
use featbench::stage::parallel;
use featbench::stage::progress::Progress;
use featbench::stage::stopwatch::Stopwatch;
use ndarray::{Array2, concatenate};

const INPUT: u32 = 32;

/// Words, Gaussians and descriptors that are enough for twelve images.
const WORDS: i64 = 6;
const SAMPLE: i64 = 400;

/// Every embedded arm, trainings as short as a schedule allows and vocabularies small.
fn arms() -> Vec<Arm> {
    let short = |training: &Settings| Settings { batch: 3, input: None, ..training.in_epochs(3) };
    Arm::embedded().unwrap().iter().map(|arm| small(&arm.retrained(short))).collect()
}

fn small(arm: &Arm) -> Arm {
    fn shrink(name: &str, value: &mut toml::Value) {
        match value {
            toml::Value::Integer(sample) if name == "sample" => *sample = SAMPLE,
            // as many candidates as before, and no two alike
            toml::Value::Array(sizes) if ["words", "components"].contains(&name) => {
                (0..).zip(sizes).for_each(|(i, size)| *size = toml::Value::Integer(WORDS + i));
            }
            toml::Value::Array(values) => values.iter_mut().for_each(|value| shrink("", value)),
            toml::Value::Table(table) => table.iter_mut().for_each(|(name, value)| shrink(name, value)),
            _ => {}
        }
    }
    let mut whole = toml::Value::try_from(arm).unwrap();
    shrink("", &mut whole["features"]);
    Arm::parse(&toml::to_string(&whole).unwrap(), "a small arm").unwrap()
}

/// Checks every such arm, the slow trainings first, in plain threads: in rayon's own pool a thread that waits for one arm
/// would begin another one and come back late.
fn check_each(chosen: impl Fn(&Arm) -> bool, check: impl Fn(&Arm) + Sync) {
    let mut arms: Vec<Arm> = arms().into_iter().filter(chosen).collect();
    arms.sort_by_key(untrained);
    let threads = std::thread::available_parallelism().map_or(2, |threads| threads.get());
    let one = |(): &mut (), i: usize| {
        check(&arms[i]);
        Ok(())
    };
    parallel::in_chunks(arms.len(), threads, || Ok(()), one).unwrap();
}

fn any(_: &Arm) -> bool {
    true
}

fn untrained(arm: &Arm) -> bool {
    arm.training().is_none()
}

fn looks_untrained(arm: &Arm) -> bool {
    untrained(arm) && arm.needs().pixels
}

fn request(arms: Vec<Arm>) -> Request {
    Request {
        arms,
        backbones: vec![Asked::find("resnet18-cntk", &[], Some(INPUT), INPUT)],
        input: INPUT,
        seeds: vec![0],
        canvases: vec![None],
        refit: None,
        threads: 1,
        device: Device::cpu(),
        detailed: true,
        form: String::new(),
    }
}

/// A few drawn images, a cache of their own, and the embedded network.
struct Place {
    dataset: Dataset,
    folder: tempfile::TempDir,
    backbone: Option<FoundBackbone>,
}

impl Place {
    fn new(dataset: &str) -> Place {
        let backbone = request(Vec::new()).backbones.pop().map(|asked| asked.found);
        Place { dataset: Dataset::open(dataset, None, 0).unwrap(), folder: tempfile::tempdir().unwrap(), backbone }
    }

    fn drawn() -> Place {
        Place::new("procedural,classes=3,train=4,val=3,test=3")
    }

    /// The folder of cache entries that this name has for itself.
    fn cache(&self, name: &str) -> Cache {
        Cache::open(self.folder.path().join(name), false)
    }

    fn resources<'a>(&'a self, cache: &'a Cache, threads: usize) -> Resources<'a> {
        let (canvas, device, backbone) = (None, Device::cpu(), self.backbone.as_ref());
        Resources { cache, threads, canvas, progress: &Progress::Hidden, device, input: INPUT, backbone, seed: 0 }
    }

    fn fit(&self, arm: &Arm, choice: &Choice, resources: &Resources) -> Box<dyn Features> {
        let splits = &self.dataset.splits;
        let (val, reported, classes) = (Some(&splits.val), splits.test.images(), splits.classes.len());
        let lessons = Lessons { train: &splits.train, val, reported, classes };
        arm.features.kind().fit(choice, resources, &lessons).unwrap_or_else(|error| panic!("{}: {error:#}", arm.name))
    }

    fn planned(&self, arm: &Arm) -> Planned {
        plan(&request(vec![arm.clone()]), &self.dataset).unwrap().remove(0)
    }
}

fn first(arm: &Arm) -> Choice {
    arm.features.kind().candidates().remove(0)
}

/// Vectors by a worker that takes so many images at a time.
fn by_worker(features: &dyn Features, resources: &Resources, images: &[Arc<ImageFile>], batch: usize) -> Array2<f32> {
    let mut worker = features.worker(resources, batch).unwrap();
    let mut rows = Vec::new();
    for images in images.chunks(batch) {
        let mut encoded: Vec<Encoded> = read(images).unwrap();
        if batch > 1 {
            for image in &mut encoded {
                worker.decode_ahead(image).unwrap();
            }
        }
        rows.push(worker.vectors(&encoded, &mut Stopwatch::start()).unwrap());
    }
    concatenate(ndarray::Axis(0), &rows.iter().map(|rows| rows.view()).collect::<Vec<_>>()).unwrap()
}

/// To the bit; networks may sum in another order in a batch of another size.
fn assert_same(arm: &Arm, a: &Array2<f32>, b: &Array2<f32>, what: &str) {
    let largest = a.iter().fold(0.0_f32, |largest, v| largest.max(v.abs()));
    let tolerance = if arm.needs().network { 1e-3 * largest } else { 0.0 };
    assert_eq!(a.dim(), b.dim(), "{}: {what}", arm.name);
    assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance), "{}: {what}", arm.name);
}

/// One cache for both checks, so that nothing is trained twice.
#[test]
fn vectors_depend_on_nothing_but_the_image_and_an_exported_file_classifies_the_same() {
    let place = Place::drawn();
    check_each(any, |arm| {
        let cache = place.cache(&arm.name);
        vectors_depend_on_nothing_but_the_image(&place, arm, &cache);
        an_exported_file_classifies_the_same(&place, arm, &cache);
    });
}

fn vectors_depend_on_nothing_but_the_image(place: &Place, arm: &Arm, cache: &Cache) {
    let images = place.dataset.splits.test.images();
    // a trained network sees a canvas through the same code as a frozen one
    let canvases = if arm.training().is_some() { 1 } else { 2 };
    for canvas in [None, Some(Canvas { side: 64, reduce: 48 })].into_iter().take(canvases) {
        let resources = Resources { canvas, ..place.resources(cache, 1) };
        let features = place.fit(arm, &first(arm), &resources);
        let vectors = features.vectors(&resources, images).unwrap().x;
        assert_eq!(vectors.dim(), (images.len(), features.dimension()), "{}", arm.name);
        assert!(vectors.iter().all(|v| v.is_finite()), "{}", arm.name);
        let again = features.vectors(&resources, images).unwrap().x;
        assert!(again == vectors, "{}: the cache gives other vectors", arm.name);
        let backwards: Vec<_> = images.iter().rev().cloned().collect();
        let mut turned = features.vectors(&resources, &backwards).unwrap().x;
        turned.invert_axis(ndarray::Axis(0));
        assert_same(arm, &vectors, &turned, "the order of the images");
        for batch in [1, 4] {
            let worker = by_worker(&*features, &resources, images, batch);
            assert_same(arm, &vectors, &worker, "a worker's vectors");
        }
        let other = place.cache(&format!("{} on three threads", arm.name));
        let threads = Resources { threads: 3, cache: &other, ..resources };
        // a training of its own would take long and is compared elsewhere
        let refitted = if arm.training().is_some() { None } else { Some(place.fit(arm, &first(arm), &threads)) };
        let fitted = refitted.as_ref().unwrap_or(&features);
        assert!(fitted.identity() == features.identity(), "{}: identity and threads", arm.name);
        assert_same(arm, &vectors, &fitted.vectors(&threads, images).unwrap().x, "the number of threads");
    }
}

#[test]
fn evidence_adds_up_to_the_linear_function_that_it_is_of() {
    let place = Place::drawn();
    let images = place.dataset.splits.test.images();
    check_each(looks_untrained, |arm| {
        let cache = place.cache(&arm.name);
        for canvas in [None, Some(Canvas { side: 64, reduce: 48 })] {
            let resources = Resources { canvas, ..place.resources(&cache, 1) };
            let features = place.fit(arm, &first(arm), &resources);
            let vectors = features.vectors(&resources, images).unwrap().x;
            let weights: Vec<f64> = (0..features.dimension()).map(|i| ((i * 37) % 23) as f64 / 11.0 - 1.0).collect();
            let mut explainer = features.explainer(&resources).unwrap();
            for (image, vector) in read(images).unwrap().iter().zip(vectors.outer_iter()) {
                let evidence = explainer.evidence(image, &weights).unwrap();
                let parts: Vec<f64> = vector.iter().zip(&weights).map(|(&v, w)| f64::from(v) * w).collect();
                let near = 1e-9 + 1e-4 * parts.iter().map(|part| part.abs()).sum::<f64>();
                let sum: f64 = evidence.iter().map(|evidence| evidence.value).sum();
                assert!((sum - parts.iter().sum::<f64>()).abs() < near, "{}: {sum}", arm.name);
                let placed = |evidence: &Evidence| evidence.map.as_ref().map_or(evidence.value, Map::sum);
                let kept = |evidence: &&Evidence| evidence.map.as_ref().is_none_or(|map| !map.shares.is_empty());
                let rest = evidence.iter().filter(kept).map(|evidence| evidence.value - placed(evidence)).sum::<f64>();
                assert!(rest.abs() < near, "{}: {rest}", arm.name);
                let spots = evidence.iter().filter_map(|evidence| evidence.map.as_ref()).flat_map(|map| &map.shares);
                let side = canvas.map(|canvas| (canvas.side, canvas.side));
                let (width, height) = side.unwrap_or((image.image.width, image.image.height));
                let inside = |at: f32, length: u32| (0.0..=length as f32).contains(&at);
                assert!(spots.clone().all(|(s, _)| inside(s.x, width) && inside(s.y, height)), "{}", arm.name);
            }
        }
    });
}

/// Images that break what was written for ordinary ones.
fn odd_images(folder: &Path) {
    let sizes = [(1, 1), (1, 300), (300, 1), (2, 2), (15, 15), (17, 40), (64, 64), (1500, 1100)];
    for (class, level) in [("dark", 20), ("light", 200)] {
        for (i, (width, height)) in sizes.into_iter().enumerate() {
            // flat ones and stripes in turn, no two files alike
            let value = |x: u32, y: u32, i: usize| {
                if i.is_multiple_of(2) { level } else { level + ((x / 3 + y / 5) % 4) as u8 * 9 }
            };
            let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
            let data = places.flat_map(|(x, y)| [value(x, y, i), value(y, x, i), i as u8]).collect();
            std::fs::create_dir_all(folder.join(class)).unwrap();
            let png = encode_png(&Rgb { width, height, data });
            std::fs::write(folder.join(class).join(format!("{i}.png")), png).unwrap();
        }
    }
}

#[test]
fn tiny_flat_and_huge_images_have_finite_vectors() {
    let folder = tempfile::tempdir().unwrap();
    odd_images(folder.path());
    let place = Place::new(folder.path().to_str().unwrap());
    let splits = &place.dataset.splits;
    let all = [splits.train.images(), splits.val.images(), splits.test.images()].concat();
    assert_eq!(all.len(), 16);
    // trainings see the same pictures through the same code as frozen networks
    check_each(untrained, |arm| {
        for canvas in [None, Some(Canvas { side: 32, reduce: 32 })] {
            let cache = place.cache(&arm.name);
            let resources = Resources { canvas, ..place.resources(&cache, 1) };
            let features = place.fit(arm, &first(arm), &resources);
            let vectors = features.vectors(&resources, &all).unwrap().x;
            assert_eq!(vectors.ncols(), features.dimension(), "{}", arm.name);
            assert!(vectors.iter().all(|v| v.is_finite()), "{}", arm.name);
        }
    });
}

/// Every way to raise one number of the arm's features that still is an arm.
fn changed(arm: &Arm) -> Vec<Arm> {
    fn numbers(value: &mut toml::Value) -> Vec<&mut toml::Value> {
        match value {
            toml::Value::Integer(_) | toml::Value::Float(_) => vec![value],
            toml::Value::Array(values) => values.iter_mut().flat_map(numbers).collect(),
            toml::Value::Table(table) => table.iter_mut().flat_map(|(_, value)| numbers(value)).collect(),
            _ => Vec::new(),
        }
    }
    let whole = toml::Value::try_from(arm).unwrap();
    let count = numbers(&mut whole.clone()["features"]).len();
    let raised = (0..count).filter_map(|place| {
        let mut other = whole.clone();
        let number = numbers(&mut other["features"]).swap_remove(place);
        *number = match number {
            toml::Value::Integer(value) => toml::Value::Integer(*value + 1),
            toml::Value::Float(0.0) => toml::Value::Float(0.01),
            toml::Value::Float(value) => toml::Value::Float(*value * 1.01),
            _ => unreachable!("numbers only"),
        };
        Arm::parse(&toml::to_string(&other).unwrap(), "a changed arm").ok()
    });
    raised.collect()
}

#[test]
fn every_setting_belongs_to_the_identity() {
    let place = Place::drawn();
    check_each(any, |arm| {
        let own = place.planned(arm);
        let cache = place.cache(&arm.name);
        let resources = place.resources(&cache, 1);
        // of trainings the run's id says it, without training
        let fits = arm.training().is_none();
        let identities = |arm: &Arm| -> Vec<String> {
            let candidates = if fits { arm.features.kind().candidates() } else { Vec::new() };
            candidates.iter().map(|choice| place.fit(arm, choice, &resources).identity()).collect()
        };
        let mine = identities(arm);
        for other in changed(arm) {
            let planned = place.planned(&other);
            assert!(planned.run_id != own.run_id && planned.settings_hash != own.settings_hash, "{}", arm.name);
            assert!(!fits || identities(&other) != mine, "{}: {:?}", arm.name, other.features);
        }
    });
}

#[test]
fn every_arm_has_an_estimate_and_candidates_that_describe_themselves() {
    for arm in arms() {
        let (kind, needs) = (arm.features.kind(), arm.needs());
        let cost = kind.cost(224);
        assert_eq!(
            cost.milliseconds > 0.0 && cost.bytes > 0.0 && cost.bytes_a_pixel > 0.0,
            needs.pixels,
            "{}",
            arm.name
        );
        assert!(needs.pixels || !needs.network, "{}", arm.name);
        let mut names: Vec<String> = kind.candidates().iter().map(|choice| choice.describe().to_owned()).collect();
        let count = names.len();
        assert!(count == 1 || names.iter().all(|name| name.contains('=')), "{}: {names:?}", arm.name);
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "{}: two candidates are called alike", arm.name);
    }
}

fn an_exported_file_classifies_the_same(place: &Place, arm: &Arm, cache: &Cache) {
    let images = place.dataset.splits.test.images();
    let resources = place.resources(cache, 1);
    let planned = Planned { refit: Refit::Train, ..place.planned(arm) };
    let record = run::run(&planned, &request(vec![arm.clone()]), &place.dataset, &resources, "here");
    assert_eq!((record.run.status, &*record.run.reason), (Status::Ok, ""), "{}", arm.name);
    assert_eq!((record.run.n, record.details.predictions.len()), (9, 9), "{}", arm.name);
    if !arm.needs().network && arm.needs().pixels {
        let bytes = export::run(&planned, &place.dataset, &resources).unwrap();
        let read = Portable::read(&bytes).unwrap();
        let files = images.iter().map(|image| (image.id.clone().into(), image.read().unwrap())).collect();
        // other threads would wait for those that run this test
        let scores = read.scores(files, 1).unwrap().into_iter().map(Result::unwrap);
        assert_same_classes(arm, &record, &place.dataset, scores);
        return;
    }
    let optimistic = arm.training().is_some_and(|training| training.keep == Keep::BestReported);
    if !arm.needs().network || !arm.classifier.may_be_linear() || optimistic {
        return;
    }
    let pictures: Vec<Rgb> = images.iter().map(|image| decode_rgb(&image.read().unwrap()).unwrap()).collect();
    let bytes = export::run(&planned, &place.dataset, &resources).unwrap();
    let mut exported = Exported::open(&bytes, Device::cpu(), 1).unwrap();
    assert_same_classes(arm, &record, &place.dataset, exported.logits(&pictures).unwrap().into_iter());
}

fn assert_same_classes(arm: &Arm, record: &RunRecord, dataset: &Dataset, scores: impl Iterator<Item = Vec<f32>>) {
    for (image, scores) in dataset.splits.test.images().iter().zip(scores) {
        let best = (0..scores.len()).fold(0, |best, i| if scores[i] > scores[best] { i } else { best });
        let recorded = record.details.predictions.iter().find(|row| row.image == image.id).unwrap();
        assert_eq!(dataset.splits.classes[best], recorded.predicted, "{}: {}", arm.name, image.id);
    }
}
