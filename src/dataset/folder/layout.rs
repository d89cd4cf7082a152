//! How a folder is laid out: `SPLIT/CLASS/FILE` or `CLASS/FILE`, or something else, which is refused with what was seen
//! and what is meant. The rules look at shapes (who holds images, who holds folders, which names come back), since a
//! wrong reading would be a comparison of something that nobody asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::DatasetError;
use super::seen::{Placed, Seen, listed};
use super::split_folders::split_named;
use super::tree::{Tree, images, lie};
use super::walk::Found;
use crate::dataset::findings::finding;
use crate::names::printable;
use crate::record::Finding;

/// Where the classes are.
pub(super) struct Layout {
    pub placed: Vec<Placed>,
    pub findings: Vec<Finding>,
}

/// Reads the layout of what was found.
///
/// # Errors
/// [`DatasetError::Foreign`] for a layout that is not meant, [`DatasetError::Empty`] where there are no class folders.
pub(super) fn read(folder: &Path, found: &Found) -> Result<Layout, DatasetError> {
    let tree = Tree::of(found);
    let (base, top) = below_wrappers(&tree);
    let seen = Seen { folder, found, tree: &tree, top };
    if tree.files == 0
        || (tree.total == 0 && tree.filled().next().is_none() && tree.folders.values().all(|t| t.files == 0))
    {
        return Err(DatasetError::Empty(folder.to_path_buf()));
    }
    let mut findings = Vec::new();
    if !base.is_empty() {
        let detail = "the only folder here: splits and classes are looked for in it".to_owned();
        findings.push(finding("wrapper", &base, &detail));
    }
    seen.refuse_loose_images()?;
    let split = seen.has_splits(&mut findings)?;
    seen.refuse_table(split)?;
    seen.refuse_deep(split, &mut findings)?;
    let (placed, stray) = place(&found.files, &base, split);
    findings.extend(stray);
    findings.extend(seen.empty(split, &base));
    if placed.is_empty() { Err(DatasetError::Empty(folder.to_path_buf())) } else { Ok(Layout { placed, findings }) }
}

/// Folders that hold nothing but one folder, as an archive makes them, and what is below.
fn below_wrappers(tree: &Tree) -> (String, &Tree) {
    let (mut base, mut at) = (Vec::new(), tree);
    let only = |at: &Tree| at.pictures == 0 && at.filled().count() == 1;
    while only(at)
        && let Some((name, inner)) = at.filled().next()
        && inner.pictures == 0
        && split_named(name).is_none()
    {
        base.push(name);
        at = inner;
    }
    if at.filled().count() < 2 && at.filled().all(|(name, _)| split_named(name).is_none()) {
        return (String::new(), tree);
    }
    (base.join("/"), at)
}

/// Split and class of each file by its path; files elsewhere become findings.
fn place(files: &[String], base: &str, has_splits: bool) -> (Vec<Placed>, Vec<Finding>) {
    let mut placed = Vec::new();
    let mut stray = Vec::new();
    for path in files {
        let inside = match path.strip_prefix(base) {
            Some(inside) if !base.is_empty() => inside.trim_start_matches('/'),
            _ => path,
        };
        let elsewhere = !base.is_empty() && inside.len() == path.len();
        let p: Vec<&str> = inside.split('/').collect();
        let split = split_named(p[0]).filter(|_| has_splits).map(|(part, _)| part);
        let mut put =
            |label: &str| placed.push(Placed { path: path.clone(), split, label: label.to_owned(), group: None });
        match (has_splits, split, p.len()) {
            _ if elsewhere => stray.push(finding("unsupported", path, "not inside a class folder, ignored")),
            (true, Some(_), 3..) => put(p[1]),
            // said of the whole folder
            (true, None, 2..) => {}
            (true, ..) => stray.push(finding("unsupported", path, "not inside SPLIT/CLASS, ignored")),
            (false, _, 2..) => put(p[0]),
            (false, ..) => stray.push(finding("unsupported", path, "not inside a class folder, ignored")),
        }
    }
    (placed, stray)
}

impl<'a> Seen<'a> {
    /// Images beside folders, or without any.
    fn refuse_loose_images(&self) -> Result<(), DatasetError> {
        let count = images(self.top.pictures);
        let folders: Vec<&str> = self.top.filled().map(|(name, _)| name).collect();
        match (self.top.pictures, folders.len()) {
            (0, _) => Ok(()),
            (_, 0) => {
                let above =
                    self.folder.canonicalize().ok().and_then(|whole| Some(whole.parent()?.display().to_string()));
                let above =
                    above.map_or(String::new(), |above| format!(" If it is one class of several, give {above}."));
                let what = format!("it holds {count} and no class folders");
                let remedy = format!("Put each image into a folder that is named like its class.{above}");
                Err(self.foreign(what, &["CLASS/FILE"], remedy))
            }
            _ => {
                let what = format!(
                    "{count} {} beside the {} {}",
                    lie(self.top.pictures),
                    folder_s(folders.len()),
                    listed(&folders)
                );
                let remedy = "Move them into the folder of their class, or away.".to_owned();
                Err(self.foreign(what, &["CLASS/FILE", "SPLIT/CLASS/FILE"], remedy))
            }
        }
    }

    /// Folders of classes by name, one of each split.
    fn classes(&self, split: bool) -> BTreeMap<&'a str, Vec<&'a Tree>> {
        let mut classes = BTreeMap::<&str, Vec<&Tree>>::new();
        let splits =
            self.top.folders.iter().filter(|(name, _)| split_named(name).is_some()).flat_map(|(_, tree)| &tree.folders);
        let folders: Vec<_> = if split { splits.collect() } else { self.top.folders.iter().collect() };
        for (name, tree) in folders {
            classes.entry(name).or_default().push(tree);
        }
        classes
    }

    /// A table that names the images where no folder's name stands in it: the labels are there.
    fn refuse_table(&self, split: bool) -> Result<(), DatasetError> {
        let classes = self.classes(split);
        let Some(table) = self.table(&classes.keys().copied().collect()) else { return Ok(()) };
        let images = self.top.filled().count() == 1 && !split;
        if table.names_folders || !(table.names_pictures || images) {
            return Ok(());
        }
        let folders: Vec<&str> =
            classes.into_iter().filter(|(_, trees)| trees.iter().any(|t| t.total > 0)).map(|c| c.0).collect();
        let what = format!(
            "`{}` {}, and it does not name the {} {}",
            printable(&table.path),
            if table.names_pictures { "names the images" } else { "lies beside the images" },
            folder_s(folders.len()),
            listed(&folders)
        );
        let remedy = "Put each image into a folder that is named like its label, name a table with the columns path,label by \
                      --labels, or move the table away if the folders are the classes.";
        Err(self.foreign(what, &["CLASS/FILE", "SPLIT/CLASS/FILE"], remedy.into()))
    }

    /// Class folders that hold folders: which of them are the classes?
    fn refuse_deep(&self, split: bool, findings: &mut Vec<Finding>) -> Result<(), DatasetError> {
        let mut classes = self.classes(split);
        classes.retain(|_, trees| trees.iter().any(|tree| tree.total > 0));
        let inner = |trees: &[&'a Tree]| -> BTreeSet<&'a str> {
            trees.iter().flat_map(|tree| tree.filled()).map(|(name, _)| name).collect()
        };
        let deep: BTreeMap<&str, BTreeSet<&str>> =
            classes.iter().map(|(name, trees)| (*name, inner(trees))).filter(|(_, inner)| !inner.is_empty()).collect();
        let own = |name: &str| classes[name].iter().map(|tree| tree.pictures).sum::<usize>();
        let mut often = BTreeMap::<&str, usize>::new();
        deep.values().flatten().for_each(|name| *often.entry(name).or_default() += 1);
        let mut common: Vec<&str> =
            often.iter().filter(|(_, count)| **count > 1 && 2 * **count >= classes.len()).map(|(n, _)| *n).collect();
        let without_own = deep.keys().all(|name| own(name) == 0);
        if let [only] = common[..]
            && deep.len() == classes.len()
            && without_own
            && split_named(only).is_none()
            && deep.values().all(|inner| inner.len() == 1)
        {
            let detail = format!("the only folder in each of the {} classes: their images are in it", classes.len());
            findings.push(finding("wrapper", only, &detail));
            return Ok(());
        }
        common.sort_by_key(|name| split_named(name).is_none());
        let called: Vec<&str> = classes.keys().copied().collect();
        if common.iter().any(|name| split_named(name).is_some()) {
            let what = format!(
                "the folders {} hold the same folders, {}: splits inside classes",
                listed(&called),
                listed(&common)
            );
            let (class, split) = (printable(called[0]), printable(common[0]));
            let remedy = format!("Turn it round: {class}/{split} becomes {split}/{class}.");
            return Err(self.foreign(what, &["SPLIT/CLASS/FILE"], remedy));
        }
        if !common.is_empty() {
            let what = format!("the folders {} hold the same folders, {}", listed(&called), listed(&common));
            let remedy = format!(
                "If {} are the classes, move their images up into them; if {} are, put the images of one name into one folder.",
                listed(&called),
                listed(&common)
            );
            return Err(self.foreign(what, &["CLASS/FILE", "SPLIT/CLASS/FILE"], remedy));
        }
        if deep.len() > 1
            && 2 * deep.len() > classes.len()
            && 2 * deep.keys().filter(|name| own(name) == 0).count() > classes.len()
        {
            let (class, inner) = deep
                .iter()
                .next()
                .map_or(("", ""), |(class, inner)| (*class, inner.first().copied().unwrap_or_default()));
            let what = format!(
                "{} of the {} folders {} hold folders with images, not images",
                deep.len(),
                classes.len(),
                listed(&called)
            );
            let (class, inner) = (printable(class), printable(inner));
            let remedy = format!(
                "If `{class}` is a class, move the images of its folders up into it; if `{inner}` is one, move it up beside the others."
            );
            return Err(self.foreign(what, &["CLASS/FILE", "SPLIT/CLASS/FILE"], remedy));
        }
        for (class, inner) in &deep {
            let count = classes[class].iter().flat_map(|tree| tree.filled()).map(|(_, tree)| tree.total).sum();
            let inner: Vec<&str> = inner.iter().copied().collect();
            let detail = format!("{} of this class {} further in, in {}", images(count), lie(count), listed(&inner));
            findings.push(finding("nested", class, &detail));
        }
        Ok(())
    }

    /// Class folders, and with splits also these, that hold no file at all.
    fn empty(&self, split: bool, base: &str) -> Vec<Finding> {
        let at = |name: &str| if base.is_empty() { name.to_owned() } else { format!("{base}/{name}") };
        let splits =
            self.top.folders.iter().filter(|(name, tree)| split && tree.total == 0 && split_named(name).is_some());
        let splits = splits
            .map(|(name, _)| finding("empty", &at(name), "a split folder without an image: as if it were not there"));
        let classes = self.classes(split).into_iter().filter(|(_, trees)| trees.iter().all(|tree| tree.files == 0));
        let classes =
            classes.map(|(name, _)| finding("empty", name, "a class folder without a file, the class is left out"));
        splits.chain(classes).collect()
    }
}

fn folder_s(count: usize) -> &'static str {
    if count == 1 { "folder" } else { "folders" }
}
