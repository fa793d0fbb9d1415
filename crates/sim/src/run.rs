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

/// Runs steps; answers how many were done when a law broke, and which.
type Fails<'f> = dyn FnMut(&[Step]) -> Option<(usize, Broken)> + 'f;

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
    world.after_step(step)
}

/// Takes away pieces, then single deeds, then what is not needed of each, as long as the same law breaks.
fn shrink(mut steps: Vec<Step>, first: Broken, fails: &mut Fails<'_>) -> (Vec<Step>, (usize, Broken)) {
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

#[cfg(test)]
mod tests {
    use model::marking::Tlp;

    use super::*;
    use crate::deed::{Deed, Fate, Item};

    fn step(deed: Deed) -> Step {
        Step { deed, fate: Fate::Done, salt: 1 }
    }

    fn add(author: u8, object: u8, tlp: Tlp, to: u8) -> Item {
        Item { author, object, version: 0, to, tlp: Some(tlp), widens: false }
    }

    fn holds(deeds: Vec<Deed>) {
        hold(&deeds.into_iter().map(step).collect::<Vec<_>>());
    }

    fn hold(steps: &[Step]) {
        let broken = run_steps(steps, &std::env::temp_dir(), Ground::File);
        assert_eq!(broken.map_err(|(_, broken)| broken.to_string()), Ok(()));
    }

    /// Found by seed 7: the document of a community was dated by the clock, so after the clock went back its
    /// older list of members stayed in force, and who had left went on reading.
    #[test]
    fn a_clock_that_went_back_keeps_nobody_in_a_community() {
        holds(vec![Deed::Restart { days: -365 }, Deed::Leave { community: 1, member: 2 }]);
    }

    /// Found by seed 88: the second was answered as narrowing the first, which was then written as it came.
    #[test]
    fn the_same_object_twice_in_a_batch_is_as_strict_as_the_second() {
        holds(vec![Deed::Add(vec![add(2, 1, Tlp::Green, 0), add(2, 1, Tlp::AmberStrict, 0)])]);
        let note = Deed::Add(vec![add(1, 6, Tlp::Green, 0)]);
        holds(vec![note, Deed::Add(vec![add(1, 4, Tlp::AmberStrict, 0), add(1, 4, Tlp::Red, 0)])]);
    }

    /// Found by seed 478: RED for members goes to none of their people, and a recall that "narrowed" it to some
    /// of them showed it to them, behind their cursors.
    #[test]
    fn red_for_members_is_not_narrowed_to_their_persons() {
        holds(vec![
            Deed::Add(vec![add(1, 2, Tlp::Red, 4)]),
            Deed::Poll { token: 3, pages: 2, limit: 1 },
            Deed::Narrow { author: 1, object: 2, tlp: Tlp::AmberStrict, to: Some(6) },
        ]);
    }

    /// What is unmarked stays with its author; narrowed to RED it was released to the persons it names, behind
    /// their cursors.
    #[test]
    fn narrowing_does_not_show_what_was_unmarked() {
        let unmarked = Item { tlp: None, ..add(1, 2, Tlp::Red, 6) };
        for narrow in [
            Deed::Narrow { author: 1, object: 2, tlp: Tlp::Red, to: None },
            Deed::Add(vec![add(1, 2, Tlp::Red, 6)]),
        ] {
            holds(vec![
                Deed::Add(vec![unmarked.clone()]),
                Deed::Add(vec![add(1, 0, Tlp::Red, 6)]),
                Deed::Poll { token: 3, pages: 4, limit: 4 },
                narrow,
            ]);
        }
    }

    /// Found by seed 574: what refers to an address that is stricter was never as loose as it was shared, so
    /// sharing it again made a record of its own each time.
    #[test]
    fn sharing_what_an_address_holds_back_is_known_the_second_time() {
        let share = Item { widens: true, ..add(1, 6, Tlp::Clear, 1) };
        let share = Step { fate: Fate::Twice, ..step(Deed::Add(vec![share])) };
        let address = step(Deed::Add(vec![add(1, 4, Tlp::AmberStrict, 1)]));
        hold(&[address, share]);
    }

    /// Whatever a law needs to break stays, and nothing else.
    #[test]
    fn a_failing_history_is_cut_to_what_it_needs() {
        let steps = history(11);
        let needed = [steps[2].salt, steps[7].salt];
        let broken = |law| Broken { law, what: String::new(), expected: String::new(), got: String::new() };
        let mut fails = |steps: &[Step]| {
            let both = needed.iter().all(|salt| steps.iter().any(|step| step.salt == *salt));
            // Another law that breaks on the way is another fault.
            if both { Some((0, broken(1))) } else { Some((0, broken(2))) }
        };
        let (left, (_, found)) = shrink(steps, broken(1), &mut fails);
        assert_eq!(left.iter().map(|step| step.salt).collect::<Vec<_>>(), needed);
        assert!(left.iter().all(|step| step.fate == Fate::Done));
        assert_eq!(found.law, 1);
    }
}
