//! Reports: pages, tables and pictures made from records and nothing else.

use std::path::{Path, PathBuf};

pub fn write(_: &crate::record::Records, _: &Path) -> anyhow::Result<Vec<PathBuf>> {
    Ok(Vec::new())
}

pub fn terminal(records: &crate::record::Records, _: usize, _: bool) -> String {
    let line = |run: &crate::record::RunRow| {
        let right = records.predictions.iter().filter(|p| p.run_id == run.run_id && p.truth == p.predicted).count();
        let t = |scenario: &str, stage: &str| {
            let v: Vec<f64> = records
                .timings
                .iter()
                .filter(|t| t.run_id == run.run_id && t.scenario == scenario && t.stage == stage)
                .map(|t| t.milliseconds / t.images as f64)
                .collect();
            v.iter().sum::<f64>() / v.len().max(1) as f64
        };
        format!(
            "{:20} {:7} {} {:?} acc {:.4} val {:?} select {:.1} fit {:.2} extract {:.2} classify {:.3} offline {:.2} peak {:?} {} {}\n",
            run.arm,
            run.canvas,
            run.seed,
            run.status,
            right as f64 / run.n.max(1) as f64,
            run.val_accuracy,
            run.select_s,
            run.fit_s,
            t("single", "extract"),
            t("single", "classify"),
            t("offline", "total"),
            run.peak_mib,
            run.chosen,
            run.reason
        )
    };
    records.runs.iter().map(line).collect()
}
