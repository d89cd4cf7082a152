//! Clip (ReLU6 among others): the gradient passes where the output lies between the limits.

use super::{Node, Tape, Value};

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?.clone();
    // newer files state the limits as inputs, older ones as attributes
    let mut limit = |place: usize, name: &str| match node.optional(place) {
        Some(value) => Some(value.name.clone()),
        None => node.number(name).map(|number| tape.graph.number(f64::from(number))),
    };
    let (low, high) = (limit(1, "min"), limit(2, "max"));
    let inputs = [&x.name, low.as_deref().unwrap_or_default(), high.as_deref().unwrap_or_default()];
    let y = tape.graph.node("Clip", &inputs, &[]);
    let output = y.clone();
    Ok(tape.record(y, x.shape.clone(), x.learns, move |tape, dy| {
        tape.add_gradient(&x, |g| {
            let limits = [("Greater", low), ("Less", high)];
            limits.into_iter().fold(dy.to_owned(), |dy, (inside, limit)| {
                let Some(limit) = limit else { return dy };
                let inside = g.two(inside, &output, &limit);
                let mask = g.mask(&inside);
                g.two("Mul", &mask, &dy)
            })
        });
    }))
}
