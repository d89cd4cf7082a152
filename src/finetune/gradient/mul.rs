//! Mul and Div: each side's gradient is multiplied with what the other side was.

use super::broadcast::{fitted, summed};
use super::{Node, Tape, Value};

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    product(tape, node.input(0)?, node.input(1)?)
}

pub fn product(tape: &mut Tape, a: &Value, b: &Value) -> Result<Value, String> {
    let (a, b, shape) = (a.clone(), b.clone(), fitted(a, b)?);
    let y = tape.graph.two("Mul", &a.name, &b.name);
    let (learns, output) = (a.learns || b.learns, shape.clone());
    Ok(tape.record(y, shape, learns, move |tape, dy| {
        for (x, other) in [(&a, &b), (&b, &a)] {
            tape.add_gradient(x, |g| {
                let product = g.two("Mul", dy, &other.name);
                summed(g, &product, &x.shape, &output)
            });
        }
    }))
}

pub fn quotient(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let (a, b) = (node.input(0)?.clone(), node.input(1)?.clone());
    let shape = fitted(&a, &b)?;
    let y = tape.graph.two("Div", &a.name, &b.name);
    let (learns, output, quotient) = (a.learns || b.learns, shape.clone(), y.clone());
    Ok(tape.record(y, shape, learns, move |tape, dy| {
        let share = tape.graph.two("Div", dy, &b.name);
        tape.add_gradient(&a, |g| summed(g, &share, &a.shape, &output));
        tape.add_gradient(&b, |g| {
            let product = g.two("Mul", &share, &quotient);
            let sum = summed(g, &product, &b.shape, &output);
            g.node("Neg", &[&sum], &[])
        });
    }))
}
