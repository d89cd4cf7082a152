//! `procedural`: images that the program draws itself, in which every factor of the comparison can be set exactly, and
//! which no pretrained network has seen. Photograph-like scenes with one object each; an object's class is the family
//! of structures that it belongs to (see `family`).
//! An image is a pure function of version, settings, class and number: the same bytes on every machine.

mod dice;
mod family;
mod knobs;
mod scene;
mod shape;
mod texture;

use std::collections::HashMap;
use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::manifest::{Manifest, Part, Row, hex_sha256};
use crate::image::Rgb;
use crate::image::compress::compress;
use crate::image::degrade::degrade;

use dice::Dice;
use family::FAMILIES;
use scene::Aspect;

pub use knobs::Knobs;

/// By which it is opened; settings may follow, `procedural,classes=16`.
pub const NAME: &str = "procedural";

pub(super) const TITLE: &str = "Procedural: drawn scenes, classes are families of structures";

/// Of the default set, so that nothing needs to be drawn to list it.
const MANIFEST: &str = include_str!("../../../datasets/procedural.csv");

/// Of every image, in pixels.
pub const SIDE: u32 = 128;

/// Of an image's pixels.
pub(super) const BYTES: u64 = 3 * SIDE as u64 * SIDE as u64;

/// Raised when the same settings give other images.
const VERSION: u64 = 1;

/// Numbers of a split's images begin at a multiple of this: a larger split begins with the smaller one's images.
const NUMBERS: u64 = 1 << 32;

/// One image that can be drawn, and is when its pixels are asked for the first time.
#[derive(Clone)]
pub struct Drawing {
    plan: Plan,
    picture: Arc<OnceLock<Rgb>>,
}

/// What an image depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Plan {
    knobs: Knobs,
    /// Index of its family.
    family: usize,
    number: u64,
}

impl Drawing {
    fn new(plan: Plan) -> Drawing {
        Drawing { plan, picture: Arc::default() }
    }

    /// Drawn once and kept: every arm, and every epoch of a training, asks for it.
    pub fn picture(&self) -> &Rgb {
        self.picture.get_or_init(|| self.plan.draw())
    }
}

impl PartialEq for Drawing {
    fn eq(&self, other: &Drawing) -> bool {
        self.plan == other.plan
    }
}

impl Debug for Drawing {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.plan.fmt(f)
    }
}

impl Plan {
    fn draw(&self) -> Rgb {
        let Plan { knobs, family, number } = self;
        let dice = |aspect: Aspect| Dice::new([VERSION << 8 | aspect as u64, knobs.seed, *family as u64, *number]);
        let scene = scene::draw(knobs, &FAMILIES[*family], &dice);
        let data = scene.pixels.iter().flat_map(|pixel| pixel.map(|value| (value * 255.0 + 0.5) as u8)).collect();
        let picture = degrade(&Rgb { width: SIDE, height: SIDE, data }, &knobs.clarity, dice(Aspect::Noise).bits());
        if knobs.jpeg > 0.0 { compress(&picture, 95.0 - 90.0 * knobs.jpeg) } else { picture }
    }
}

/// Every image of a set: its path, as in a folder of images, its class, its split and how to draw it.
fn images(knobs: &Knobs) -> impl Iterator<Item = (String, &'static str, Part, Plan)> {
    let knobs = *knobs;
    let counts = [(Part::Train, knobs.train), (Part::Val, knobs.val), (Part::Test, knobs.test)];
    let of_family = move |family: usize| {
        let name = FAMILIES[family].name;
        counts.into_iter().flat_map(move |(part, count)| {
            (0..count).map(move |i| {
                let number = part as u64 * NUMBERS + i as u64;
                (format!("{}/{name}/{i:04}.png", part.name()), name, part, Plan { knobs, family, number })
            })
        })
    };
    (0..knobs.classes).flat_map(of_family)
}

/// What follows the set's name, if it is this set that is meant.
pub(super) fn settings(name: &str) -> Option<&str> {
    let settings = name.strip_prefix(NAME)?;
    if settings.is_empty() { Some(settings) } else { settings.strip_prefix(',') }
}

/// The one name that a set has whose settings may be written in several ways.
///
/// # Errors
/// A sentence that says what is wrong with the settings.
pub fn full_name(settings: &str) -> Result<String, String> {
    Knobs::parse(settings).map(|knobs| name(&knobs))
}

/// Name of the set with these settings.
pub(super) fn name(knobs: &Knobs) -> String {
    let settings = knobs.settings();
    if settings.is_empty() { NAME.into() } else { format!("{NAME},{settings}") }
}

pub(super) fn source() -> String {
    format!("drawn by featbench, version {VERSION} of the generator")
}

pub(super) fn remarks() -> Vec<String> {
    vec![
        "The images are drawn: accuracies say how methods compare where structure alone tells classes apart, not how they do on photographs.".into(),
    ]
}

/// Every image of a set, by its path.
pub(super) fn drawings(knobs: &Knobs) -> HashMap<String, Drawing> {
    images(knobs).map(|(path, _, _, plan)| (path, Drawing::new(plan))).collect()
}

/// The manifest of a set; the hashes are those of the pixels, for which all images are drawn unless it is the default.
pub(super) fn manifest(knobs: &Knobs, drawings: &HashMap<String, Drawing>) -> Manifest {
    if *knobs == Knobs::default() {
        return Manifest::parse("datasets/procedural.csv", MANIFEST.as_bytes()).expect("it is valid, a test reads it");
    }
    drawn(knobs, drawings)
}

fn drawn(knobs: &Knobs, drawings: &HashMap<String, Drawing>) -> Manifest {
    let all: Vec<_> = images(knobs).collect();
    let row = |(path, label, part, _): (String, &str, Part, Plan)| Row {
        label: label.into(),
        split: Some(part),
        role: Some(part),
        sha256: hex_sha256(&drawings[&path].picture().data),
        width: SIDE,
        height: SIDE,
        group: None,
        path,
    };
    Manifest::new(all.into_par_iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set to write the manifest anew, after raising [`VERSION`].
    const WRITE: &str = "FEATBENCH_WRITE_MANIFEST";

    #[test]
    fn the_committed_manifest_holds_what_is_drawn() {
        let (knobs, drawings) = (Knobs::default(), drawings(&Knobs::default()));
        let drawn = drawn(&knobs, &drawings);
        if std::env::var_os(WRITE).is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/datasets/procedural.csv");
            return drawn.write(path.as_ref()).unwrap();
        }
        assert!(manifest(&knobs, &drawings) == drawn, "raise VERSION, set {WRITE}=1 and run this test again");
    }

    #[test]
    fn paths_lead_back_to_their_drawings() {
        let knobs = Knobs::parse("classes=3,train=2,val=1,test=1").unwrap();
        let all: Vec<_> = images(&knobs).collect();
        assert_eq!(all.len(), 12);
        let drawings = drawings(&knobs);
        assert!(all.iter().all(|(path, .., made)| drawings[path].plan == *made));
    }

    /// A larger set begins with the smaller one's images, and one setting changes nothing of the other factors.
    #[test]
    fn settings_are_independent() {
        let draw = |settings: &str, path: &str| drawings(&Knobs::parse(settings).unwrap())[path].picture().clone();
        let path = "test/cart/0003.png";
        let original = draw("", path);
        assert_eq!(original, draw("classes=32,train=500,test=4", path));
        for setting in [
            "clutter=1",
            "occlusion=1",
            "pose=1",
            "lighting=1",
            "blur=2",
            "noise=0.1",
            "contrast=0.5",
            "jpeg=0.5",
            "seed=1",
        ] {
            assert_ne!(original, draw(setting, path), "{setting}");
        }
        // without clutter, occluders, lighting and a camera the rest is the same whatever the pose of another class
        let bare = "clutter=0,occlusion=0,lighting=0,blur=0,noise=0";
        let corner = |picture: Rgb| picture.data[..9].to_vec();
        assert_eq!(corner(draw(bare, path)), corner(draw(&format!("{bare},pose=0.4"), path)));
    }

    #[test]
    fn names_and_settings_are_those_of_the_set() {
        assert_eq!(settings("procedural"), Some(""));
        assert_eq!(settings("procedural,classes=3"), Some("classes=3"));
        assert_eq!(settings("procedurals"), None);
        assert_eq!(name(&Knobs::parse("pose=0.5,noise=0.1").unwrap()), "procedural,noise=0.1");
    }

    #[test]
    fn families_are_all_different() {
        let names: std::collections::BTreeSet<_> = FAMILIES.iter().map(|family| family.name).collect();
        assert_eq!(names.len(), FAMILIES.len());
    }
}
