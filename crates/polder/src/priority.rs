// SPDX-License-Identifier: Apache-2.0
//! How far work that can wait stands back for who is waiting.

use rustix::process::{getpriority_process, setpriority_process};

use crate::datadir::DataDir;

/// Steps of nice(1) by which an import stands back while its directory is served.
const SERVED_NICE: u8 = 10;

/// Lowers the priority of this thread: to what was asked for, else only while the directory is served.
///
/// On Linux a priority is a thread's own. The thread that reads, parses and hashes can wait: nobody waits for
/// it. The writer's thread was started before and keeps its own, because while it writes, everyone else who
/// writes waits for it, and would wait as long as readers keep a writer of low priority from its processor.
pub fn stand_back(dir: &DataDir, asked: Option<u8>) {
    let nice = asked.unwrap_or_else(|| if dir.is_served() { SERVED_NICE } else { 0 });
    // Whoever started the program with less keeps less.
    let present = getpriority_process(None).unwrap_or(0);
    if i32::from(nice) > present {
        // Without it the import is as fast as ever, and what is served beside it as slow.
        let _ = setpriority_process(None, i32::from(nice));
    }
}
