//! Operators that move numbers about.

use super::*;

/// Every number of the output is the number of the first input at this place, or 0.
fn moved(node: OneNode, place: impl Fn(usize) -> Option<usize>, count: usize) {
    node.learned(1).check(&[], &|inputs| (0..count).map(|i| place(i).map_or(0.0, |at| inputs[0][at])).collect());
}

#[test]
fn transposes() {
    let turned = |order: [usize; 3], shape: [usize; 3]| -> Vec<usize> {
        let out = order.map(|axis| shape[axis]);
        naive::indices(&out)
            .map(|index| {
                let mut from = [0; 3];
                (0..3).for_each(|axis| from[order[axis]] = index[axis]);
                naive::place(&shape, &from)
            })
            .collect()
    };
    let shape = [2, 3, 4];
    for order in [[0, 2, 1], [2, 0, 1]] {
        let perm = Attribute::Ints(order.map(|axis| axis as i64).to_vec());
        let places = turned(order, shape);
        moved(node("Transpose", &[&shape]).with("perm", perm), |i| Some(places[i]), 24);
    }
    let places = turned([2, 1, 0], shape);
    moved(node("Transpose", &[&shape]), |i| Some(places[i]), 24);
    let wrong = node("Transpose", &[&shape]).with("perm", Attribute::Ints(vec![0, 1, 1]));
    assert!(wrong.record().err().unwrap().to_string().ends_with("perm = [0, 1, 1] does not fit [2, 3, 4]"));
}

#[test]
fn sides_of_one_come_and_go() {
    moved(node("Unsqueeze", &[&[2, 3]]).ints(&[0, -1]), Some, 6);
    moved(node("Squeeze", &[&[2, 1, 3, 1]]).ints(&[-1]), Some, 6);
    moved(node("Squeeze", &[&[2, 1, 3, 1]]), Some, 6);
    moved(node("Squeeze", &[&[2, 1, 3]]).with("axes", Attribute::Ints(vec![1])), Some, 6);
    let wrong = node("Squeeze", &[&[2, 3]]).ints(&[1]).record().err().unwrap().to_string();
    assert!(wrong.contains("can't lose the sides"), "{wrong}");
}

#[test]
fn parts_are_put_together_and_taken_apart() {
    let concat = node("Concat", &[&[2, 2], &[2, 1], &[2, 3]]).with("axis", Attribute::Int(-1));
    concat.check(&[], &|inputs| {
        (0..2)
            .flat_map(|row| [(0, 2), (1, 1), (2, 3)].map(|(part, side)| (row, part, side)))
            .flat_map(|(row, part, side)| inputs[part][row * side..][..side].to_vec())
            .collect()
    });
    let wrong = node("Concat", &[&[2, 3], &[1, 3]]).with("axis", Attribute::Int(1)).record().err().unwrap();
    assert!(wrong.to_string().contains("exported for one number of images"), "{wrong}");
    // the second of three parts is not used, and the others are used in another order
    for sizes in [None, Some([2, 1, 2])] {
        let mut graph = Graph::new("split");
        let axis = [("axis", Attribute::Int(1))];
        let whole = graph.node("Identity", &["input 0"], &[]);
        let stated = sizes.map(|sizes| graph.ints(&sizes));
        let inputs: Vec<&str> = [whole.as_str()].into_iter().chain(stated.as_deref()).collect();
        graph.node_to("Split", &inputs, &axis, &["a", "b", "c"]);
        graph.node_to("Concat", &["c", "a"], &axis, &["y"]);
        let (first, last) = if sizes.is_some() { (2, 3..5) } else { (2, 4..5) };
        Network::new(graph, &[&[2, 5]]).check("Split", &[], &|inputs| {
            inputs[0].chunks(5).flat_map(|row| [&row[last.clone()], &row[..first]].concat()).collect()
        });
    }
}

#[test]
fn slices() {
    let x = [3, 8];
    let cut = |starts: &[i64], ends: &[i64], axes: &[i64], steps: &[i64]| {
        node("Slice", &[&x]).ints(starts).ints(ends).ints(axes).ints(steps)
    };
    moved(cut(&[1], &[i64::MAX], &[0], &[1]), |i| Some(i + 8), 16);
    moved(cut(&[-7], &[-2], &[-1], &[1]), |i| Some(i / 5 * 8 + i % 5 + 1), 15);
    for (start, end, count) in [(0, 8, 4), (1, 8, 4), (1, 6, 3)] {
        let place = |i: usize| Some(i / count * 8 + start as usize + i % count * 2);
        moved(cut(&[start], &[end], &[1], &[2]), place, 3 * count);
    }
    moved(cut(&[-1], &[i64::MIN], &[1], &[-1]), |i| Some(i / 8 * 8 + 7 - i % 8), 24);
    moved(cut(&[6], &[0], &[1], &[-3]), |i| Some(i / 2 * 8 + 6 - i % 2 * 3), 6);
    moved(cut(&[0, 2], &[2, 7], &[0, 1], &[1, 3]), |i| Some(i / 2 * 8 + 2 + i % 2 * 3), 4);
    let empty = cut(&[4], &[2], &[1], &[1]).record().err().unwrap().to_string();
    assert!(empty.contains("nothing is left of 8 numbers"), "{empty}");
}

#[test]
fn gathers() {
    let axis = |axis| Attribute::Int(axis);
    moved(
        node("Gather", &[&[2, 3, 2]]).shaped_ints(&[], &[1]).with("axis", axis(1)),
        |i| Some(i / 2 * 6 + 2 + i % 2),
        4,
    );
    moved(node("Gather", &[&[4, 2]]).ints(&[1, 2]), |i| Some(i + 2), 4);
    // a table: several times the same, in any order, in a shape of its own
    let at: [i64; 6] = [3, 0, 3, 1, -1, 2];
    let place = |i: usize| Some(at[i / 2].rem_euclid(4) as usize * 2 + i % 2);
    moved(node("Gather", &[&[4, 2]]).shaped_ints(&[2, 3], &at), place, 12);
    let place = |i: usize| Some(i / 6 * 4 + at[i % 6].rem_euclid(4) as usize);
    moved(node("Gather", &[&[2, 4]]).ints(&at).with("axis", axis(1)), place, 12);
    let of_rows = node("GatherND", &[&[4, 2]]).shaped_ints(&[2, 3, 1], &at);
    moved(of_rows, |i| Some(at[i / 2].rem_euclid(4) as usize * 2 + i % 2), 12);
    let of_numbers = node("GatherND", &[&[2, 3, 2]]).shaped_ints(&[3, 2], &[1, -1, 0, 0, 1, -1]);
    moved(of_numbers, |i| Some([10, 0, 10][i / 2] + i % 2), 6);
    let beyond = node("Gather", &[&[4, 2]]).ints(&[4]).record().err().unwrap().to_string();
    assert_eq!(beyond, "node `y` (Gather): 4 lies beyond 4 places");
}

#[test]
fn pads_and_repetitions() {
    let padded = |i: usize| {
        let (row, column) = (i / 6, i % 6);
        ((1..3).contains(&row) && (0..3).contains(&column)).then(|| (row - 1) * 3 + column)
    };
    moved(node("Pad", &[&[2, 3]]).ints(&[1, 0, 1, 3]), padded, 24);
    moved(node("Pad", &[&[2, 3]]).with("pads", Attribute::Ints(vec![0, -1, 0, 0])), |i| Some(i / 2 * 3 + 1 + i % 2), 4);
    let with = |mode: &str, pads: &[i64]| node("Pad", &[&[2, 3]]).ints(pads).with("mode", Attribute::Text(mode.into()));
    let mirrored = [1, 0, 1, 2, 1];
    moved(with("reflect", &[1, 1, 0, 1]), |i| Some((1 - i / 5 % 2 + i / 10 * 2) % 2 * 3 + mirrored[i % 5]), 15);
    moved(with("edge", &[0, 0, 1, 2]), |i| Some((i / 5).min(1) * 3 + (i % 5).min(2)), 15);
    let less = with("edge", &[0, -1, 0, 0]).record().err().unwrap().to_string();
    assert!(less.contains("with mode = edge can't be trained"), "{less}");
    moved(node("Tile", &[&[2, 3]]).ints(&[2, 3]), |i| Some(i / 9 % 2 * 3 + i % 3), 36);
    moved(node("Tile", &[&[2, 3]]).ints(&[1, 1]), Some, 6);
    moved(node("Expand", &[&[2, 1, 3]]).ints(&[2, 2, 2, 1]), |i| Some(i / 6 % 2 * 3 + i % 3), 24);
    moved(node("Expand", &[&[3]]).ints(&[1]), Some, 3);
}

/// What exporters write around a class token and a table of sines: constants of any type that nodes compute.
#[test]
fn what_follows_from_constants_and_shapes_is_known() {
    let mut graph = Graph::new("constants");
    let [zero, one, three] = [0, 1, 3].map(|number| graph.ints(&[number]));
    let inner = graph.node("Identity", &["input 0"], &[]);
    let shape = graph.node("Shape", &[&inner], &[]);
    let rows = graph.node("Gather", &[&shape, &zero], &[("axis", Attribute::Int(0))]);
    let wanted = graph.node("Concat", &[&rows, &three], &[("axis", Attribute::Int(0))]);
    let value = TensorProto { dims: vec![1], data_type: INT64, int64_data: vec![1], ..Default::default() };
    let two = graph.ints(&[2]);
    let ones = graph.node("ConstantOfShape", &[&two], &[("value", Attribute::Tensor(value.into()))]);
    let free = graph.node("Equal", &[&wanted, &ones], &[]);
    let free = graph.node("Not", &[&free], &[]);
    let sides = graph.node("Where", &[&free, &wanted, &one], &[]);
    let float = graph.node("Cast", &[&sides], &[("to", Attribute::Int(1))]);
    let sine = graph.node("Sin", &[&float], &[]);
    let token = graph.node("Expand", &["input 1", &wanted], &[]);
    let both = graph.node("Concat", &[&inner, &token], &[("axis", Attribute::Int(1))]);
    let factor = graph.node("Slice", &[&sine, &one, &two], &[]);
    graph.node_to("Mul", &[&both, &factor], &[], &["y"]);
    let network = Network::new(graph, &[&[2, 2], &[1, 3]]);
    let factor = 3f64.sin();
    network.check("token", &[], &|inputs| {
        let rows = inputs[0].chunks(2).flat_map(|row| [row, &inputs[1]].concat());
        rows.map(|number| number * factor).collect()
    });
}

#[test]
fn all_that_is_unsupported_is_named() {
    let mut graph = Graph::new("strange");
    let inner = graph.node("Identity", &["input 0"], &[]);
    let a = graph.node("Det", &[&inner], &[]);
    let b = graph.node("Det", &[&a], &[]);
    graph.node_to("TopK", &[&b], &[], &["y"]);
    let error = Network::new(graph, &[&[2, 2]]).record().err().unwrap().to_string();
    let expected = format!(
        "the network has operators that can't be trained: Det (2 nodes, the first is `{a}`), TopK (node `y`); supported are"
    );
    assert!(error.starts_with(&expected), "{error}");
    let mut graph = Graph::new("quantised");
    let inner = graph.node("Identity", &["input 0"], &[]);
    graph.node_to("QuantizeLinear", &[&inner, "input 1"], &[], &["y"]);
    let error = Network::new(graph, &[&[2, 2], &[1]]).record().err().unwrap().to_string();
    assert!(error.ends_with("it is quantised: fine-tune the network's export in 32-bit floats"), "{error}");
    let half = node("Cast", &[&[2]]).with("to", Attribute::Int(10)).record().err().unwrap().to_string();
    assert!(half.ends_with("fine-tune the network's export in 32-bit floats"), "{half}");
    let fixed = node("Reshape", &[&[2, 3]]).ints(&[1, 3]).record().err().unwrap().to_string();
    assert!(fixed.contains("exported for one number of images; export it with a free one"), "{fixed}");
}
