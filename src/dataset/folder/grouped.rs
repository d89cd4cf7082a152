//! Drawn splits where images belong together: all images of a group, and all copies of an image, stand on one side.
//! Classes keep their shares as far as groups allow.
//!
//! The rule, the same on every machine. *Units* are groups, or single images without a group; units that hold copies of
//! one image are one unit. They are brought into the order of SHA-256 of (seed, name). First every class gets a unit in
//! each drawn part, the rarest class first and the reported part before the selecting one. Then each unit goes, in that
//! order, into the part which it brings nearer to a fifth of every class (least squares, each class by its size), or
//! stays in train. A class's last unit never leaves train.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::DatasetError;
use crate::dataset::manifest::{Part, Row};

/// Share of each class that a drawn part gets.
const FIFTH: f64 = 0.2;

/// Images that stay together.
struct Unit {
    /// Places of its rows.
    rows: Vec<usize>,
    /// Different images of each class that it holds, by the class's place.
    images: BTreeMap<usize, f64>,
}

/// The units of the train rows in the order of the seed, and for each class how many units hold it.
struct Units {
    units: Vec<Unit>,
    classes: usize,
}

impl Units {
    fn of(rows: &[Row], seed: u64) -> Units {
        let train: Vec<usize> = (0..rows.len()).filter(|&i| rows[i].role == Some(Part::Train)).collect();
        let labels: BTreeSet<&str> = train.iter().map(|&i| rows[i].label.as_str()).collect();
        let labels: BTreeMap<&str, usize> = labels.into_iter().zip(0..).collect();
        let mut units: Vec<(String, Unit)> = together(rows, &train)
            .into_iter()
            .map(|members| {
                let images: BTreeSet<(usize, &str)> =
                    members.iter().map(|&i| (labels[rows[i].label.as_str()], rows[i].sha256.as_str())).collect();
                let mut counts = BTreeMap::new();
                images.iter().for_each(|(class, _)| *counts.entry(*class).or_insert(0.0) += 1.0);
                let groups =
                    members.iter().filter_map(|&i| rows[i].group.as_ref().map(|group| format!("group {group}")));
                let hashes = || members.iter().map(|&i| rows[i].sha256.clone()).min();
                let name = groups.min().or_else(hashes).unwrap_or_default();
                (name, Unit { rows: members, images: counts })
            })
            .collect();
        units.sort_by_cached_key(|(name, _)| Sha256::digest([&seed.to_le_bytes(), name.as_bytes()].concat()));
        Units { units: units.into_iter().map(|(_, unit)| unit).collect(), classes: labels.len() }
    }

    /// How many units hold each class.
    fn holding(&self) -> Vec<usize> {
        let mut holding = vec![0; self.classes];
        self.units.iter().flat_map(|unit| unit.images.keys()).for_each(|&class| holding[class] += 1);
        holding
    }
}

/// Rows of one group or one hash, joined; each as places, in the order of the first.
fn together(rows: &[Row], train: &[usize]) -> Vec<Vec<usize>> {
    let mut leader: Vec<usize> = (0..rows.len()).collect();
    let mut first = BTreeMap::<(bool, &str), usize>::new();
    for &i in train {
        let keys = [Some((false, rows[i].sha256.as_str())), rows[i].group.as_deref().map(|group| (true, group))];
        for key in keys.into_iter().flatten() {
            let other = *first.entry(key).or_insert(i);
            let (a, b) = (lead(&mut leader, i), lead(&mut leader, other));
            leader[a.max(b)] = a.min(b);
        }
    }
    let mut units = BTreeMap::<usize, Vec<usize>>::new();
    for &i in train {
        units.entry(lead(&mut leader, i)).or_default().push(i);
    }
    units.into_values().collect()
}

/// The leader of a row's unit; the way to it is halved as it is gone.
fn lead(leader: &mut [usize], mut of: usize) -> usize {
    while leader[of] != of {
        leader[of] = leader[leader[of]];
        of = leader[of];
    }
    of
}

/// A draw that is under way.
struct Draw<'a> {
    units: &'a [Unit],
    /// A fifth of the images of each class.
    wanted: Vec<f64>,
    /// For each drawn part, how many images of each class it has.
    has: Vec<Vec<f64>>,
    /// How many units of train hold each class.
    left: Vec<usize>,
    /// The drawn part of each unit; `None` for train.
    part_of: Vec<Option<usize>>,
}

impl<'a> Draw<'a> {
    fn new(all: &'a Units, parts: usize) -> Draw<'a> {
        let mut wanted = vec![0.0; all.classes];
        all.units.iter().flat_map(|unit| &unit.images).for_each(|(&class, images)| wanted[class] += FIFTH * images);
        let has = vec![vec![0.0; all.classes]; parts];
        Draw { units: &all.units, wanted, has, left: all.holding(), part_of: vec![None; all.units.len()] }
    }

    /// In train, and not the last unit there of any class.
    fn may_leave(&self, unit: usize) -> bool {
        self.part_of[unit].is_none() && self.units[unit].images.keys().all(|&class| self.left[class] > 1)
    }

    /// How much nearer the unit brings a part to a fifth of every class; negative where farther.
    fn gain(&self, unit: usize, part: usize) -> f64 {
        let of_class = |(&class, &images): (&usize, &f64)| {
            let wanted = self.wanted[class];
            (2.0 * (wanted - self.has[part][class]) - images) * images / wanted
        };
        self.units[unit].images.iter().map(of_class).sum()
    }

    fn put(&mut self, unit: usize, part: usize) {
        for (&class, images) in &self.units[unit].images {
            self.has[part][class] += images;
            self.left[class] -= 1;
        }
        self.part_of[unit] = Some(part);
    }

    /// Puts a unit with this class into a part that has none: the first that fits, so that seeds differ, or else the
    /// one that does least harm.
    fn give(&mut self, part: usize, class: usize) {
        if self.has[part][class] > 0.0 {
            return;
        }
        let holds = |unit: &usize| self.units[*unit].images.contains_key(&class) && self.may_leave(*unit);
        let gains: Vec<(usize, f64)> =
            (0..self.units.len()).filter(holds).map(|unit| (unit, self.gain(unit, part))).collect();
        let fits = gains.iter().find(|(_, gain)| *gain > 0.0);
        let least = || gains.iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        if let Some(&(unit, _)) = fits.or_else(least) {
            self.put(unit, part);
        }
    }

    /// Puts a unit where it is needed most, if it is.
    fn place(&mut self, unit: usize) {
        if !self.may_leave(unit) {
            return;
        }
        let gains = (0..self.has.len()).map(|part| (part, self.gain(unit, part)));
        if let Some((part, gain)) = gains.max_by(|a, b| a.1.total_cmp(&b.1))
            && gain > 0.0
        {
            self.put(unit, part);
        }
    }
}

/// Moves about a fifth of each class's train images into each of `parts`, groups whole.
pub(super) fn draw(rows: &mut [Row], seed: u64, parts: &[Part]) {
    let all = Units::of(rows, seed);
    let mut draw = Draw::new(&all, parts.len());
    let mut rarest_first: Vec<usize> = (0..all.classes).collect();
    rarest_first.sort_by_key(|&class| draw.left[class]);
    for part in (0..parts.len()).rev() {
        rarest_first.iter().for_each(|&class| draw.give(part, class));
    }
    (0..all.units.len()).for_each(|unit| draw.place(unit));
    for (unit, part) in all.units.iter().zip(draw.part_of) {
        let Some(part) = part else { continue };
        unit.rows.iter().for_each(|&i| rows[i].role = Some(parts[part]));
    }
}

/// Three parts need three units, and a class that is to be learnt and judged needs two.
pub(super) fn check_enough(folder: &Path, rows: &[Row]) -> Result<(), DatasetError> {
    let all = Units::of(rows, 0);
    let labels: BTreeSet<&str> =
        rows.iter().filter(|row| row.role == Some(Part::Train)).map(|row| row.label.as_str()).collect();
    let alone =
        labels.into_iter().zip(all.holding()).filter(|(_, units)| *units < 2).map(|(label, _)| label.to_owned());
    let alone: Vec<String> = alone.collect();
    if alone.is_empty() && all.units.len() >= 3 {
        return Ok(());
    }
    Err(DatasetError::FewGroups { folder: folder.into(), groups: all.units.len(), alone })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, label: &str, group: Option<&str>) -> Row {
        Row {
            path: name.into(),
            label: label.into(),
            split: None,
            role: Some(Part::Train),
            sha256: name.into(),
            width: 1,
            height: 1,
            group: group.map(str::to_owned),
        }
    }

    /// Of each class so many groups of so many images.
    fn rows(classes: &[(&str, usize, usize)]) -> Vec<Row> {
        let of_class = |&(label, groups, images): &(&str, usize, usize)| {
            let names = (0..groups).flat_map(move |group| (0..images).map(move |image| (group, image)));
            let label = label.to_owned();
            names.map(move |(group, image)| {
                row(&format!("{label} {group} {image}"), &label, Some(&format!("{label} {group}")))
            })
        };
        classes.iter().flat_map(of_class).collect()
    }

    fn drawn(mut rows: Vec<Row>, seed: u64) -> Vec<Row> {
        draw(&mut rows, seed, &[Part::Val, Part::Test]);
        rows
    }

    fn count(rows: &[Row], label: &str, role: Part) -> usize {
        rows.iter().filter(|row| row.label == label && row.role == Some(role)).count()
    }

    fn torn(rows: &[Row]) -> bool {
        let mut roles = BTreeMap::<&Option<String>, BTreeSet<Option<Part>>>::new();
        for row in rows {
            roles.entry(&row.group).or_default().insert(row.role);
        }
        roles.iter().any(|(group, roles)| group.is_some() && roles.len() > 1)
    }

    #[test]
    fn groups_are_whole_and_classes_keep_their_shares() {
        for seed in 0..20 {
            let rows = drawn(rows(&[("ant", 10, 4), ("bee", 25, 2), ("cat", 5, 3)]), seed);
            assert!(!torn(&rows));
            for (label, fifth) in [("ant", 8), ("bee", 10), ("cat", 3)] {
                assert_eq!(
                    [Part::Val, Part::Test].map(|part| count(&rows, label, part)),
                    [fifth, fifth],
                    "{label} {seed}"
                );
            }
        }
    }

    #[test]
    fn groups_of_several_classes_and_sizes_come_near_a_fifth() {
        let mut all = Vec::new();
        for group in 0..30 {
            for image in 0..1 + group % 7 {
                let label = if (group + image) % 3 == 0 { "ant" } else { "bee" };
                all.push(row(&format!("{group} {image}"), label, Some(&format!("g{group}"))));
            }
        }
        for seed in 0..20 {
            let rows = drawn(all.clone(), seed);
            assert!(!torn(&rows));
            for label in ["ant", "bee"] {
                let total = Part::ALL.map(|part| count(&rows, label, part)).iter().sum::<usize>() as f64;
                for part in [Part::Val, Part::Test] {
                    let share = count(&rows, label, part) as f64 / total;
                    assert!((share - 0.2).abs() < 0.08, "{label} {share} with seed {seed}");
                }
            }
        }
    }

    #[test]
    fn the_seed_decides_and_neither_order_nor_names_of_files() {
        let all = rows(&[("ant", 10, 3), ("bee", 10, 3)]);
        let roles = |rows: &[Row]| -> BTreeMap<String, Option<Part>> {
            rows.iter().map(|row| (row.sha256.clone(), row.role)).collect()
        };
        let mut turned: Vec<Row> = all.clone().into_iter().rev().collect();
        turned.iter_mut().for_each(|row| row.path = format!("elsewhere/{}", row.path));
        assert_eq!(roles(&drawn(all.clone(), 3)), roles(&drawn(turned, 3)));
        assert_ne!(roles(&drawn(all.clone(), 3)), roles(&drawn(all, 4)));
    }

    #[test]
    fn copies_join_the_groups_that_hold_them() {
        let mut all = rows(&[("ant", 12, 2), ("bee", 12, 2)]);
        // the same bytes in two groups, and once without a group
        all[2].sha256 = all[0].sha256.clone();
        all.push(Row { sha256: all[0].sha256.clone(), ..row("loose", "ant", None) });
        for seed in 0..10 {
            let rows = drawn(all.clone(), seed);
            assert!([1, 2, 3, rows.len() - 1].iter().all(|&i| rows[i].role == rows[0].role), "seed {seed}");
        }
    }

    #[test]
    fn every_class_stays_in_train_and_is_judged_where_it_has_two_groups() {
        for seed in 0..10 {
            let rows = drawn(rows(&[("ant", 2, 9), ("bee", 9, 2)]), seed);
            assert_eq!(Part::ALL.map(|part| count(&rows, "ant", part)), [9, 0, 9]);
            assert!(Part::ALL.iter().all(|&part| count(&rows, "bee", part) > 0));
        }
        let folder = Path::new("photos");
        let error = check_enough(folder, &rows(&[("ant", 1, 9), ("bee", 9, 2)])).unwrap_err().to_string();
        assert!(error.contains("`ant`") && error.contains("one group"), "{error}");
        let error = check_enough(folder, &rows(&[("ant", 2, 9)])).unwrap_err().to_string();
        assert!(error.contains("2 groups"), "{error}");
        assert!(check_enough(folder, &rows(&[("ant", 3, 1)])).is_ok());
    }
}
