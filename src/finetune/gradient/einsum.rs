//! Einsum of two tensors: a product of matrices for each of many. What both have and the output lacks is summed up.

use super::matmul::matrices;
use super::reshape::reshaped;
use super::transpose::turned;
use super::{Node, Tape, Value};

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let stated = node.text("equation").unwrap_or_default();
    let equation: String = stated.chars().filter(|letter| !letter.is_whitespace()).collect();
    let refused = || format!("`{stated}` can't be trained; two tensors and an output, `bhid,bhjd->bhij`, are expected");
    let (inputs, output) = equation.split_once("->").ok_or_else(refused)?;
    let (a, b) = inputs.split_once(',').ok_or_else(refused)?;
    let shapes = [node.input(0)?, node.input(1)?].map(|value| value.shape.as_slice());
    if !equation.chars().all(|letter| letter.is_ascii_alphabetic() || "->,".contains(letter)) || node.inputs.len() != 2
    {
        return Err(refused());
    }
    let [a, b, output] = [a, b, output].map(|letters| letters.chars().collect::<Vec<char>>());
    let is_once = |letters: &[char]| letters.iter().enumerate().all(|(i, letter)| !letters[..i].contains(letter));
    let side = |letter: &char| {
        let of = |letters: &[char], shape: &[usize]| letters.iter().position(|l| l == letter).map(|i| shape[i]);
        (of(&a, shapes[0]), of(&b, shapes[1]))
    };
    let fits = |letter: &char| match side(letter) {
        (Some(x), Some(y)) => x == y,
        (None, None) => false,
        // a letter of one tensor alone must stay
        _ => output.contains(letter),
    };
    if [shapes[0].len(), shapes[1].len()] != [a.len(), b.len()] || ![&a, &b, &output].iter().all(|l| is_once(l)) {
        return Err(format!("{stated}: {:?} and {:?} don't fit", shapes[0], shapes[1]));
    }
    if !a.iter().chain(&b).chain(&output).all(fits) {
        return Err(refused());
    }
    let of = |letters: &[char], both: bool, stays: bool| -> Vec<char> {
        let other = if letters == a { &b } else { &a };
        let belongs = |letter: &&char| other.contains(letter) == both && output.contains(letter) == stays;
        letters.iter().filter(belongs).copied().collect()
    };
    let (many, summed) = (of(&a, true, true), of(&a, true, false));
    let (rows, columns) = (of(&a, false, true), of(&b, false, true));
    let sides = |letters: &[char]| -> Vec<usize> {
        letters.iter().filter_map(|letter| side(letter).0.or(side(letter).1)).collect()
    };
    let mut matrix = |value: &Value, letters: &[char], order: [&[char]; 3]| {
        let place = |letter: &char| letters.iter().position(|l| l == letter).map(|place| place as i64);
        let turned = turned(tape, value, order.concat().iter().filter_map(place).collect())?;
        Ok::<_, String>(reshaped(tape, &turned, order.map(|part| sides(part).iter().product()).to_vec()))
    };
    let a = matrix(node.input(0)?, &a, [&many, &rows, &summed])?;
    let b = matrix(node.input(1)?, &b, [&many, &summed, &columns])?;
    let product = matrices(tape, a, b)?;
    let made = [many, rows, columns].concat();
    let product = reshaped(tape, &product, sides(&made));
    let place = |letter: &char| made.iter().position(|l| l == letter).map(|place| place as i64);
    turned(tape, &product, output.iter().filter_map(place).collect())
}
