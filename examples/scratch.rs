use featbench::arm::*; use featbench::dataset::*; use featbench::measure::{cache::*,features::*,progress::*}; use featbench::classify::kernel::*; use linfa::traits::Fit; use linfa_svm::Svm; use ndarray::*; use std::time::Instant;
fn main() {
    let ds = Dataset::open("mini-natural-images", None, 0).unwrap();
    let arm = Arm::select(&["sift-bovw-svm".into()]).unwrap().remove(0);
    let cache = Cache::open(Cache::default_folder().unwrap(), false); let progress = Progress::hidden();
    let res = Resources { cache: &cache, threads: 2, canvas: None, progress: &progress, device: featbench::deep::session::Device::Cpu, input: 224, backbone: None, seed: 0 };
    let cand = candidates(&arm.features).remove(0);
    let f = fit(&arm.features, &cand, &res, ds.splits.train.images()).unwrap();
    let x = f.vectors(&res, ds.splits.train.images()).unwrap().x; let y = ds.splits.train.labels();
    let vx = f.vectors(&res, ds.splits.val.images()).unwrap().x; let vy = ds.splits.val.labels();
    for kernel in [Kernel::Linear, Kernel::Rbf{gamma:0.5}, Kernel::Rbf{gamma:2.0}] {
      for rank in [64usize,128,256,512,1022] {
        let t = Instant::now(); let fac = kernel.factor(x.view(), Precision{rank, residual:1e-3}); let tf = t.elapsed().as_secs_f64();
        let r64 = fac.rows.mapv(f64::from);
        for c in [1.0f64, 10.0] { for f32mode in [true,false] { for eps in [1e-2,1e-3] {
            if rank!=256 && (f32mode != true || eps!=1e-2) { continue }
            let t = Instant::now(); let mut iters=String::new(); let mut scores = Array2::<f64>::zeros((vy.len(), 8));
            for class in 0..8 {
                let target: Array1<bool> = y.iter().map(|&l| l==class).collect();
                let (alpha, rho): (Vec<f64>, f64) = if f32mode {
                    let m = Svm::<f32,bool>::params().pos_neg_weights(c as f32,c as f32).eps(eps as f32).linear_kernel().fit(&linfa::DatasetBase::new(fac.rows.view(), target.view())).unwrap();
                    iters.push_str(&format!("{} ", m.to_string().split(' ').nth(2).unwrap()));
                    (m.alpha.iter().map(|&a| a as f64).collect(), m.rho as f64)
                } else {
                    let m = Svm::<f64,bool>::params().pos_neg_weights(c,c).eps(eps).linear_kernel().fit(&linfa::DatasetBase::new(r64.view(), target.view())).unwrap();
                    iters.push_str(&format!("{} ", m.to_string().split(' ').nth(2).unwrap()));
                    (m.alpha.clone(), m.rho)
                };
                let w = r64.t().dot(&Array1::from(alpha));
                let b = fac.pivot_weights(w.view());
                let k = kernel.between(vx.view(), fac.pivot_rows(x.view()).view()).mapv(f64::from);
                let s = k.dot(&b) - rho;
                scores.column_mut(class).assign(&s);
            }
            let right = featbench::classify::decide(&scores.mapv(|v| v as f32)).iter().zip(vy).filter(|(a,b)| a==b).count();
            println!("{kernel:?} rank {} resid {:.4} factor {tf:.2}s C {c} f32 {f32mode} eps {eps} val {:.4} {:.2}s iters {iters}", fac.rows.ncols(), fac.residual, right as f64/vy.len() as f64, t.elapsed().as_secs_f64());
        }}}
      }
    }
}
