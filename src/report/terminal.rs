//! The report in a terminal: findings in sentences, then one table for native images and for each canvas, with as
//! many columns as the window has room for.

use crate::names::printable;
use crate::record::Family;

use super::table::{Row, Table, pad};
use super::view::View;

/// Characters between two columns.
const GAP: usize = 2;
/// Longest line of prose, however wide the window is.
const PROSE: usize = 100;

/// A readable summary that fits `width` characters.
pub fn terminal(view: &View, width: usize, colour: bool) -> String {
    let style = Style { colour };
    let mut lines = vec![style.bold(&printable(&view.title))];
    lines.extend(wrap(&view.size, width.min(PROSE), "", ""));
    if !view.verdict.is_empty() {
        lines.push(String::new());
        lines.push(style.bold("Verdict"));
    }
    view.verdict.iter().for_each(|verdict| lines.extend(sentence(verdict, width)));
    lines.extend([String::new(), style.bold("Is something wrong with the pictures?")]);
    view.audit.sentences.iter().for_each(|found| lines.extend(sentence(found, width)));
    for column in &view.columns {
        lines.push(String::new());
        lines.push(style.bold(&column.title));
        lines.extend(table(&column.accuracy, width, &style));
    }
    if let Some(repeats) = &view.repeats {
        lines.extend([String::new(), style.bold(&repeats.title)]);
        lines.extend(table(&repeats.accuracy, width, &style));
    }
    if view.columns.is_empty() {
        lines.extend([String::new(), "Nothing has been measured yet.".to_owned()]);
    }
    if !view.findings.is_empty() {
        lines.push(String::new());
        lines.push(style.bold("Findings"));
    }
    view.findings.iter().for_each(|finding| lines.extend(sentence(finding, width)));
    if !view.missing.rows.is_empty() {
        lines.push(String::new());
        lines.push(style.bold("Not measured"));
    }
    for row in &view.missing.rows {
        let [arm, _, canvas, seeds, status, reason] = &row.cells[..] else { continue };
        let text = format!("{} ({}, seed {}) {}: {}", arm.text, canvas.text, seeds.text, status.text, reason.text);
        lines.extend(wrap(&text, width.min(PROSE), "- ", "  "));
    }
    // not wrapped, so that it can be copied
    lines.extend(
        view.export
            .iter()
            .flat_map(|command| [String::new(), style.bold("The recommended arm as a file"), printable(command)]),
    );
    lines.push(String::new());
    lines.join("\n")
}

/// Findings one below the other.
pub fn sentences(findings: &[String], width: usize) -> String {
    let lines = findings.iter().flat_map(|finding| sentence(finding, width));
    lines.map(|line| line + "\n").collect()
}

fn sentence(finding: &str, width: usize) -> Vec<String> {
    wrap(&finding.replace('`', ""), width.min(PROSE), "- ", "  ")
}

pub(super) struct Style {
    pub colour: bool,
}

impl Style {
    pub fn bold(&self, text: &str) -> String {
        self.ansi("1", text)
    }

    fn family(&self, family: &str, text: &str) -> String {
        Family::of(family).and_then(Family::ansi).map_or_else(|| text.to_owned(), |code| self.ansi(code, text))
    }

    fn ansi(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The table's lines, without the columns that the width has no room for.
pub(super) fn table(table: &Table, width: usize, style: &Style) -> Vec<String> {
    let table = fitted(table, width);
    let widths = table.widths();
    let line = |cells: Vec<&str>| {
        let cells = cells.iter().zip(&widths).zip(&table.columns);
        let cells: Vec<String> = cells.map(|((text, width), column)| pad(text, *width, column.numeric)).collect();
        cells.join(&" ".repeat(GAP)).trim_end().to_owned()
    };
    let head = line(table.columns.iter().map(|c| c.title.as_str()).collect());
    let rule = "─".repeat(widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1));
    let rows = table
        .rows
        .iter()
        .map(|row: &Row| style.family(&row.family, &line(row.cells.iter().map(|cell| cell.text.as_str()).collect())));
    [head, rule].into_iter().chain(rows).collect()
}

fn fitted(table: &Table, width: usize) -> Table {
    let mut table = table.clone().without_empty_columns();
    table.rows.iter_mut().flat_map(|row| &mut row.cells).for_each(|cell| cell.text = printable(&cell.text));
    while table.widths().iter().sum::<usize>() + GAP * table.columns.len().saturating_sub(1) > width {
        let most = table.columns.iter().map(|c| c.dispensable).enumerate().max_by_key(|(_, order)| *order);
        let Some((column, 1..)) = most else { break };
        table.remove(column);
    }
    table
}

/// Text in lines of at most `width` characters; a longer word stands alone.
pub(super) fn wrap(text: &str, width: usize, first: &str, rest: &str) -> Vec<String> {
    let mut lines = vec![first.to_owned()];
    let mut empty = true;
    for word in text.split_whitespace().map(printable) {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if !empty && line + 1 + word.chars().count() > width {
            lines.push(rest.to_owned());
            empty = true;
        }
        let line = lines.last_mut().expect("there is a first line");
        if !empty {
            line.push(' ');
        }
        line.push_str(&word);
        empty = false;
    }
    lines
}
