//! Texts that hold results, such as README.md: a part between two marks is written from a template, and every number in
//! it comes from the records that the template names. Outside of the marks nothing changes.
//!
//! ```text
//! <!-- results: docs/results.md -->
//! what the template gives
//! <!-- /results -->
//! ```

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use minijinja::value::Serde;
use minijinja::{Environment, Error, ErrorKind, Value, context};

use crate::record::Records;

use super::facts::Facts;
use super::templates;

const BEGIN: &str = "<!-- results: ";
const END: &str = "<!-- /results -->";

/// The text with each of its parts written again. Paths, of templates and in them of records (`record("reports/x")`),
/// begin at `root`.
///
/// # Errors
/// A part without its end, a template or records that can't be read, and what a template names that the records lack.
pub fn spliced(text: &str, root: &Path) -> Result<String> {
    let environment = environment(root);
    let mut parts = text.split(BEGIN);
    let mut written = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let named = part.split_once(" -->\n").and_then(|(template, rest)| Some((template, rest.split_once(END)?)));
        let Some((template, (_, rest))) = named else {
            bail!("a part that begins with `{BEGIN}FILE -->` needs a line of its own and ends with `{END}`");
        };
        let path = root.join(template);
        let source = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let part =
            environment.render_str(&source, context! {}).with_context(|| format!("rendering {}", path.display()))?;
        written += &format!("{BEGIN}{template} -->\n{}\n{END}{rest}", part.trim_end());
    }
    Ok(written)
}

fn environment(root: &Path) -> Environment<'static> {
    let mut environment = templates::plain();
    let root: PathBuf = root.to_owned();
    environment.add_function("record", move |folder: &str| -> Result<Value, Error> {
        let facts = Records::read(&root.join(folder)).and_then(|records| Facts::of(&records));
        let facts = facts.map_err(|error| Error::new(ErrorKind::InvalidOperation, format!("{folder}: {error:#}")))?;
        Ok(Value::from(Serde(&facts)))
    });
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_written() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("part.md"), "{{ 1 + 1 }} images\n").unwrap();
        let text = |part: &str| format!("Before.\n\n<!-- results: part.md -->\n{part}\n<!-- /results -->\n\nAfter.\n");
        assert_eq!(spliced(&text("3 images"), root.path()).unwrap(), text("2 images"));
        let error = |text: &str| format!("{:#}", spliced(text, root.path()).unwrap_err());
        assert!(error("<!-- results: part.md -->\n").contains("ends with `<!-- /results -->`"));
        assert!(error(&text("").replace("part.md", "none.md")).contains("none.md"));
        std::fs::write(root.path().join("part.md"), "{{ record('nowhere').test }}").unwrap();
        assert!(error(&text("")).contains("nowhere"));
    }
}
