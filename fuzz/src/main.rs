// SPDX-License-Identifier: Apache-2.0
//! One fuzzer for all targets: `POLDER_FUZZ` names the one to run. `fuzz/run` builds and starts it.

#![no_main]

use std::sync::LazyLock;

use fuzzing::{TARGETS, Target, target};
use libfuzzer_sys::fuzz_target;

static CHOSEN: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("POLDER_FUZZ").unwrap_or_default();
    target(&name).unwrap_or_else(|| {
        let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        eprintln!("POLDER_FUZZ is {name:?}; set it to one of: {}", names.join(" "));
        std::process::exit(2)
    })
});

fuzz_target!(|data: &[u8]| (*CHOSEN)(data));
