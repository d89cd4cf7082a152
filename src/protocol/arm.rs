//! Arms: what is compared. An arm is one TOML file with the settings of its features and classifier, and in prose
//! what was expected of it and why it does what it does.

use anyhow::{Result, anyhow, bail};
use serde::{Deserialize, Serialize};

use crate::catalogue;
use crate::classify::{ClassifierSettings, ClassifyError};
use crate::features::{FeatureSettings, Needs, Version};
use crate::finetune::settings::Settings;
use crate::names;
use crate::record::{ArmRecord, Family};

/// One arm, as its file says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    pub name: String,
    pub family: Family,
    pub title: String,
    /// Runs when no arms are named.
    #[serde(default = "yes")]
    pub default: bool,
    /// What was expected before measuring, and why.
    pub expectation: String,
    /// What the measurements say.
    #[serde(default)]
    pub analysis: String,
    pub features: FeatureSettings,
    pub classifier: ClassifierSettings,
}

fn yes() -> bool {
    true
}

impl Arm {
    /// Reads an arm from TOML; `origin` names it in errors.
    pub fn parse(text: &str, origin: &str) -> Result<Arm> {
        let arm: Arm = super::read_toml(text, origin)?;
        arm.check(origin)?;
        Ok(arm)
    }

    /// The arm of this name as it was measured, by what its records say of it.
    ///
    /// # Errors
    /// Settings that this version does not know.
    pub fn recorded(name: &str, record: &ArmRecord) -> Result<Arm> {
        #[derive(Deserialize)]
        struct Settings {
            features: FeatureSettings,
            classifier: ClassifierSettings,
        }
        let origin = format!("the record of {name}");
        let Settings { features, classifier } = super::read_toml(&record.settings, &origin)?;
        let family = Family::of(&record.family).ok_or_else(|| anyhow!("{origin}: no family {}", record.family))?;
        let ArmRecord { title, expectation, analysis, .. } = record.clone();
        // as its file says, so that what is exported of it is the same to the byte
        let default = Self::embedded()?.iter().find(|arm| arm.name == name).is_none_or(|arm| arm.default);
        let arm = Arm { name: name.to_owned(), family, title, default, expectation, analysis, features, classifier };
        arm.check(&origin)?;
        Ok(arm)
    }

    /// Says what is wrong with its values, if anything is; `origin` names it.
    pub fn check(&self, origin: &str) -> Result<()> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || !self.name.chars().all(plain) {
            bail!("{origin}: name = \"{}\" must consist of lower-case letters, digits and hyphens", self.name);
        }
        if self.classifier == ClassifierSettings::Head && self.training().is_none() {
            bail!("{origin}: {}", ClassifyError::NoHead);
        }
        self.features
            .kind()
            .check()
            .and_then(|()| self.classifier.check())
            .map_err(|wrong| anyhow!("{origin}: {wrong}"))
    }

    /// Every arm that the binary carries.
    pub fn embedded() -> Result<Vec<Arm>> {
        catalogue::ARMS.iter().map(|text| Arm::parse(text, "an embedded arm")).collect()
    }

    /// The arms named by `--arms`: names of embedded arms and paths of TOML files. Without names, the defaults.
    pub fn select(names: &[String]) -> Result<Vec<Arm>> {
        let known = Self::embedded()?;
        if names.is_empty() {
            return Ok(known.into_iter().filter(|arm| arm.default).collect());
        }
        let arms: Vec<Arm> = names.iter().map(|name| Self::find(name, &known)).collect::<Result<_>>()?;
        let repeated = |(i, arm): &(usize, &Arm)| arms[..*i].iter().any(|other| other.name == arm.name);
        if let Some((_, arm)) = arms.iter().enumerate().find(repeated) {
            bail!("two arms are called {}: records could not tell them apart, rename one in its file", arm.name);
        }
        Ok(arms)
    }

    fn find(name: &str, known: &[Arm]) -> Result<Arm> {
        if name.ends_with(".toml") {
            let text = std::fs::read_to_string(name).map_err(|error| {
                anyhow!("can't read the arm {name}: {error}; give the path of a TOML file, or a name that `featbench list` shows")
            })?;
            return Arm::parse(&text, name);
        }
        if let Some(arm) = known.iter().find(|arm| arm.name == name) {
            return Ok(arm.clone());
        }
        let unknown = names::unknown("arm", name, known.iter().map(|arm| arm.name.as_str()));
        bail!("{unknown} (or the path of a .toml file)")
    }

    /// The arm in a quarter of its epochs, and on images of `input` pixels where that is given; one without a training
    /// stays as it is.
    pub fn reduced(&self, input: Option<u32>) -> Arm {
        self.retrained(|training| Settings { input, ..training.in_epochs(training.epochs.div_ceil(4)) })
    }

    /// The arm with another training; one without a training stays as it is.
    pub fn retrained(&self, change: impl FnOnce(&Settings) -> Settings) -> Arm {
        let Some(training) = self.training() else { return self.clone() };
        Arm { features: FeatureSettings::Finetuned(Box::new(change(training))), ..self.clone() }
    }

    /// The settings alone, as TOML: what results depend on.
    pub fn settings(&self) -> Result<String> {
        #[derive(Serialize)]
        struct Settings<'a> {
            features: &'a FeatureSettings,
            classifier: &'a ClassifierSettings,
        }
        Ok(toml::to_string(&Settings { features: &self.features, classifier: &self.classifier })?)
    }

    /// What its features work on.
    pub fn needs(&self) -> Needs<'_> {
        self.features.kind().needs()
    }

    /// The stages that it uses, with their versions: what its results depend on beside its settings.
    pub fn versions(&self) -> Vec<Version> {
        let mut versions = self.features.kind().versions();
        versions.push(("classifier", self.classifier.version()));
        versions
    }

    /// How its network is trained, if it is.
    pub fn training(&self) -> Option<&Settings> {
        self.needs().training
    }
}
