//! What attention and layer norms are made of.

use super::*;

/// Of many numbers.
type Function = fn(&[f64]) -> f64;

#[test]
fn products_of_many_matrices() {
    let cases: [[&[usize]; 2]; 5] = [
        [&[2, 3, 4], &[4, 5]],
        [&[2, 2, 3, 4], &[2, 2, 4, 5]],
        [&[2, 3, 4], &[2, 4, 2]],
        [&[2, 2, 3, 4], &[2, 4, 5]],
        [&[3, 4], &[2, 4, 5]],
    ];
    for [a, b] in cases {
        let product = node("MatMul", &[a, b]);
        product.check(&[], &|inputs| naive::matmul([(&inputs[0], a), (&inputs[1], b)]));
    }
    let refused = node("MatMul", &[&[2, 3, 4], &[3, 4, 5]]).record().err().unwrap().to_string();
    assert_eq!(refused, "node `y` (MatMul): [2, 3, 4] does not fit [3, 4, 5]");
}

/// One operator, without a mask, with one that is added and learns, and with one of truth values.
#[test]
fn attentions() {
    let attended = |x: &[Vec<f64>], hidden: &dyn Fn(usize) -> bool| -> Vec<f64> {
        let mut y = Vec::new();
        for (head, query) in (0..2).flat_map(|head| (0..3).map(move |query| (head, query))) {
            let score = |key: usize| -> f64 {
                let product = (0..4).map(|i| x[0][(head * 3 + query) * 4 + i] * x[1][(head * 5 + key) * 4 + i]);
                let mask = x.get(3).map_or(0.0, |mask| mask[query * 5 + key]);
                if hidden(query * 5 + key) { 0.0 } else { (product.sum::<f64>() / 2.0 + mask).exp() }
            };
            let all: f64 = (0..5).map(score).sum();
            let of = |i: usize| (0..5).map(|key| score(key) * x[2][(head * 5 + key) * 2 + i]).sum::<f64>() / all;
            y.extend((0..2).map(of));
        }
        y
    };
    let shapes: [&[usize]; 4] = [&[1, 2, 3, 4], &[1, 2, 5, 4], &[1, 2, 5, 2], &[3, 5]];
    node("Attention", &shapes[..3]).check(&[], &|x| attended(x, &|_| false));
    node("Attention", &shapes).check(&[], &|x| attended(x, &|_| false));
    let mut graph = Graph::new("masked");
    graph.initializer(truths("seen", [3, 5], (0..15).map(|i| i % 4 != 1)));
    graph.node_to("Attention", &["input 0", "input 1", "input 2", "seen"], &[], &["y"]);
    Network::new(graph, &shapes[..3]).check("masked", &[], &|x| attended(x, &|i| i % 4 == 1));
    let causal =
        node("Attention", &shapes[..3]).with("is_causal", Attribute::Int(1)).record().err().unwrap().to_string();
    assert!(causal.contains("is_causal = 1 can't be trained"), "{causal}");
}

#[test]
fn softmaxes() {
    for (axis, outer, side, inner) in [(-1, 6, 4, 1), (1, 2, 3, 4)] {
        for (operator, logarithm) in [("Softmax", false), ("LogSoftmax", true)] {
            let softmax = node(operator, &[&[2, 3, 4]]).learned(1).with("axis", Attribute::Int(axis));
            softmax.check(&[], &|inputs| {
                let mut y = inputs[0].clone();
                for (o, i) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
                    let at = |s: usize| (o * side + s) * inner + i;
                    let sum: f64 = (0..side).map(|s| inputs[0][at(s)].exp()).sum();
                    for s in 0..side {
                        let log = inputs[0][at(s)] - sum.ln();
                        y[at(s)] = if logarithm { log } else { log.exp() };
                    }
                }
                y
            });
        }
    }
}

/// Rows of so many numbers, each with mean 0 and variance 1.
fn normalised(x: &[f64], row: usize, epsilon: f64) -> Vec<f64> {
    let of_row = |row: &[f64]| {
        let mean = row.iter().sum::<f64>() / row.len() as f64;
        let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / row.len() as f64;
        row.iter().map(|v| (v - mean) / (variance + epsilon).sqrt()).collect::<Vec<_>>()
    };
    x.chunks(row).flat_map(of_row).collect()
}

#[test]
fn layer_norms() {
    let epsilon = f64::from(1e-3f32);
    for (shape, axis, row) in [(vec![2, 3, 5], -1, 5), (vec![2, 3, 4], 1, 12)] {
        let of_row = &shape[shape.len() - if axis == 1 { 2 } else { 1 }..];
        let norm = node("LayerNormalization", &[&shape, of_row, of_row]);
        let norm = norm.with("epsilon", Attribute::Float(1e-3)).with("axis", Attribute::Int(axis));
        norm.check(&[], &|inputs| {
            let y = normalised(&inputs[0], row, epsilon);
            y.iter().enumerate().map(|(i, y)| y * inputs[1][i % row] + inputs[2][i % row]).collect()
        });
    }
    let plain = node("LayerNormalization", &[&[3, 4], &[4]]);
    plain.check(&[], &|inputs| {
        let y = normalised(&inputs[0], 4, f64::from(1e-5f32));
        y.iter().enumerate().map(|(i, y)| y * inputs[1][i % 4]).collect()
    });
}

#[test]
fn norms_of_channels_and_of_groups() {
    let shape = [2, 4, 2, 3];
    let scaled = |y: Vec<f64>, inputs: &[Vec<f64>]| {
        let channel = |i: usize| i / 6 % 4;
        y.iter().enumerate().map(|(i, y)| y * inputs[1][channel(i)] + inputs[2][channel(i)]).collect()
    };
    let epsilon = f64::from(1e-5f32);
    let instance = node("InstanceNormalization", &[&shape, &[4], &[4]]);
    instance.check(&[], &|inputs| scaled(normalised(&inputs[0], 6, epsilon), inputs));
    let group = node("GroupNormalization", &[&shape, &[4], &[4]]).with("num_groups", Attribute::Int(2));
    group.check(&[], &|inputs| scaled(normalised(&inputs[0], 12, epsilon), inputs));
    let uneven = node("GroupNormalization", &[&shape, &[4], &[4]]).with("num_groups", Attribute::Int(3));
    assert!(uneven.record().err().unwrap().to_string().contains("does not fall into 3 groups"));
}

#[test]
fn sums_and_means_over_any_axes() {
    let shape = [2, 3, 4];
    let reduced = |x: &[f64], axes: &[usize], of: fn(&[f64]) -> f64| -> Vec<f64> {
        let mut groups: Vec<(Vec<usize>, Vec<f64>)> = Vec::new();
        for (i, index) in naive::indices(&shape).enumerate() {
            let left: Vec<usize> = (0..3).filter(|axis| !axes.contains(axis)).map(|axis| index[axis]).collect();
            match groups.iter_mut().find(|(known, _)| *known == left) {
                Some((_, numbers)) => numbers.push(x[i]),
                None => groups.push((left, vec![x[i]])),
            }
        }
        groups.iter().map(|(_, numbers)| of(numbers)).collect()
    };
    let functions: [(&str, Function); 5] = [
        ("ReduceMax", |numbers| numbers.iter().copied().fold(f64::MIN, f64::max)),
        ("ReduceMin", |numbers| numbers.iter().copied().fold(f64::MAX, f64::min)),
        ("ReduceSum", |numbers| numbers.iter().sum()),
        ("ReduceMean", |numbers| numbers.iter().sum::<f64>() / numbers.len() as f64),
        ("ReduceL2", |numbers| numbers.iter().map(|v| v * v).sum::<f64>().sqrt()),
    ];
    for (operator, function) in functions {
        for axes in [vec![-1], vec![0, 2], vec![0, 1, 2]] {
            for keep in [0, 1] {
                let reduce = node(operator, &[&shape]).learned(1).ints(&axes).with("keepdims", Attribute::Int(keep));
                let from_start: Vec<usize> = axes.iter().map(|&axis: &i64| axis.rem_euclid(3) as usize).collect();
                reduce.check(&[], &|inputs| reduced(&inputs[0], &from_start, function));
            }
        }
    }
    node("ReduceSum", &[&shape]).learned(1).check(&[], &|inputs| vec![inputs[0].iter().sum()]);
}

/// Weights that are standardised before they are used, as exporters write it: a batch norm with their own statistics.
#[test]
fn weights_may_be_standardised() {
    for batch_norm in [BatchNorm::Train, BatchNorm::Frozen] {
        let mut graph = Graph::new("standardised");
        graph.initializer(TensorProto::float("zeros", Tensor::new(&[3], vec![0.0; 3])));
        let axes = graph.ints(&[0, 2]);
        let inner = graph.node("Identity", &["input 0"], &[]);
        let mean = graph.node("ReduceMean", &[&inner, &axes], &[("keepdims", Attribute::Int(0))]);
        let square = graph.node("Mul", &[&inner, &inner], &[]);
        let squares = graph.node("ReduceMean", &[&square, &axes], &[("keepdims", Attribute::Int(0))]);
        graph.node_to("BatchNormalization", &[&inner, "input 1", "zeros", &mean, &squares], &[], &["y"]);
        let mut network = Network::new(graph, &[&[1, 3, 5], &[3]]);
        network.batch_norm = batch_norm;
        network.check("BatchNormalization", &[], &|x| {
            let of_row = |(row, scale): (&[f64], &f64)| -> Vec<f64> {
                let mean = row.iter().sum::<f64>() / 5.0;
                let squares = row.iter().map(|v| v * v).sum::<f64>() / 5.0;
                row.iter().map(|v| scale * (v - mean) / (squares + f64::from(1e-5f32)).sqrt()).collect()
            };
            x[0].chunks(5).zip(&x[1]).flat_map(of_row).collect()
        });
        let model = &network.model;
        let source = Source { model, graph: model.graph.as_ref().unwrap(), input: "unused", shape: &[1], output: "y" };
        let parameters = record(source, &|_| true, &|_| batch_norm).unwrap().parameters;
        let role = |name: &str| parameters.iter().find(|parameter| parameter.name == name).unwrap().role;
        assert_eq!([role("input 1"), role("zeros")], [Role::Learns, Role::Constant]);
    }
}

#[test]
fn contractions() {
    let cases: [(&str, &[usize], &[usize]); 6] = [
        ("ij,jk->ik", &[2, 3], &[3, 4]),
        ("bhid, bhjd -> bhij", &[2, 2, 3, 4], &[2, 2, 2, 4]),
        ("bythwc,hkc->bythwk", &[1, 2, 1, 2, 2, 3], &[2, 2, 3]),
        ("bhwc,bc->bwh", &[2, 2, 3, 4], &[2, 4]),
        ("i,j->ji", &[2], &[3]),
        ("ab,ab->", &[2, 3], &[2, 3]),
    ];
    for (equation, a, b) in cases {
        let of = |text: &str| text.chars().filter(|letter| *letter != ' ').collect::<Vec<char>>();
        let (inputs, output) = equation.split_once("->").unwrap();
        let (left, right) = inputs.split_once(',').unwrap();
        let [left, right, output] = [left, right, output].map(of);
        let mut letters = output.clone();
        letters.extend(left.iter().filter(|letter| !output.contains(letter)));
        let side = |letter: &char| {
            left.iter()
                .position(|l| l == letter)
                .map_or_else(|| b[right.iter().position(|l| l == letter).unwrap()], |i| a[i])
        };
        let sides: Vec<usize> = letters.iter().map(side).collect();
        let summed = sides[output.len()..].iter().product::<usize>();
        let einsum = node("Einsum", &[a, b]).with("equation", Attribute::Text(equation.into()));
        einsum.check(&[], &|inputs| {
            let at = |of: &[char], index: &[usize]| -> Vec<usize> {
                of.iter().map(|letter| index[letters.iter().position(|l| l == letter).unwrap()]).collect()
            };
            let product = |index: Vec<usize>| {
                inputs[0][naive::place(a, &at(&left, &index))] * inputs[1][naive::place(b, &at(&right, &index))]
            };
            let all: Vec<f64> = naive::indices(&sides).map(product).collect();
            all.chunks(summed).map(|part| part.iter().sum()).collect()
        });
    }
    for equation in ["ii,ij->j", "...i,ij->...j", "ij,jk", "ij,kl->il"] {
        let einsum = node("Einsum", &[&[2, 2], &[2, 2]]).with("equation", Attribute::Text(equation.into()));
        let error = einsum.record().err().unwrap().to_string();
        assert!(error.contains("node `y` (Einsum)") && error.contains(equation), "{error}");
    }
}
