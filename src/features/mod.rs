//! From images to vectors, for every arm alike. A [`Kind`] is a method: one file, and one line in the list below; what
//! it fits on training images gives [`Features`], the vectors of any image, cached by content.

mod centrist;
mod colour_histogram;
mod evidence;
mod finetuned;
mod fitted;
mod fourier;
mod fusion;
mod gist;
mod half;
mod hog;
mod lbp;
mod local;
mod metadata;
mod neighbourhood;
mod network;
mod nothing;
mod picture;
mod pyramid;
mod resources;
mod rows;
mod thumbnail;
mod whole;

pub use evidence::{Evidence, Explainer, Map, Spot};
pub use finetuned::{RangeTested, Tried, range_test, try_out};
pub use fitted::{Features, Lessons, Training, Vectors, Worker, of_vectors};
pub use local::{codebook, descriptor, encoding, reduce};
pub use network::Frozen;
pub use picture::{Encoded, read};
pub use resources::{CHUNK, FoundBackbone, Missing, Resources, hashes};
pub use rows::VectorsOf;
pub use thumbnail::Thumbnail;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::finetune::settings::Settings;

/// The kinds of features: each line is a name in TOML and the settings behind it.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident($settings:ty),)*) => {
        /// The `[features]` table of an arm: what turns an image into a vector.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "kebab-case")]
        pub enum FeatureSettings {
            $($(#[$doc])* $kind($settings),)*
        }

        impl FeatureSettings {
            /// The method: the only place where kinds are told apart.
            pub fn kind(&self) -> &dyn Kind {
                match self {
                    $(FeatureSettings::$kind(settings) => settings,)*
                }
            }
        }
    };
}

kinds! {
    /// No features at all.
    None(nothing::Nothing),
    /// Natural logarithms of width, height and file size.
    Metadata(metadata::Metadata),
    /// The picture reduced to a few pixels, aspect ignored.
    Thumbnail(thumbnail::Thumbnail),
    /// How often each colour occurs.
    ColourHistogram(colour_histogram::ColourHistogram),
    /// The census transform, counted over a pyramid.
    Centrist(centrist::Centrist),
    /// Local binary patterns, counted over a pyramid.
    Lbp(lbp::Lbp),
    /// Directions of gradients in a grid of cells.
    Hog(hog::Hog),
    /// Responses of Gabor filters in a grid of cells.
    Gist(gist::Gist),
    /// Local descriptors, counted by a codebook.
    Local(local::LocalSettings),
    /// The features of a pretrained network, frozen.
    Network(network::Frozen),
    /// Several of them together.
    Fusion(fusion::Fusion),
    /// The features of a network that is trained on the data set's training images.
    Finetuned(Box<Settings>),
}

/// What every method is. Settings are what the arm's file says, and lists in them are candidates that val chooses from.
pub trait Kind {
    /// What is wrong with the settings, if anything is.
    ///
    /// # Errors
    /// A sentence that names the setting and what it may be.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// The stages that these settings use, each with its version: they go into run ids and cache keys, those of other
    /// methods do not. Decoding and the canvas are not among them, [`Needs::pixels`] says whether they count.
    fn versions(&self) -> Vec<Version>;

    /// What has to be there.
    fn needs(&self) -> Needs<'_>;

    /// What one image of ordinary size costs; `input` is the side of the network's input in pixels.
    fn cost(&self, input: u32) -> Cost;

    /// The candidates, in the order in which they are preferred at equal accuracy; at least one.
    fn candidates(&self) -> Vec<Choice> {
        vec![Choice::only()]
    }

    /// Goes through candidates in the order in which they are preferred at equal accuracy; `judge` gives how many
    /// images of val the best classifier on one gets right. One that depends on what was judged before looks for itself.
    ///
    /// # Errors
    /// Those of `judge`.
    fn search(&self, judge: &mut dyn FnMut(&Choice) -> Result<usize>) -> Result<()> {
        self.candidates().iter().try_for_each(|choice| judge(choice).map(drop))
    }

    /// Fits one candidate on the training images. Labels are for networks that are trained, nothing else looks at them.
    ///
    /// # Errors
    /// [`Missing`] where something is not on this machine, and whatever goes wrong with an image.
    fn fit(&self, choice: &Choice, resources: &Resources, lessons: &Lessons) -> Result<Box<dyn Features>>;

    /// A candidate's features as they were fitted elsewhere: `state` is what [`Features::state`] gave.
    ///
    /// # Errors
    /// Features that can't be taken elsewhere this way, or a state that is not theirs.
    fn restore(&self, _choice: &Choice, _state: &[u8]) -> Result<Box<dyn Features>> {
        bail!("features of this kind can't be read from a file")
    }
}

/// A stage and its version, which is raised whenever its output changes.
pub type Version = (&'static str, u32);

/// What a method works on.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Needs<'a> {
    /// Does it look at pixels? If not, it can't exist on a canvas.
    pub pixels: bool,
    /// A network, as it is or to begin with.
    pub network: bool,
    /// How its network is trained, with labels, if it is.
    pub training: Option<&'a Settings>,
}

/// What one image of ordinary size (some 0.1 megapixels) costs on the 2.6 GHz core where it was measured.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Of one thread, from encoded bytes to vector.
    pub milliseconds: f64,
    /// In the cache.
    pub bytes: f64,
    /// Of memory at work on each thread, for each pixel of the picture.
    pub bytes_a_pixel: f64,
}

/// A candidate of a method: opaque to everybody else, and it describes itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Its place among the method's candidates.
    place: usize,
    description: String,
}

impl Choice {
    /// Of a method that leaves nothing to choose.
    pub fn only() -> Choice {
        Choice { place: 0, description: String::new() }
    }

    /// One candidate a description, in this order.
    fn all(descriptions: impl IntoIterator<Item = String>) -> Vec<Choice> {
        descriptions.into_iter().enumerate().map(|(place, description)| Choice { place, description }).collect()
    }

    /// Its place among the method's candidates, by which [`Choice::at`] finds it again.
    pub fn place(&self) -> usize {
        self.place
    }

    /// The candidate at a place, without its description.
    pub fn at(place: usize) -> Choice {
        Choice { place, description: String::new() }
    }

    /// The settings as `name=value`, joined by spaces; empty where there is nothing to choose.
    pub fn describe(&self) -> &str {
        &self.description
    }
}
