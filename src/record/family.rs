//! Families of arms: whose idea the features are, and how tables and pictures show it. All that belongs to a family
//! stands here; a new one is one more value.

use serde::{Deserialize, Serialize};

/// Whose idea the features are, in the order of every table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Uses no content; what every other arm has to beat.
    Floor,
    Handcrafted,
    Deep,
}

/// Shape of a family's points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    Square,
    Triangle,
    Disc,
}

impl Family {
    pub const ALL: [Family; 3] = [Family::Floor, Family::Handcrafted, Family::Deep];

    /// As in the records.
    pub fn name(self) -> &'static str {
        match self {
            Family::Floor => "floor",
            Family::Handcrafted => "handcrafted",
            Family::Deep => "deep",
        }
    }

    /// The family that a record names; `None` where it is another word.
    pub fn of(name: &str) -> Option<Family> {
        Self::ALL.into_iter().find(|family| family.name() == name)
    }

    /// Place of the family that a record names; what is none comes last.
    pub fn rank(name: &str) -> usize {
        Self::ALL.iter().position(|family| family.name() == name).unwrap_or(Self::ALL.len())
    }

    /// Over its arms in a picture.
    pub fn title(self) -> &'static str {
        match self {
            Family::Floor => "Floor",
            Family::Handcrafted => "Handcrafted",
            Family::Deep => "Deep",
        }
    }

    /// On a light and on a dark ground.
    pub fn colours(self) -> [&'static str; 2] {
        match self {
            Family::Floor => ["#6e7781", "#9198a1"],
            Family::Handcrafted => ["#c2500a", "#f0883e"],
            Family::Deep => ["#0969a8", "#58b0ee"],
        }
    }

    /// Colour of a terminal, as the number of its escape sequence; `None` for the terminal's own.
    pub fn ansi(self) -> Option<&'static str> {
        match self {
            Family::Floor => None,
            Family::Handcrafted => Some("33"),
            Family::Deep => Some("36"),
        }
    }

    pub fn marker(self) -> Marker {
        match self {
            Family::Floor => Marker::Square,
            Family::Handcrafted => Marker::Triangle,
            Family::Deep => Marker::Disc,
        }
    }

    /// Where its lines begin among those that a picture of many arms has looks for, and how many of them are its own.
    pub fn looks(self) -> (usize, usize) {
        match self {
            Family::Floor => (0, 3),
            Family::Handcrafted => (3, 2),
            Family::Deep => (5, 5),
        }
    }
}
