//! One photograph with what arms see in it: their maps side by side, below them those of the members of a fusion.

use crate::features::{Evidence, Map};
use crate::image::Rgb;
use crate::image::heat::{AGAINST, FOR, Field, Mark};
use crate::image::resize::{fitted, fitted_size};
use crate::image::sheet::{self, BLACK, Look as Style, Text};
use crate::measure::explain::Look;

/// Longest side of a picture in pixels, of members' pictures, and the space between them.
const SIDE: u32 = 400;
const SMALL: u32 = 252;
const GAP: u32 = 24;
const LINE: u32 = 21;

const TITLE: Style = Style { scale: 0.62, bold: true, colour: BLACK };
const STRONG: Style = Style { scale: 0.5, bold: true, colour: BLACK };
const PLAIN: Style = Style { scale: 0.45, bold: false, colour: [70, 70, 70] };

/// A picture with lines below it.
struct Panel {
    title: String,
    picture: Rgb,
    lines: Vec<String>,
}

/// The page: `looks` has the arms with what they say of the image.
pub fn page(image: &str, looks: &[(String, Look)]) -> Rgb {
    let mut rows = Vec::new();
    let photograph = looks.first().map(|(_, look)| Panel {
        title: short(image),
        picture: fitted(&look.picture, SIDE),
        lines: vec![format!("{} x {} px", look.picture.width, look.picture.height)],
    });
    rows.push((SIDE, photograph.into_iter().chain(looks.iter().map(whole)).collect::<Vec<Panel>>()));
    for (name, look) in looks.iter().filter(|(_, look)| look.evidence.len() > 1) {
        let mut members = members(look);
        if let Some(first) = members.first_mut() {
            first.title = format!("{}, {name}", first.title);
        }
        rows.push((SMALL, members));
    }
    rows.retain(|(_, panels)| !panels.is_empty());
    drawn(&rows)
}

/// What the margin is made of, in words.
pub fn sum(look: &Look) -> String {
    let placed: f64 = look.evidence.iter().filter_map(|evidence| Some(evidence.map.as_ref()?.sum())).sum();
    let values: f64 = look.evidence.iter().map(|evidence| evidence.value).sum();
    let [placed, without, constant] = [placed, values - placed, look.constant].map(signed);
    format!("places {placed}, without a place {without}, constant {constant}")
}

/// With three digits, and nothing negative about nothing.
pub fn signed(value: f64) -> String {
    format!("{:+.3}", if value.abs() < 5e-4 { 0.0 } else { value })
}

/// An arm's map with its answer.
fn whole((name, look): &(String, Look)) -> Panel {
    let field = field(look, SIDE);
    let mut lines = vec![format!("{} over {} =", signed(look.margin), look.runner_up), sum(look)];
    if look.evidence.len() > 1 {
        let member = |evidence: &Evidence| format!("{} {}", evidence.name, signed(evidence.value));
        let without = |evidence: &&Evidence| evidence.map.is_none();
        lines.push(format!("By member: {}", look.evidence.iter().map(member).collect::<Vec<_>>().join(", ")));
        let names: Vec<&str> = look.evidence.iter().filter(without).map(|evidence| evidence.name.as_str()).collect();
        if !names.is_empty() {
            lines.push(format!("The whole picture is seen by {}", names.join(", ")));
        }
    }
    let mut maps = look.evidence.iter().filter_map(|evidence| evidence.map.as_ref()).peekable();
    lines.push(match (maps.peek().is_some(), maps.all(|map| map.exact)) {
        (false, _) => "Its numbers have no place in the picture".into(),
        (true, true) => "Parts are exact".into(),
        (true, false) => "Parts are linearised; their sum is exact".into(),
    });
    Panel { title: format!("{name}: {}", look.winner), picture: over(look, &field, SIDE, field.full()), lines }
}

/// The maps of the members that have one, with the colours of all of them together.
fn members(look: &Look) -> Vec<Panel> {
    let mapped =
        look.evidence.iter().filter_map(|evidence| Some((evidence, of_map(evidence.map.as_ref()?, look, SMALL))));
    let mapped: Vec<(&Evidence, Field)> = mapped.collect();
    let full = together(mapped.iter().map(|(_, field)| field), look, SMALL).full();
    let panel = |(evidence, field): &(&Evidence, Field)| Panel {
        title: format!("{} {}", evidence.name, signed(evidence.value)),
        picture: over(look, field, SMALL, full),
        lines: Vec::new(),
    };
    mapped.iter().map(panel).collect()
}

/// All maps together.
fn field(look: &Look, side: u32) -> Field {
    let maps = look.evidence.iter().filter_map(|evidence| evidence.map.as_ref());
    let fields: Vec<Field> = maps.map(|map| of_map(map, look, side)).collect();
    together(fields.iter(), look, side)
}

fn together<'a>(fields: impl Iterator<Item = &'a Field>, look: &Look, side: u32) -> Field {
    let (width, height) = size(look, side);
    let mut sum = Field::zeros(width, height);
    fields.for_each(|field| sum.add(field));
    sum
}

fn of_map(map: &Map, look: &Look, side: u32) -> Field {
    Field::of(&marks(map), (look.picture.width, look.picture.height), size(look, side))
}

fn size(look: &Look, side: u32) -> (u32, u32) {
    fitted_size(look.picture.width, look.picture.height, side)
}

fn marks(map: &Map) -> Vec<Mark> {
    map.shares.iter().map(|(spot, amount)| Mark { x: spot.x, y: spot.y, size: spot.size, amount: *amount }).collect()
}

fn over(look: &Look, field: &Field, side: u32, full: f64) -> Rgb {
    field.over(&fitted(&look.picture, side), full)
}

fn short(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= 34 {
        name.to_owned()
    } else {
        format!("...{}", letters[letters.len() - 31..].iter().collect::<String>())
    }
}

/// Puts rows of panels, each column so many pixels wide, below each other.
fn drawn(rows: &[(u32, Vec<Panel>)]) -> Rgb {
    let wide = |(side, panels): &(u32, Vec<Panel>)| GAP + panels.len() as u32 * (side + GAP);
    let lines = |side: u32, panel: &Panel| {
        panel.lines.iter().flat_map(|line| sheet::wrapped(line, PLAIN, side)).collect::<Vec<String>>()
    };
    let picture_high = |panels: &[Panel]| panels.iter().map(|panel| panel.picture.height).max().unwrap_or(0);
    let text_high = |side: u32, panels: &[Panel]| {
        panels.iter().map(|panel| lines(side, panel).len()).max().unwrap_or(0) as u32 * LINE
    };
    let title_high = LINE + 8;
    let high = |(side, panels): &(u32, Vec<Panel>)| title_high + picture_high(panels) + text_high(*side, panels) + GAP;
    let width = rows.iter().map(wide).max().unwrap_or(0).max(LEGEND + 2 * GAP);
    let height = GAP / 2 + rows.iter().map(high).sum::<u32>() + 2 * LINE + GAP / 2;
    let (mut page, mut texts) = (sheet::blank(width, height), Vec::new());
    let mut top = GAP / 2;
    for row in rows {
        let (side, panels) = row;
        let style = if *side == SIDE { TITLE } else { STRONG };
        let below = top + title_high + picture_high(panels);
        for (panel, left) in panels.iter().zip((0..).map(|i| GAP + i * (side + GAP))) {
            texts.push(Text { text: panel.title.clone(), x: left, y: top + LINE - 2, look: style });
            sheet::paste(&mut page, &panel.picture, [left, top + title_high]);
            for (line, i) in lines(*side, panel).into_iter().zip(1..) {
                texts.push(Text { text: line, x: left, y: below + i * LINE - 3, look: PLAIN });
            }
        }
        top += high(row);
    }
    legend(&mut page, &mut texts, top);
    sheet::write(&mut page, &texts);
    page
}

const BAR: u32 = 160;
const LEGEND: u32 = 800;

/// What the colours mean.
fn legend(page: &mut Rgb, texts: &mut Vec<Text>, top: u32) {
    let (against, pro) = ("speaks for the class that comes second", "speaks for the class that wins");
    let left = GAP + sheet::width(against, PLAIN) + 10;
    for i in 0..BAR {
        let share = f64::from(i) / f64::from(BAR - 1) * 2.0 - 1.0;
        let end = if share < 0.0 { AGAINST } else { FOR };
        let colour = end.map(|c| (255.0 + (f64::from(c) - 255.0) * share.abs()).round() as u8);
        sheet::fill(page, [left + i, top + 6], [1, 12], colour);
    }
    let mut text = |text: &str, x: u32| texts.push(Text { text: text.to_owned(), x, y: top + 16, look: PLAIN });
    text(against, GAP);
    text(pro, left + BAR + 10);
}
