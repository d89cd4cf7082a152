//! Names that others gave: which known one was probably meant, and how one is shown that holds more than letters.

/// Does a character act on a terminal or a page rather than being seen?
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with every character written out that would act on a terminal or a page rather than be seen: control
/// characters (a newline as `\n`), separators of lines, and those that turn the direction of writing.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// The same for a text of several lines, which stay.
pub fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// `, did you mean X?` with the known name that is most alike; nothing where none is.
pub fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let alike = known.into_iter().map(|known| (strsim::jaro_winkler(name, known), known));
    let nearest = alike.filter(|(likeness, _)| *likeness > 0.75).max_by(|a, b| a.0.total_cmp(&b.0));
    nearest.map(|(_, known)| format!(", did you mean `{known}`?")).unwrap_or_default()
}

/// What to say of a name that none of the `known` things of this kind has.
pub fn unknown<'a>(kind: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let suggestion = suggestion(name, known.iter().copied());
    format!("no {kind} is called `{name}`{suggestion}; there are {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_act_is_written_out_and_all_else_is_left() {
        assert_eq!(printable("a\x1b[31m\nb\u{202e}c\u{9b}"), "a\\u{1b}[31m\\nb\\u{202e}c\\u{9b}");
        let letters = "café, 猫 👩‍🌾, \"x\" | `y` \\ <z>";
        assert_eq!(printable(letters), letters);
    }

    #[test]
    fn the_nearest_name_is_offered_and_no_distant_one() {
        let known = ["majority", "sift-bovw-svm", "orb-bovw-svm"];
        assert_eq!(suggestion("sift-bow-svm", known), ", did you mean `sift-bovw-svm`?");
        assert_eq!(suggestion("zebra", known), "");
        assert_eq!(suggestion("majority", []), "");
    }
}
