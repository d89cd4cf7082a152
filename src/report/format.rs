//! Numbers as they are printed, as many digits as they carry and never more, and words around them.

/// Stands for a value that is not defined.
pub const NONE: &str = "–";

/// A fraction in percent with one decimal, without the sign: `79.4`.
pub fn percent(fraction: f64) -> String {
    format!("{:.1}", fraction * 100.0)
}

/// A difference of fractions in percentage points with its sign: `−21.5`.
pub fn points(difference: f64) -> String {
    let text = format!("{:.1}", difference.abs() * 100.0);
    let sign = match difference {
        _ if text == "0.0" => "",
        d if d < 0.0 => "−",
        _ => "+",
    };
    format!("{sign}{text}")
}

/// `digits` significant digits without an exponent: `0.0042`, `9.1`, `38`, `120`.
pub fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    // Through the exponent form, so that 9.96 becomes 10 and not 10.0.
    let rounded = format!("{value:.*e}", digits - 1);
    let (_, exponent) = rounded.split_once('e').expect("the exponent form has an e");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
    format!("{value:.decimals$}")
}

/// A whole number in groups of three: `1,909`.
pub fn count(value: usize) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and its noun: `1 image`, `1,909 images`.
pub fn counted(value: usize, noun: &str) -> String {
    format!("{} {noun}{}", count(value), if value == 1 { "" } else { "s" })
}

/// A p value: `0.32`, `0.004`, `< 0.001`.
pub fn p_value(p: f64) -> String {
    match p {
        p if p < 0.001 => "< 0.001".to_owned(),
        p if p < 0.0995 => format!("{p:.3}"),
        p => format!("{p:.2}"),
    }
}

/// A p value after its letter: `= 0.32`, `< 0.001`.
pub fn relation(p: f64) -> String {
    let p = p_value(p);
    if p.starts_with('<') { p } else { format!("= {p}") }
}

/// At most `decimals` decimals, without zeros at the end: `0.9`, `0.851`.
pub fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Words as a list: `a`, `a and b`, `a, b and c`.
pub fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// With a capital letter at the start of a sentence.
pub fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// `native images`, or `a canvas of 96 × 96 px`.
pub fn column_name(canvas: &str) -> String {
    if canvas == "native" { "native images".to_owned() } else { format!("a canvas of {canvas} × {canvas} px") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_carry_sensible_digits() {
        assert_eq!(percent(0.79412), "79.4");
        assert_eq!([points(-0.2151), points(0.0004), points(-0.0004), points(0.1)], ["−21.5", "0.0", "0.0", "+10.0"]);
        assert_eq!(
            [0.00423, 0.96, 0.996, 9.14, 9.96, 37.6, 99.6, 1204.0].map(|v| significant(v, 2)),
            ["0.0042", "0.96", "1.0", "9.1", "10", "38", "100", "1204"]
        );
        assert_eq!([significant(0.0, 2), count(0), count(999), count(1_234_567)], ["0", "0", "999", "1,234,567"]);
        assert_eq!(
            [p_value(0.0001), p_value(0.0041), p_value(0.0996), p_value(1.0)],
            ["< 0.001", "0.004", "0.10", "1.00"]
        );
        assert_eq!(
            [trimmed(0.850_540_5, 3), trimmed(0.9, 3), trimmed(0.0, 3), trimmed(10.0, 0)],
            ["0.851", "0.9", "0", "10"]
        );
        assert_eq!([relation(0.0001), relation(0.32)], ["< 0.001", "= 0.32"]);
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
        assert_eq!([counted(1, "image"), counted(2000, "image")], ["1 image", "2,000 images"]);
    }
}
