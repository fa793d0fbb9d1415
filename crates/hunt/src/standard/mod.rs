// SPDX-License-Identifier: Apache-2.0
//! STIX 2.1: reading indicators, printing indicators and sightings.

mod indicator;
mod marks;
mod pattern;
mod sighting;

pub use crate::pattern::PatternError;
pub use indicator::{
    IndicatorAuthor, guessable_indicator_id, indicator_id, indicator_name, indicator_object, read_bundle,
    read_indicator, read_object,
};
pub use marks::Markings;
pub use pattern::{Compiled, Wanted, compile};
pub use sighting::{SightingFacts, sighting_objects, sighting_values};

use model::time::Timestamp;

/// A time as STIX 2.1 section 3.2 asks of `created` and `modified`: milliseconds.
fn millis(time: Timestamp) -> String {
    let text = time.to_string();
    // Six fractional digits and `Z`: the last three digits go.
    match text.get(..text.len().saturating_sub(4)) {
        Some(head) => format!("{head}Z"),
        None => text,
    }
}
