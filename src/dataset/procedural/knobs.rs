//! What can be set of the generated images, as text behind the set's name: `procedural,clutter=0.8,classes=16`.

use std::fmt::{self, Display, Formatter};
use std::ops::RangeInclusive;

use super::family::FAMILIES;
use crate::image::degrade::Clarity;

/// Images of a class in a split.
const MOST: f64 = 10_000.0;

/// How the images of a set differ from those of another; every factor of the comparison by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Knobs {
    /// 2 to 32: the first of the families.
    pub classes: usize,
    /// Training images of each class, 1 to 10,000; a larger set begins with the smaller one's.
    pub train: usize,
    pub val: usize,
    pub test: usize,
    /// 0 to 1: parts that belong to nothing, 10 on average at 1, behind the object.
    pub clutter: f32,
    /// 0 to 1: parts before the object, 4 on average at 1, each as wide as a fifth to a third of it.
    pub occlusion: f32,
    /// 0 to 1: at 1 turned by up to 90 degrees either way, down to 60 % of the largest size, 60 % of the width,
    /// anywhere in the image, and tilted so that the nearer side is up to twice the farther.
    pub pose: f32,
    /// 0 to 1: at 1 half as bright to half as bright again, sloping by up to 60 % across the image, and tinted by
    /// up to 20 %.
    pub lighting: f32,
    pub clarity: Clarity,
    /// 0 to 1: traces of JPEG compression; none at 0, from there those of quality 95 down to 5.
    pub jpeg: f32,
    /// Which images, of all that could be drawn with these settings.
    pub seed: u64,
}

impl Default for Knobs {
    fn default() -> Knobs {
        Knobs {
            classes: 8,
            train: 96,
            val: 64,
            test: 200,
            clutter: 0.5,
            occlusion: 0.3,
            pose: 0.5,
            lighting: 0.5,
            clarity: Clarity { blur: 0.5, noise: 0.02, contrast: 1.0 },
            jpeg: 0.0,
            seed: 0,
        }
    }
}

/// A setting with its name, its smallest and its largest value.
struct Setting<'a> {
    name: &'static str,
    range: RangeInclusive<f64>,
    value: Value<'a>,
}

enum Value<'a> {
    Count(&'a mut usize),
    Share(&'a mut f32),
    Seed(&'a mut u64),
}

impl Knobs {
    /// The default with these settings, `name=value` joined by commas; nothing is the default.
    ///
    /// # Errors
    /// A sentence that names what is wrong and what is possible.
    pub fn parse(settings: &str) -> Result<Knobs, String> {
        let mut knobs = Knobs::default();
        for setting in settings.split(',').filter(|setting| !setting.is_empty()) {
            let (name, value) = setting.split_once('=').ok_or_else(|| format!("`{setting}` is no `name=value`"))?;
            let all = knobs.all();
            let known = all.each_ref().map(|setting| setting.name);
            let setting = all.into_iter().find(|setting| setting.name == name);
            setting.ok_or_else(|| format!("`{name}` is not one of {}", known.join(", ")))?.set(value)?;
        }
        Ok(knobs)
    }

    /// Every setting, in the order in which they are written.
    fn all(&mut self) -> [Setting<'_>; 13] {
        let count = |name, range, count| Setting { name, range, value: Value::Count(count) };
        let share = |name, range, share| Setting { name, range, value: Value::Share(share) };
        let Clarity { blur, noise, contrast } = &mut self.clarity;
        [
            count("classes", 2.0..=FAMILIES.len() as f64, &mut self.classes),
            count("train", 1.0..=MOST, &mut self.train),
            count("val", 1.0..=MOST, &mut self.val),
            count("test", 1.0..=MOST, &mut self.test),
            share("clutter", 0.0..=1.0, &mut self.clutter),
            share("occlusion", 0.0..=1.0, &mut self.occlusion),
            share("pose", 0.0..=1.0, &mut self.pose),
            share("lighting", 0.0..=1.0, &mut self.lighting),
            share("blur", 0.0..=16.0, blur),
            share("noise", 0.0..=1.0, noise),
            share("contrast", 0.0..=1.0, contrast),
            share("jpeg", 0.0..=1.0, &mut self.jpeg),
            Setting { name: "seed", range: 0.0..=9_007_199_254_740_991.0, value: Value::Seed(&mut self.seed) },
        ]
    }

    /// What differs from the default, in the order of the settings: one text for one set of images.
    pub fn settings(&self) -> String {
        let (mut own, mut default) = (*self, Knobs::default());
        let written = |setting: Setting| format!("{}={}", setting.name, setting.value);
        let both = own.all().map(written).into_iter().zip(default.all().map(written));
        both.filter(|(own, default)| own != default).map(|(own, _)| own).collect::<Vec<_>>().join(",")
    }
}

impl Setting<'_> {
    fn set(self, text: &str) -> Result<(), String> {
        let Setting { name, range, value } = self;
        let whole = !matches!(value, Value::Share(_));
        let number = text.parse().ok().filter(|number: &f64| range.contains(number));
        let number = number.filter(|number| !whole || number.fract() == 0.0);
        let kind = if whole { "a whole number" } else { "a number" };
        let number = number
            .ok_or_else(|| format!("{name} is {kind} from {} to {}, not `{text}`", range.start(), range.end()))?;
        match value {
            Value::Count(count) => *count = number as usize,
            Value::Share(share) => *share = number as f32,
            Value::Seed(seed) => *seed = number as u64,
        }
        Ok(())
    }
}

impl Display for Value<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Value::Count(count) => count.fmt(f),
            Value::Share(share) => share.fmt(f),
            Value::Seed(seed) => seed.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_stands_for_one_set() {
        assert_eq!(Knobs::parse("").unwrap(), Knobs::default());
        assert_eq!(Knobs::default().settings(), "");
        let knobs = Knobs::parse("noise=0.1,classes=16,pose=0.5").unwrap();
        assert_eq!((knobs.classes, knobs.clarity.noise), (16, 0.1));
        assert_eq!(knobs.settings(), "classes=16,noise=0.1");
        assert_eq!(Knobs::parse(&knobs.settings()).unwrap(), knobs);
    }

    #[test]
    fn mistakes_are_named() {
        for (settings, expected) in [
            ("clutter", "`clutter` is no `name=value`"),
            ("fog=1", "`fog` is not one of classes, train, val"),
            ("classes=33", "classes is a whole number from 2 to 32, not `33`"),
            ("train=1.5", "train is a whole number from 1 to 10000, not `1.5`"),
            ("pose=NaN", "pose is a number from 0 to 1, not `NaN`"),
        ] {
            let error = Knobs::parse(settings).unwrap_err();
            assert!(error.starts_with(expected), "{settings}: {error}");
        }
    }
}
