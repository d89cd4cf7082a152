//! What surrounds a batch norm in a training step becomes part of it: the sum with another map and the ReLU behind it, and
//! their gradients before its own.

use super::nodes::Nodes;
use super::operator;
use crate::deep::onnx::Attribute;

pub fn fuse(nodes: &mut Nodes) {
    for place in nodes.places() {
        let is = |operators: [&str; 2]| {
            nodes.get(place).is_some_and(|node| operators.iter().any(|operator| node.is_own(operator)))
        };
        if is([operator::BATCH_NORM, operator::FIXED_NORM]) {
            forward(nodes, place);
        } else if is([operator::BATCH_NORM_GRADIENT, operator::FIXED_NORM_GRADIENT]) {
            backward(nodes, place);
        }
    }
}

/// (batch norm, sum?, ReLU) is one.
fn forward(nodes: &mut Nodes, place: usize) {
    let Some(norm) = nodes.get(place) else { return };
    let y = &norm.output[0];
    let Some((mut last, mut user)) = nodes.only_user(y) else { return };
    let (mut taken, mut added) = (vec![place], None);
    if user.is_own(operator::ADD) {
        taken.push(last);
        added = user.input.iter().find(|name| *name != y).cloned();
        match nodes.only_user(&user.output[0]) {
            Some(next) => (last, user) = next,
            None => return,
        }
    }
    if !user.is_standard("Relu") {
        return;
    }
    taken.push(last);
    let mut fused = norm.clone().with("relu", Attribute::Int(1));
    fused.output[0] = user.output[0].clone();
    fused.name = fused.output[0].clone();
    fused.input.extend(added);
    taken.into_iter().for_each(|place| drop(nodes.take(place)));
    nodes.put_at(last, fused);
}

/// (sum?, gradient of a ReLU, gradient of a batch norm) is one; it gives the ReLU's gradient too where others need it.
fn backward(nodes: &mut Nodes, place: usize) {
    let Some(norm) = nodes.get(place) else { return };
    let relu = nodes.maker(&norm.input[0]).filter(|(_, node)| node.is_own(operator::RELU_GRADIENT));
    let Some((mask, relu)) = relu else { return };
    let (masked, incoming) = (relu.output[0].clone(), &relu.input[0]);
    let sum = nodes.maker(incoming).filter(|(_, node)| node.is_own(operator::ADD) && nodes.uses(incoming) == 1);
    let mut fused = norm.clone();
    fused.input.push(relu.input[1].clone());
    match sum {
        Some((_, sum)) => {
            fused.input[0] = sum.input[0].clone();
            fused.input.push(sum.input[1].clone());
        }
        None => fused.input[0] = incoming.clone(),
    }
    if nodes.uses(&masked) > 1 {
        fused.output.resize(3, String::new());
        fused.output.push(masked);
    }
    let taken = [Some(place), Some(mask), sum.map(|(place, _)| place)];
    taken.into_iter().flatten().for_each(|place| drop(nodes.take(place)));
    nodes.put_at(place, fused);
}
