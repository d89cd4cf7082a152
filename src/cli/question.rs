//! What a report answers, as it is typed: `--metric`, `--margin`, `--budget`, `--target`.

use std::str::FromStr;

use clap::{Args as ClapArgs, builder::PossibleValuesParser, builder::TypedValueParser};

use crate::report::{Aim, Budget, Question};
use crate::stats::outcome::Rule;

#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Asked {
    /// By what arms are compared: accuracy, or mean-class, where every class counts alike whatever its images
    #[arg(long, value_name = "accuracy|mean-class", default_value = "accuracy", hide_possible_values = true,
          value_parser = aim())]
    metric: Aim,
    /// Points of difference that do not matter to you
    #[arg(long, value_name = "POINTS", default_value = "1", value_parser = margin)]
    margin: f64,
    /// What an image may cost at most on one thread, and how large an exported file may be: 10ms, 50MiB, or both
    #[arg(long, value_name = "10ms,50MiB", default_value = "", hide_default_value = true)]
    budget: Limits,
    /// An accuracy in %: how many training images would it take?
    #[arg(long, value_name = "PERCENT", value_parser = target)]
    target: Option<f64>,
}

/// A budget as it is typed.
#[derive(Debug, Clone, Copy)]
struct Limits(Budget);

impl Asked {
    pub(super) fn question(&self) -> Question {
        let rule = Rule { margin: self.margin / 100.0, ..Rule::default() };
        Question { rule, aim: self.metric, budget: self.budget.0, target: self.target.map(|percent| percent / 100.0) }
    }
}

fn aim() -> impl TypedValueParser<Value = Aim> {
    let names = PossibleValuesParser::new(Aim::ALL.map(Aim::name));
    names.map(|name| Aim::ALL.into_iter().find(|aim| aim.name() == name).unwrap_or_default())
}

fn margin(text: &str) -> Result<f64, String> {
    let points: f64 = text.parse().map_err(|_| format!("{text} is no number of points, such as 1 or 0.5"))?;
    if points > 0.0 && points < 100.0 { Ok(points) } else { Err("it must be above 0 and below 100 points".to_owned()) }
}

fn target(text: &str) -> Result<f64, String> {
    let percent: f64 = text.parse().map_err(|_| format!("{text} is no accuracy in %, such as 95"))?;
    if percent > 0.0 && percent < 100.0 { Ok(percent) } else { Err("it must be above 0 and below 100 %".to_owned()) }
}

impl FromStr for Limits {
    type Err = String;

    fn from_str(text: &str) -> Result<Limits, String> {
        let mut budget = Budget::default();
        for part in text.split([',', ' ']).filter(|part| !part.is_empty()) {
            let number = |text: &str| text.parse().ok().filter(|number: &f64| *number > 0.0);
            let (limit, value) = match (part.strip_suffix("ms"), part.strip_suffix("MiB")) {
                (Some(text), _) => (&mut budget.ms, number(text)),
                (_, Some(text)) => (&mut budget.mib, number(text)),
                _ => return Err(format!("{part} has no unit: 10ms an image, 50MiB a file, or both as 10ms,50MiB")),
            };
            *limit = Some(value.ok_or_else(|| format!("{part} is not a number above 0 and its unit"))?);
        }
        Ok(Limits(budget))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_names_its_units() {
        let of = |text: &str| text.parse::<Limits>().map(|limits| limits.0);
        assert_eq!(of("10ms"), Ok(Budget { ms: Some(10.0), mib: None }));
        assert_eq!(of("50MiB, 2.5ms"), Ok(Budget { ms: Some(2.5), mib: Some(50.0) }));
        assert_eq!(of(""), Ok(Budget::default()));
        assert!(of("10").unwrap_err().contains("no unit") && of("-1ms").unwrap_err().contains("above 0"));
    }
}
