//! What a training works on: the network with images, or, where its first layers stay as they are and views are drawn
//! again, the layers behind them with what those make of each view, which is computed once.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, anyhow};

use super::Task;
use crate::deep::Tensor;
use crate::deep::onnx::{Dimension, GraphProto, ModelProto, NodeProto, ValueInfoProto};
use crate::deep::session::{Input, Session};
use crate::finetune::parameters::Learning;
use crate::image::Rgb;

/// Bytes of what the frozen layers made that are kept in memory; beyond them it is computed again.
const KEPT: usize = 1 << 30;

/// The part of a network that is trained, and how it is fed.
pub struct Ground<'a> {
    task: &'a Task<'a>,
    pub learning: Learning,
    pub model: Cow<'a, ModelProto>,
    pub input: String,
    /// Of one image at the input.
    pub shape: Vec<usize>,
    below: Option<Below>,
}

/// The layers in front of the first one that learns.
struct Below {
    /// One a thread, each with one thread, so that the bits depend on nothing.
    sessions: Vec<Mutex<Session>>,
    output: String,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    bytes: usize,
    /// By view and image.
    views: HashMap<(usize, usize), Arc<[f32]>>,
}

impl<'a> Ground<'a> {
    /// Cuts the network where its first layer learns, if views are drawn again and there is such a place.
    pub fn of(task: &'a Task<'a>) -> Result<Ground<'a>> {
        let settings = task.settings;
        let learning =
            Learning::of(task.model, &settings.layers, settings.batch_norm).map_err(|wrong| anyhow!(wrong))?;
        let side = task.side as usize;
        let whole = Ground {
            task,
            learning,
            model: Cow::Borrowed(task.model),
            input: task.input.to_owned(),
            shape: vec![3, side, side],
            below: None,
        };
        match settings.views.and_then(|_| cut(task.model, &whole.learning)) {
            Some(output) => whole.above(output),
            None => Ok(whole),
        }
    }

    fn above(self, output: String) -> Result<Ground<'a>> {
        let (task, image) = (self.task, self.shape);
        let mut model = task.model.clone();
        let graph = model.graph.take().context("a network has a graph")?;
        let part = |graph| ModelProto { graph: Some(graph), ..model.clone() };
        let made = vec![ValueInfoProto::unshaped(&output)];
        let below = part(GraphProto { output: made, ..graph.clone().leading_to(&[&output]) }).write();
        let open = |_| Ok(Mutex::new(Session::open(&below, task.device)?));
        let sessions: Vec<Mutex<Session>> = (0..task.threads).map(open).collect::<Result<_>>()?;
        let below = Below { sessions, output: output.clone(), kept: Mutex::default() };
        let zeros = vec![0.0; image.iter().product()];
        let shape = below.run(task, &zeros)?.shape[1..].to_vec();
        let sides: Vec<Dimension> = shape.iter().map(|&side| Dimension::Size(side as i64)).collect();
        let sides = [vec![Dimension::Name("batch".into())], sides].concat();
        let above = part(graph.fed_with(ValueInfoProto::float(&output, &sides)));
        Ok(Ground { model: Cow::Owned(above), input: output, shape, below: Some(below), ..self })
    }

    /// Are the first layers left out of what is trained?
    pub fn is_cut(&self) -> bool {
        self.below.is_some()
    }

    /// Numbers of one image at the input.
    pub fn numbers(&self) -> usize {
        self.shape.iter().product()
    }

    /// Which of an image's views an epoch sees.
    pub fn view_of(&self, epoch: usize) -> usize {
        self.task.settings.views.map_or(epoch, |views| epoch % views)
    }

    /// Writes what the network is fed for a picture of the input's size.
    pub fn feed(&self, picture: &Rgb, out: &mut [f32]) -> Result<()> {
        let Some(below) = &self.below else {
            self.task.preparation.write(picture, out);
            return Ok(());
        };
        let side = self.task.side as usize;
        let mut image = vec![0.0; 3 * side * side];
        self.task.preparation.write(picture, &mut image);
        out.copy_from_slice(&below.run(self.task, &image)?.data);
        Ok(())
    }

    /// The same for a view of a training image, which `draw` makes unless it was made before.
    pub fn feed_view(
        &self,
        (view, image): (usize, usize),
        draw: impl Fn() -> Result<Rgb>,
        out: &mut [f32],
    ) -> Result<()> {
        let Some(below) = &self.below else { return self.feed(&draw()?, out) };
        let kept = || below.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept().views.get(&(view, image)).cloned();
        if let Some(known) = known {
            out.copy_from_slice(&known);
            return Ok(());
        }
        self.feed(&draw()?, out)?;
        let mut kept = kept();
        if kept.bytes + size_of_val(out) <= KEPT {
            kept.bytes += size_of_val(out);
            kept.views.insert((view, image), out.into());
        }
        Ok(())
    }
}

impl Below {
    fn run(&self, task: &Task, image: &[f32]) -> Result<Tensor> {
        let side = task.side as usize;
        let thread = rayon::current_thread_index().unwrap_or(0) % self.sessions.len();
        let mut session = self.sessions[thread].lock().unwrap_or_else(PoisonError::into_inner);
        let input = Input { name: task.input, shape: &[1, 3, side, side], data: image };
        session.run(&[input], &[&self.output])?.pop().context("one output was asked for")
    }
}

/// The one value that everything which learns gets from what does not; `None` where there is no such single value, or
/// it is the image itself.
fn cut(model: &ModelProto, learning: &Learning) -> Option<String> {
    let graph = model.graph.as_ref()?;
    let live = live(graph, learning);
    let is_live = |node: &NodeProto| node.output.iter().any(|output| live.contains(output.as_str()));
    let made: HashSet<&str> =
        graph.node.iter().filter(|node| !is_live(node)).flat_map(|node| &node.output).map(String::as_str).collect();
    let used = graph.node.iter().filter(|node| is_live(node)).flat_map(|node| &node.input).map(String::as_str);
    let constants: HashSet<&str> = graph.initializer.iter().map(|constant| constant.name.as_str()).collect();
    let crossing: HashSet<&str> = used.filter(|name| !live.contains(name) && !constants.contains(name)).collect();
    let [one] = crossing.into_iter().collect::<Vec<_>>()[..] else { return None };
    made.contains(one).then(|| one.to_owned())
}

/// Values that depend on something that learns, or on something drawn at random.
fn live<'g>(graph: &'g GraphProto, learning: &Learning) -> HashSet<&'g str> {
    let mut live: HashSet<&str> = HashSet::new();
    for node in &graph.node {
        let learns =
            |name: &String| learning.learns(name) || learning.follows_batch(name) || live.contains(name.as_str());
        if node.op_type == "Dropout" || node.input.iter().any(learns) {
            live.extend(node.output.iter().map(String::as_str));
        }
    }
    live
}
