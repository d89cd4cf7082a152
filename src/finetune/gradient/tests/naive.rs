//! The operators as their definitions say, in f64 and in loops.

/// Numbers of a picture, 0 outside of it.
fn pixel(
    x: &[f64],
    [_, channels, height, width]: [usize; 4],
    [n, c]: [usize; 2],
    row: i64,
    column: i64,
) -> Option<f64> {
    let inside = (0..height as i64).contains(&row) && (0..width as i64).contains(&column);
    inside.then(|| x[((n * channels + c) * height + row as usize) * width + column as usize])
}

/// Each place of the output, row-major, with the row and column of its window's first pixel.
fn windows(
    x: [usize; 4],
    channels: usize,
    kernel: [i64; 2],
    strides: [i64; 2],
    pads: [i64; 4],
) -> Vec<([usize; 2], i64, i64)> {
    let side = |axis: usize| (x[axis + 2] as i64 + pads[axis] + pads[axis + 2] - kernel[axis]) / strides[axis] + 1;
    let mut all = Vec::new();
    for (n, c) in (0..x[0]).flat_map(|n| (0..channels).map(move |c| (n, c))) {
        for (row, column) in (0..side(0)).flat_map(|row| (0..side(1)).map(move |column| (row, column))) {
            all.push(([n, c], row * strides[0] - pads[0], column * strides[1] - pads[1]));
        }
    }
    all
}

fn taps(kernel: [i64; 2]) -> impl Iterator<Item = (i64, i64)> {
    (0..kernel[0]).flat_map(move |row| (0..kernel[1]).map(move |column| (row, column)))
}

pub fn conv(inputs: &[Vec<f64>], x: [usize; 4], w: [usize; 4], strides: [i64; 2], pads: [i64; 4]) -> Vec<f64> {
    let (kernel, groups) = ([w[2] as i64, w[3] as i64], x[1] / w[1]);
    let value = |([n, output], row, column): ([usize; 2], i64, i64)| {
        let mut sum = inputs.get(2).map_or(0.0, |bias| bias[output]);
        let first = output / (w[0] / groups) * w[1];
        for c in 0..w[1] {
            for (i, (down, right)) in taps(kernel).enumerate() {
                let weight = inputs[1][(output * w[1] + c) * w[2] * w[3] + i];
                sum += weight * pixel(&inputs[0], x, [n, first + c], row + down, column + right).unwrap_or(0.0);
            }
        }
        sum
    };
    windows(x, w[0], kernel, strides, pads).into_iter().map(value).collect()
}

pub fn max_pool(x: &[f64], shape: [usize; 4], kernel: [i64; 2], strides: [i64; 2], pads: [i64; 4]) -> Vec<f64> {
    let value = |(image, row, column)| {
        taps(kernel).filter_map(|(i, j)| pixel(x, shape, image, row + i, column + j)).fold(f64::MIN, f64::max)
    };
    windows(shape, shape[1], kernel, strides, pads).into_iter().map(value).collect()
}

pub fn average_pool(
    x: &[f64],
    shape: [usize; 4],
    kernel: [i64; 2],
    strides: [i64; 2],
    pads: [i64; 4],
    with_padding: bool,
) -> Vec<f64> {
    let value = |(image, row, column)| {
        let seen: Vec<f64> = taps(kernel).filter_map(|(i, j)| pixel(x, shape, image, row + i, column + j)).collect();
        let count = if with_padding { (kernel[0] * kernel[1]) as usize } else { seen.len() };
        seen.iter().sum::<f64>() / count as f64
    };
    windows(shape, shape[1], kernel, strides, pads).into_iter().map(value).collect()
}

/// x, scale and bias; frozen statistics or those of `x`.
pub fn batch_norm(inputs: &[Vec<f64>], frozen: Option<(&[f64], &[f64])>, shape: &[usize], epsilon: f64) -> Vec<f64> {
    let (x, channels, pixels) = (&inputs[0], shape[1], shape[2..].iter().product::<usize>());
    let channel = |i: usize| i / pixels % channels;
    let of = |c: usize| x.iter().enumerate().filter(move |(i, _)| channel(*i) == c).map(|(_, v)| *v);
    let average = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let statistics = |c: usize| match frozen {
        Some((mean, variance)) => (mean[c], variance[c]),
        None => {
            let mean = average(&of(c).collect::<Vec<_>>());
            (mean, average(&of(c).map(|v| (v - mean).powi(2)).collect::<Vec<_>>()))
        }
    };
    let normalised = |(i, v): (usize, &f64)| {
        let (mean, variance) = statistics(channel(i));
        inputs[1][channel(i)] * (v - mean) / (variance + epsilon).sqrt() + inputs[2][channel(i)]
    };
    x.iter().enumerate().map(normalised).collect()
}

pub fn linear(inputs: &[Vec<f64>], rows: usize, depth: usize, columns: usize, turned: bool) -> Vec<f64> {
    let weight = |k: usize, j: usize| if turned { inputs[1][j * depth + k] } else { inputs[1][k * columns + j] };
    let value = |(i, j): (usize, usize)| {
        let bias = inputs.get(2).map_or(0.0, |bias| bias[j]);
        bias + (0..depth).map(|k| inputs[0][i * depth + k] * weight(k, j)).sum::<f64>()
    };
    (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))).map(value).collect()
}

pub fn add(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// All indices of a shape, in the order in which numbers lie.
pub fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    let of = |i: usize| {
        let mut rest = i;
        let mut index: Vec<usize> = shape
            .iter()
            .rev()
            .map(|&side| {
                let at = rest % side;
                rest /= side;
                at
            })
            .collect();
        index.reverse();
        index
    };
    (0..shape.iter().product()).map(of)
}

/// Where a number lies; a side of 1 is repeated, and missing sides come first.
pub fn place(shape: &[usize], index: &[usize]) -> usize {
    let index = &index[index.len() - shape.len()..];
    shape.iter().zip(index).fold(0, |at, (&side, &i)| at * side + if side == 1 { 0 } else { i })
}

pub fn pairs([a, b]: [(&[f64], &[usize]); 2], combine: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let rank = a.1.len().max(b.1.len());
    let side = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    let shape: Vec<usize> = (0..rank).map(|axis| side(a.1, axis).max(side(b.1, axis))).collect();
    let pairs = indices(&shape).map(|index| combine(a.0[place(a.1, &index)], b.0[place(b.1, &index)]));
    pairs.collect()
}

/// The last two sides are matrices; what lies before them is repeated to fit.
pub fn matmul([a, b]: [(&[f64], &[usize]); 2]) -> Vec<f64> {
    let (of_a, rest_a) = (&a.1[..a.1.len() - 2], &a.1[a.1.len() - 2..]);
    let (of_b, rest_b) = (&b.1[..b.1.len() - 2], &b.1[b.1.len() - 2..]);
    let many = if of_a.len() > of_b.len() { of_a } else { of_b };
    let shape = [many, &[rest_a[0], rest_b[1]]].concat();
    let value = |index: Vec<usize>| {
        let (row, column) = (index[index.len() - 2], index[index.len() - 1]);
        let head = &index[..index.len() - 2];
        let at = |shape: &[usize], i, j| place(shape, &[head, &[i, j]].concat());
        (0..rest_a[1]).map(|k| a.0[at(a.1, row, k)] * b.0[at(b.1, k, column)]).sum()
    };
    indices(&shape).map(value).collect()
}
