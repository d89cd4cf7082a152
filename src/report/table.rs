//! A table before it has a format: titles with units, cells as text and, where a page sorts by it, as a number.

use serde::{Deserialize, Serialize};

use super::format::NONE;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// With its unit: `accuracy, %`.
    pub title: String,
    /// Numbers stand at the right.
    pub numeric: bool,
    /// Where there is little room, columns of a high number go first; 0 stays.
    pub dispensable: u8,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Family of the arm that the row is about, or empty.
    pub family: String,
    pub cells: Vec<Cell>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    pub text: String,
    /// What the cell sorts by; `None` sorts last.
    pub number: Option<f64>,
    /// Not prose but a name or setting, printed as code.
    pub code: bool,
    /// Path of an image inside the data set; a page that has its thumbnail shows it.
    pub image: bool,
}

impl Table {
    /// A table of these columns; a title that starts with `#` is of numbers.
    pub fn new(titles: &[&str]) -> Table {
        let column = |title: &&str| match title.strip_prefix('#') {
            Some(title) => Column { title: title.to_owned(), numeric: true, dispensable: 0 },
            None => Column { title: (*title).to_owned(), numeric: false, dispensable: 0 },
        };
        Table { columns: titles.iter().map(column).collect(), rows: Vec::new() }
    }

    pub fn push(&mut self, family: &str, cells: Vec<Cell>) {
        assert_eq!(cells.len(), self.columns.len(), "one cell a column");
        self.rows.push(Row { family: family.to_owned(), cells });
    }

    /// Says which columns go first where there is little room.
    pub fn dispensable(mut self, order: &[u8]) -> Table {
        self.columns.iter_mut().zip(order).for_each(|(column, order)| column.dispensable = *order);
        self
    }

    /// Characters that each column needs.
    pub fn widths(&self) -> Vec<usize> {
        let of_column = |i: usize, column: &Column| {
            let cells = self.rows.iter().map(|row| row.cells[i].text.chars().count());
            cells.chain([column.title.chars().count()]).max().unwrap_or(0)
        };
        self.columns.iter().enumerate().map(|(i, column)| of_column(i, column)).collect()
    }

    pub fn remove(&mut self, column: usize) {
        self.columns.remove(column);
        self.rows.iter_mut().for_each(|row| drop(row.cells.remove(column)));
    }

    /// Without the columns that are empty in every row.
    pub fn without_empty_columns(mut self) -> Table {
        for column in (0..self.columns.len()).rev() {
            if self.rows.iter().all(|row| row.cells[column].is_none()) {
                self.remove(column);
            }
        }
        self
    }
}

impl Cell {
    pub fn text(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), number: None, code: false, image: false }
    }

    pub fn code(text: impl Into<String>) -> Cell {
        Cell { code: true, ..Cell::text(text) }
    }

    pub fn image(path: impl Into<String>) -> Cell {
        Cell { image: true, ..Cell::text(path) }
    }

    /// The number keeps 6 significant digits: the last bits of a logarithm differ between machines, a page may not.
    pub fn number(value: f64, text: impl Into<String>) -> Cell {
        Cell { number: format!("{value:.5e}").parse().ok(), ..Cell::text(text) }
    }

    /// A number that may be undefined.
    pub fn optional(value: Option<f64>, text: impl Fn(f64) -> String) -> Cell {
        value.map_or_else(Cell::none, |value| Cell::number(value, text(value)))
    }

    pub fn none() -> Cell {
        Cell::text(NONE)
    }

    fn is_none(&self) -> bool {
        self.text == NONE || self.text.is_empty()
    }
}

/// Text of a given width, at the left or the right.
pub fn pad(text: &str, width: usize, right: bool) -> String {
    let space = " ".repeat(width.saturating_sub(text.chars().count()));
    if right { format!("{space}{text}") } else { format!("{text}{space}") }
}
