// SPDX-License-Identifier: Apache-2.0
//! A folder as archives look after years: one file a day and log, packed in three ways, some lost, some damaged.
//!
//! ```text
//! DIR/logs/vpn/vpn-2024-02-19.log.gz     (also .zst, .zip, plain)
//! DIR/truth.jsonl                        what was planted, one object a line
//! DIR/faults.jsonl                       which days are missing, which files are damaged and how
//! DIR/places.mmdb                        places of addresses
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::render::Family;
use crate::rng::Rng;
use crate::time::iso;
use crate::{Firm, Plan};

/// How much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// 1,000 people.
    Full,
    /// 200 people.
    Medium,
    /// 25 people, few lines: about a million in three years.
    Small,
}

impl Scale {
    /// By its name on the command line.
    pub fn from_name(name: &str) -> Option<Scale> {
        match name {
            "full" => Some(Scale::Full),
            "medium" => Some(Scale::Medium),
            "small" => Some(Scale::Small),
            _ => None,
        }
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files of logs.
    pub files: u64,
    /// Lines in them, before damage.
    pub lines: u64,
    /// Bytes as packed.
    pub bytes: u64,
}

/// Name that stands on one day in the resolver's log and nowhere else.
pub const PLANTED_NAME: &str = "c2.planted.example";

/// Writes everything. The folder is made; files of the same names are replaced.
pub fn write(dir: &Path, seed: u64, days: i64, scale: Scale) -> io::Result<Summary> {
    let (users, quiet) = match scale {
        Scale::Small => (25, true),
        Scale::Medium => (200, true),
        Scale::Full => (1_000, false),
    };
    let firm = Firm::new(Plan { seed, users, days, quiet });
    for (_, name, _) in Family::ALL {
        fs::create_dir_all(dir.join("logs").join(name))?;
    }
    fs::write(dir.join("places.mmdb"), firm.places())?;
    let mut archive =
        Archive { dir, firm: &firm, seed, days, summary: Summary::default(), faults: Vec::new() };
    for day in firm.days() {
        archive.write_day(day)?;
    }
    let summary = archive.summary;
    fs::write(dir.join("faults.jsonl"), archive.faults.concat())?;
    fs::write(dir.join("truth.jsonl"), truth(&firm, days))?;
    Ok(summary)
}

fn truth(firm: &Firm, days: i64) -> String {
    let mut text = String::new();
    for planted in firm.planted().iter().filter(|planted| planted.must) {
        let line = json!({
            "what": planted.what,
            "about": planted.about,
            "first": iso(planted.first),
            "last": iso(planted.last),
        });
        text.push_str(&format!("{line}\n"));
    }
    let line = json!({"what": "indicator", "about": [PLANTED_NAME], "day": firm.date(planted_day(days))});
    text.push_str(&format!("{line}\n"));
    text
}

fn planted_day(days: i64) -> i64 {
    days / 3
}

struct Archive<'a> {
    dir: &'a Path,
    firm: &'a Firm,
    seed: u64,
    days: i64,
    summary: Summary,
    faults: Vec<String>,
}

impl Archive<'_> {
    fn write_day(&mut self, day: i64) -> io::Result<()> {
        let mut texts: BTreeMap<Family, String> = BTreeMap::new();
        for line in self.firm.day(day) {
            let text = texts.entry(line.family).or_insert_with(|| line.family.header().to_owned());
            text.push_str(&line.text);
            text.push('\n');
            self.summary.lines += 1;
        }
        if day == planted_day(self.days) {
            let line = crate::render::dns(
                (crate::FIRST_DAY + day) * crate::DAY + 40_000_000_000,
                "10.1.0.12",
                PLANTED_NAME,
            );
            texts
                .entry(Family::Dns)
                .or_insert_with(|| Family::Dns.header().to_owned())
                .push_str(&(line.text + "\n"));
            self.summary.lines += 1;
        }
        for (nth, (family, name, ending)) in Family::ALL.into_iter().enumerate() {
            let file = format!("logs/{name}/{name}-{}.{ending}", self.firm.date(day));
            let planted = family == Family::Dns && day == planted_day(self.days);
            // A fortnight of each log was lost once a year, each log another.
            let lost = day >= 0 && (day + nth as i64 * 31).rem_euclid(365) >= 351;
            if !planted && (lost || self.firm.is_missing(family, day)) {
                self.fault(&file, "missing");
                continue;
            }
            if let Some(text) = texts.remove(&family) {
                self.write_file(family, day, &file, text)?;
            }
        }
        Ok(())
    }

    fn fault(&mut self, file: &str, what: &str) {
        self.faults.push(format!("{}\n", json!({"file": file, "fault": what})));
    }

    fn write_file(&mut self, family: Family, day: i64, file: &str, mut text: String) -> io::Result<()> {
        let mut rng = Rng::new(self.seed, &[9, family as u64, day as u64]);
        let whole = family == Family::Dns && day == planted_day(self.days);
        let damage = if day > 0 && !whole && rng.permille(6) { 1 + rng.below(5) } else { 0 };
        // Early years were packed by gzip, later ones by zstd; some by hand.
        let packing = match rng.below(20) {
            0 => Packing::Zip,
            1 => Packing::Plain,
            _ if day < self.days / 2 => Packing::Gzip,
            _ => Packing::Zstd,
        };
        match damage {
            1 => text.push_str(&format!("{}\n", "x".repeat(2 * 1024 * 1024))),
            2 => text.insert_str(text.find('\n').map_or(0, |at| at + 1), "\0\0\0\0 cut by the disk\n"),
            _ => {}
        }
        let mut bytes = packing.pack(file, text.as_bytes())?;
        match damage {
            3 => bytes.truncate(bytes.len() * 2 / 3),
            4 => bytes.iter_mut().skip(8).step_by(3).for_each(|byte| *byte ^= 0x5A),
            5 => bytes.clear(),
            _ => {}
        }
        let file = format!("{file}{}", packing.ending());
        let fault = ["", "a line of 2 MiB", "a line with NUL", "cut in the middle", "garbage", "empty"];
        if let Some(fault) = fault.get(damage as usize).filter(|fault| !fault.is_empty()) {
            self.fault(&file, fault);
        }
        self.summary.files += 1;
        self.summary.bytes += bytes.len() as u64;
        fs::write(self.dir.join(PathBuf::from(file)), bytes)
    }
}

#[derive(Clone, Copy)]
enum Packing {
    Gzip,
    Plain,
    Zip,
    Zstd,
}

impl Packing {
    fn ending(self) -> &'static str {
        match self {
            Packing::Gzip => ".gz",
            Packing::Plain => "",
            Packing::Zip => ".zip",
            Packing::Zstd => ".zst",
        }
    }

    fn pack(self, name: &str, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Packing::Plain => Ok(bytes.to_vec()),
            Packing::Gzip => {
                let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                packer.write_all(bytes)?;
                packer.finish()
            }
            Packing::Zstd => zstd::encode_all(bytes, 3),
            Packing::Zip => zip_of(&[(name.rsplit('/').next().unwrap_or(name), bytes)]),
        }
    }
}

/// A zip file of members: name and content.
pub fn zip_of(members: &[(&str, &[u8])]) -> io::Result<Vec<u8>> {
    let mut packer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        packer.start_file(*name, zip::write::SimpleFileOptions::default()).map_err(io::Error::other)?;
        packer.write_all(bytes)?;
    }
    Ok(packer.finish().map_err(io::Error::other)?.into_inner())
}
