//! Slice: the gradient lies among zeros.

use super::{Node, Tape, Value};
use crate::deep::onnx::Graph;

/// What is taken along one axis.
#[derive(Debug, Clone, Copy)]
struct Cut {
    axis: usize,
    start: usize,
    step: i64,
    count: usize,
}

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let constant = |place, name: &str| node.list(place, name).ok_or(format!("constant {name} are expected"));
    let (starts, ends) = (constant(1, "starts")?, constant(2, "ends")?);
    let axes = node.list(3, "axes").unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = node.list(4, "steps").unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err(format!("starts {starts:?}, ends {ends:?}, axes {axes:?} and steps {steps:?} don't fit"));
    }
    let mut y = x.clone();
    for (i, axis) in node.places(&axes, x.shape.len())?.into_iter().enumerate() {
        let cut = Cut::of(axis, x.shape[axis], [starts[i], ends[i], steps[i]])?;
        y = taken(tape, &y, cut);
    }
    Ok(y)
}

/// `count` numbers of an axis from `start` on.
pub fn part(tape: &mut Tape, x: &Value, axis: usize, start: usize, count: usize) -> Value {
    taken(tape, x, Cut { axis, start, step: 1, count })
}

impl Cut {
    fn of(axis: usize, side: usize, [start, end, step]: [i64; 3]) -> Result<Cut, String> {
        let side = side as i64;
        let from_start = |at: i64| if at < 0 { at.saturating_add(side) } else { at };
        let (start, end) = (from_start(start), from_start(end));
        let (start, reached) = match step {
            1.. => (start.clamp(0, side), end.clamp(0, side) - start.clamp(0, side)),
            _ => (start.clamp(0, side - 1), start.clamp(0, side - 1) - end.clamp(-1, side - 1)),
        };
        if step == 0 || reached < 1 {
            return Err(format!("nothing is left of {side} numbers from {start} to {end} in steps of {step}"));
        }
        let count = (reached as u64).div_ceil(step.unsigned_abs()) as usize;
        Ok(Cut { axis, start: start as usize, step, count })
    }
}

fn taken(tape: &mut Tape, x: &Value, cut: Cut) -> Value {
    let Cut { axis, start, step, count } = cut;
    if (start, step, count) == (0, 1, x.shape[axis]) {
        return x.clone();
    }
    let last = start as i64 + (count as i64 - 1) * step;
    // going down, the end before the first number has no place of its own
    let end = if last + step < 0 { i64::MIN } else { last + step.signum() };
    let y = tape.graph.slice(&x.name, axis, [start as i64, end, step]);
    let mut shape = x.shape.clone();
    shape[axis] = count;
    let x = x.clone();
    tape.record(y, shape.clone(), x.learns, move |tape, dy| {
        tape.add_gradient(&x, |g| {
            // as if it had been taken in rising order
            let rising = if step < 0 { g.slice(dy, axis, [-1, i64::MIN, -1]) } else { dy.to_owned() };
            let (first, step) = (last.min(start as i64), step.unsigned_abs() as usize);
            let spread = if step == 1 { rising } else { g.spread(&rising, &shape, axis, step) };
            let behind = x.shape[axis] as i64 - first - (count * step) as i64;
            let mut around = vec![0; 2 * shape.len()];
            (around[axis], around[shape.len() + axis]) = (first, behind);
            let around = g.ints(&around);
            g.two("Pad", &spread, &around)
        });
    })
}

impl Graph {
    fn slice(&mut self, x: &str, axis: usize, [start, end, step]: [i64; 3]) -> String {
        let [start, end, axis, step] = [start, end, axis as i64, step].map(|number| self.ints(&[number]));
        self.node("Slice", &[x, &start, &end, &axis, &step], &[])
    }

    /// Every number along an axis, with `step - 1` zeros behind it.
    fn spread(&mut self, x: &str, shape: &[usize], axis: usize, step: usize) -> String {
        let mut apart = shape.to_vec();
        apart.insert(axis + 1, 1);
        let apart_x = self.reshape(x, &apart);
        let mut around = vec![0; 2 * apart.len()];
        around[apart.len() + axis + 1] = step as i64 - 1;
        let around = self.ints(&around);
        let padded = self.two("Pad", &apart_x, &around);
        let mut together = shape.to_vec();
        together[axis] *= step;
        self.reshape(&padded, &together)
    }
}
