//! Times of the layers of ResNet-18 and of a few others: `cargo run -p featbench-kernels --example layers -- [px] [images] [threads] [isa]
//! [method]`. On one thread milliseconds are the processor's, so a busy machine does not spoil them.

use std::time::Instant;

use featbench_kernels::conv::{Convolution, Epilogue, Method, Methods, Shape};
use featbench_kernels::norm::{BatchNorm, Forward, Fused, Gradients};
use featbench_kernels::pooling::{Pooling, Window};
use featbench_kernels::{Isa, Pool, Run, Scratch, Serial, Threads};

/// Seconds, of the processor on one thread, of the clock on several.
struct Clock {
    threads: usize,
    start: Instant,
}

impl Clock {
    fn now(&self) -> f64 {
        if self.threads > 1 {
            return self.start.elapsed().as_secs_f64();
        }
        // SAFETY: getrusage fills in the struct that it is given.
        let usage = unsafe {
            let mut usage = std::mem::zeroed::<libc::rusage>();
            libc::getrusage(libc::RUSAGE_SELF, &mut usage);
            usage
        };
        let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
        seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }

    /// Milliseconds, the least of several runs.
    fn least(&self, mut run: impl FnMut()) -> f64 {
        run();
        let (mut least, start) = (f64::INFINITY, Instant::now());
        for round in 0..40 {
            let before = self.now();
            run();
            least = least.min((self.now() - before) * 1e3);
            if round >= 2 && start.elapsed().as_secs_f64() > 0.5 {
                break;
            }
        }
        least
    }
}

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i as f32 * 0.37).sin() + (i as f32 * 0.011).cos()) * 0.5).collect()
}

fn layers(px: usize) -> Vec<(&'static str, usize, Shape)> {
    let side = |by: usize| [px.div_ceil(by); 2];
    vec![
        ("stem 7x7 s2", 1, Shape::new(side(1), 3, 64, 7).with(2, 3)),
        ("64", 4, Shape::new(side(4), 64, 64, 3).with(1, 1)),
        ("64-128 s2", 1, Shape::new(side(4), 64, 128, 3).with(2, 1)),
        ("64-128 1x1 s2", 1, Shape::new(side(4), 64, 128, 1).with(2, 0)),
        ("128", 3, Shape::new(side(8), 128, 128, 3).with(1, 1)),
        ("128-256 s2", 1, Shape::new(side(8), 128, 256, 3).with(2, 1)),
        ("128-256 1x1 s2", 1, Shape::new(side(8), 128, 256, 1).with(2, 0)),
        ("256", 3, Shape::new(side(16), 256, 256, 3).with(1, 1)),
        ("256-512 s2", 1, Shape::new(side(16), 256, 512, 3).with(2, 1)),
        ("256-512 1x1 s2", 1, Shape::new(side(16), 256, 512, 1).with(2, 0)),
        ("512", 3, Shape::new(side(32), 512, 512, 3).with(1, 1)),
        // of other networks, not in the sum
        ("64-256 1x1", 0, Shape::new(side(4), 64, 256, 1)),
        ("1024-256 1x1", 0, Shape::new(side(16), 1024, 256, 1)),
        ("96 depthwise", 0, Shape { groups: 96, ..Shape::new(side(8), 96, 96, 3).with(1, 1) }),
    ]
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| arguments.next().map_or(default, |text| text.parse().expect("a number"));
    let (px, images, threads) = (number(128), number(32), number(1));
    let isa = arguments.next().map_or(Isa::detect(), |name| Isa::named(&name).expect("instructions of this processor"));
    let method = arguments.next().map(|name| match name.as_str() {
        "product" => Method::Product,
        "f2" => Method::Winograd2,
        "f4" => Method::Winograd4,
        "strided" => Method::WinogradStrided,
        _ => panic!("product, f2, f4 or strided"),
    });
    let only = arguments.next();
    let pool: &dyn Pool = if threads > 1 { &Threads(threads) } else { &Serial };
    let scratch = Scratch::new();
    let run = Run { isa, pool, scratch: &scratch };
    let clock = Clock { threads, start: Instant::now() };
    println!("{px} px, {images} images, {threads} threads, {}", isa.name());
    println!("{:16} {:>27} {:>27} {:>9}", "layer, times", "ms fwd / data / weights", "GFLOP/s", "prepared");
    let mut total = [0.0; 4];
    for (name, times, shape) in layers(px) {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let mut layer = Convolution::new(shape).expect("a layer");
        if let Some(method) = method {
            layer = layer.by(Methods { forward: method, input: method, weights: method });
        }
        let [input, output] = shape.image();
        let (x, w, dy) = (numbers(images * input), numbers(shape.weights()), numbers(images * output));
        let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), w.clone());
        let epilogue = Epilogue::default();
        let prepared = layer.prepare(run, &w);
        let ms = [
            clock.least(|| layer.forward(run, &x, &w, &epilogue, &mut y)),
            if name.starts_with("stem") { 0.0 } else { clock.least(|| layer.input_gradient(run, &w, &dy, &mut dx)) },
            clock.least(|| layer.weight_gradient(run, &x, &dy, &mut dw)),
            clock.least(|| prepared.forward(run, &x, &epilogue, &mut y)),
        ];
        let rate = ms.map(|ms| shape.operations(images) / ms / 1e6);
        println!(
            "{name:14}x{times} {:8.2} {:8.2} {:8.2}  {:8.0} {:8.0} {:8.0}  {:8.2}",
            ms[0], ms[1], ms[2], rate[0], rate[1], rate[2], ms[3]
        );
        total.iter_mut().zip(ms).for_each(|(total, ms)| *total += ms * times as f64);
    }
    println!(
        "all              {:8.1} {:8.1} {:8.1}; a step {:.1} ms, frozen {:.1} ms; scratch {} MiB",
        total[0],
        total[1],
        total[2],
        total[..3].iter().sum::<f64>(),
        total[3],
        scratch.bytes() >> 20
    );
    if only.is_none() {
        others(run, &clock, px, images);
    }
}

/// Batch norm with everything fused, and max pooling.
fn others(run: Run, clock: &Clock, px: usize, images: usize) {
    for (channels, side) in [(64, px / 2), (64, px / 4), (128, px / 8), (256, px / 16), (512, px / 32)] {
        let length = images * side * side * channels;
        let (x, residual, dy, ones) = (numbers(length), numbers(length), numbers(length), vec![1.0; channels]);
        let [mut y, mut dx, mut dresidual] = [0; 3].map(|_| vec![0.0; length]);
        let [mut mean, mut variance, mut dscale, mut dbias] = [0; 4].map(|_| vec![0.0; channels]);
        let norm = BatchNorm { scale: &ones, bias: &ones, epsilon: 1e-5 };
        let fused = Fused { residual: Some(&residual), relu: true };
        let forward = clock.least(|| norm.train(run, &x, fused, &mut y, &mut mean, &mut variance));
        let backward = clock.least(|| {
            let (scale, epsilon) = (&ones[..], 1e-5);
            let forward =
                Forward { x: &x, y: Some(&y), mean: &mean, variance: &variance, scale, epsilon, of_batch: true };
            let residual = Some(&mut dresidual[..]);
            forward.backward(run, &dy, None, Gradients { x: &mut dx, scale: &mut dscale, bias: &mut dbias, residual });
        });
        let anew = clock.least(|| {
            let (scale, epsilon) = (&ones[..], 1e-5);
            let forward = Forward { x: &x, y: None, mean: &mean, variance: &variance, scale, epsilon, of_batch: true };
            let out = Gradients { x: &mut dx, scale: &mut dscale, bias: &mut dbias, residual: None };
            forward.backward_of_relu(run, &dy, None, &ones, out);
        });
        println!(
            "batch norm + add + ReLU {channels:4} x {side:3}: {forward:6.2} / {backward:6.2} ms; without add / {anew:.2}"
        );
    }
    let window =
        Window { input: [px / 2; 2], channels: 64, kernel: [3; 2], stride: [2; 2], padding: [1; 4], ceil: false };
    let pooling = Pooling::new(window).expect("a window");
    let [rows, columns] = pooling.output();
    let (x, dy) = (numbers(images * px * px / 4 * 64), numbers(images * rows * columns * 64));
    let (mut y, mut dx, mut places) = (dy.clone(), x.clone(), vec![0; dy.len()]);
    let forward = clock.least(|| pooling.max(run, &x, &mut y, Some(&mut places)));
    let backward = clock.least(|| pooling.max_gradient(run, &dy, &places, &mut dx));
    println!("max pooling: {forward:6.2} / {backward:6.2} ms");
}
