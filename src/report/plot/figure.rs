//! A picture as a list of marks with positions in pixels. Colours, sizes and anchors are classes of the style sheet
//! (`templates/figure.css`), so that one rule makes light and dark.

use serde::Serialize;

use crate::record::family::{Family, Marker};

/// Pixels from the picture's edge to what is drawn.
pub const MARGIN: f64 = 20.0;

/// The rules that only pictures with curves need.
pub const CURVES: &str = include_str!("../templates/curves.css");

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// File name without `.svg`.
    pub name: String,
    /// What it shows, for those who see it and for those who don't.
    pub title: String,
    pub description: String,
    pub width: f64,
    pub height: f64,
    pub marks: Vec<Mark>,
    /// Rules of its own, behind those of all pictures.
    pub style: &'static str,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Mark {
    Line { x1: f64, y1: f64, x2: f64, y2: f64, class: String },
    Rect { x: f64, y: f64, width: f64, height: f64, opacity: f64, class: String, title: String },
    Path { d: String, class: String, title: String },
    Text { x: f64, y: f64, text: String, class: String, turn: f64 },
}

impl Figure {
    /// An empty picture with its heading; what follows starts at the `y` that comes back.
    pub fn new(name: &str, width: f64, title: &str, description: &str) -> (Figure, f64) {
        let mut figure = Figure {
            name: name.to_owned(),
            title: title.to_owned(),
            description: description.to_owned(),
            width,
            height: 0.0,
            marks: Vec::new(),
            style: "",
        };
        figure.text(MARGIN, MARGIN + 14.0, title, "title");
        let mut y = MARGIN + 34.0;
        for line in wrap(description, 12.0, width - 2.0 * MARGIN) {
            figure.text(MARGIN, y, &line, "muted small");
            y += 16.0;
        }
        (figure, y + 4.0)
    }

    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(tenth);
        self.marks.push(Mark::Line { x1, y1, x2, y2, class: class.to_owned() });
    }

    /// A rectangle by its left upper corner; `title` appears under the pointer.
    pub fn rect(&mut self, at: (f64, f64), size: (f64, f64), opacity: f64, class: &str, title: String) {
        let [x, y, width, height] = [at.0, at.1, size.0, size.1].map(tenth);
        let opacity = (opacity * 100.0).round() / 100.0;
        self.marks.push(Mark::Rect { x, y, width, height, opacity, class: class.to_owned(), title });
    }

    pub fn path(&mut self, points: &[(f64, f64)], class: &str) {
        let steps = points
            .iter()
            .enumerate()
            .map(|(i, &(x, y))| format!("{}{} {}", if i == 0 { "M" } else { "L" }, tenth(x), tenth(y)));
        self.marks.push(Mark::Path { d: steps.collect(), class: class.to_owned(), title: String::new() });
    }

    pub fn text(&mut self, x: f64, y: f64, text: &str, class: &str) {
        self.turned_text((x, y), 0.0, text, class);
    }

    /// Text that is turned around its anchor, in degrees clockwise.
    pub fn turned_text(&mut self, at: (f64, f64), turn: f64, text: &str, class: &str) {
        let (x, y) = (tenth(at.0), tenth(at.1));
        self.marks.push(Mark::Text { x, y, text: text.to_owned(), class: class.to_owned(), turn });
    }

    /// A point whose shape tells the family; `hollow` for a canvas.
    pub fn marker(&mut self, x: f64, y: f64, family: &str, hollow: bool, title: String) {
        let (x, y) = (tenth(x), tenth(y));
        let d = match Family::of(family).map(Family::marker) {
            Some(Marker::Square) => format!("M{} {}h9v9h-9z", tenth(x - 4.5), tenth(y - 4.5)),
            Some(Marker::Triangle) => format!("M{x} {}l6 10.5h-12z", tenth(y - 6.5)),
            Some(Marker::Disc) | None => format!("M{} {y}a5.2 5.2 0 1 1 10.4 0a5.2 5.2 0 1 1 -10.4 0z", tenth(x - 5.2)),
        };
        let shape = if hollow { "hollow" } else { "solid" };
        self.marks.push(Mark::Path { d, class: format!("marker {shape} {family}"), title });
    }

    /// A horizontal interval with caps.
    pub fn interval(&mut self, (low, high): (f64, f64), y: f64, family: &str) {
        let class = format!("interval {family}");
        self.line((low, y), (high, y), &class);
        self.line((low, y - 3.5), (low, y + 3.5), &class);
        self.line((high, y - 3.5), (high, y + 3.5), &class);
    }
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Width of a text in pixels, a little on the wide side for the usual sans-serif faces.
pub fn text_width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | '·' => 0.30,
        'f' | 't' | 'r' | ' ' | '(' | ')' | '[' | ']' | '-' | '/' => 0.38,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.90,
        'A'..='Z' | '−' | '+' | '×' | '=' | '<' | '>' => 0.70,
        _ => 0.60,
    };
    text.chars().map(em).sum::<f64>() * size
}

/// Widest of several texts.
pub fn widest<'t>(texts: impl Iterator<Item = &'t str>, size: f64) -> f64 {
    texts.map(|text| text_width(text, size)).fold(0.0, f64::max)
}

fn wrap(text: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text_width(line, size) + text_width(word, size) + 0.38 * size <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
