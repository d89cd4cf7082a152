//! Published experiments: arms, protocols and forms in one TOML file each, with the source and what was claimed. A form
//! that is shorter than the publication keeps the shape of every schedule.

use std::str::FromStr;

use anyhow::{Result, ensure};
use serde::Deserialize;

use super::arm::Arm;
use crate::finetune::settings::{Keep, Settings};
use crate::record::{Comparison, ExperimentRecord};

/// The experiments that the binary carries.
const EMBEDDED: [&str; 2] =
    [include_str!("../../experiments/one-cycle.toml"), include_str!("../../experiments/transfer.toml")];

/// One experiment, as its file says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    pub name: String,
    pub title: String,
    /// The registered data set that it is about.
    pub dataset: String,
    /// What was published, with its settings and figures.
    source: String,
    /// What the answer on top of the page answers.
    question: String,
    /// Of the arms as the file states them.
    epochs: usize,
    /// Which epoch counts; the answer speaks of the first.
    protocols: Vec<Keep>,
    /// Accuracies on the reported images that epochs are counted to.
    reach: Vec<f64>,
    forms: Forms,
    comparisons: Vec<Comparison>,
    arms: Vec<Arm>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Forms {
    reduced: Size,
    standard: Size,
    full: Size,
}

/// How large an experiment is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Side of the network's input in pixels.
    pub input: u32,
    epochs: usize,
    pub seeds: Vec<u64>,
    /// Views of training images that each training takes.
    pub image_steps: usize,
    /// Names of its arms; all of them where none are named.
    #[serde(default)]
    arms: Vec<String>,
}

/// Which of an experiment's forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Reduced,
    Standard,
    Full,
}

impl FromStr for Form {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Form, String> {
        let all = [Form::Reduced, Form::Standard, Form::Full];
        all.into_iter().find(|form| form.name() == name).ok_or_else(|| "`reduced`, `standard` or `full`".into())
    }
}

impl Form {
    /// As in the column `form`.
    pub fn name(self) -> &'static str {
        match self {
            Form::Reduced => "reduced",
            Form::Standard => "standard",
            Form::Full => "full",
        }
    }
}

impl Experiment {
    /// Every experiment that the binary carries.
    pub fn embedded() -> Result<Vec<Experiment>> {
        EMBEDDED.iter().map(|text| Experiment::parse(text)).collect()
    }

    fn parse(text: &str) -> Result<Experiment> {
        let experiment: Experiment = super::read_toml(text, "an embedded experiment")?;
        let name = &experiment.name;
        experiment.arms.iter().try_for_each(|arm| arm.check(&format!("experiment {name}, arm {}", arm.name)))?;
        let known = |name: &str| experiment.arms.iter().any(|arm| arm.name == name);
        let compared = experiment.comparisons.iter().flat_map(|c| [&c.first, &c.second]);
        let of_forms = [&experiment.forms.reduced, &experiment.forms.standard, &experiment.forms.full];
        let named = compared.chain(of_forms.iter().flat_map(|size| &size.arms));
        named.into_iter().try_for_each(|arm| {
            ensure!(known(arm), "experiment {name}: there is no arm `{arm}` in its file");
            Ok(())
        })?;
        Ok(experiment)
    }

    pub fn size(&self, form: Form) -> &Size {
        match form {
            Form::Reduced => &self.forms.reduced,
            Form::Standard => &self.forms.standard,
            Form::Full => &self.forms.full,
        }
    }

    fn of_form<'a>(&'a self, size: &'a Size) -> impl Iterator<Item = &'a Arm> {
        self.arms.iter().filter(|arm| size.arms.is_empty() || size.arms.contains(&arm.name))
    }

    /// The arms of a form, every trained one under every protocol: its epochs are the form's, its schedule has the same
    /// shape in them.
    pub fn arms(&self, form: Form) -> Vec<Arm> {
        let size = self.size(form);
        let of_protocols = |arm: &Arm| -> Vec<Arm> {
            if arm.training().is_none() {
                return vec![arm.clone()];
            }
            let under = |&keep: &Keep| arm.retrained(|training| Settings { keep, ..training.in_epochs(size.epochs) });
            self.protocols.iter().map(under).collect()
        };
        self.of_form(size).flat_map(of_protocols).collect()
    }

    /// What a report says of it.
    pub fn record(&self, form: Form) -> ExperimentRecord {
        let size = self.size(form);
        let measured = |name: &String| self.of_form(size).any(|arm| arm.name == *name);
        ExperimentRecord {
            name: self.name.clone(),
            title: self.title.clone(),
            form: form.name().into(),
            source: self.source.clone(),
            question: self.question.clone(),
            epochs: size.epochs,
            published_epochs: self.epochs,
            image_steps: size.image_steps,
            protocols: self.protocols.iter().map(|keep| keep.protocol().to_owned()).collect(),
            reach: self.reach.clone(),
            comparisons: self
                .comparisons
                .iter()
                .filter(|c| measured(&c.first) && measured(&c.second))
                .cloned()
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finetune::schedule::{Length, Schedule};

    fn embedded(name: &str) -> Experiment {
        Experiment::embedded().unwrap().into_iter().find(|experiment| experiment.name == name).unwrap()
    }

    fn rates(arm: &Arm, epochs: usize, steps_per_epoch: usize) -> Vec<f64> {
        let training = arm.training().unwrap();
        let plan = training.schedule.plan(0.007, Length { epochs, steps_per_epoch }).unwrap();
        plan.iter().map(|rates| rates.learning_rate).collect()
    }

    #[test]
    fn shorter_forms_keep_the_shape_of_a_schedule() {
        let experiment = embedded("one-cycle");
        let step = |form| experiment.arms(form).into_iter().find(|arm| arm.name == "step-as-run").unwrap();
        let (full, standard) = (rates(&step(Form::Full), 50, 8), rates(&step(Form::Standard), 15, 8));
        let falls = |rates: &[f64]| rates.windows(2).filter(|pair| pair[1] < pair[0]).count();
        assert_eq!((falls(&full), falls(&standard)), (9, 9));
        assert_eq!(full.iter().filter(|rate| **rate == 0.007).count(), 40);
        assert_eq!(standard.iter().filter(|rate| **rate == 0.007).count(), 12);
    }

    #[test]
    fn one_cycle_as_it_ran_passes_the_published_knots() {
        let experiment = embedded("one-cycle");
        let arm = experiment.arms(Form::Full).into_iter().find(|arm| arm.name == "1cycle-as-run").unwrap();
        let rates = rates(&arm, 50, 8);
        for (step, rate) in [(1, 7e-4), (180, 7e-3), (360, 7e-4), (400, 7e-7)] {
            assert!((rates[step - 1] / rate - 1.0).abs() < 1e-12, "step {step}: {}", rates[step - 1]);
        }
        assert!(matches!(arm.training().unwrap().schedule, Schedule::OneCycleSmith(_)));
    }

    #[test]
    fn every_trained_arm_has_every_protocol_and_others_one_run() {
        let experiment = embedded("transfer");
        let names: Vec<String> = experiment.arms(Form::Reduced).into_iter().map(|arm| arm.name).collect();
        assert_eq!(names, ["adam-step", "adam-step", "1cycle", "1cycle", "resnet-frozen-softmax"]);
        assert_eq!(experiment.record(Form::Reduced).comparisons.len(), 3);
    }
}
