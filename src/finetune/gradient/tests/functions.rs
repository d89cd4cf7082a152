//! Functions of single numbers, and of two tensors.

use super::*;

type Function = fn(f64) -> f64;
type Pair = fn(f64, f64) -> f64;

/// Of numbers between -1 and 1, stretched so that every piece of a function is met.
fn check(node: OneNode, function: Function) {
    node.check(&[], &|inputs| inputs[0].iter().map(|&x| function(x)).collect());
}

/// A node on numbers between 0.5 and 2.5.
fn check_positive(operator: &'static str, function: Function) {
    let mut graph = Graph::new("positive");
    let shift = graph.floats(Tensor::new(&[], vec![1.5]));
    let x = graph.node("Add", &["input 0", &shift], &[]);
    graph.node_to(operator, &[&x], &[], &["y"]);
    let network = Network::new(graph, &[&[3, 7]]);
    network.check(operator, &[], &|inputs| inputs[0].iter().map(|x| function(x + 1.5)).collect());
}

/// Abramowitz and Stegun's series of the error function.
fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..60 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[test]
fn smooth_ones() {
    let one = |operator| node(operator, &[&[3, 7]]).learned(1);
    check(one("Abs"), f64::abs);
    check(one("Cos"), f64::cos);
    check(one("Elu"), |x| if x > 0.0 { x } else { x.exp_m1() });
    check(one("Elu").with("alpha", Attribute::Float(1.5)), |x| if x > 0.0 { x } else { 1.5 * x.exp_m1() });
    check(one("Erf"), erf);
    check(one("Exp"), f64::exp);
    check(one("Mish"), |x| x * x.exp().ln_1p().tanh());
    check(one("Neg"), |x| -x);
    check(one("Sigmoid"), sigmoid);
    check(one("Sin"), f64::sin);
    check(one("Softplus"), |x| x.exp().ln_1p());
    check(one("Tanh"), f64::tanh);
    check(one("Swish"), |x| x * sigmoid(x));
    check(one("Swish").with("alpha", Attribute::Float(1.5)), |x| x * sigmoid(1.5 * x));
    check_positive("Log", f64::ln);
    check_positive("Reciprocal", f64::recip);
    check_positive("Sqrt", f64::sqrt);
}

#[test]
fn gelus() {
    let gelu = || node("Gelu", &[&[3, 7]]).learned(1);
    check(gelu(), |x| 0.5 * x * (1.0 + erf(x / 2f64.sqrt())));
    let inner = |x: f64| (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
    let near: Function = |x| {
        let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
        0.5 * x * (1.0 + inner.tanh())
    };
    assert!(inner(1.0) > 0.8);
    check(gelu().with("approximate", Attribute::Text("tanh".into())), near);
}

#[test]
fn ramps() {
    let ramp = |operator| node(operator, &[&[3, 7]]).learned(1);
    check(ramp("HardSigmoid"), |x| (0.2 * x + 0.5).clamp(0.0, 1.0));
    let steep = ramp("HardSigmoid").with("alpha", Attribute::Float(0.75)).with("beta", Attribute::Float(0.25));
    check(steep, |x| (0.75 * x + 0.25).clamp(0.0, 1.0));
    // between -4 and 4, beyond both ends of the ramp
    let mut graph = Graph::new("wide");
    let four = graph.floats(Tensor::new(&[], vec![4.0]));
    let wide = graph.node("Mul", &["input 0", &four], &[]);
    graph.node_to("HardSwish", &[&wide], &[], &["y"]);
    let swish = |x: f64| 4.0 * x * (4.0 * x / 6.0 + 0.5).clamp(0.0, 1.0);
    let network = Network::new(graph, &[&[3, 7]]);
    network.check("HardSwish", &[], &|inputs| inputs[0].iter().map(|&x| swish(x)).collect());
}

#[test]
fn powers() {
    for exponent in [2.0, 3.0] {
        let mut graph = Graph::new("power");
        let constant = graph.floats(Tensor::new(&[], vec![exponent]));
        graph.node_to("Pow", &["inner", &constant], &[], &["y"]);
        let mut inner = Graph::new("inner");
        inner.node_to("Identity", &["input 0"], &[], &["inner"]);
        let mut network = Network::new(inner, &[&[2, 5]]);
        let power = graph.model().graph.unwrap();
        let whole = network.model.graph.as_mut().unwrap();
        whole.node.extend(power.node);
        whole.initializer.extend(power.initializer);
        let forward = |inputs: &[Vec<f64>]| inputs[0].iter().map(|x| x.powf(f64::from(exponent))).collect();
        network.check("Pow", &[], &forward);
    }
    let refused = node("Pow", &[&[2, 3], &[2, 3]]).learned(1).record().err().unwrap().to_string();
    assert!(refused.contains("an exponent of one constant number"), "{refused}");
}

#[test]
fn pairs() {
    let pair: [(&str, Pair); 4] =
        [("Add", |a, b| a + b), ("Sub", |a, b| a - b), ("Mul", |a, b| a * b), ("Div", |a, b| a / b)];
    let shapes: [[&[usize]; 2]; 4] =
        [[&[2, 3], &[2, 3]], [&[2, 3], &[3]], [&[1, 3], &[2, 1]], [&[2, 2, 3, 4], &[2, 2, 1, 1]]];
    for (operator, combine) in pair {
        for [a, b] in shapes {
            let pair = node(operator, &[a, b]).learned(2);
            let forward = |inputs: &[Vec<f64>]| naive::pairs([(&inputs[0], a), (&inputs[1], b)], combine);
            match operator {
                // small divisors have large slopes, which central differences miss
                "Div" => divided(a, b),
                _ => pair.check(&[], &forward),
            }
        }
    }
    let refused = node("Mul", &[&[2, 3], &[4]]).record().err().unwrap().to_string();
    assert_eq!(refused, "node `y` (Mul): [2, 3] and [4] don't fit");
}

/// By numbers between 0.5 and 2.5.
fn divided(a: &[usize], b: &[usize]) {
    let mut graph = Graph::new("quotient");
    let shift = graph.floats(Tensor::new(&[], vec![1.5]));
    let above = graph.node("Identity", &["input 0"], &[]);
    let below = graph.node("Add", &["input 1", &shift], &[]);
    graph.node_to("Div", &[&above, &below], &[], &["y"]);
    let forward = |inputs: &[Vec<f64>]| naive::pairs([(&inputs[0], a), (&inputs[1], b)], |a, b| a / (b + 1.5));
    Network::new(graph, &[a, b]).check("Div", &[], &forward);
}

/// A number that the function itself brings along, and what an attention must not see.
#[test]
fn numbers_of_the_function_do_not_learn() {
    let of = |operator: &str, tensor: Tensor| {
        let mut graph = Graph::new("constant");
        graph.initializer(TensorProto::float("constant", tensor));
        let inner = graph.node("Identity", &["input 0"], &[]);
        graph.node_to(operator, &[&inner, "constant"], &[], &["y"]);
        let model = Network::new(graph, &[&[2, 3]]).model;
        let graph = model.graph.as_ref().unwrap();
        let source = Source { model: &model, graph, input: "unused", shape: &[1], output: "y" };
        let recorded = record(source, &|_| true, &|_| BatchNorm::Train).unwrap();
        recorded.parameters.iter().find(|parameter| parameter.name == "constant").unwrap().role
    };
    let single = || Tensor::new(&[1], vec![0.125]);
    assert_eq!([of("Mul", single()), of("Add", single())], [Role::Constant; 2]);
    assert_eq!(of("Add", Tensor::new(&[3], vec![0.0, -100.0, 0.0])), Role::Constant);
    assert_eq!(of("Div", Tensor::new(&[3], vec![1.0, 2.0, 3.0])), Role::Constant);
    assert_eq!(of("Mul", Tensor::new(&[3], vec![1.0, 1.0, 1.0])), Role::Learns);
}
