//! The templates: markup lives in `templates/`, everything that is computed comes from Rust.

use std::sync::LazyLock;

use anyhow::{Context, Result};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use serde::Serialize;

use crate::names::printable_lines;

use super::markdown;
use super::plot::{Figure, coloured};
use super::table::Table;

static FIGURE_STYLE: LazyLock<String> = LazyLock::new(|| coloured(include_str!("templates/figure.css")));

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = plain();
    environment.set_auto_escape_callback(|name| match name.rsplit('.').next() {
        Some("svg" | "html") => AutoEscape::Html,
        _ => AutoEscape::None,
    });
    environment.add_filter("markdown_table", |Serde(table): Serde<Table>| markdown::table(&table));
    environment.add_filter("plain", |text: &str| markdown::without_tags(text));
    environment.add_filter("html_code", |text: &str| Value::from_safe_string(html_code(text)));
    environment.add_filter("without_empty_columns", |Serde(table): Serde<Table>| {
        Value::from(Serde(&table.without_empty_columns()))
    });
    environment.add_global("page_style", coloured(include_str!("templates/page.css")));
    environment.add_global("figure_style", FIGURE_STYLE.as_str());
    environment.add_global("script", include_str!("templates/page.js"));
    for (name, source) in [
        ("figure.svg", include_str!("templates/figure.svg")),
        ("report.md", include_str!("templates/report.md")),
        ("sweep.md", include_str!("templates/sweep.md")),
        ("head.html", include_str!("templates/head.html")),
        ("foot.html", include_str!("templates/foot.html")),
        ("table.html", include_str!("templates/table.html")),
        ("report.html", include_str!("templates/report.html")),
        ("sweep.html", include_str!("templates/sweep.html")),
    ] {
        environment.add_template(name, source).expect("the embedded templates are valid");
    }
    environment
});

/// Without a template: blocks leave no empty line, and what is not defined is an error.
pub fn plain() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    environment.set_syntax(syntax.expect("the usual delimiters are valid"));
    environment
}

/// A template with its values filled in.
pub fn render(template: &str, values: Value) -> Result<String> {
    let template = TEMPLATES.get_template(template)?;
    let text = template.render(values).with_context(|| format!("rendering {}", template.name()))?;
    // names of files and classes are other people's
    Ok(printable_lines(&text))
}

/// A view as Markdown; its pictures lie beside it in `plots/`.
pub fn markdown(template: &str, view: &impl Serialize) -> Result<String> {
    render(template, context! { view => Serde(view) })
}

/// A picture as a file of its own; inside a page it takes the page's style.
pub fn svg(figure: &Figure) -> Result<String> {
    render("figure.svg", context! { figure => Serde(figure), style => FIGURE_STYLE.as_str() })
}

/// Text as HTML, with what stands in backticks as code.
fn html_code(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    // A unit stays with its number.
    let text = [" %", " px", " ms", " points"]
        .iter()
        .fold(text, |text, unit| text.replace(unit, &unit.replace(' ', "\u{a0}")));
    let parts = text.split('`').enumerate();
    parts.map(|(i, part)| if i % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() }).collect()
}
