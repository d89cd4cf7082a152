//! The classes: families of structures. A family is a plan, by which parts are arranged, and what its parts may look
//! like. No shape, texture or number belongs to one family alone, and colours to none.

use super::dice::{Dice, sin_cos};
use super::shape::Shape::{self, *};
use super::texture::Texture::{self, *};

/// How parts are arranged; ranges of numbers are inclusive.
#[derive(Debug, Clone, Copy)]
enum Plan {
    /// Around a core.
    Radial((u32, u32)),
    /// Along a bent line, with a limb on either side of each.
    Chain((u32, u32)),
    /// On top of each other.
    Stack((u32, u32)),
    /// In pairs at the sides of a body.
    Pairs((u32, u32)),
    /// In a circle, with nothing inside.
    Wreath((u32, u32)),
    /// In rows and columns.
    Lattice((u32, u32)),
    /// At the ends of branches.
    Tree((u32, u32)),
    /// A body that stands on others.
    Cart((u32, u32)),
}

#[derive(Debug)]
pub struct Family {
    pub name: &'static str,
    plan: Plan,
    /// Shapes and textures of the larger parts, and of the smaller ones: each image has one of each pair.
    cores: ([Shape; 2], [Texture; 2]),
    limbs: ([Shape; 2], [Texture; 2]),
    /// Width of a limb by its length.
    slim: f32,
}

const fn family(
    name: &'static str,
    plan: Plan,
    cores: ([Shape; 2], [Texture; 2]),
    limbs: ([Shape; 2], [Texture; 2]),
    slim: f32,
) -> Family {
    Family { name, plan, cores, limbs, slim }
}

/// A data set of n classes has the first n; the first eight are the default ones.
pub const FAMILIES: [Family; 32] = [
    family("burr", Plan::Radial((7, 10)), ([Disc, Hexagon], [Dots, Net]), ([Drop, Triangle], [Plain, Stripes]), 0.35),
    family(
        "caterpillar",
        Plan::Chain((5, 7)),
        ([Disc, Squircle], [Stripes, Hoops]),
        ([Drop, Leaf], [Plain, Halves]),
        0.35,
    ),
    family(
        "pagoda",
        Plan::Stack((4, 5)),
        ([Dome, Triangle], [Scales, Stripes]),
        ([Slab, Squircle], [Bricks, Net]),
        0.6,
    ),
    family("beetle", Plan::Pairs((3, 3)), ([Disc, Drop], [Halves, Dots]), ([Leaf, Slab], [Plain, Stripes]), 0.22),
    family(
        "crown",
        Plan::Wreath((6, 9)),
        ([Disc, Diamond], [Hoops, Plain]),
        ([Crescent, Diamond], [Halves, Dots]),
        0.6,
    ),
    family("quilt", Plan::Lattice((3, 4)), ([Slab, Hexagon], [Checks, Zigzag]), ([Disc, Star], [Hoops, Plain]), 1.0),
    family("shrub", Plan::Tree((3, 5)), ([Slab, Leaf], [Grain, Stripes]), ([Leaf, Disc], [Blotches, Halves]), 0.55),
    family("cart", Plan::Cart((2, 3)), ([Slab, Squircle], [Bricks, Checks]), ([Ring, Disc], [Hoops, Stripes]), 1.0),
    family("mill", Plan::Radial((4, 5)), ([Squircle, Slab], [Bricks, Checks]), ([Slab, Leaf], [Net, Zigzag]), 0.3),
    family("necklace", Plan::Chain((7, 9)), ([Diamond, Ring], [Halves, Plain]), ([Disc, Star], [Dots, Hoops]), 1.0),
    family(
        "cairn",
        Plan::Stack((5, 6)),
        ([Disc, Squircle], [Blotches, Grain]),
        ([Disc, Hexagon], [Plain, Stripes]),
        0.7,
    ),
    family("crab", Plan::Pairs((4, 4)), ([Dome, Hexagon], [Scales, Blotches]), ([Crescent, Drop], [Grain, Dots]), 0.45),
    family(
        "wreath",
        Plan::Wreath((10, 13)),
        ([Star, Disc], [Plain, Halves]),
        ([Leaf, Drop], [Stripes, Blotches]),
        0.45,
    ),
    family("keyboard", Plan::Lattice((4, 5)), ([Squircle, Disc], [Halves, Dots]), ([Slab, Cross], [Plain, Grain]), 0.8),
    family("candelabrum", Plan::Tree((5, 6)), ([Slab, Squircle], [Hoops, Net]), ([Drop, Dome], [Halves, Plain]), 0.5),
    family("wagon", Plan::Cart((3, 4)), ([Dome, Slab], [Stripes, Scales]), ([Cross, Ring], [Plain, Dots]), 1.0),
    family(
        "starfish",
        Plan::Radial((5, 6)),
        ([Star, Disc], [Grain, Blotches]),
        ([Leaf, Triangle], [Dots, Scales]),
        0.5,
    ),
    family("snake", Plan::Chain((8, 10)), ([Disc, Diamond], [Scales, Zigzag]), ([Diamond, Slab], [Plain, Grain]), 0.3),
    family(
        "totem",
        Plan::Stack((4, 5)),
        ([Squircle, Hexagon], [Zigzag, Halves]),
        ([Crescent, Dome], [Hoops, Checks]),
        0.9,
    ),
    family("moth", Plan::Pairs((2, 2)), ([Leaf, Slab], [Grain, Hoops]), ([Dome, Drop], [Hoops, Blotches]), 0.8),
    family(
        "gearring",
        Plan::Wreath((7, 9)),
        ([Slab, Diamond], [Net, Grain]),
        ([Slab, Hexagon], [Stripes, Checks]),
        0.7,
    ),
    family(
        "honeycomb",
        Plan::Lattice((3, 4)),
        ([Hexagon, Disc], [Net, Blotches]),
        ([Hexagon, Ring], [Plain, Scales]),
        0.9,
    ),
    family(
        "antler",
        Plan::Tree((4, 6)),
        ([Leaf, Slab], [Plain, Blotches]),
        ([Triangle, Crescent], [Grain, Stripes]),
        0.4,
    ),
    family("tractor", Plan::Cart((2, 2)), ([Hexagon, Squircle], [Net, Halves]), ([Star, Disc], [Checks, Net]), 1.0),
    family("daisy", Plan::Radial((8, 12)), ([Disc, Dome], [Scales, Hoops]), ([Leaf, Disc], [Halves, Plain]), 0.45),
    family("train", Plan::Chain((4, 6)), ([Slab, Squircle], [Net, Bricks]), ([Disc, Ring], [Plain, Hoops]), 1.0),
    family("goblet", Plan::Stack((3, 4)), ([Drop, Dome], [Hoops, Dots]), ([Slab, Disc], [Plain, Zigzag]), 0.5),
    family(
        "scorpion",
        Plan::Pairs((5, 5)),
        ([Squircle, Diamond], [Stripes, Scales]),
        ([Triangle, Leaf], [Halves, Plain]),
        0.3,
    ),
    family("coral", Plan::Wreath((5, 7)), ([Drop, Star], [Dots, Stripes]), ([Ring, Cross], [Grain, Blotches]), 0.8),
    family("trellis", Plan::Lattice((3, 5)), ([Cross, Diamond], [Stripes, Plain]), ([Leaf, Star], [Dots, Halves]), 0.7),
    family("fern", Plan::Tree((6, 7)), ([Leaf, Drop], [Halves, Zigzag]), ([Leaf, Triangle], [Stripes, Zigzag]), 0.35),
    family("scooter", Plan::Cart((2, 3)), ([Drop, Crescent], [Dots, Zigzag]), ([Disc, Hexagon], [Scales, Plain]), 1.0),
];

/// A part of an object, whose plane reaches from about -1 to 1.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    pub at: [f32; 2],
    /// In turns, clockwise as one sees it.
    pub turn: f32,
    pub half: [f32; 2],
    pub shape: Shape,
    pub texture: Texture,
    /// Periods of the texture from the middle to the end.
    pub periods: f32,
    /// Which pair of the image's colours.
    pub colours: usize,
    pub seed: u32,
}

/// What all cores, or all limbs, of one object have in common.
#[derive(Clone, Copy)]
struct Kind {
    shape: Shape,
    texture: Texture,
    periods: f32,
    colours: usize,
}

impl Kind {
    fn draw((shapes, textures): ([Shape; 2], [Texture; 2]), colours: usize, dice: &mut Dice) -> Kind {
        Kind { shape: dice.pick(&shapes), texture: dice.pick(&textures), periods: dice.range(1.6, 3.2), colours }
    }

    /// A part of this kind, a little different from the others.
    fn part(self, dice: &mut Dice, at: [f32; 2], turn: f32, half: [f32; 2]) -> Part {
        let grown = 1.0 + 0.1 * dice.signed();
        Part {
            at: [at[0] + 0.03 * dice.signed(), at[1] + 0.03 * dice.signed()],
            turn: turn + 0.02 * dice.signed(),
            half: [half[0] * grown, half[1] * grown],
            shape: self.shape,
            texture: self.texture,
            periods: self.periods * (half[0].max(half[1]) * 2.5).clamp(0.6, 1.4),
            colours: self.colours,
            seed: dice.bits(),
        }
    }
}

impl Family {
    /// The parts of one object of this family, from the back to the front.
    pub fn parts(&self, dice: &mut Dice) -> Vec<Part> {
        let core = Kind::draw(self.cores, 0, dice);
        let limb = Kind::draw(self.limbs, 1, dice);
        let slim = self.slim * dice.range(0.85, 1.2);
        let (mut back, mut front) = (Vec::new(), Vec::new());
        match self.plan {
            Plan::Radial(numbers) => {
                let (n, size) = (dice.between(numbers), dice.range(0.3, 0.42));
                let (length, start) = (dice.range(0.3, 0.38), dice.unit());
                for i in 0..n {
                    let turn = start + i as f32 / n as f32;
                    let (sine, cosine) = sin_cos(turn);
                    let reach = size + 0.75 * length;
                    // a shape's tip is at its top, which shows outwards
                    back.push(limb.part(
                        dice,
                        [reach * cosine, reach * sine],
                        turn + 0.25,
                        [slim * length * 1.3, length],
                    ));
                }
                front.push(core.part(dice, [0.0, 0.0], start, [size, size]));
            }
            Plan::Chain(numbers) => {
                let n = dice.between(numbers);
                let (bend, thick, step) = (dice.range(-0.4, 0.4), dice.range(0.85, 1.15), 1.9 / n as f32);
                let (mut x, mut y, mut turn) = (-0.95, -0.3 * bend, -0.5 * bend);
                for i in 0..n {
                    let (sine, cosine) = sin_cos(turn);
                    (x, y) = (x + 0.5 * step * cosine, y + 0.5 * step * sine);
                    let half = step * 0.62 * thick * if i == n - 1 { 1.25 } else { 1.0 };
                    for side in [-1.0, 1.0] {
                        let (out, long) = (side * half * 1.15, half * 0.6);
                        let at = [x - out * sine, y + out * cosine];
                        back.push(limb.part(
                            dice,
                            at,
                            turn + if side > 0.0 { 0.5 } else { 0.0 },
                            [long * slim * 1.3, long],
                        ));
                    }
                    front.push(core.part(dice, [x, y], turn, [half, half]));
                    (x, y) = (x + 0.5 * step * cosine, y + 0.5 * step * sine);
                    turn += bend / n as f32;
                }
            }
            Plan::Stack(numbers) => {
                let n = dice.between(numbers);
                let (taper, height) = (dice.range(0.45, 0.8), 0.95 / n as f32);
                for i in 0..n {
                    let share = i as f32 / (n - 1) as f32;
                    let width = 0.62 * (1.0 - share * (1.0 - taper));
                    let at = [0.0, 0.9 - height * (2 * i + 1) as f32];
                    let waist = [width * 0.7, height * 0.9];
                    back.push(limb.part(dice, [0.0, at[1] + 0.6 * height], 0.0, waist));
                    front.push(core.part(dice, at, 0.0, [width, height * 0.95]));
                }
            }
            Plan::Pairs(numbers) => {
                let (n, wide) = (dice.between(numbers), dice.range(0.26, 0.36));
                let (long, sweep) = (dice.range(0.34, 0.44), dice.range(0.02, 0.1));
                for i in 0..n {
                    let share = (i as f32 + 0.5) / n as f32 - 0.5;
                    for side in [-1.0, 1.0] {
                        let turn = side * (0.25 + sweep * share * 4.0);
                        let at = [side * (wide + 0.75 * long), share * 1.1 + 0.5 * sweep];
                        back.push(limb.part(dice, at, turn, [long * slim * 1.2, long]));
                    }
                }
                front.push(core.part(dice, [0.0, 0.12], 0.0, [wide, 0.62]));
                front.push(core.part(dice, [0.0, -0.66], 0.0, [wide * 0.7, 0.24]));
            }
            Plan::Wreath(numbers) => {
                let (n, radius, start) = (dice.between(numbers), dice.range(0.62, 0.72), dice.unit());
                let half = 2.3 * radius / n as f32;
                for i in 0..n {
                    let (turn, between) = (start + i as f32 / n as f32, start + (i as f32 + 0.5) / n as f32);
                    let at = |turn| {
                        let (sine, cosine) = sin_cos(turn);
                        [radius * cosine, radius * sine]
                    };
                    back.push(limb.part(dice, at(turn), turn + 0.5, [slim * half * 1.2, half]));
                    front.push(core.part(dice, at(between), between, [half * 0.4, half * 0.4]));
                }
            }
            Plan::Lattice(numbers) => {
                let (rows, columns) = (dice.between(numbers), dice.between(numbers));
                let step = [1.7 / columns as f32, 1.7 / rows as f32];
                let second = dice.below(2);
                for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
                    let at = [step[0] * (j as f32 + 0.5) - 0.85, step[1] * (i as f32 + 0.5) - 0.85];
                    let half = step.map(|step| 0.47 * step);
                    back.push(core.part(dice, at, 0.0, half));
                    if (i + j + second).is_multiple_of(2) {
                        front.push(limb.part(dice, at, 0.0, [half[0] * 0.6 * slim.min(1.0), half[1] * 0.6]));
                    }
                }
            }
            Plan::Tree(numbers) => {
                let (n, spread) = (dice.between(numbers), dice.range(0.22, 0.34));
                let thin = dice.range(0.055, 0.085);
                back.push(core.part(dice, [0.0, 0.55], 0.0, [thin * 1.5, 0.42]));
                for i in 0..n {
                    let turn = spread * (2.0 * i as f32 / (n - 1) as f32 - 1.0) + 0.02 * dice.signed();
                    let length = dice.range(0.42, 0.6);
                    let (sine, cosine) = sin_cos(turn);
                    let along = |far: f32| [far * sine, 0.2 - far * cosine];
                    back.push(core.part(dice, along(length * 0.8), turn, [thin, length * 0.85]));
                    let long = dice.range(0.2, 0.28);
                    front.push(limb.part(dice, along(length * 1.7), turn, [long * slim * 1.3, long]));
                    if dice.chance(0.5) {
                        let side = if dice.chance(0.5) { 0.12 } else { -0.12 };
                        front.push(limb.part(dice, along(length), turn + side, [0.7 * long * slim * 1.3, 0.7 * long]));
                    }
                }
            }
            Plan::Cart(numbers) => {
                let (n, tall) = (dice.between(numbers), dice.range(0.26, 0.4));
                let wheel = dice.range(0.7, 0.9) / n as f32;
                back.push(core.part(dice, [0.0, 0.15], 0.0, [0.85, tall]));
                let side = if dice.chance(0.5) { 1.0 } else { -1.0 };
                let cabin = [side * dice.range(0.2, 0.5), -0.1 - tall];
                back.push(core.part(dice, cabin, 0.0, [0.34, 0.3]));
                for i in 0..n {
                    let (x, turn) = (1.5 * ((i as f32 + 0.5) / n as f32 - 0.5), dice.unit());
                    front.push(limb.part(dice, [x, 0.2 + tall], turn, [wheel, wheel]));
                }
            }
        }
        back.append(&mut front);
        back
    }
}
