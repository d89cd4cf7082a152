//! Names that nobody knows: which known one was probably meant.

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
    fn the_nearest_name_is_offered_and_no_distant_one() {
        let known = ["majority", "sift-bovw-svm", "orb-bovw-svm"];
        assert_eq!(suggestion("sift-bow-svm", known), ", did you mean `sift-bovw-svm`?");
        assert_eq!(suggestion("zebra", known), "");
        assert_eq!(suggestion("majority", []), "");
    }
}
