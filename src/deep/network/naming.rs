//! What the tensors of a network are called in a file. The longest beginnings under which a family's names fit are found
//! by what the names end in, so that wrappers (`state_dict.`, `model_ema.`) and prefixes (`module.`, `backbone.`,
//! `module.encoder_q.`) need no list; libraries that call layers otherwise are translated to torchvision's names.

use std::collections::{BTreeMap, BTreeSet};

use super::Family;
use crate::deep::weights::{self, Shapes, Weights, WeightsError};

/// A tensor that every member of a family has, in torchvision's names or in those of other libraries.
const ANCHORS: [&str; 4] = [
    "layer1.0.conv1.weight",
    "encoder.stages.0.layers.0.layer.0.convolution.weight",
    "features.0.weight",
    "_conv_stem.weight",
];

/// A network that was found in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub family: Family,
    /// Each tensor's name in the file, by its name in the network.
    pub names: BTreeMap<String, String>,
    /// What stands before the names in the file.
    pub prefix: String,
    /// What else the file has, by the beginnings of the names.
    pub unread: Vec<String>,
}

impl Found {
    /// Finds a network. Where there are several, the one whose prefix tells of an average over a training is preferred,
    /// and one that follows another (a momentum encoder, a student) is the last choice.
    ///
    /// # Errors
    /// No network of a known family, or one that is another after all.
    pub fn within(file: &Shapes) -> Result<Found, WeightsError> {
        let anchored = |name: &String| {
            let prefix = ANCHORS.iter().find_map(|anchor| name.strip_suffix(anchor))?;
            (prefix.is_empty() || prefix.ends_with('.')).then(|| prefix.to_owned())
        };
        let prefixes: BTreeSet<_> = file.keys().filter_map(anchored).map(|prefix| (rank(&prefix), prefix)).collect();
        let mut first = None;
        for (_, prefix) in prefixes {
            match Found::under(file, prefix) {
                Ok(found) => return Ok(found),
                Err(reason) => first = first.or(Some(reason)),
            }
        }
        Err(first.unwrap_or(WeightsError::UnknownFamily(file.len())))
    }

    /// The network whose names follow a prefix.
    fn under(file: &Shapes, prefix: String) -> Result<Found, WeightsError> {
        let mut names: BTreeMap<String, String> = file
            .keys()
            .filter_map(|name| Some((translated(name.strip_prefix(&prefix)?), name.clone())))
            .filter(|(name, _)| !name.ends_with("num_batches_tracked"))
            .collect();
        let shapes: Shapes = names.iter().map(|(name, in_file)| (name.clone(), flat(name, &file[in_file]))).collect();
        let family = Family::of(&shapes).ok_or(WeightsError::UnknownFamily(file.len()))?;
        let (called, own) = family.named();
        let misfit = |reason| WeightsError::Misfit { family: called, reason: Box::new(reason) };
        // a head that is not quite the family's is left unread
        let bare = family.clone().with_classes(None);
        let family = [family, bare.clone()].into_iter().find(|family| fits(family, &shapes)).unwrap_or(bare);
        let expected = family.network(224).parameters;
        weights::check(&shapes, &expected).map_err(misfit)?;
        let used: BTreeSet<String> = expected.into_iter().map(|(name, _)| name).collect();
        if let Some((name, shape)) =
            shapes.iter().find(|(name, _)| !used.contains(*name) && own.iter().any(|own| name.starts_with(own)))
        {
            return Err(misfit(WeightsError::Extra { name: name.clone(), found: shape.clone() }));
        }
        names.retain(|name, _| used.contains(name));
        let unread = unread(file, &names);
        Ok(Found { family, names, prefix, unread })
    }

    /// The same, where it has to be `expected`.
    ///
    /// # Errors
    /// The first tensor that is another.
    pub fn as_registered(self, expected: Family) -> Result<Found, WeightsError> {
        let found: Shapes = self.family.network(224).parameters.into_iter().collect();
        let parameters = expected.network(224).parameters;
        weights::check(&found, &parameters)?;
        let extra = found.iter().find(|(name, _)| !parameters.iter().any(|(known, _)| known == *name));
        match extra {
            Some((name, shape)) => Err(WeightsError::Extra { name: name.clone(), found: shape.clone() }),
            None => Ok(Found { family: expected, ..self }),
        }
    }

    /// What of a file is used, in words, where that is not all of it under its own names.
    pub fn said(&self) -> String {
        const SHOWN: usize = 3;
        let dropped = if self.prefix.is_empty() { String::new() } else { format!("; under `{}`", self.prefix) };
        let more = self.unread.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let unread = match &self.unread[..] {
            [] => String::new(),
            unread => format!("; left unread: {}{more}", unread[..unread.len().min(SHOWN)].join(", ")),
        };
        format!("{dropped}{unread}")
    }

    /// A file's parameters under the network's names, in the network's shapes.
    pub fn renamed(&self, mut of_file: Weights) -> Weights {
        let of = |(name, in_file): (&String, &String)| {
            let mut tensor = of_file.remove(in_file)?;
            tensor.shape = flat(name, &tensor.shape);
            Some((name.clone(), tensor))
        };
        self.names.iter().filter_map(of).collect()
    }
}

fn fits(family: &Family, shapes: &Shapes) -> bool {
    weights::check(shapes, &family.network(224).parameters).is_ok()
}

/// Which prefix is preferred, the least first: by its words, then by its length.
fn rank(prefix: &str) -> (u8, usize) {
    let word = |known: &[&str]| prefix.split(['.', '_']).any(|word| known.contains(&word));
    let followed = word(&["student", "k", "momentum", "target"]);
    let averaged = word(&["ema", "teacher", "averaged", "swa"]);
    (if averaged { 0 } else { 1 + u8::from(followed) }, prefix.len())
}

/// The name in the network: Hugging Face's ResNets and timm's VGGs call their layers otherwise than torchvision.
fn translated(name: &str) -> String {
    for (theirs, ours) in [
        ("embedder.embedder.convolution.", "conv1."),
        ("embedder.embedder.normalization.", "bn1."),
        ("pre_logits.fc1.", "classifier.0."),
        ("pre_logits.fc2.", "classifier.3."),
        ("head.fc.", "classifier.6."),
    ] {
        if let Some(rest) = name.strip_prefix(theirs) {
            return format!("{ours}{rest}");
        }
    }
    of_hugging_face(name).unwrap_or_else(|| name.to_owned())
}

/// `encoder.stages.0.layers.1.layer.2.convolution.weight` is `layer1.1.conv3.weight`.
fn of_hugging_face(name: &str) -> Option<String> {
    let (stage, rest) = name.strip_prefix("encoder.stages.")?.split_once(".layers.")?;
    let (block, rest) = rest.split_once('.')?;
    let (which, part) = rest.rsplit_once('.')?;
    let stage = stage.parse::<usize>().ok()? + 1;
    let layer = match which {
        "shortcut.convolution" => "downsample.0".to_owned(),
        "shortcut.normalization" => "downsample.1".to_owned(),
        _ => {
            let (number, what) = which.strip_prefix("layer.")?.split_once('.')?;
            let ours = match what {
                "convolution" => "conv",
                "normalization" => "bn",
                _ => return None,
            };
            format!("{ours}{}", number.parse::<usize>().ok()? + 1)
        }
    };
    Some(format!("layer{stage}.{block}.{layer}.{part}"))
}

/// The shape that the network gives a tensor: timm's VGGs have convolutions for fully connected layers, with the same
/// numbers in the same order.
fn flat(name: &str, shape: &[usize]) -> Vec<usize> {
    match shape {
        [outputs, inputs @ ..] if name.starts_with("classifier.") && inputs.len() == 3 => {
            vec![*outputs, inputs.iter().product()]
        }
        _ => shape.to_vec(),
    }
}

/// What of a file is not among `names`: the beginnings of the other names, up to where they part from these.
fn unread(file: &Shapes, names: &BTreeMap<String, String>) -> Vec<String> {
    let used: BTreeSet<&str> = names.values().map(String::as_str).collect();
    let beginnings = |name: &str| name.match_indices('.').map(|(at, _)| at).chain([name.len()]).collect::<Vec<_>>();
    let inner: BTreeSet<&str> =
        used.iter().flat_map(|&name| beginnings(name).into_iter().map(move |at| &name[..at])).collect();
    let others = file.keys().filter(|name| !used.contains(name.as_str()) && !name.ends_with("num_batches_tracked"));
    let parted = |name: &String| {
        beginnings(name).into_iter().map(|at| &name[..at]).find(|part| !inner.contains(part)).map(str::to_owned)
    };
    let mut parts: BTreeMap<String, usize> = BTreeMap::new();
    others.filter_map(parted).for_each(|part| *parts.entry(part).or_default() += 1);
    parts
        .into_iter()
        .map(|(part, count)| format!("{part} ({count} tensors)").replace("(1 tensors)", "(1 tensor)"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deep::network::resnet::{Block, ResNet};
    use crate::deep::network::vgg::Vgg;

    fn shapes(family: &Family) -> Shapes {
        family.network(224).parameters.into_iter().collect()
    }

    fn resnet(block: Block, classes: Option<usize>) -> Family {
        Family::ResNet(ResNet::new(block, &[2, 2, 2, 2], classes))
    }

    fn under(prefix: &str, family: &Family) -> Shapes {
        shapes(family).into_iter().map(|(name, shape)| (format!("{prefix}{name}"), shape)).collect()
    }

    #[test]
    fn any_prefix_is_found_by_what_follows_it() {
        let network = resnet(Block::Basic, Some(1000));
        for prefix in ["", "module.", "state_dict.model.", "_orig_mod.", "a.b.c."] {
            let mut file = under(prefix, &network);
            file.insert("optimizer.state.0.exp_avg".into(), vec![64]);
            file.insert(format!("{prefix}bn1.num_batches_tracked"), vec![]);
            let found = Found::within(&file).unwrap();
            assert_eq!((&found.family, found.prefix.as_str()), (&network, prefix));
            let said = if prefix.is_empty() { String::new() } else { format!("; under `{prefix}`") };
            assert_eq!(found.said(), said + "; left unread: optimizer (1 tensor)");
        }
    }

    #[test]
    fn of_several_networks_the_average_is_preferred_and_the_follower_is_not() {
        let network = resnet(Block::Basic, None);
        for (prefixes, preferred) in [
            (["module.encoder_k.", "module.encoder_q."], "module.encoder_q."),
            (["state_dict.", "state_dict_ema."], "state_dict_ema."),
            (["student.backbone.", "teacher.backbone."], "teacher.backbone."),
            (["model.", "net.inner."], "model."),
        ] {
            let file = prefixes.iter().flat_map(|prefix| under(prefix, &network)).collect();
            assert_eq!(Found::within(&file).unwrap().prefix, preferred);
        }
    }

    #[test]
    fn heads_of_other_names_are_left_unread_and_said() {
        let network = resnet(Block::Bottleneck, None);
        for (head, shape) in [("fc.1", [8, 2048]), ("head", [8, 2048]), ("fc", [8, 99]), ("projector.0", [2048, 2048])]
        {
            let mut file = shapes(&network);
            file.insert(format!("{head}.weight"), shape.to_vec());
            file.insert(format!("{head}.bias"), vec![shape[0]]);
            let found = Found::within(&file).unwrap();
            assert_eq!(found.family, network);
            let part = head.split('.').next().unwrap();
            assert_eq!(found.said(), format!("; left unread: {part} (2 tensors)"));
        }
    }

    #[test]
    fn another_network_that_begins_so_is_refused_with_the_remedy() {
        let mut file = shapes(&resnet(Block::Bottleneck, None));
        file.insert("layer1.0.se.fc1.weight".into(), vec![16, 256, 1, 1]);
        let told = Found::within(&file).unwrap_err().to_string();
        assert!(
            told.starts_with("it begins like a ResNet, and is another network: tensor `layer1.0.se.fc1.weight`"),
            "{told}"
        );
        assert!(told.contains("torch.onnx.export("), "{told}");
        let alexnet = Shapes::from([("features.0.weight".into(), vec![64, 3, 11, 11])]);
        assert!(Found::within(&alexnet).unwrap_err().to_string().contains("[64, 3, 3, 3]"));
        let vit = Shapes::from([("blocks.0.attn.qkv.weight".into(), vec![1152, 384])]);
        assert_eq!(Found::within(&vit), Err(WeightsError::UnknownFamily(1)));
    }

    #[test]
    fn names_of_other_libraries_are_translated() {
        for (theirs, ours) in [
            ("embedder.embedder.convolution.weight", "conv1.weight"),
            ("encoder.stages.2.layers.1.layer.2.normalization.running_var", "layer3.1.bn3.running_var"),
            ("encoder.stages.0.layers.0.shortcut.convolution.weight", "layer1.0.downsample.0.weight"),
            ("layer1.0.conv1.weight", "layer1.0.conv1.weight"),
        ] {
            assert_eq!(translated(theirs), ours);
        }
        let vgg = Vgg { stages: vec![vec![64], vec![128]], norm: true, cut: false, classes: Some(5) };
        let timm = |(name, shape): (String, Vec<usize>)| match name.strip_prefix("classifier.") {
            Some("0.weight") => ("pre_logits.fc1.weight".into(), vec![4096, 128, 7, 7]),
            Some("3.weight") => ("pre_logits.fc2.weight".into(), vec![4096, 4096, 1, 1]),
            Some(rest) => (
                rest.replace("0.", "pre_logits.fc1.").replace("3.", "pre_logits.fc2.").replace("6.", "head.fc."),
                shape,
            ),
            None => (name, shape),
        };
        let file: Shapes = shapes(&Family::Vgg(vgg.clone())).into_iter().map(timm).collect();
        assert!(file.contains_key("head.fc.weight") && !file.contains_key("classifier.6.weight"));
        assert_eq!(Found::within(&file).unwrap().family, Family::Vgg(vgg));
    }
}
