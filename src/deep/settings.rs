//! What a network's file can't say for itself, as its owner states it: `NAME.toml` beside `NAME.onnx`, or the same text
//! in the ONNX file's metadata under the key `featbench`.

use std::path::Path;

use serde::Deserialize;
use toml::Table;

use super::onnx::ModelProto;
use crate::image::tensor::Normalisation;
use crate::names;

/// Sides in pixels that an input may be stated to have.
pub const SIDES: std::ops::RangeInclusive<u32> = 32..=1024;

/// Key of the metadata.
const METADATA: &str = "featbench";

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    input: Option<u32>,
    mean: Option<[f32; 3]>,
    std: Option<[f32; 3]>,
    scale: Option<f32>,
    output: Option<String>,
}

const KEYS: [&str; 5] = ["input", "mean", "output", "scale", "std"];

/// What is stated, and checked; what is not, is left to the registry and to the network.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// Side of the input in pixels.
    pub input: Option<u32>,
    pub normalisation: Option<Normalisation>,
    /// Name of the output that holds the features.
    pub output: Option<String>,
}

impl Settings {
    /// The settings beside a network's file; `None` where there are none.
    ///
    /// # Errors
    /// What can't be read or is wrong, without the file's name.
    pub fn beside(network: &Path) -> Result<Option<Settings>, String> {
        match std::fs::read_to_string(network.with_extension("toml")) {
            Ok(text) => Settings::parse(&text).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("can't be read: {error}")),
        }
    }

    /// The settings in an ONNX file's metadata.
    ///
    /// # Errors
    /// As [`Settings::beside`].
    pub fn within(model: &ModelProto) -> Result<Option<Settings>, String> {
        let entry = model.metadata_props.iter().find(|entry| entry.key == METADATA);
        let parsed = entry.map(|entry| Settings::parse(&entry.value)).transpose();
        parsed.map_err(|reason| format!("its metadata `{METADATA}`: {reason}"))
    }

    fn parse(text: &str) -> Result<Settings, String> {
        let told = |error: toml::de::Error| match error.span() {
            Some(span) => format!("line {}: {}", text[..span.start].matches('\n').count() + 1, error.message()),
            None => error.message().to_owned(),
        };
        let table: Table = toml::from_str(text).map_err(told)?;
        if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(format!("unknown key `{key}`{}; there are {}", names::suggestion(key, KEYS), KEYS.join(", ")));
        }
        let stated: Stated = toml::from_str(text).map_err(told)?;
        if let Some(input) = stated.input.filter(|input| !SIDES.contains(input)) {
            return Err(format!("input = {input} must be from 32 to 1024 pixels"));
        }
        Ok(Settings { input: stated.input, normalisation: stated.normalisation()?, output: stated.output })
    }

    /// What the features depend on besides the network's file and the side of its input; empty where nothing is stated.
    pub fn identity(&self) -> String {
        match (&self.normalisation, &self.output) {
            (None, None) => String::new(),
            stated => format!(" {stated:?}"),
        }
    }
}

impl Stated {
    fn normalisation(&self) -> Result<Option<Normalisation>, String> {
        let scale = self.scale.unwrap_or(1.0);
        if scale != 1.0 && scale != 255.0 {
            return Err(format!("scale = {scale} must be 1 (pixels from 0 to 1) or 255 (from 0 to 255)"));
        }
        let (mean, std) = match (self.mean, self.std) {
            (Some(mean), Some(std)) => (mean, std),
            (None, None) if self.scale.is_none() => return Ok(None),
            _ => return Err("mean and std are needed together, and scale goes with them".into()),
        };
        if let Some(wrong) = mean.iter().chain(&std).find(|value| !value.is_finite()) {
            return Err(format!("{wrong} in mean or std is not a number"));
        }
        if let Some(wrong) = std.iter().find(|&&value| value <= 0.0) {
            return Err(format!("{wrong} in std must be above 0"));
        }
        Ok(Some(Normalisation { mean: mean.map(|v| v / scale), deviation: std.map(|v| v / scale) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_may_be_stated_and_nothing_need_be() {
        assert_eq!(Settings::parse("# defaults\n").unwrap(), Settings::default());
        assert_eq!(Settings::default().identity(), "");
        let text = "input = 299\nscale = 255\nmean = [127.5, 0, 255]\nstd = [127.5, 255, 51]\noutput = 'pool'\n";
        let settings = Settings::parse(text).unwrap();
        let normalisation = Normalisation { mean: [0.5, 0.0, 1.0], deviation: [0.5, 1.0, 0.2] };
        let expected = Settings { input: Some(299), normalisation: Some(normalisation), output: Some("pool".into()) };
        assert_eq!(settings, expected);
        assert!(settings.identity().contains("0.2") && settings.identity().contains("pool"));
        assert_eq!(Settings::parse("input = 64").unwrap().identity(), "", "the side is known apart");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("inputs = 224", "unknown key `inputs`, did you mean `input`?; there are input, mean, output, scale, std"),
            ("a = 1", "unknown key `a`; there are"),
            ("mean = [0, 0, 0]", "mean and std are needed together"),
            ("scale = 255", "mean and std are needed together"),
            ("scale = 2\nmean = [0, 0, 0]\nstd = [1, 1, 1]", "scale = 2 must be 1 (pixels from 0 to 1) or 255"),
            ("mean = [0, 0, 0]\nstd = [1, 0, 1]", "0 in std must be above 0"),
            ("mean = [0, nan, 0]\nstd = [1, 1, 1]", "NaN in mean or std is not a number"),
            ("input = 8", "input = 8 must be from 32 to 1024 pixels"),
            ("output = 'a'\nmean = [0, 0]", "line 2: invalid length 2"),
            ("input = 224\n\n= 3", "line 3: "),
        ] {
            let error = Settings::parse(text).unwrap_err();
            assert!(error.starts_with(expected) && !error.contains('\n'), "{text}: {error}");
        }
    }
}
