//! Outlines of parts.

/// An outline in its own coordinates, from -1 to 1 on both axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Disc,
    Squircle,
    Slab,
    Diamond,
    Triangle,
    Hexagon,
    Star,
    Leaf,
    Drop,
    Ring,
    Crescent,
    Cross,
    Dome,
}

impl Shape {
    pub const ALL: [Shape; 13] = [
        Shape::Disc,
        Shape::Squircle,
        Shape::Slab,
        Shape::Diamond,
        Shape::Triangle,
        Shape::Hexagon,
        Shape::Star,
        Shape::Leaf,
        Shape::Drop,
        Shape::Ring,
        Shape::Crescent,
        Shape::Cross,
        Shape::Dome,
    ];

    /// Below 1 inside, 1 on the outline, above it outside; grows about evenly from the middle outwards.
    pub fn gauge(self, u: f32, v: f32) -> f32 {
        let disc = |u: f32, v: f32| (u * u + v * v).sqrt();
        let slab = |u: f32, v: f32| u.abs().max(v.abs());
        match self {
            Shape::Disc => disc(u, v),
            Shape::Squircle => disc(u * u, v * v).sqrt(),
            Shape::Slab => slab(u, v),
            Shape::Diamond => u.abs() + v.abs(),
            Shape::Triangle => v.max(2.0 * u.abs() - v),
            Shape::Hexagon => (1.1547 * v.abs()).max(u.abs() + 0.577_35 * v.abs()),
            Shape::Star => star(u, v),
            // where two discs meet that are 1.268 apart
            Shape::Leaf => 1.0 + (disc(u, v.abs() + 0.634) - 1.184) / 0.55,
            Shape::Drop => {
                let half_width = 0.9 * (1.0 - v * v).max(0.0).sqrt() * (0.5 + 0.5 * v);
                1.0 + (1.5 * (u.abs() - half_width)).max(v.abs() - 1.0)
            }
            Shape::Ring => (disc(u, v) - 0.72).abs() / 0.28,
            Shape::Crescent => disc(u, v).max(1.0 + 1.5 * (0.8 - disc(u - 0.5, v))),
            Shape::Cross => slab(u, 2.8 * v).min(slab(2.8 * u, v)),
            Shape::Dome => disc(u, (v - 1.0) / 2.0).max(v),
        }
    }
}

/// Five tips, the first at (0, -1): the plane is folded along its axes until one edge is left.
fn star(u: f32, v: f32) -> f32 {
    let (mut x, mut y) = (u.abs(), -v);
    for across in [0.809_017, -0.809_017] {
        let beyond = (across * x - 0.587_785 * y).max(0.0);
        x -= 2.0 * beyond * across;
        y += 2.0 * beyond * 0.587_785;
    }
    2.404 * x.abs() + y
}
