// SPDX-License-Identifier: Apache-2.0
//! What was published of COATHANGER: files, paths and the rules for them.
//!
//! Sources: MIVD and JSCU, repository JSCU-NL/COATHANGER, commit 9ea1c95 of 2024-02-06 (Apache-2.0), restated by
//! hand; MITRE ATT&CK v18.1, S1105. Every path is one on the device that is looked at, `/tmp` included.

use super::KnownFiles;
use crate::detection::Level;

/// Who published what is looked for.
pub const CREDIT: &str = "traces published by MIVD and JSCU (JSCU-NL/COATHANGER, commit 9ea1c95, Apache-2.0) and MITRE ATT&CK S1105";

/// Directories of a FortiGate's file system.
pub const PLACES: &[&str] = &["/bin", "/data", "/data2", "/etc", "/lib"];

/// Where a hidden directory is a trace.
pub const HIDDEN_IN: &[&str] = &["/data", "/data2"];

/// Hidden directories that belong there.
pub const HIDDEN_ALLOWED: &[&str] = &[".db", ".db.x", ".fgtsum"];

/// Directories whose files were written together.
pub const LATE_IN: &[&str] = &["/bin", "/data/bin", "/data/lib", "/lib"];

/// Programs that the implant replaces.
pub const LATE_PROGRAMS: &[&str] = &["/bin/newcli", "/bin/sh", "/bin/smartctl", "/data/bin/smartctl"];

/// Bytes at the end of `preload.so` that hold its configuration.
pub const CONFIGURATION_BYTES: usize = 56;

/// Group under which the implant's process runs.
pub const PROCESS_GROUP: u64 = 90;

/// Name of the implant's process.
pub const PROCESS_NAME: &str = "httpsd";

/// A path that is a trace.
#[derive(Clone, Copy, Debug)]
pub struct KnownPath {
    /// The path, or the directory under which a file of one of `names` lies at any depth.
    path: &'static str,
    names: &'static [&'static str],
    /// How sure it makes.
    pub level: Level,
    /// Techniques.
    pub techniques: &'static [&'static str],
    /// What it is, for a person.
    pub what: &'static str,
    /// What would show that it is nothing.
    pub disproof: &'static str,
}

impl KnownPath {
    /// Whether a path is one of these.
    pub fn matches(&self, path: &str) -> bool {
        if self.names.is_empty() {
            return path == self.path;
        }
        let below = path.strip_prefix(self.path).and_then(|rest| rest.strip_prefix('/'));
        // At least one directory between: the folder's name varies.
        below.and_then(|below| below.rsplit_once('/')).is_some_and(|(_, name)| self.names.contains(&name))
    }
}

const NO_OTHER_USE: &str = "the vendor's support names the file as one of its own, and a clean image has it";

/// The paths.
pub const KNOWN_PATHS: &[KnownPath] = &[
    KnownPath {
        path: "/data2",
        names: &["authd", "httpsd", "newcli", "preload.so", "sh"],
        level: Level::High,
        techniques: &["T1564.001", "T1543.004"],
        what: "a program of the implant in a folder of its own",
        disproof: NO_OTHER_USE,
    },
    KnownPath {
        path: "/data/etc/ld.so.preload",
        names: &[],
        level: Level::High,
        techniques: &["T1574.006"],
        what: "a library that is loaded into every program",
        disproof: NO_OTHER_USE,
    },
    KnownPath {
        path: "/etc/ld.so.preload",
        names: &[],
        level: Level::High,
        techniques: &["T1574.006"],
        what: "a library that is loaded into every program",
        disproof: NO_OTHER_USE,
    },
    KnownPath {
        path: "/lib/liblog.so",
        names: &[],
        level: Level::High,
        techniques: &["T1574.006"],
        what: "a library of the implant",
        disproof: NO_OTHER_USE,
    },
    KnownPath {
        path: "/lib/preload.so",
        names: &[],
        level: Level::High,
        techniques: &["T1574.006"],
        what: "a library of the implant (MITRE)",
        disproof: NO_OTHER_USE,
    },
    KnownPath {
        path: "/tmp/libpe.so",
        names: &[],
        level: Level::High,
        techniques: &["T1574.006"],
        what: "a library of the implant",
        disproof: NO_OTHER_USE,
    },
    KnownPath {
        path: "/tmp/packfile",
        names: &[],
        level: Level::High,
        techniques: &["T1027.002"],
        what: "the packed implant",
        disproof: NO_OTHER_USE,
    },
    KnownPath {
        path: "/bin/busybox",
        names: &[],
        level: Level::Medium,
        techniques: &["T1059.004"],
        what: "a collection of tools that the implant brings, and others too",
        disproof: "the firmware's own image has the file, with the same SHA-256",
    },
];

/// SHA-256 of the published files, and the names under which they were found.
const FILES: &[(&str, &str)] = &[
    ("50451bb5b6d68115695a6cb277839a6dd2bad8f70bdb8b79670b18dcde188965", "libpe.so"),
    ("4519baebba73827e2b33f36f835d6cb704755abf1312d8d197be635f4d9ffade", "smartctl"),
    ("f40c04fb9e2d4157a0bc753925dbc5f757feb77cdd22f90fedf3cc5e095143bc", "authd"),
    ("3ed99aad5922744b6a75ea90ea6ece81ba0d8eb9935aec38b897e44ac3b36c35", "httpsd"),
    ("2acc6a2a931db63fe3a875780f00192a60955c9794df68fe0ace0012d309b04f", "newcli"),
    ("1c437dc9e929669e5a65a1c70afb3107fba471afb9ad35e3848334c9332f2b59", "preload.so"),
    ("dcd9a5af1c6297ed1a66c851efa305000335d8ade068ba515125a6612f1d5300", "sh"),
    ("a79f80158ebbf9e34f6a7ec86b564de2fbee783fe6c1e20eefe2832226e2f827", "liblog.so / ld.so.preload"),
    ("4591b4fb1c93c27203b36c773597fd3f885338ad7641dcebf8ed2395acdf4a5f", "packfile"),
    ("80baadc163ab14128a8d3f65de093a400f5ae8e27ec979918cf065cea38af7f8", "ld.so.preload"),
    ("cb284b2e846181a6148059d592c9e6687567433810d1376a8e6f83cb5347c93b", "unpack.so"),
    ("45fc722b9959384fa46be673c246c9fc94491898a9b1aef6b4a408d81e6fed0f", "preload.so"),
    ("47501cebf0b4ffbf5171d811c1517ea4fce178d925fcc4a3b3057be211add88b", "newcli"),
    ("2a5ea4b166163bf028c4f3c8d4dc1cd6788e991b7300b5ea948e38ec4f6ac8fd", "httpsd"),
    ("d2ba18a8b851b87163e42807a3541d17b272b679045d2de00364a718973cb5d4", "packfile"),
    ("bdf838ca2268c6a33718c3682a03118213652903568d66fba362d3ce18b4b4cf", "ld.so.preload"),
    ("218a64bc50f4f82d07c459868b321ec0ef5cf315b012255a129e0bde5cc80320", "sh"),
    ("7b0709ec1f6e0eda3205a4ebdafbd2484f0590bbfe6ddd7c82d979f0f471e664", "preload.so"),
    ("7fba5ab17972daa6250f3097c5254c4cf0e5e19889e10c02307f73c7481b4d5e", "newcli"),
    ("ce2d55a794bd7f41218796ef4a2cfab9707e8a5e8e971aa02ac8ff908b5f02f6", "httpsd"),
    ("01942a2b1b64446f8bf332004f8f875e66924a8405ac049fd0bb8d03c992fba6", "authd"),
];

/// The published files.
pub fn files() -> KnownFiles {
    let digest = |hex: &str| {
        let bytes: Option<Vec<u8>> =
            (0..32).map(|at| u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()).collect();
        <[u8; 32]>::try_from(bytes?).ok()
    };
    FILES.iter().filter_map(|(hex, name)| Some((digest(hex)?, (*name).to_owned()))).collect()
}
