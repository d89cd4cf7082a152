//! Every stage of an arm, with throughput in images: on a few images of the data set that is here (`FEATBENCH_DATA`),
//! else on pictures that featbench draws. What a stage gives is asserted before it is timed.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use featbench::classify::kernel::Kernel;
use featbench::classify::scale::Scaling;
use featbench::classify::svm::{Options, Point};
use featbench::classify::{Candidate, Labelled, decide};
use featbench::dataset::{Dataset, registry::registered};
use featbench::deep::backbone::Backbone;
use featbench::deep::extract::Extractor;
use featbench::deep::session::{Device, Runtime};
use featbench::features::codebook::mixture::Mixture;
use featbench::features::codebook::{Codebook, Words, kmeans};
use featbench::features::descriptor::dense::{Plane, Seen, sift};
use featbench::features::descriptor::{
    ColourStatistics, DenseSift, Descriptor, Descriptors, Grid, HogCells, OpponentSift, Orb, Patches, RootSift, Sizes,
    Stride,
};
use featbench::features::encoding::words::hellinger;
use featbench::features::encoding::{Counts, Encode, Fisher, Vlad};
use featbench::features::reduce::{Pca, Reduce};
use featbench::features::{Encoded, Resources, read};
use featbench::image::encode::encode_jpeg;
use featbench::image::preparation::Preparation;
use featbench::image::{Grey, Rgb, decode_grey, decode_rgb, tensor};
use featbench::protocol::arm::Arm;
use featbench::random;
use featbench::stage::cache::Cache;
use featbench::stage::progress::Progress;
use featbench::stage::stopwatch::Stopwatch;
use ndarray::{Array2, ArrayView2, s};
use serde_json::json;

/// Images that a stage goes through in one sample.
const IMAGES: usize = 8;
const WORDS: usize = 500;
const SIDE: u32 = 224;

/// Does the work on every item; none of it can be left out.
fn each<T, R>(items: &[T], mut work: impl FnMut(&T) -> R) {
    items.iter().for_each(|item| drop(black_box(work(black_box(item)))));
}

/// Evenly spaced training images, encoded.
fn encoded() -> Vec<Vec<u8>> {
    let here = registered().iter().find_map(|set| Dataset::open(set.name, None, 0).ok());
    let drawn = here.is_none();
    let dataset = here.unwrap_or_else(|| Dataset::open("procedural,train=1,val=1,test=1", None, 0).expect("drawn"));
    let images = dataset.splits.train.images();
    let bytes = |i: usize| {
        let bytes = images[i * images.len() / IMAGES].read().expect("it was there just now");
        // drawn images have no files: as photographs come
        if drawn { encode_jpeg(&decode_rgb(&bytes).expect("a picture"), 95) } else { bytes }
    };
    eprintln!("on {IMAGES} images of {}", dataset.name);
    (0..IMAGES).map(bytes).collect()
}

fn images(criterion: &mut Criterion) {
    let encoded = encoded();
    let pictures: Vec<Rgb> = encoded.iter().map(|bytes| decode_rgb(bytes).expect("a picture")).collect();
    let crop = |picture: &Rgb| Preparation::usual(tensor::IMAGENET).crop(picture, SIDE);
    let crops: Vec<Rgb> = pictures.iter().map(crop).collect();
    let mut input = vec![0.0; (3 * SIDE * SIDE) as usize];
    assert!(crops.iter().all(|crop| (crop.width, crop.height, crop.data.len()) == (SIDE, SIDE, input.len())));
    let mut group = criterion.benchmark_group("image");
    group.throughput(Throughput::Elements(IMAGES as u64)).sample_size(20);
    group.bench_function("decode", |b| b.iter(|| each(&encoded, |bytes| decode_rgb(bytes))));
    group.bench_function("decode grey", |b| b.iter(|| each(&encoded, |bytes| decode_grey(bytes))));
    group.bench_function("resize and crop to 224", |b| b.iter(|| each(&pictures, crop)));
    group.bench_function("tensor", |b| {
        b.iter(|| each(&crops, |crop| tensor::write_tensor(crop, &tensor::IMAGENET, &mut input)))
    });
    group.finish();
}

/// Drawn images on all threads, with the hashes of their pixels: what opening a set that is not the default one does.
fn drawing(criterion: &mut Criterion) {
    let open = || Dataset::open("procedural,train=32,val=4,test=4", None, 0).expect("it needs nothing");
    let images = open().manifest.len();
    assert_eq!(images, 8 * 40);
    let mut group = criterion.benchmark_group("procedural, all threads");
    group.throughput(Throughput::Elements(images as u64)).sample_size(10);
    group.bench_function("draw", |b| b.iter(open));
    group.finish();
}

/// The descriptors of one image as the rows of a matrix.
fn floats(described: &Descriptors) -> Array2<f32> {
    let shape = (described.len(), described.layout().floats());
    Array2::from_shape_vec(shape, described.floats().into_owned()).expect("one row a descriptor")
}

fn handcrafted(criterion: &mut Criterion) {
    let greys: Vec<Grey> = encoded().iter().map(|bytes| decode_grey(bytes).expect("a picture")).collect();
    let (sift, orb) = (RootSift { max_keypoints: 500 }, Orb { max_keypoints: 500 });
    let (mut sift, mut orb) = (sift.open(None).expect("OpenCV has SIFT"), orb.open(None).expect("OpenCV has ORB"));
    let described: Vec<_> = greys.iter().map(|grey| floats(&sift.describe(&grey.into()).expect("a picture"))).collect();
    let bits: usize = greys.iter().map(|grey| orb.describe(&grey.into()).expect("a picture").len()).sum();
    assert!(described.iter().map(Array2::nrows).sum::<usize>() > 30 * IMAGES && bits > 10 * IMAGES);
    let rows = described.iter().max_by_key(|rows| rows.nrows()).expect("there are images");
    let words = Array2::from_shape_fn((WORDS, rows.ncols()), |(i, j)| rows[(i % rows.nrows(), (i + j) % rows.ncols())]);
    let assign = |rows: &Array2<f32>| -> Vec<usize> {
        kmeans::assign(rows.view(), words.view()).into_iter().map(|(word, _)| word).collect()
    };
    let assigned: Vec<_> = described.iter().map(assign).collect();
    assert!(assigned.iter().zip(&described).all(|(words, rows)| words.len() == rows.nrows()));
    assert!(assigned.iter().flatten().all(|&word| word < WORDS));
    let mut group = criterion.benchmark_group("handcrafted");
    group.throughput(Throughput::Elements(IMAGES as u64)).sample_size(20);
    group.bench_function("SIFT", |b| b.iter(|| each(&greys, |grey| sift.describe(&grey.into()))));
    group.bench_function("ORB", |b| b.iter(|| each(&greys, |grey| orb.describe(&grey.into()))));
    group.bench_function("assign to 500 words", |b| b.iter(|| each(&described, assign)));
    group.bench_function("encode", |b| b.iter(|| each(&assigned, |words| hellinger(words.iter().copied(), WORDS))));
    group.finish();
}

/// Descriptors on a dense grid, and the stages of the first kind: maps, windows, and what is gathered from them.
fn dense(criterion: &mut Criterion) {
    let pictures: Vec<Rgb> = encoded().iter().map(|bytes| decode_rgb(bytes).expect("a picture")).collect();
    let longer = Some(320);
    let plane = |picture: &Rgb| Seen::grey(&picture.into(), longer, 1).planes.swap_remove(0);
    let planes: Vec<Plane> = pictures.iter().map(plane).collect();
    let pooled: Vec<_> = planes.iter().map(|plane| sift::points(plane, 4)).collect();
    assert!(planes.iter().zip(&pooled).all(|(plane, points)| points.data.len() >= plane.data.len() / 16));
    let grid = |smooth| Grid {
        longer,
        reduce: 1,
        smooth,
        grids: vec![Sizes { shorter: 0, sizes: vec![4, 6, 8, 12], step: 4 }],
    };
    let mut group = criterion.benchmark_group("dense, longer side 320");
    group.throughput(Throughput::Elements(IMAGES as u64)).sample_size(20);
    group.bench_function("orientation maps", |b| b.iter(|| each(&planes, |plane| sift::points(plane, 1))));
    group.bench_function("maps under windows of 4", |b| b.iter(|| each(&planes, |plane| sift::points(plane, 4))));
    group.bench_function("windows of 12 from those", |b| b.iter(|| each(&pooled, |points| points.widened(3, 1))));
    let strides = vec![Stride { shorter: 0, stride: 4 }];
    let patches = Patches { longer, reduce: 1, side: 6, strides, scales: vec![1.0, 0.7, 0.5], colour: true };
    let methods: [(&str, &dyn Descriptor); 6] = [
        ("SIFT, 4 sizes", &DenseSift(grid(true))),
        ("SIFT, 4 sizes, not smoothed", &DenseSift(grid(false))),
        ("opponent SIFT, 4 sizes", &OpponentSift(grid(true))),
        ("colour statistics, 4 sizes", &ColourStatistics(grid(false))),
        ("patches, 3 scales", &patches),
        ("HOG cells", &HogCells { longer, reduce: 1, sizes: vec![8] }),
    ];
    for (name, method) in methods {
        let mut describe = method.open(None).expect("it needs nothing");
        let count: usize = pictures.iter().map(|rgb| describe.describe(&rgb.into()).expect("a picture").len()).sum();
        assert!(count > 30 * IMAGES, "{name}: {count}");
        group.bench_function(name, |b| b.iter(|| each(&pictures, |rgb| describe.describe(&rgb.into()))));
    }
    group.finish();
}

/// What PCA leaves of a descriptor, and how many descriptors are encoded.
const REDUCED: usize = 64;
const ROWS: usize = 10_000;
const GAUSSIANS: usize = 64;

/// Dense SIFT of real pictures, which crowds where components are.
fn rows_of_pictures() -> Descriptors {
    let grids = vec![Sizes { shorter: 0, sizes: vec![4, 6, 8, 12], step: 4 }];
    let grid = Grid { longer: None, reduce: 1, smooth: false, grids };
    let mut describe = DenseSift(grid).open(None).expect("it needs nothing");
    let (mut floats, mut places, mut length) = (Vec::new(), Vec::new(), 0);
    for picture in encoded().iter().map(|bytes| decode_rgb(bytes).expect("a picture")).cycle() {
        let found = describe.describe(&(&picture).into()).expect("a picture");
        length = found.layout().floats();
        floats.extend_from_slice(&found.floats());
        places.extend_from_slice(found.places());
        if places.len() >= ROWS {
            break;
        }
    }
    floats.truncate(ROWS * length);
    places.truncate(ROWS);
    Descriptors::of_floats(length, floats, places)
}

/// Of one large picture on one thread: components, nearest words, posteriors, and the encodings with them.
fn encodings(criterion: &mut Criterion) {
    let whole = rows_of_pictures();
    let pca = Pca::learn(&whole, &Reduce { pca: REDUCED, whiten: true });
    let rows = pca.apply(&whole);
    let floats = rows.floats();
    let matrix = ArrayView2::from_shape((ROWS, REDUCED), &floats).expect("one row a descriptor");
    let mixture = Mixture::learn(matrix, GAUSSIANS, &mut random::generator(0, "bench"));
    let few = Mixture::learn(matrix.slice(s![..2000, ..]), 8, &mut random::generator(0, "bench"));
    assert!((0..few.len()).map(|i| few.component(i).0).sum::<f32>() > 0.99);
    let centres = kmeans::kmeans(matrix, GAUSSIANS, kmeans::DEFAULT_EFFORT, &mut random::generator(0, "bench"));
    let codebook: Codebook = serde_json::from_value(json!({ "KMeans": centres })).expect("words");
    let (counts, vlad) = (Counts(&codebook), Vlad::of(&codebook).expect("words have a place"));
    let cells = vec![0; ROWS];
    let encode = |encoding: &dyn Encode| {
        let mut sums = vec![0.0; encoding.length()];
        encoding.add(&rows, &cells, &mut sums);
        encoding.finish(ROWS, &mut sums);
        sums
    };
    let mut group = criterion.benchmark_group(format!("encode {ROWS} rows of {REDUCED}"));
    group.throughput(Throughput::Elements(ROWS as u64)).sample_size(20);
    group.bench_function("PCA", |b| b.iter(|| pca.apply(black_box(&whole))));
    for (name, words) in [("nearest of 64 words", &codebook as &dyn Words), ("posteriors of 64 Gaussians", &mixture)] {
        let assigned = words.assign(&rows);
        assert!(assigned.len() == ROWS && assigned.iter().all(|&word| word < GAUSSIANS));
        group.bench_function(name, |b| b.iter(|| words.assign(black_box(&rows))));
    }
    let methods: [(&str, &dyn Encode); 3] = [("words", &counts), ("VLAD", &vlad), ("Fisher vector", &Fisher(&mixture))];
    for (name, encoding) in methods {
        let square: f32 = encode(encoding).iter().map(|v| v * v).sum();
        assert!((square - 1.0).abs() < 1e-3, "{name}: {square}");
        group.bench_function(name, |b| b.iter(|| encode(black_box(encoding))));
    }
    group.bench_function("learn 8 Gaussians of 2,000 rows", |b| {
        b.iter(|| Mixture::learn(matrix.slice(s![..2000, ..]), 8, &mut random::generator(0, "bench")))
    });
    group.finish();
}

/// Descriptors of whole pictures by the settings of their arms, from decoded pixels.
fn whole(criterion: &mut Criterion) {
    let drawn = Dataset::open("procedural,train=1,val=1,test=1", None, 0).expect("drawn");
    let cache = Cache::open(std::path::PathBuf::new(), false);
    let (progress, device) = (&Progress::Hidden, Device::cpu());
    let (canvas, backbone) = (None, None);
    let resources = Resources { cache: &cache, threads: 1, canvas, progress, device, input: 0, backbone, seed: 0 };
    let mut group = criterion.benchmark_group("whole picture, drawn");
    group.throughput(Throughput::Elements(IMAGES as u64)).sample_size(20);
    for arm in Arm::embedded().expect("they are tested") {
        let kind = arm.features.kind();
        let names = ["centrist-svm", "lbp-svm", "hog-svm", "gist-svm", "colour-histogram-svm"];
        if !names.contains(&&*arm.name) {
            continue;
        }
        let features = kind.restore(&kind.candidates()[0], &[]).expect("nothing is learned");
        let mut worker = features.worker(&resources, 1).expect("it needs nothing");
        let mut images: Vec<Encoded> = read(&drawn.splits.train.images()[..IMAGES]).expect("they are drawn");
        images.iter_mut().for_each(|image| assert!(worker.decode_ahead(image).expect("a picture")));
        let vectors = worker.vectors(&images, &mut Stopwatch::start()).expect("pictures");
        assert!(vectors.dim() == (IMAGES, features.dimension()) && vectors.iter().all(|v| v.is_finite()));
        assert!(vectors.outer_iter().all(|row| (row.dot(&row) - 1.0).abs() < 1e-3), "{}", arm.name);
        group.bench_function(arm.name, |b| b.iter(|| worker.vectors(black_box(&images), &mut Stopwatch::start())));
    }
    group.finish();
}

fn network(criterion: &mut Criterion) {
    if let Err(error) = Runtime::get() {
        return eprintln!("skipped: {error}");
    }
    let backbone = Backbone::open("resnet18-cntk", &[]).expect("it is embedded");
    let mut group = criterion.benchmark_group("infer, resnet18-cntk, one image");
    group.throughput(Throughput::Elements(1)).sample_size(10);
    for side in [128, SIDE as usize] {
        let mut extractor = Extractor::new(&backbone, Device::cpu(), side, 1).expect("a multiple of 32");
        let input = vec![0.1; extractor.image_len()];
        assert_eq!(extractor.features(&input).expect("an input of the right size").len(), backbone.dimension);
        group.bench_function(format!("{side} px"), |b| b.iter(|| extractor.features(black_box(&input))));
    }
    group.finish();
}

/// 1,022 vectors in 8 classes: the number of mini-natural-images' training images, as long as the frozen network's
/// features and as those of a large vocabulary.
fn svm(criterion: &mut Criterion) {
    let y: Vec<usize> = (0..1022).map(|i| i % 8).collect();
    let noise = |i: usize, j: usize| ((i * 7919 + j * 104_729) % 1009) as f32 / 1009.0 - 0.5;
    let mut group = criterion.benchmark_group("SVM, linear, one-vs-rest, 8 classes");
    group.sample_size(10);
    for dimension in [512, 1024] {
        let vector = |(i, j)| noise(i, j) + if j % 8 == y[i] { 0.3 } else { 0.0 };
        let x = Array2::from_shape_fn((y.len(), dimension), vector);
        let point = Point { kernel: Kernel::Linear, c: 0.001 };
        let candidate = Candidate::svm(Scaling::Standardise, point, Options::default());
        let fit = || candidate.fit(Labelled { x: &x, y: &y }, 8).expect("eight classes");
        let fitted = fit();
        let predicted = decide(&fitted.scores(x.view()));
        let right = predicted.iter().zip(&y).filter(|(predicted, truth)| predicted == truth).count();
        assert!(right > 900, "{right} of {}", y.len());
        group.throughput(Throughput::Elements(y.len() as u64));
        group.bench_function(format!("fit 1022 x {dimension}"), |b| b.iter(fit));
        group.bench_function(format!("predict 1022 x {dimension}"), |b| b.iter(|| fitted.scores(black_box(x.view()))));
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("predict one of {dimension}"), |b| {
            b.iter(|| fitted.scores(black_box(x.slice(s![..1, ..]))))
        });
    }
    group.finish();
}

criterion_group!(stages, images, drawing, handcrafted, dense, encodings, whole, network, svm);
criterion_main!(stages);
