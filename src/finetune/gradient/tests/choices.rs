//! Operators that choose among numbers.

use super::*;

#[test]
fn by_a_constant() {
    let mut graph = Graph::new("constant");
    graph.initializer(truths("condition", [1, 3], [true, false, true]));
    let inner = graph.node("Identity", &["input 0"], &[]);
    let other = graph.node("Identity", &["input 1"], &[]);
    graph.node_to("Where", &["condition", &inner, &other], &[], &["y"]);
    Network::new(graph, &[&[2, 3], &[2, 1]])
        .check("Where", &[], &|x| (0..6).map(|i| if i % 3 == 1 { x[1][i / 3] } else { x[0][i] }).collect());
}

/// Of numbers that were computed, and as a number itself.
#[test]
fn by_a_comparison() {
    let mut graph = Graph::new("comparison");
    let zero = graph.floats(Tensor::new(&[], vec![0.0]));
    let [a, b] = ["input 0", "input 1"].map(|name| graph.node("Identity", &[name], &[]));
    let (less, above) = (graph.node("Less", &[&a, &b], &[]), graph.node("Greater", &[&a, &zero], &[]));
    let both = graph.node("And", &[&less, &above], &[]);
    let not = graph.node("Not", &[&both], &[]);
    let chosen = graph.node("Where", &[&not, &a, &b], &[]);
    let share = graph.node("Cast", &[&less], &[("to", Attribute::Int(1))]);
    let alike = graph.node("CastLike", &[&share, &zero], &[]);
    graph.node_to("Mul", &[&chosen, &alike], &[], &["y"]);
    Network::new(graph, &[&[3, 5], &[5]]).check("Where", &[], &|x| {
        let pair = |a: f64, b: f64| {
            if a >= b {
                0.0
            } else if a > 0.0 {
                b
            } else {
                a
            }
        };
        (0..15).map(|i| pair(x[0][i], x[1][i % 5])).collect()
    });
    let refused = node("Where", &[&[2], &[3], &[2]]).record().err().unwrap().to_string();
    assert!(refused.contains("[2] and [3] and [2] don't fit"), "{refused}");
}

#[test]
fn the_largest_and_the_smallest() {
    for (operator, of) in [("Max", f64::max as fn(f64, f64) -> f64), ("Min", f64::min)] {
        node(operator, &[&[2, 3], &[3], &[2, 1]])
            .learned(3)
            .check(&[], &|x| (0..6).map(|i| of(of(x[0][i], x[1][i % 3]), x[2][i / 3])).collect());
    }
    node("GlobalMaxPool", &[&[2, 2, 3, 2]])
        .learned(1)
        .check(&[], &|x| x[0].chunks(6).map(|picture| picture.iter().copied().fold(f64::MIN, f64::max)).collect());
}

#[test]
fn slopes_below_zero() {
    let bent = |x: f64, slope: f64| if x > 0.0 { x } else { slope * x };
    let leaky = node("LeakyRelu", &[&[3, 7]]).learned(1);
    leaky.check(&[], &|x| x[0].iter().map(|&x| bent(x, f64::from(0.01f32))).collect());
    let steep = node("LeakyRelu", &[&[3, 7]]).learned(1).with("alpha", Attribute::Float(0.5));
    steep.check(&[], &|x| x[0].iter().map(|&x| bent(x, 0.5)).collect());
    node("PRelu", &[&[2, 3, 4], &[3, 1]])
        .check(&[], &|x| x[0].iter().enumerate().map(|(i, &number)| bent(number, x[1][i / 4 % 3])).collect());
}
