// SPDX-License-Identifier: Apache-2.0
//! How long a piece of work takes the processor.

use std::time::Instant;

/// Seconds of this thread's processor time; of the clock where the system does not tell them.
pub fn processor_seconds(work: &mut impl FnMut()) -> f64 {
    let now = || -> Option<f64> {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        Some(text.split(' ').next()?.parse::<f64>().ok()? / 1e9)
    };
    let (before, started) = (now(), Instant::now());
    work();
    match (before, now()) {
        (Some(before), Some(after)) => after - before,
        _ => started.elapsed().as_secs_f64(),
    }
}
