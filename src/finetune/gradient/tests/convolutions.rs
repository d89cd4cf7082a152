//! Convolutions.

use super::*;

#[test]
fn convolutions() {
    /// Input, weights, strides and pads.
    type Case = ([usize; 4], [usize; 4], [i64; 2], [i64; 4]);
    let cases: [Case; 10] = [
        ([2, 5, 6, 7], [4, 5, 3, 3], [1, 1], [1, 1, 1, 1]),
        ([2, 5, 5, 6], [3, 5, 3, 3], [2, 2], [1, 1, 1, 1]),
        ([2, 6, 4, 5], [3, 6, 1, 1], [1, 1], [0, 0, 0, 0]),
        ([2, 6, 5, 4], [3, 6, 1, 1], [2, 2], [0, 0, 0, 0]),
        // the stem: few channels, a large kernel
        ([2, 3, 9, 8], [4, 3, 7, 7], [2, 2], [3, 3, 3, 3]),
        // nothing is square or the same on both sides, and the last column is reached by no window
        ([1, 3, 6, 8], [2, 3, 3, 2], [2, 3], [0, 1, 1, 0]),
        // more padding than a turned kernel can have
        ([1, 5, 3, 3], [2, 5, 2, 2], [1, 1], [2, 2, 2, 2]),
        // many weights and few pixels: one product for all images, with each of what is special above
        ([2, 5, 2, 2], [9, 5, 3, 3], [1, 1], [1, 1, 1, 1]),
        ([1, 3, 4, 3], [8, 3, 3, 2], [2, 2], [0, 1, 1, 0]),
        ([1, 5, 2, 2], [7, 5, 2, 2], [1, 1], [2, 2, 2, 2]),
    ];
    for (x, w, strides, pads) in cases {
        for bias in [false, true] {
            let bias_shape = [w[0]];
            let shapes: Vec<&[usize]> = if bias { vec![&x, &w, &bias_shape] } else { vec![&x, &w] };
            let conv = node("Conv", &shapes).window([w[2] as i64, w[3] as i64], strides, pads);
            conv.check(&[], &|inputs| naive::conv(inputs, x, w, strides, pads));
        }
    }
}

#[test]
fn convolutions_in_groups() {
    for (x, w, strides) in [
        ([2, 4, 5, 6], [6, 2, 3, 3], [1, 1]),
        ([2, 4, 5, 5], [4, 1, 3, 3], [2, 2]),
        ([1, 3, 4, 4], [6, 1, 3, 3], [1, 1]),
        ([2, 6, 4, 4], [4, 3, 1, 1], [1, 1]),
    ] {
        let (kernel, pad) = ([w[2] as i64, w[3] as i64], w[2] as i64 / 2);
        let conv = node("Conv", &[&x, &w, &[w[0]]]).window(kernel, strides, [pad; 4]);
        let conv = conv.with("group", Attribute::Int((x[1] / w[1]) as i64));
        conv.check(&[], &|inputs| naive::conv(inputs, x, w, strides, [pad; 4]));
    }
}

#[test]
fn padding_may_be_a_word() {
    let (x, w) = ([2, 5, 6, 7], [3, 5, 3, 2]);
    for (word, pads) in [("SAME_UPPER", [0, 0, 1, 1]), ("SAME_LOWER", [1, 1, 0, 0]), ("VALID", [0; 4])] {
        let conv = node("Conv", &[&x, &w]).with("strides", Attribute::Ints(vec![2, 1]));
        let conv = conv.with("auto_pad", Attribute::Text(word.into()));
        conv.check(&[], &|inputs| naive::conv(inputs, x, w, [2, 1], pads));
        let list = |list: [i64; 2]| Attribute::Ints(list.to_vec());
        let pool = node("MaxPool", &[&x]).with("kernel_shape", list([3, 2])).with("strides", list([2, 1]));
        let pool = pool.with("auto_pad", Attribute::Text(word.into()));
        pool.check(&[], &|inputs| naive::max_pool(&inputs[0], x, [3, 2], [2, 1], pads));
    }
}

#[test]
fn dilated_ones() {
    /// Input, weights, strides, pads and dilations.
    type Case = ([usize; 4], [usize; 4], [i64; 2], [i64; 4], [usize; 2]);
    let cases: [Case; 5] = [
        ([1, 5, 6, 5], [2, 5, 3, 3], [1, 1], [2, 2, 2, 2], [2, 2]),
        ([1, 3, 9, 10], [2, 3, 3, 2], [2, 3], [0, 1, 1, 0], [2, 3]),
        ([2, 3, 7, 7], [2, 3, 2, 2], [1, 1], [0, 0, 0, 0], [3, 1]),
        ([1, 4, 6, 6], [6, 2, 3, 3], [1, 1], [3, 3, 3, 3], [3, 3]),
        ([2, 5, 3, 3], [9, 5, 3, 3], [1, 1], [2, 2, 2, 2], [2, 2]),
    ];
    for (x, w, strides, pads, apart) in cases {
        let bias = [w[0]];
        let conv = node("Conv", &[&x, &w, &bias]).window([w[2] as i64, w[3] as i64], strides, pads);
        let conv = conv.with("dilations", Attribute::Ints(apart.map(|v| v as i64).to_vec()));
        let conv = conv.with("group", Attribute::Int((x[1] / w[1]) as i64));
        // the same kernel with zeros between its places
        let wide = [w[0], w[1], (w[2] - 1) * apart[0] + 1, (w[3] - 1) * apart[1] + 1];
        conv.check(&[], &|inputs| {
            let mut kernel = vec![0.0; wide.iter().product()];
            for (index, number) in naive::indices(&w).zip(&inputs[1]) {
                let place = [index[0], index[1], index[2] * apart[0], index[3] * apart[1]];
                kernel[naive::place(&wide, &place)] = *number;
            }
            naive::conv(&[inputs[0].clone(), kernel, inputs[2].clone()], x, wide, strides, pads)
        });
    }
}

#[test]
fn a_dilated_pool() {
    let shape = [2, 3, 7, 6];
    let pool = node("MaxPool", &[&shape]).window([2, 2], [1, 1], [0; 4]);
    pool.with("dilations", Attribute::Ints(vec![2, 3])).check(&[], &|inputs| {
        let seen = |index: Vec<usize>, tap: usize| {
            let place = [index[0], index[1], index[2] + tap / 2 * 2, index[3] + tap % 2 * 3];
            inputs[0][naive::place(&shape, &place)]
        };
        let largest = |index: Vec<usize>| (0..4).map(|tap| seen(index.clone(), tap)).fold(f64::MIN, f64::max);
        naive::indices(&[2, 3, 5, 3]).map(largest).collect()
    });
}

#[test]
fn of_rows() {
    let list = |list: &[i64]| Attribute::Ints(list.to_vec());
    let conv = node("Conv", &[&[2, 3, 9], &[4, 3, 3], &[4]]).with("kernel_shape", list(&[3]));
    let conv = conv.with("strides", list(&[2])).with("pads", list(&[1, 1]));
    conv.check(&[], &|inputs| naive::conv(inputs, [2, 3, 1, 9], [4, 3, 1, 3], [1, 2], [0, 1, 0, 1]));
    let cube = node("Conv", &[&[1, 1, 3, 3, 3], &[1, 1, 2, 2, 2]]).record().err().unwrap().to_string();
    assert!(cube.contains("4 sides are expected"), "{cube}");
}
