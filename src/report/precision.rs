//! A network in a cheaper form beside the same in 32-bit floats: what it costs and what it saves, and where it is slower.

use super::format::{percent, points, significant};
use super::price;
use super::summary::{Entry, Summary};

/// One sentence for each form that was measured on images as on its own in f32.
pub fn precisions(summary: &Summary) -> Vec<String> {
    let plain = |cheap: &Entry| {
        let same = |entry: &&Entry| {
            let (a, b) = (entry.row, cheap.row);
            b.network() == (a.backbone.as_str(), b.network().1)
                && (&a.arm, a.input_px, &a.canvas, &a.protocol) == (&b.arm, b.input_px, &b.canvas, &b.protocol)
        };
        summary.entries.iter().find(same)
    };
    let cheap = summary.entries.iter().filter(|entry| !entry.row.network().1.is_empty());
    cheap.filter_map(|cheap| beside(summary, cheap, plain(cheap)?)).collect()
}

fn beside(summary: &Summary, cheap: &Entry, plain: &Entry) -> Option<String> {
    let (mine, its) = (cheap.scores.as_ref()?.accuracy.mean, plain.scores.as_ref()?.accuracy.mean);
    let ms = price::ms(cheap).zip(price::ms(plain)).map(|(mine, its)| {
        let (factor, gain) = if mine > its { (mine / its, "slow: no gain here") } else { (its / mine, "fast") };
        let [mine, its, factor] = [mine, its, factor].map(|value| significant(value, 2));
        format!(", {mine} ms an image for {its}, {factor} times as {gain}")
    });
    let sizes = price::file_mib(cheap, &summary.runs).zip(price::file_mib(plain, &summary.runs));
    let sizes = sizes.map(|(mine, its)| format!(", {} MiB for {}", significant(mine, 2), significant(its, 2)));
    Some(format!(
        "`{}` beside `{}` in f32: {} % for {} % ({} points){}{}.",
        cheap.label,
        plain.label,
        percent(mine),
        percent(its),
        points(mine - its),
        ms.unwrap_or_default(),
        sizes.unwrap_or_default()
    ))
}
