//! MatMul: a fully connected layer whose bias is added by a node of its own, or a product of two matrices for each of
//! many (attention).

use super::broadcast::{broadcast, summed};
use super::gemm::{Factors, product};
use super::reshape::reshaped;
use super::{Node, Tape, Value};
use crate::deep::onnx::Graph;

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    matrices(tape, node.input(0)?.clone(), node.input(1)?.clone())
}

pub fn matrices(tape: &mut Tape, x: Value, w: Value) -> Result<Value, String> {
    let misfit = || format!("{:?} does not fit {:?}", x.shape, w.shape);
    let ([.., rows, inputs], [.., depth, outputs]) = (&x.shape[..], &w.shape[..]) else {
        return Err(format!("matrices are expected, not {:?} and {:?}", x.shape, w.shape));
    };
    let (rows, outputs) = (*rows, *outputs);
    if inputs != depth {
        return Err(misfit());
    }
    if w.shape.len() > 2 {
        let many = [&x.shape, &w.shape].map(|shape| &shape[..shape.len() - 2]);
        let shape = [broadcast(many[0], many[1]).ok_or_else(misfit)?, vec![rows, outputs]].concat();
        return Ok(of_many(tape, x, w, shape));
    }
    // what lies before the last two sides is rows too
    let mut shape = x.shape.clone();
    let rank = shape.len();
    shape[rank - 1] = outputs;
    let flat = match rank {
        2 => x.clone(),
        _ => reshaped(tape, &x, vec![x.shape[..rank - 1].iter().product(), *inputs]),
    };
    let y = tape.graph.two("MatMul", &flat.name, &w.name);
    let y = product(tape, y, Factors { x: flat, w, turned: false }, None);
    Ok(if rank == 2 { y } else { reshaped(tape, &y, shape) })
}

fn of_many(tape: &mut Tape, a: Value, b: Value, shape: Vec<usize>) -> Value {
    let y = tape.graph.two("MatMul", &a.name, &b.name);
    let (learns, many) = (a.learns || b.learns, shape[..shape.len() - 2].to_vec());
    tape.record(y, shape, learns, move |tape, dy| {
        tape.add_gradient(&a, |g| {
            let turned = turned(g, &b);
            let product = g.two("MatMul", dy, &turned);
            summed(g, &product, &a.shape, &[&many, &a.shape[a.shape.len() - 2..]].concat())
        });
        tape.add_gradient(&b, |g| {
            let turned = turned(g, &a);
            let product = g.two("MatMul", &turned, dy);
            summed(g, &product, &b.shape, &[&many, &b.shape[b.shape.len() - 2..]].concat())
        });
    })
}

/// Every matrix with rows and columns swapped.
fn turned(g: &mut Graph, x: &Value) -> String {
    let mut order: Vec<i64> = (0..x.shape.len() as i64).collect();
    let last = order.len() - 1;
    order.swap(last - 1, last);
    g.transpose(&x.name, &order)
}
