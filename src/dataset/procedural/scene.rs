//! A scene: background, clutter, the object with its shadow, what stands before it, and the light on all of it.

use super::dice::{Dice, floor, fractal, mix, sin_cos, smooth};
use super::family::{Family, Part};
use super::shape::Shape;
use super::texture::Texture;
use super::{Knobs, SIDE};

type Colour = [f32; 3];
/// A projective map of the plane.
type Matrix = [[f32; 3]; 3];

const PIXELS: usize = (SIDE * SIDE) as usize;

/// Colours under construction, 0 to 1, row-major.
pub struct Scene {
    pub pixels: Vec<Colour>,
    light: [f32; 2],
}

/// What is drawn by chance, each by dice of its own: another setting of one changes nothing of the others.
#[derive(Clone, Copy)]
pub enum Aspect {
    Background,
    Clutter,
    Pose,
    Object,
    Occlusion,
    Lighting,
    Noise,
}

/// Draws everything but what the camera does.
pub fn draw(knobs: &Knobs, family: &Family, dice: &impl Fn(Aspect) -> Dice) -> Scene {
    let mut scene = Scene::background(&mut dice(Aspect::Background));
    scene.clutter(knobs.clutter, &mut dice(Aspect::Clutter));
    let pose = Pose::draw(knobs.pose, &mut dice(Aspect::Pose));
    scene.object(family, &pose, &mut dice(Aspect::Object));
    scene.occlusion(knobs.occlusion, &pose, &mut dice(Aspect::Occlusion));
    scene.lighting(knobs.lighting, &mut dice(Aspect::Lighting));
    scene
}

/// Where the object is and how it is turned.
struct Pose {
    to_image: Matrix,
    middle: [f32; 2],
    /// Pixels of the object's unit.
    scale: f32,
}

impl Pose {
    fn draw(range: f32, dice: &mut Dice) -> Pose {
        let side = SIDE as f32;
        let scale = side * 0.36 * (1.0 - 0.4 * range * dice.unit());
        let room = (0.5 * side - 0.8 * scale).max(0.0) * (0.3 + 0.7 * range);
        let middle = [0.5 * side + room * dice.signed(), 0.5 * side + room * dice.signed()];
        let (sine, cosine) = sin_cos(0.25 * range * dice.signed());
        let mirrored = if dice.chance(0.5) { -1.0 } else { 1.0 };
        let narrow = 1.0 - 0.4 * range * dice.unit();
        let tilt = [0.25 * range * dice.signed(), 0.25 * range * dice.signed()];
        let turned = [
            [scale * cosine * narrow * mirrored, -scale * sine, 0.0],
            [scale * sine * narrow * mirrored, scale * cosine, 0.0],
            [tilt[0], tilt[1], 1.0],
        ];
        let moved = [[1.0, 0.0, middle[0]], [0.0, 1.0, middle[1]], [0.0, 0.0, 1.0]];
        Pose { to_image: product(&moved, &turned), middle, scale }
    }

    /// A part's own plane as the image shows it.
    fn of(&self, part: &Part) -> Placed {
        Placed::new(product(&self.to_image, &placed(part.at, part.turn, part.half)))
    }
}

/// A plane in the image.
struct Placed {
    to_image: Matrix,
    from_image: Matrix,
    middle: [f32; 2],
    /// Pixels of its unit, about.
    size: f32,
}

impl Placed {
    fn new(to_image: Matrix) -> Placed {
        let [[a, b, _], [c, d, _], _] = to_image;
        let middle = apply(&to_image, 0.0, 0.0);
        Placed { to_image, from_image: inverse(&to_image), middle, size: (a * d - b * c).abs().sqrt().max(0.5) }
    }

    /// Columns and rows that anything from -`reach` to `reach` may fall into.
    fn bounds(&self, reach: f32) -> [std::ops::Range<usize>; 2] {
        let corners = [[-reach, -reach], [reach, -reach], [-reach, reach], [reach, reach]];
        let corners = corners.map(|[u, v]| apply(&self.to_image, u, v));
        [0, 1].map(|axis| {
            let low = corners.iter().map(|corner| corner[axis]).fold(f32::INFINITY, f32::min);
            let high = corners.iter().map(|corner| corner[axis]).fold(f32::NEG_INFINITY, f32::max);
            let inside = |x: f32| x.clamp(0.0, SIDE as f32) as usize;
            inside(low)..inside(high + 1.0)
        })
    }
}

/// From -1 to 1 to a place, with an angle and half sides.
fn placed(at: [f32; 2], turn: f32, half: [f32; 2]) -> Matrix {
    let (sine, cosine) = sin_cos(turn);
    [[cosine * half[0], -sine * half[1], at[0]], [sine * half[0], cosine * half[1], at[1]], [0.0, 0.0, 1.0]]
}

impl Scene {
    /// Clouds of three colours, above a ground or not.
    fn background(dice: &mut Dice) -> Scene {
        let (sine, cosine) = sin_cos(dice.unit());
        let mut scene = Scene { pixels: Vec::with_capacity(PIXELS), light: [cosine, sine] };
        let colours = [colour(dice), colour(dice), colour(dice)];
        let (sine, cosine) = sin_cos(dice.unit());
        let (fine, slope, seed) = (dice.range(1.5, 6.0), dice.range(0.0, 1.2), dice.bits());
        let sharp = dice.range(0.8, 2.5);
        let horizon = if dice.chance(0.5) { dice.range(0.35, 0.8) } else { 2.0 };
        for i in 0..PIXELS {
            let (x, y) = ((i % SIDE as usize) as f32 / SIDE as f32, (i / SIDE as usize) as f32 / SIDE as f32);
            let cloud = fractal(x * fine, y * fine, seed, 5);
            let ramp = slope * ((x - 0.5) * cosine + (y - 0.5) * sine);
            let share = smooth((cloud - 0.5) * sharp + ramp + 0.5);
            let ground = smooth((y - horizon + 0.15 * (cloud - 0.5)) * 40.0);
            let last = mix(share, cloud, 0.5);
            scene.pixels.push([0, 1, 2].map(|c| {
                let sky = mix(colours[0][c], colours[1][c], share);
                mix(sky, mix(colours[2][c], sky, 0.6 * last), ground)
            }));
        }
        scene
    }

    /// Parts that belong to nothing, of the same shapes and textures as those of objects.
    fn clutter(&mut self, amount: f32, dice: &mut Dice) {
        let number = (10.0 * amount * dice.range(0.6, 1.4) + dice.unit()) as u32;
        let side = SIDE as f32;
        for _ in 0..number {
            let (at, half) = ([dice.unit() * side, dice.unit() * side], side * dice.range(0.04, 0.15));
            self.piece(dice, at, half);
        }
    }

    /// An object of this family and its shadow.
    fn object(&mut self, family: &Family, pose: &Pose, dice: &mut Dice) {
        let parts = family.parts(dice);
        let colours = [pair(dice), pair(dice)];
        self.shadow(pose, &parts, dice.range(0.2, 0.5));
        for part in &parts {
            self.part(&pose.of(part), part, colours[part.colours]);
        }
    }

    /// Parts that belong to nothing before the object.
    fn occlusion(&mut self, amount: f32, pose: &Pose, dice: &mut Dice) {
        let number = (4.0 * amount * dice.range(0.5, 1.5) + dice.unit()) as u32;
        for _ in 0..number {
            let (sine, cosine) = sin_cos(dice.unit());
            let far = pose.scale * dice.range(0.3, 0.9);
            let at = [pose.middle[0] + far * cosine, pose.middle[1] + far * sine];
            let half = pose.scale * dice.range(0.2, 0.36);
            self.piece(dice, at, half);
        }
    }

    /// A part that belongs to nothing.
    fn piece(&mut self, dice: &mut Dice, at: [f32; 2], half: f32) {
        let halves = [half, half * dice.range(0.4, 1.0)];
        let (shape, texture) = (dice.pick(&Shape::ALL), dice.pick(&Texture::ALL));
        let part = Part {
            at,
            turn: dice.unit(),
            half: halves,
            shape,
            texture,
            periods: dice.range(1.4, 3.2),
            colours: 0,
            seed: dice.bits(),
        };
        self.part(&Placed::new(placed(part.at, part.turn, part.half)), &part, pair(dice));
    }

    /// Draws a part over what is there, lit from the light's side, darker towards its outline.
    fn part(&mut self, placed: &Placed, part: &Part, colours: [Colour; 2]) {
        let pixel = part.periods / placed.size;
        let [columns, rows] = placed.bounds(1.0);
        for (x, y) in rows.flat_map(|y| columns.clone().map(move |x| (x, y))) {
            let [u, v] = apply(&placed.from_image, x as f32 + 0.5, y as f32 + 0.5);
            let gauge = part.shape.gauge(u, v);
            let cover = ((1.0 - gauge) * placed.size + 0.5).clamp(0.0, 1.0);
            if cover == 0.0 {
                continue;
            }
            let share = part.texture.share(u * part.periods, v * part.periods, pixel, part.seed);
            let [dx, dy] = [x as f32 - placed.middle[0], y as f32 - placed.middle[1]].map(|d| d / placed.size);
            let lit = 0.85 + 0.22 * (dx * self.light[0] + dy * self.light[1]).clamp(-1.2, 1.2);
            let rim = 1.0 - 0.3 * smooth((gauge - 0.75) * 4.0);
            let target = &mut self.pixels[y * SIDE as usize + x];
            for c in 0..3 {
                let value = (mix(colours[0][c], colours[1][c], share) * lit * rim).clamp(0.0, 1.0);
                target[c] = mix(target[c], value, cover);
            }
        }
    }

    /// Darkens what lies behind the object, away from the light.
    fn shadow(&mut self, pose: &Pose, parts: &[Part], strength: f32) {
        let mut shade = vec![0.0_f32; PIXELS];
        let away = self.light.map(|component| -0.14 * pose.scale * component);
        let moved = [[1.0, 0.0, away[0]], [0.0, 1.0, away[1]], [0.0, 0.0, 1.0]];
        for part in parts {
            let placed = Placed::new(product(&moved, &pose.of(part).to_image));
            let soft = 4.0 / placed.size;
            let [columns, rows] = placed.bounds(1.0 + soft);
            for (x, y) in rows.flat_map(|y| columns.clone().map(move |x| (x, y))) {
                let [u, v] = apply(&placed.from_image, x as f32 + 0.5, y as f32 + 0.5);
                let cover = ((1.0 + soft - part.shape.gauge(u, v)) / (2.0 * soft)).clamp(0.0, 1.0);
                let shade = &mut shade[y * SIDE as usize + x];
                *shade = shade.max(cover);
            }
        }
        for (pixel, shade) in self.pixels.iter_mut().zip(shade) {
            *pixel = pixel.map(|value| value * (1.0 - strength * shade));
        }
    }

    /// Brightness, its slope over the image, and the colour of the light.
    fn lighting(&mut self, range: f32, dice: &mut Dice) {
        let level = 1.0 + 0.5 * range * dice.signed();
        let slope = 0.6 * range * dice.unit();
        let tint = [0; 3].map(|_| 1.0 + 0.2 * range * dice.signed());
        let side = SIDE as f32;
        for (i, pixel) in self.pixels.iter_mut().enumerate() {
            let (x, y) = ((i % SIDE as usize) as f32 / side - 0.5, (i / SIDE as usize) as f32 / side - 0.5);
            let light = level * (1.0 + slope * (x * self.light[0] + y * self.light[1]));
            pixel.iter_mut().zip(tint).for_each(|(value, tint)| *value = (*value * light * tint).clamp(0.0, 1.0));
        }
    }
}

/// Any hue, from pale to strong, from dark to bright.
fn colour(dice: &mut Dice) -> Colour {
    let hue = dice.unit();
    let (strong, bright) = (dice.range(0.05, 0.7), dice.range(0.25, 0.95));
    [0.0, 1.0, 2.0].map(|third| {
        let place = hue + third / 3.0;
        let away = (place - floor(place + 0.5) as f32).abs() * 2.0;
        bright * (1.0 - strong * smooth(1.5 * away - 0.25))
    })
}

/// Two colours that can be told apart.
fn pair(dice: &mut Dice) -> [Colour; 2] {
    let first = colour(dice);
    loop {
        let second = colour(dice);
        let difference: f32 = first.iter().zip(second).map(|(a, b)| (a - b).abs()).sum();
        if difference > 0.6 {
            return [first, second];
        }
    }
}

fn apply(m: &Matrix, x: f32, y: f32) -> [f32; 2] {
    let [a, b, c] = [0, 1, 2].map(|row| m[row][0] * x + m[row][1] * y + m[row][2]);
    [a / c, b / c]
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    [0, 1, 2].map(|i| [0, 1, 2].map(|j| a[i][0] * b[0][j] + a[i][1] * b[1][j] + a[i][2] * b[2][j]))
}

/// Up to a factor, which a projective map does not have.
fn inverse(m: &Matrix) -> Matrix {
    let minor = |i: usize, j: usize| {
        let (a, b, c, d) = ((i + 1) % 3, (i + 2) % 3, (j + 1) % 3, (j + 2) % 3);
        m[a][c] * m[b][d] - m[a][d] * m[b][c]
    };
    [0, 1, 2].map(|j| [0, 1, 2].map(|i| minor(i, j)))
}
