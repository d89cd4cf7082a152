//! The code against numbers of well-known libraries.

mod checkpoints;
mod dense;
mod encodings;
mod exported;
mod generated;
mod gradients;
mod hex;
mod lr_find;
mod metrics;
mod networks;
mod opencv_features;
mod preparations;
mod preprocessing;
mod random_resized_crop;
mod schedules;
mod training_steps;
mod vlfeat;
