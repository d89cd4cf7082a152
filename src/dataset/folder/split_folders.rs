//! Which folders are splits: those that are called so and hold class folders. What looks like one and is none is refused,
//! and a class may be called `train` where it lies beside other classes.

use std::collections::BTreeSet;

use super::DatasetError;
use super::seen::{Seen, listed};
use super::tree::{Tree, images, lie};
use crate::dataset::findings::finding;
use crate::dataset::manifest::Part;
use crate::names::printable;
use crate::record::Finding;

/// A split that a folder's name says, and whether it is one of the names that are taken for it.
pub(super) fn split_named(folder: &str) -> Option<(Part, bool)> {
    let small = folder.to_lowercase();
    let exact = match small.as_str() {
        "train" | "training" => Some(Part::Train),
        "val" | "valid" | "validation" | "dev" => Some(Part::Val),
        "test" | "testing" => Some(Part::Test),
        _ => None,
    };
    if let Some(part) = exact {
        return Some((part, true));
    }
    let mut words = small.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    words.find_map(|word| {
        let word = ["set", "data", "images", "imgs", "img", "split"]
            .iter()
            .find_map(|end| word.strip_suffix(end))
            .unwrap_or(word);
        match word {
            "train" | "training" | "trn" | "learn" | "learning" => Some((Part::Train, false)),
            "val" | "valid" | "validation" | "dev" | "devel" | "development" => Some((Part::Val, false)),
            "test" | "testing" | "tst" | "holdout" | "hold" | "heldout" | "eval" | "evaluation" => {
                Some((Part::Test, false))
            }
            _ => None,
        }
    })
}

/// A folder that is called like a split.
#[derive(Clone, Copy)]
struct Named<'a> {
    name: &'a str,
    part: Part,
    exact: bool,
    tree: &'a Tree,
}

impl Named<'_> {
    fn has_folders(&self) -> bool {
        self.tree.filled().next().is_some()
    }
}

impl<'a> Seen<'a> {
    /// Are there split folders? A class may be called `train` too.
    pub(super) fn has_splits(&self, findings: &mut Vec<Finding>) -> Result<bool, DatasetError> {
        let (mut named, mut others) = (Vec::new(), Vec::new());
        for (name, tree) in self.top.filled() {
            match split_named(name) {
                Some((part, exact)) => named.push(Named { name, part, exact, tree }),
                None => others.push((name, tree)),
            }
        }
        let parts: BTreeSet<Part> = named.iter().map(|named| named.part).collect();
        let (deep, flat): (Vec<Named>, Vec<Named>) = named.iter().copied().partition(Named::has_folders);
        let names = |named: &[Named<'a>]| listed(&named.iter().map(|named| named.name).collect::<Vec<_>>());
        if named.is_empty() {
            return Ok(false);
        }
        if deep.is_empty() {
            if others.is_empty() || (parts.len() > 1 && named.len() >= others.len()) {
                let what = format!("{} {} no class folders", names(&named), hold(named.len(), "images and"));
                let remedy =
                    "Put each image into a folder that is named like its class, inside its split or without splits.";
                return Err(self.foreign(what, &["SPLIT/CLASS/FILE", "CLASS/FILE"], remedy.into()));
            }
            let taken = |named: &Named| {
                finding("named", named.name, "called like a split, and taken for a class as it lies beside others")
            };
            findings.extend(named.iter().map(taken));
            return Ok(false);
        }
        let one_among_classes = parts.len() == 1
            && (deep.iter().all(|named| named.tree.pictures > 0) && !others.is_empty() || others.len() > 2);
        if one_among_classes {
            let taken = |named: &Named| {
                finding("named", named.name, "called like a split, and taken for a class as it lies beside others")
            };
            findings.extend(named.iter().map(taken));
            return Ok(false);
        }
        self.refuse_odd_splits(&deep, &flat, &others)?;
        for (name, tree) in others {
            let detail = format!("{} in a folder that is no split, ignored", images(tree.total));
            findings.push(finding("ignored", name, &detail));
        }
        Ok(true)
    }

    fn refuse_odd_splits(&self, deep: &[Named], flat: &[Named], others: &[(&str, &Tree)]) -> Result<(), DatasetError> {
        let names = |named: &[Named]| listed(&named.iter().map(|named| named.name).collect::<Vec<_>>());
        let meant = ["train/CLASS/FILE", "val/CLASS/FILE", "test/CLASS/FILE"];
        if !flat.is_empty() {
            let train = deep.iter().find(|named| named.part == Part::Train).map_or("train", |named| named.name);
            let what = format!(
                "{} {} no class folders, so there is nothing to judge by",
                names(flat),
                hold(flat.len(), "images but")
            );
            let remedy = format!(
                "Sort them into class folders, or move {} away; for a drawn split give {}.",
                if flat.len() == 1 { "it" } else { "them" },
                self.folder.join(train).display()
            );
            return Err(self.foreign(what, &meant, remedy));
        }
        if let Some(loose) = deep.iter().find(|named| named.tree.pictures > 0) {
            let what = format!(
                "in `{}` {} {} beside class folders",
                printable(loose.name),
                images(loose.tree.pictures),
                lie(loose.tree.pictures)
            );
            return Err(self.foreign(what, &meant, "Move them into the folder of their class, or away.".into()));
        }
        if let Some(wrapped) = deep.iter().find(|named| is_wrapper(named.tree)) {
            let inner = wrapped.tree.filled().next().map_or("", |(name, _)| name);
            let (split, inner) = (printable(wrapped.name), printable(inner));
            let what =
                format!("`{split}` holds one folder only, `{inner}`, and that holds the classes: one level too many");
            return Err(self.foreign(what, &meant, format!("Move what is in {split}/{inner} up into {split}.")));
        }
        let inexact: Vec<&Named> = deep.iter().filter(|named| !named.exact).collect();
        if !inexact.is_empty() {
            let renamed = |named: &&Named| format!("`{}` to `{}`", printable(named.name), named.part.name());
            let what = format!(
                "{} {} called like {}, but not by {} name",
                names(deep),
                are(deep.len()),
                if deep.len() == 1 { "a split" } else { "splits" },
                if deep.len() == 1 { "its" } else { "their" }
            );
            let renames: Vec<String> = inexact.iter().map(renamed).collect();
            return Err(self.foreign(
                what,
                &meant,
                format!("Rename {}, if that is what they are.", renames.join(", ")),
            ));
        }
        for part in Part::ALL {
            let same: Vec<Named> = deep.iter().filter(|named| named.part == part).copied().collect();
            if same.len() > 1 {
                let what = format!("{} all mean the split `{}`", names(&same), part.name());
                return Err(self.foreign(what, &meant, "Keep one, or put them together.".into()));
            }
        }
        if deep.len() == 1 && !others.is_empty() {
            let others: Vec<&str> = others.iter().map(|(name, _)| *name).collect();
            let what = format!(
                "{} is called like a split and holds folders, {} beside it {} not",
                names(deep),
                listed(&others),
                are(others.len())
            );
            return Err(self.foreign(
                what,
                &["SPLIT/CLASS/FILE", "CLASS/FILE"],
                "Rename or move what is not meant.".into(),
            ));
        }
        self.refuse_other_classes(deep)
    }

    /// Reported images none of whose classes can be learnt.
    fn refuse_other_classes(&self, splits: &[Named]) -> Result<(), DatasetError> {
        let classes = |part| -> BTreeSet<&str> {
            splits
                .iter()
                .filter(|named| named.part == part)
                .flat_map(|named| named.tree.filled())
                .map(|(name, _)| name)
                .collect()
        };
        let train = classes(Part::Train);
        for split in splits.iter().filter(|named| named.part != Part::Train) {
            let own = classes(split.part);
            // names that differ in writing only are looked at elsewhere
            let alike = |a: &str, b: &str| super::classes::likeness(a) == super::classes::likeness(b);
            if !train.is_empty() && !own.iter().any(|class| train.iter().any(|other| alike(class, other))) {
                let own: Vec<&str> = own.into_iter().collect();
                let name = printable(split.name);
                let what = format!("`{name}` holds {}, and none of the classes of train", listed(&own));
                let remedy = format!(
                    "Sort the images of {name} into folders that are called like those of train, or move {name} away."
                );
                return Err(self.foreign(what, &["train/CLASS/FILE", "test/CLASS/FILE"], remedy));
            }
        }
        Ok(())
    }
}

/// Holds nothing but one folder, and that holds folders.
fn is_wrapper(tree: &Tree) -> bool {
    let mut filled = tree.filled();
    let (only, more) = (filled.next(), filled.next());
    tree.pictures == 0
        && more.is_none()
        && only.is_some_and(|(_, inner)| inner.pictures == 0 && inner.filled().count() > 1)
}

fn are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

fn hold(count: usize, what: &str) -> String {
    format!("{} {what}", if count == 1 { "holds" } else { "hold" })
}
