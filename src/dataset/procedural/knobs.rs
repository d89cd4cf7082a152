//! What can be set of the generated images, as text behind the set's name: `procedural,clutter=0.8,classes=16`.

use super::family::FAMILIES;
use crate::image::degrade::Clarity;

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
            seed: 0,
        }
    }
}

/// Name, smallest and largest value.
type Scale = (&'static str, f64, f64);

const SCALES: [Scale; 12] = [
    ("classes", 2.0, FAMILIES.len() as f64),
    ("train", 1.0, 10_000.0),
    ("val", 1.0, 10_000.0),
    ("test", 1.0, 10_000.0),
    ("clutter", 0.0, 1.0),
    ("occlusion", 0.0, 1.0),
    ("pose", 0.0, 1.0),
    ("lighting", 0.0, 1.0),
    ("blur", 0.0, 16.0),
    ("noise", 0.0, 1.0),
    ("contrast", 0.0, 1.0),
    ("seed", 0.0, 9_007_199_254_740_991.0),
];

impl Knobs {
    /// The default with these settings, `name=value` joined by commas; nothing is the default.
    ///
    /// # Errors
    /// A sentence that names what is wrong and what is possible.
    pub fn parse(settings: &str) -> Result<Knobs, String> {
        let mut knobs = Knobs::default();
        for setting in settings.split(',').filter(|setting| !setting.is_empty()) {
            let (name, value) = setting.split_once('=').ok_or_else(|| format!("`{setting}` is no `name=value`"))?;
            let known = || SCALES.map(|(name, ..)| name).join(", ");
            let scale = SCALES.iter().find(|(known, ..)| *known == name);
            let &(_, low, high) = scale.ok_or_else(|| format!("`{name}` is not one of {}", known()))?;
            let whole = matches!(name, "classes" | "train" | "val" | "test" | "seed");
            let number = value.parse().ok().filter(|number| (low..=high).contains(number));
            let number = number.filter(|number: &f64| !whole || number.fract() == 0.0);
            let kind = if whole { "a whole number" } else { "a number" };
            let number = number.ok_or_else(|| format!("{name} is {kind} from {low} to {high}, not `{value}`"))?;
            knobs.set(name, number);
        }
        Ok(knobs)
    }

    fn set(&mut self, name: &str, number: f64) {
        match name {
            "classes" => self.classes = number as usize,
            "train" => self.train = number as usize,
            "val" => self.val = number as usize,
            "test" => self.test = number as usize,
            "clutter" => self.clutter = number as f32,
            "occlusion" => self.occlusion = number as f32,
            "pose" => self.pose = number as f32,
            "lighting" => self.lighting = number as f32,
            "blur" => self.clarity.blur = number as f32,
            "noise" => self.clarity.noise = number as f32,
            "contrast" => self.clarity.contrast = number as f32,
            _ => self.seed = number as u64,
        }
    }

    /// What differs from the default, in the order of the settings: one text for one set of images.
    pub fn settings(&self) -> String {
        let (own, default) = (self.values(), Knobs::default().values());
        let changed = SCALES.iter().zip(own).zip(default).filter(|((_, own), default)| own != default);
        changed.map(|(((name, ..), own), _)| format!("{name}={own}")).collect::<Vec<_>>().join(",")
    }

    fn values(&self) -> [String; 12] {
        let Clarity { blur, noise, contrast } = self.clarity;
        let counts = [self.classes, self.train, self.val, self.test].map(|count| count.to_string());
        let shares = [self.clutter, self.occlusion, self.pose, self.lighting, blur, noise, contrast];
        let [a, b, c, d, e, f, g] = shares.map(|share| share.to_string());
        let [classes, train, val, test] = counts;
        [classes, train, val, test, a, b, c, d, e, f, g, self.seed.to_string()]
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
