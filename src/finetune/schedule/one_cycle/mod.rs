//! The 1cycle policy: the learning rate goes up once and down once, the momentum the other way round, and at the end the
//! rate falls far below where it began (Smith and Topin 2019). Three libraries' worth of variants, each in its file.

mod fastai;
mod pytorch;
mod smith;

pub use fastai::Fastai;
pub use pytorch::PyTorch;
pub use smith::Smith;
