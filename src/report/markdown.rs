//! Tables in Markdown, readable as they are and on GitHub.

use super::table::{Cell, Table, pad};

/// A Markdown table whose source is aligned too; nothing where there are no rows.
pub fn table(table: &Table) -> String {
    if table.rows.is_empty() {
        return String::new();
    }
    let table = &written(table);
    let widths: Vec<usize> = table.widths().iter().map(|width| (*width).max(3)).collect();
    let line = |cells: Vec<&str>| -> String {
        let cells = cells.iter().zip(&widths).zip(&table.columns);
        let cells: Vec<String> = cells.map(|((text, width), column)| pad(text, *width, column.numeric)).collect();
        format!("| {} |", cells.join(" | "))
    };
    let rule = widths.iter().zip(&table.columns).map(|(width, column)| {
        let dashes = "-".repeat(width - 1);
        if column.numeric { format!("{dashes}:") } else { format!("{dashes}-") }
    });
    let head = line(table.columns.iter().map(|c| c.title.as_str()).collect());
    let rule = format!("| {} |", rule.collect::<Vec<_>>().join(" | "));
    let rows = table.rows.iter().map(|row| line(row.cells.iter().map(|c| c.text.as_str()).collect()));
    [head, rule].into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

/// The table with its texts as Markdown writes them.
fn written(table: &Table) -> Table {
    let mut table = table.clone().without_empty_columns();
    for cell in table.rows.iter_mut().flat_map(|row| &mut row.cells) {
        *cell = Cell { text: cell_text(cell), ..cell.clone() };
    }
    table
}

fn cell_text(cell: &Cell) -> String {
    let text = cell.text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    match (cell.code, text.contains('`')) {
        (true, false) => format!("`{text}`"),
        // a code span ends at as many backticks as it began with
        (true, true) => format!("`` {} ``", text.replace("``", "` `")),
        (false, _) => without_tags(&text),
    }
}

/// `<name>` would be taken for a tag; a `<` before a number is safe.
pub fn without_tags(text: &str) -> String {
    let mut parts = text.split('<');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |done, part| done + if part.starts_with([' ', '=']) { "<" } else { "&lt;" } + part)
}
