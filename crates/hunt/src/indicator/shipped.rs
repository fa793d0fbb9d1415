// SPDX-License-Identifier: Apache-2.0
//! Indicators that ship with the packs: published facts, restated by hand with their source.

use super::Reading;
use crate::standard::read_bundle;

/// The indicators of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// Name of the pack, as in [`crate::rule::PACKS`].
    pub pack: &'static str,
    /// A STIX bundle.
    bundle: &'static [u8],
}

/// All of them.
pub static SHIPPED: &[Shipped] = &[
    Shipped { pack: "chimera", bundle: include_bytes!("../../packs/chimera/indicators.json") },
    Shipped { pack: "edge-device", bundle: include_bytes!("../../packs/edge-device/indicators.json") },
];

impl Shipped {
    /// Its values, patterns and conditions. That all are good is a test's business.
    pub fn read(&self) -> Reading {
        read_bundle(self.bundle, &format!("pack {}", self.pack))
    }

    /// The bundle as it ships, to be imported or looked at.
    pub fn bundle(&self) -> &'static [u8] {
        self.bundle
    }
}
