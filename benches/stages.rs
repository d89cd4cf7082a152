//! Every stage of an arm on pictures that the bench draws itself, with throughput in images.
//! What a stage gives is asserted before it is timed.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use featbench::classify::kernel::Kernel;
use featbench::classify::scale::Scaling;
use featbench::classify::svm::Point;
use featbench::classify::{Candidate, Labelled, decide};
use featbench::deep::backbone::Backbone;
use featbench::deep::extract::Extractor;
use featbench::deep::session::{Device, Runtime};
use featbench::handcrafted::descriptor::{Describe, Orb, Sift};
use featbench::handcrafted::encoding::bovw::hellinger;
use featbench::handcrafted::vocabulary::kmeans;
use featbench::image::{Rgb, canvas, decode_grey, decode_rgb, resize, tensor};
use ndarray::{Array2, s};
use opencv::core::{Mat, Vec3b, Vector};

/// Side of the drawn picture, pixels.
const SIDE: u32 = 256;
const WORDS: usize = 500;

/// Stripes, checks and ramps.
fn drawn() -> Rgb {
    let value = |x: u32, y: u32, c: u32| (((x * (7 + 4 * c)) ^ (y * (5 + 2 * c))) + x * y / 3) as u8;
    let pixels = (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (x, y)));
    let data = pixels.flat_map(|(x, y)| [0, 1, 2].map(|c| value(x, y, c))).collect();
    Rgb { width: SIDE, height: SIDE, data }
}

fn jpeg(picture: &Rgb) -> Vec<u8> {
    let side = SIDE as i32;
    let pixels = Mat::new_rows_cols_with_bytes::<Vec3b>(side, side, &picture.data).expect("three bytes a pixel");
    let mut bytes = Vector::<u8>::new();
    opencv::imgcodecs::imencode_def(".jpg", &pixels, &mut bytes).expect("OpenCV writes JPEG");
    bytes.iter().collect()
}

fn images(criterion: &mut Criterion) {
    let bytes = jpeg(&drawn());
    let picture = decode_rgb(&bytes).expect("it was encoded just now");
    assert_eq!((picture.width, picture.height), (SIDE, SIDE));
    let crop = resize::resize_and_crop(&picture, 256, 224);
    assert_eq!(crop.data.len(), 3 * 224 * 224);
    let mut input = vec![0.0; 3 * 224 * 224];
    let mut group = criterion.benchmark_group("image");
    group.throughput(Throughput::Elements(1));
    group.bench_function("decode", |b| b.iter(|| decode_rgb(black_box(&bytes))));
    group.bench_function("decode grey", |b| b.iter(|| decode_grey(black_box(&bytes))));
    group.bench_function("resize and crop to 224", |b| {
        b.iter(|| resize::resize_and_crop(black_box(&picture), 256, 224))
    });
    group
        .bench_function("tensor", |b| b.iter(|| tensor::write_tensor(black_box(&crop), &tensor::IMAGENET, &mut input)));
    group.finish();
}

fn handcrafted(criterion: &mut Criterion) {
    let grey = canvas::grey(&drawn());
    let (mut sift, mut orb) = (Sift::new(500).expect("OpenCV has SIFT"), Orb::new(500, None).expect("OpenCV has ORB"));
    let described = sift.describe(&grey).expect("a drawn picture");
    assert!(described.len() > 100 && orb.describe(&grey).expect("a drawn picture").len() > 100);
    let mut floats = Vec::new();
    (0..described.len()).for_each(|i| described.extend_floats(i, &mut floats));
    let rows =
        Array2::from_shape_vec((described.len(), described.float_length()), floats).expect("one row a descriptor");
    let words = Array2::from_shape_fn((WORDS, rows.ncols()), |(i, j)| rows[(i % rows.nrows(), (i + j) % rows.ncols())]);
    let assigned: Vec<usize> = kmeans::assign(rows.view(), words.view()).into_iter().map(|(word, _)| word).collect();
    assert!(assigned.len() == rows.nrows() && assigned.iter().all(|&word| word < WORDS));
    let mut group = criterion.benchmark_group("handcrafted");
    group.throughput(Throughput::Elements(1));
    group.bench_function("SIFT", |b| b.iter(|| sift.describe(black_box(&grey))));
    group.bench_function("ORB", |b| b.iter(|| orb.describe(black_box(&grey))));
    group.bench_function("assign to 500 words", |b| b.iter(|| kmeans::assign(black_box(rows.view()), words.view())));
    group.bench_function("encode", |b| b.iter(|| hellinger(black_box(&assigned).iter().copied(), WORDS)));
    group.finish();
}

fn network(criterion: &mut Criterion) {
    if let Err(error) = Runtime::get() {
        return eprintln!("skipped: {error}");
    }
    let backbone = Backbone::open("resnet18-cntk", &[]).expect("it is embedded");
    let mut group = criterion.benchmark_group("infer, resnet18-cntk, one image");
    group.throughput(Throughput::Elements(1)).sample_size(10);
    for side in [128, 224] {
        let mut extractor = Extractor::new(&backbone, Device::Cpu, side, 1).expect("a multiple of 32");
        let input = vec![0.1; extractor.image_len()];
        assert_eq!(extractor.features(&input).expect("an input of the right size").len(), backbone.dimension);
        group.bench_function(format!("{side} px"), |b| b.iter(|| extractor.features(black_box(&input))));
    }
    group.finish();
}

/// 1,022 vectors of 512 numbers in 8 classes: the size of mini-natural-images' frozen features.
fn svm(criterion: &mut Criterion) {
    let y: Vec<usize> = (0..1022).map(|i| i % 8).collect();
    let noise = |i: usize, j: usize| ((i * 7919 + j * 104_729) % 1009) as f32 / 1009.0 - 0.5;
    let x = Array2::from_shape_fn((1022, 512), |(i, j)| noise(i, j) + if j % 8 == y[i] { 0.3 } else { 0.0 });
    let point = Point { kernel: Kernel::Linear, c: 0.001 };
    let candidate = Candidate::Svm { scale: Scaling::Standardise, point };
    let fit = || candidate.fit(Labelled { x: x.view(), y: &y }, 8).expect("eight classes");
    let fitted = fit();
    let right = decide(&fitted.scores(x.view())).iter().zip(&y).filter(|(predicted, truth)| predicted == truth).count();
    assert!(right > 900, "{right} of 1022");
    let mut group = criterion.benchmark_group("SVM, linear, one-vs-rest, 8 classes");
    group.sample_size(10);
    group.throughput(Throughput::Elements(1022)).bench_function("fit 1022 x 512", |b| b.iter(&fit));
    group.throughput(Throughput::Elements(1));
    group.bench_function("predict one", |b| b.iter(|| fitted.scores(black_box(x.slice(s![..1, ..])))));
    group.finish();
}

criterion_group!(stages, images, handcrafted, network, svm);
criterion_main!(stages);
