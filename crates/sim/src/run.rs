// SPDX-License-Identifier: Apache-2.0
//! Running the history of a seed, and cutting a failing one down.

use std::path::Path;

use crate::broken::{Broken, Ran};
use crate::deed::{Step, history};
use crate::node::Ground;
use crate::world::World;

/// Most runs that cutting down takes.
const RUNS_MAX: usize = 400;

/// Makes a new ground for each run.
pub type Grounds<'g> = dyn FnMut() -> Ground + 'g;

/// Runs the history of a seed.
///
/// # Errors
/// What a stranger needs: how to run it again, the fewest deeds that break a law, and what was broken.
pub fn run(seed: u64, scratch: &Path, grounds: &mut Grounds<'_>) -> Result<(), String> {
    let steps = history(seed);
    let mut runs = 0;
    let mut fails = |steps: &[Step]| {
        runs += 1;
        run_steps(steps, scratch, grounds()).err()
    };
    let Some((_, first)) = fails(&steps) else { return Ok(()) };
    let (steps, (at, broken)) = shrink(steps, first, &mut fails);
    let mut told = format!("seed {seed} breaks a law. Run it again:\n  SIM_SEED={seed} cargo test -p sim\n");
    told.push_str("The fewest deeds that break it:\n");
    for (nth, step) in (1..).zip(&steps) {
        told.push_str(&format!("  {nth}. {step}\n"));
    }
    let place = if at < steps.len() { format!("deed {}", at + 1) } else { "the end".to_owned() };
    Err(format!("{told}after {place}, {broken}"))
}

/// Runs steps on a new world. Answers how many were done when a law broke, and which.
fn run_steps(steps: &[Step], scratch: &Path, ground: Ground) -> Result<(), (usize, Broken)> {
    let early = |broken: Broken| (0, broken);
    let dir = tempfile::tempdir_in(scratch).map_err(|error| early(error.into()))?;
    let mut world = World::begin(ground, dir.path()).map_err(early)?;
    for (nth, step) in steps.iter().enumerate() {
        one(&mut world, step).map_err(|broken| (nth, broken))?;
    }
    world.at_end().map_err(|broken| (steps.len(), broken))
}

fn one(world: &mut World, step: &Step) -> Ran<()> {
    world.step(step)?;
    world.after_step()
}

/// Takes away pieces, then single deeds, then what is not needed of each, as long as the same law breaks.
fn shrink(
    mut steps: Vec<Step>,
    first: Broken,
    fails: &mut dyn FnMut(&[Step]) -> Option<(usize, Broken)>,
) -> (Vec<Step>, (usize, Broken)) {
    let law = first.law;
    let mut found = (steps.len(), first);
    let (mut size, mut runs) = (steps.len().div_ceil(2).max(1), 0);
    loop {
        let (mut at, mut cut) = (0, false);
        while at < steps.len() && runs < RUNS_MAX {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + size).min(steps.len()));
            runs += 1;
            match fails(&fewer).filter(|(_, broken)| broken.law == law) {
                Some(broken) => {
                    (steps, found, cut) = (fewer, broken, true);
                }
                None => at += size,
            }
        }
        if size == 1 && !cut || runs >= RUNS_MAX {
            break;
        }
        size = (size / 2).max(1);
    }
    for at in 0..steps.len() {
        while let Some((simpler, broken)) = steps[at].simpler().into_iter().find_map(|simpler| {
            runs += 1;
            let mut tried = steps.clone();
            tried[at] = simpler.clone();
            let broken = if runs < RUNS_MAX { fails(&tried) } else { None };
            broken.filter(|(_, broken)| broken.law == law).map(|broken| (simpler, broken))
        }) {
            (steps[at], found) = (simpler, broken);
        }
    }
    (steps, found)
}
