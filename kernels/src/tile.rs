//! The innermost products: a block of the result that stays in registers while a whole depth is summed up.
//! The left matrix lies in groups of 16 numbers (`[group][row][16]`), the right one in panels (`[depth][columns]`).

use crate::isa::{Isa, Level};
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Portable, Simd};

/// Numbers of a left row that lie side by side.
pub(crate) const GROUP: usize = 16;

/// Columns of the widest panel with any instructions.
pub(crate) const WIDEST: usize = 32;

/// Rows of two short vectors each that fit in the registers: NEON has 32, SSE 16.
const PORTABLE: usize = if cfg!(target_arch = "aarch64") { 8 } else { 4 };

/// How large a block fits in the registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Most rows of a product along groups.
    pub rows: usize,
    /// Rows of a product along rows: a divisor of [`GROUP`].
    pub lanes: usize,
    /// Columns of a panel.
    pub columns: usize,
}

impl Sizes {
    pub fn of(isa: Isa) -> Sizes {
        match isa.level() {
            Level::Portable => Sizes { rows: PORTABLE, lanes: PORTABLE, columns: 8 },
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => Sizes { rows: 6, lanes: 4, columns: 16 },
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => Sizes { rows: 14, lanes: 8, columns: 32 },
        }
    }
}

/// Writes `left right` to `out`, whose rows have the panel's columns, or adds it.
/// `left`: `[depth / 16][rows][16]`, rows at most [`Sizes::rows`]; `right`: `[depth][columns]`.
///
/// # Panics
/// Slices that are too short.
pub(crate) fn along_groups(
    isa: Isa,
    [rows, depth]: [usize; 2],
    left: &[f32],
    right: &[f32],
    out: &mut [f32],
    add: bool,
) {
    let from = Left { numbers: left, step: GROUP, stretch: GROUP, next: rows * GROUP };
    along_stretches(isa, [rows, depth], from, right, out, add);
}

/// A left matrix whose rows are stretches of numbers: the first number of a row is `step` after that of the row before,
/// the first of a stretch `next` after that of the stretch before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Left<'a> {
    pub numbers: &'a [f32],
    /// One of [`STEPS`].
    pub step: usize,
    pub stretch: usize,
    pub next: usize,
}

/// Steps that there are kernels for: groups, and every or every other pixel of three channels.
pub(crate) const STEPS: [usize; 3] = [GROUP, 6, 3];

/// The same for rows of stretches.
///
/// # Panics
/// Slices that are too short.
pub(crate) fn along_stretches(
    isa: Isa,
    [rows, depth]: [usize; 2],
    left: Left,
    right: &[f32],
    out: &mut [f32],
    add: bool,
) {
    let (sizes, Left { numbers, step, stretch, next }) = (Sizes::of(isa), left);
    assert!((1..=sizes.rows).contains(&rows) && depth > 0 && stretch > 0 && STEPS.contains(&step));
    let last = (depth - 1) / stretch * next + (depth - 1) % stretch;
    // where the last stretch is short, one before it reaches further
    let whole = depth.min(stretch) - 1 + ((depth - 1) / stretch).saturating_sub(1) * next;
    assert!(numbers.len() > last.max(whole) + (rows - 1) * step);
    assert!(right.len() >= depth * sizes.columns && out.len() >= rows * sizes.columns);
    let (left, right, out) = (numbers.as_ptr(), right.as_ptr(), out.as_mut_ptr());
    let job = Job { rows, depth, left, step, stretch, next, right, out, add };
    // SAFETY: the slices were just seen to be long enough, and a level is only made where the processor has it.
    unsafe {
        match isa.level() {
            Level::Portable => groups_portable(job),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => groups_avx2(job),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => groups_avx512(job),
        }
    }
}

/// Writes `left' right` to `out`, or adds it: [`Sizes::lanes`] rows of the panel's columns.
/// `left`: `[depth][step]`, of which the first lanes are taken; `right`: `[depth][columns]`.
///
/// # Panics
/// Slices that are too short.
pub(crate) fn along_rows(isa: Isa, [depth, step]: [usize; 2], left: &[f32], right: &[f32], out: &mut [f32], add: bool) {
    let Sizes { lanes, columns, .. } = Sizes::of(isa);
    assert!(depth > 0 && left.len() >= (depth - 1) * step + lanes && right.len() >= depth * columns);
    assert!(out.len() >= lanes * columns);
    let (left, right, out) = (left.as_ptr(), right.as_ptr(), out.as_mut_ptr());
    let job = Job { rows: lanes, depth, left, step, stretch: depth, next: 0, right, out, add };
    // SAFETY: the slices were just seen to be long enough, and a level is only made where the processor has it.
    unsafe {
        match isa.level() {
            Level::Portable => rows_of::<_, PORTABLE>(Portable, job),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => rows_avx2(job),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => rows_avx512(job),
        }
    }
}

/// Pointers of one call, long enough for its sizes.
#[derive(Clone, Copy)]
struct Job {
    rows: usize,
    depth: usize,
    left: *const f32,
    step: usize,
    stretch: usize,
    next: usize,
    right: *const f32,
    out: *mut f32,
    add: bool,
}

/// # Safety
/// The job's pointers are long enough for R rows, which are STEP apart.
#[inline(always)]
unsafe fn groups_of<S: Simd, const R: usize, const STEP: usize>(simd: S, job: Job) {
    let Job { depth, mut left, stretch, next, mut right, out, add, .. } = job;
    let mut sums = [[simd.splat(0.0); 2]; R];
    let mut todo = depth;
    // SAFETY, of all blocks: the caller's; every step reads what lies behind what the step before it read.
    while todo > 0 {
        let steps = todo.min(stretch);
        for step in 0..steps {
            unsafe {
                let b = [simd.load(right), simd.load(right.add(S::LANES))];
                for (row, sum) in sums.iter_mut().enumerate() {
                    let a = simd.splat(*left.add(row * STEP + step));
                    *sum = [simd.fma(a, b[0], sum[0]), simd.fma(a, b[1], sum[1])];
                }
                right = right.add(2 * S::LANES);
            }
        }
        left = left.wrapping_add(next);
        todo -= steps;
    }
    // SAFETY: the caller's.
    unsafe { write(simd, &sums, out, add) };
}

/// # Safety
/// The job's pointers are long enough for R rows.
#[inline(always)]
unsafe fn rows_of<S: Simd, const R: usize>(simd: S, job: Job) {
    let Job { depth, mut left, step: apart, mut right, out, add, .. } = job;
    let mut sums = [[simd.splat(0.0); 2]; R];
    for _ in 0..depth {
        // SAFETY: the caller's; every step reads what lies behind what the step before it read.
        unsafe {
            let b = [simd.load(right), simd.load(right.add(S::LANES))];
            for (row, sum) in sums.iter_mut().enumerate() {
                let a = simd.splat(*left.add(row));
                *sum = [simd.fma(a, b[0], sum[0]), simd.fma(a, b[1], sum[1])];
            }
        }
        left = left.wrapping_add(apart);
        right = right.wrapping_add(2 * S::LANES);
    }
    // SAFETY: the caller's.
    unsafe { write(simd, &sums, out, add) };
}

/// # Safety
/// R rows of two vectors are at `out`.
#[inline(always)]
unsafe fn write<S: Simd, const R: usize>(simd: S, sums: &[[S::V; 2]; R], out: *mut f32, add: bool) {
    // one short loop over rows: a longer one is not unrolled, and would keep the sums in memory all the time
    for (row, sum) in sums.iter().enumerate() {
        // SAFETY: the caller's.
        unsafe {
            let out = [out.add(row * 2 * S::LANES), out.add((row * 2 + 1) * S::LANES)];
            let before = if add { [simd.load(out[0]), simd.load(out[1])] } else { [simd.splat(0.0); 2] };
            simd.store(simd.add(before[0], sum[0]), out[0]);
            simd.store(simd.add(before[1], sum[1]), out[1]);
        }
    }
}

/// One compiled form for every number of rows, so that a tail costs what its rows cost, and for every step.
macro_rules! by_rows {
    ($job:ident, $simd:expr, $rows:tt) => {
        match $job.step {
            GROUP => by_rows!($job, $simd, GROUP, $rows),
            6 => by_rows!($job, $simd, 6, $rows),
            3 => by_rows!($job, $simd, 3, $rows),
            _ => unreachable!("steps were checked"),
        }
    };
    ($job:ident, $simd:expr, $step:tt, [$($rows:literal)*]) => {
        match $job.rows {
            // SAFETY: the caller's, for so many rows.
            $($rows => unsafe { groups_of::<_, $rows, $step>($simd, $job) },)*
            _ => unreachable!("rows were checked"),
        }
    };
}

/// # Safety
/// The job's pointers are long enough.
unsafe fn groups_portable(job: Job) {
    by_rows!(job, Portable, [1 2 3 4 5 6 7 8])
}

/// # Safety
/// The job's pointers are long enough, and the processor has the instructions.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn groups_avx2(job: Job) {
    // SAFETY: the caller's.
    let simd = unsafe { Avx2::new() };
    by_rows!(job, simd, [1 2 3 4 5 6])
}

/// # Safety
/// The job's pointers are long enough, and the processor has the instructions.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx2,fma")]
unsafe fn groups_avx512(job: Job) {
    // SAFETY: the caller's.
    let simd = unsafe { Avx512::new() };
    by_rows!(job, simd, [1 2 3 4 5 6 7 8 9 10 11 12 13 14])
}

/// # Safety
/// The job's pointers are long enough, and the processor has the instructions.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn rows_avx2(job: Job) {
    // SAFETY: the caller's.
    unsafe { rows_of::<_, 4>(Avx2::new(), job) }
}

/// # Safety
/// The job's pointers are long enough, and the processor has the instructions.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx2,fma")]
unsafe fn rows_avx512(job: Job) {
    // SAFETY: the caller's.
    unsafe { rows_of::<_, 8>(Avx512::new(), job) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Numbers;

    #[test]
    fn products_along_groups() {
        for isa in Isa::available() {
            let sizes = Sizes::of(isa);
            for rows in 1..=sizes.rows {
                for depth in [1usize, 15, 16, 17, 40] {
                    let groups = depth.div_ceil(GROUP);
                    let mut numbers = Numbers::new(depth as u64);
                    let left = numbers.take(groups * rows * GROUP);
                    let right = numbers.take(depth * sizes.columns);
                    let mut out = vec![f32::NAN; rows * sizes.columns];
                    let mut added = vec![1.5; rows * sizes.columns];
                    along_groups(isa, [rows, depth], &left, &right, &mut out, false);
                    along_groups(isa, [rows, depth], &left, &right, &mut added, true);
                    for row in 0..rows {
                        for column in 0..sizes.columns {
                            let sum: f64 = (0..depth)
                                .map(|k| {
                                    let a = left[(k / GROUP * rows + row) * GROUP + k % GROUP];
                                    f64::from(a) * f64::from(right[k * sizes.columns + column])
                                })
                                .sum();
                            let place = row * sizes.columns + column;
                            assert!((sum - f64::from(out[place])).abs() < 1e-5);
                            assert!((sum + 1.5 - f64::from(added[place])).abs() < 1e-5);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn products_along_rows_are_added() {
        for isa in Isa::available() {
            let Sizes { lanes, columns, .. } = Sizes::of(isa);
            for depth in [1, 7, 33] {
                let mut numbers = Numbers::new(depth as u64);
                let (left, right) = (numbers.take(depth * GROUP), numbers.take(depth * columns));
                let before = numbers.take(lanes * columns);
                let (mut out, mut added) = (vec![f32::NAN; before.len()], before.clone());
                along_rows(isa, [depth, GROUP], &left, &right, &mut out, false);
                along_rows(isa, [depth, GROUP], &left, &right, &mut added, true);
                for place in 0..out.len() {
                    let (row, column) = (place / columns, place % columns);
                    let product = |k: usize| f64::from(left[k * GROUP + row]) * f64::from(right[k * columns + column]);
                    let sum: f64 = (0..depth).map(product).sum();
                    assert!((sum - f64::from(out[place])).abs() < 1e-5);
                    assert!((sum + f64::from(before[place]) - f64::from(added[place])).abs() < 1e-5);
                }
            }
        }
    }
}
