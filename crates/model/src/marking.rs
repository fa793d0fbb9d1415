// SPDX-License-Identifier: Apache-2.0
//! Markings: who may see a record.
//!
//! TLP 2.0 (FIRST, August 2022) and TLP 1 by their canonical STIX ids (STIX 2.1 section 7.2.1.4; OASIS
//! extension definition `60a3c5c5-0d10-413e-aab3-9e08dde9e88d`), the Permissible Actions Protocol, and
//! what is not understood.

use std::fmt;

/// Traffic Light Protocol 2.0, loosest first. TLP 1 WHITE reads as CLEAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tlp {
    /// May go to anyone.
    Clear,
    /// Within the recipients' communities, never a public channel.
    Green,
    /// Within recipient organisations and their declared clients.
    Amber,
    /// Within recipient organisations only.
    AmberStrict,
    /// To named persons only.
    Red,
}

impl Tlp {
    /// All labels, loosest first.
    pub const ALL: [Tlp; 5] = [Tlp::Clear, Tlp::Green, Tlp::Amber, Tlp::AmberStrict, Tlp::Red];

    /// The label as TLP 2.0 writes it.
    pub fn name(self) -> &'static str {
        match self {
            Tlp::Clear => "TLP:CLEAR",
            Tlp::Green => "TLP:GREEN",
            Tlp::Amber => "TLP:AMBER",
            Tlp::AmberStrict => "TLP:AMBER+STRICT",
            Tlp::Red => "TLP:RED",
        }
    }

    /// Id of the canonical TLP 2.0 marking definition.
    pub fn stix_id(self) -> &'static str {
        match self {
            Tlp::Clear => "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
            Tlp::Green => "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
            Tlp::Amber => "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
            Tlp::AmberStrict => "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
            Tlp::Red => "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
        }
    }

    /// Label of a canonical id, TLP 2.0 or TLP 1.
    pub fn from_stix_id(id: &str) -> Option<Tlp> {
        match id {
            "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9" => Some(Tlp::Clear),
            "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da" => Some(Tlp::Green),
            "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82" => Some(Tlp::Amber),
            "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed" => Some(Tlp::Red),
            _ => Tlp::ALL.into_iter().find(|t| t.stix_id() == id),
        }
    }

    /// Reads a label as people write it: `TLP:AMBER+STRICT`, `amber-strict`, `white`.
    pub fn parse(text: &str) -> Option<Tlp> {
        let lower = text.trim().to_ascii_lowercase();
        let word = lower.strip_prefix("tlp:").unwrap_or(&lower).trim();
        match word {
            "clear" | "white" => Some(Tlp::Clear),
            "green" => Some(Tlp::Green),
            "amber" => Some(Tlp::Amber),
            "amber+strict" | "amber-strict" | "amber_strict" => Some(Tlp::AmberStrict),
            "red" => Some(Tlp::Red),
            _ => None,
        }
    }

    /// Strictness, 0 (CLEAR) to 4 (RED).
    pub fn rank(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Tlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Permissible Actions Protocol, loosest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pap {
    /// Anything.
    Clear,
    /// Active actions such as block lists.
    Green,
    /// Passive cross-checks only.
    Amber,
    /// Non-detectable actions only.
    Red,
}

impl Pap {
    /// The label.
    pub fn name(self) -> &'static str {
        match self {
            Pap::Clear => "PAP:CLEAR",
            Pap::Green => "PAP:GREEN",
            Pap::Amber => "PAP:AMBER",
            Pap::Red => "PAP:RED",
        }
    }

    /// Reads `PAP:AMBER`; TLP-like bare words are not taken.
    pub fn parse(text: &str) -> Option<Pap> {
        match text.trim().to_ascii_lowercase().strip_prefix("pap:")?.trim() {
            "clear" | "white" => Some(Pap::Clear),
            "green" => Some(Pap::Green),
            "amber" => Some(Pap::Amber),
            "red" => Some(Pap::Red),
            _ => None,
        }
    }
}

/// The effective marking of a record: the strictest of everything that marks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Marking {
    /// Label; `None` when nothing said one.
    pub tlp: Option<Tlp>,
    /// Permissible actions, where stated.
    pub pap: Option<Pap>,
    /// Something restricts the record that this program does not understand: it stays with its author's
    /// organisation until a person maps it.
    pub unknown: bool,
}

impl Marking {
    /// Nothing said anything.
    pub const NONE: Marking = Marking { tlp: None, pap: None, unknown: false };

    /// One label and nothing else.
    pub const fn tlp(tlp: Tlp) -> Marking {
        Marking { tlp: Some(tlp), pap: None, unknown: false }
    }

    /// The strictest of both; commutative, associative, and never looser than either.
    pub fn strictest(self, other: Marking) -> Marking {
        // `None` orders below every label, and is looser than none of them: nothing was said.
        Marking {
            tlp: self.tlp.max(other.tlp),
            pap: self.pap.max(other.pap),
            unknown: self.unknown || other.unknown,
        }
    }

    /// The label that counts: unmarked means AMBER+STRICT, never CLEAR.
    pub fn label(self) -> Tlp {
        self.tlp.unwrap_or(Tlp::AmberStrict)
    }

    /// The marking of what refers to something that is marked `other`: as strict as both, and it says no
    /// label where neither of them restricts more than being unmarked.
    ///
    /// A label says who may have it, which being unmarked does not. So where one of both is unmarked the
    /// result stays with its author's organisation, whomever its audience names.
    pub fn as_strict_as(self, other: Marking) -> Marking {
        let tlp = if other.label() > self.label() { Some(other.label()) } else { self.tlp };
        let stays = tlp.is_some() && (self.tlp.is_none() || other.tlp.is_none());
        Marking { tlp, pap: self.pap.max(other.pap), unknown: self.unknown || other.unknown || stays }
    }

    /// Whether `self` lets through anything that `other` does not.
    pub fn is_looser_than(self, other: Marking) -> bool {
        self.label() < other.label() || self.pap < other.pap || (other.unknown && !self.unknown)
    }

    /// Number in the store: bits 0-2 label + 1 (0 unmarked), bits 3-5 PAP + 1, bit 6 unknown.
    pub fn code(self) -> i64 {
        let tlp = self.tlp.map_or(0, |t| i64::from(t.rank()) + 1);
        let pap = self.pap.map_or(0, |p| p as i64 + 1);
        tlp | pap << 3 | i64::from(self.unknown) << 6
    }

    /// Marking of a stored number; what cannot be read is unknown, which restricts most.
    pub fn from_code(code: i64) -> Marking {
        let tlp = match code & 7 {
            0 => Some(None),
            n => Tlp::ALL.get(n as usize - 1).map(|t| Some(*t)),
        };
        let pap = match code >> 3 & 7 {
            0 => Some(None),
            1 => Some(Some(Pap::Clear)),
            2 => Some(Some(Pap::Green)),
            3 => Some(Some(Pap::Amber)),
            4 => Some(Some(Pap::Red)),
            _ => None,
        };
        match (tlp, pap) {
            (Some(tlp), Some(pap)) if code >> 7 == 0 => Marking { tlp, pap, unknown: code >> 6 & 1 == 1 },
            _ => Marking { unknown: true, ..Marking::NONE },
        }
    }

    /// Reads what `Display` prints.
    pub fn parse(text: &str) -> Option<Marking> {
        let mut marking = Marking::NONE;
        for word in text.split(' ') {
            match word {
                "unmarked" => {}
                "unknown" => marking.unknown = true,
                _ if word.starts_with("TLP:") => marking.tlp = Some(Tlp::parse(word)?),
                _ => marking.pap = Some(Pap::parse(word)?),
            }
        }
        (marking.to_string() == text).then_some(marking)
    }
}

/// `TLP:AMBER+STRICT PAP:GREEN unknown`; `unmarked` where there is no label.
impl fmt::Display for Marking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tlp.map_or("unmarked", Tlp::name))?;
        if let Some(pap) = self.pap {
            write!(f, " {}", pap.name())?;
        }
        if self.unknown {
            f.write_str(" unknown")?;
        }
        Ok(())
    }
}
