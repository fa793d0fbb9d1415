// SPDX-License-Identifier: Apache-2.0
//! The house rules that a compiler does not know, as tests over `cargo metadata` and the tree.
//!
//! Each message says where, what, and what to do. A rule that turns out wrong is changed here, together
//! with CONTRIBUTING.md; none is switched off for one file without a reason in its table below.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

/// Which crates of ours a crate may depend on: what it needs to run, and what its tests may need besides.
const ARROWS: &[(&str, &[&str], &[&str])] = &[
    ("model", &[], &[]),
    ("trust", &["model"], &[]),
    ("policy", &["model"], &[]),
    ("ledger", &["model", "policy", "trust"], &[]),
    ("store", &["ledger", "model", "policy", "trust"], &[]),
    ("exchange", GROUND, &["store"]),
    ("loggen", &[], &[]),
    ("hunt", GROUND, &["loggen", "store"]),
    ("server", &["exchange", "hunt", "ledger", "model", "policy", "store", "trust"], &[]),
    ("fuzzing", &["exchange", "hunt", "ledger", "model", "policy", "server", "store", "trust"], &[]),
    ("sim", &["exchange", "hunt", "ledger", "model", "policy", "store", "trust"], &[]),
    ("polder", &["exchange", "hunt", "ledger", "model", "policy", "server", "store", "trust"], &["loggen"]),
];

/// What a room may use: the ground without the engines.
const GROUND: &[&str] = &["ledger", "model", "policy", "trust"];

/// Crates whose code is pure: time, randomness, configuration and the caller come in as arguments.
const PURE: &[&str] = &["model", "trust", "policy", "ledger", "store", "exchange", "hunt"];

/// Libraries that belong in few crates, as direct dependencies of any sort.
const BELONGS: &[(&str, &[&str])] = &[
    ("anyhow", &["polder"]),
    ("axum", &["server", "polder"]),
    ("clap", &["polder"]),
    ("getrandom", &["server", "polder"]),
    ("hyper", &["server", "polder"]),
    ("hyper-util", &["server", "polder"]),
    ("lettre", &["polder"]),
    ("maud", &["hunt"]),
    ("native-tls", &[]),
    ("openssl", &[]),
    ("postgres", &["store"]),
    ("rusqlite", &["store"]),
    // Also for the way to a database server.
    ("rustls", &["server", "polder", "store"]),
    ("tokio", &["server", "polder"]),
    ("tokio-postgres", &["store"]),
    ("tokio-rustls", &["server", "polder"]),
];

/// Calls that the pure crates must not make.
const IMPURE: &[&str] = &[
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "Utc::now",
    "env::var",
    "env::args",
    "getrandom",
    "thread_rng",
    "OsRng",
    "rand::",
    "Uuid::new_v4",
    "Uuid::now_v7",
];

/// What may end the program, and the lint that a stated reason names.
const ABORTS: &[(&str, &str)] = &[
    (".unwrap()", "clippy::unwrap_used"),
    (".unwrap_err()", "clippy::unwrap_used"),
    (".expect(", "clippy::expect_used"),
    (".expect_err(", "clippy::expect_used"),
    ("panic!(", "clippy::panic"),
    ("unreachable!(", "clippy::unreachable"),
    ("todo!(", "clippy::todo"),
    ("unimplemented!(", "clippy::unimplemented"),
    ("dbg!(", "clippy::dbg_macro"),
];

/// Where the unsafe keyword may stand: in the scanner's module for the instructions of one processor or another.
const UNSAFE_IN: &[&str] = &["crates/hunt/src/scan/simd.rs"];

const LICENCE: &str = "// SPDX-License-Identifier: Apache-2.0";
const FILE_LINES_MAX: usize = 800;
const README_COMMANDS: &[&str] = &["cargo run --release -- tour", "cargo test --workspace"];

// --- crates ---

#[test]
fn crates_depend_only_along_the_arrows() {
    let mut faults = Faults::default();
    let ours: BTreeSet<&str> = packages().iter().map(name_of).collect();
    for package in packages() {
        let name = name_of(package);
        let Some((_, run, test)) = ARROWS.iter().find(|(crate_name, ..)| *crate_name == name) else {
            faults.add(format!(
                "{}: crate {name} has no line in ARROWS; add one here and in ARCHITECTURE.md",
                manifest(package)
            ));
            continue;
        };
        for (other, kind) in dependencies(package).filter(|(other, _)| ours.contains(other)) {
            let allowed = run.contains(&other) || kind == "dev" && test.contains(&other);
            if !allowed {
                faults.add(format!(
                    "{}: {name} must not depend on {other} ({kind}); move the code, or argue the new arrow in \
                     ARCHITECTURE.md and add it to ARROWS",
                    manifest(package)
                ));
            }
        }
    }
    faults.check();
}

#[test]
fn libraries_stay_where_they_belong() {
    let mut faults = Faults::default();
    for package in packages() {
        for (library, kind) in dependencies(package) {
            let Some((_, homes)) = BELONGS.iter().find(|(name, _)| *name == library) else { continue };
            if !homes.contains(&name_of(package)) {
                faults.add(format!(
                    "{}: {} must not depend on {library} ({kind}); it belongs in [{}]",
                    manifest(package),
                    name_of(package),
                    homes.join(", ")
                ));
            }
        }
    }
    faults.check();
}

#[test]
fn crates_share_one_manifest_shape() {
    let mut faults = Faults::default();
    for package in packages() {
        for (key, wanted) in [("license", "Apache-2.0"), ("edition", "2024"), ("rust_version", "1.95")] {
            if package[key] != wanted {
                faults.add(format!(
                    "{}: {key} is {}; write `{key}.workspace = true`",
                    manifest(package),
                    package[key]
                ));
            }
        }
        let text = read(&manifest(package));
        if !text.contains("[lints]\nworkspace = true") {
            faults.add(format!("{}: no `[lints] workspace = true`; add it", manifest(package)));
        }
    }
    faults.check();
}

#[test]
fn each_crate_has_one_test_binary() {
    let mut faults = Faults::default();
    for package in packages() {
        let targets = package["targets"].as_array().into_iter().flatten();
        for target in targets.filter(|target| target["kind"][0] == "test") {
            let path = relative(target["src_path"].as_str().unwrap());
            if !path.ends_with("/tests/it/main.rs") {
                faults.add(format!("{path}: a second test binary; make it a module of tests/it/main.rs"));
            }
        }
    }
    faults.check();
}

#[test]
fn each_library_says_what_it_must_not_know() {
    let mut faults = Faults::default();
    for path in paths().iter().filter(|path| path.starts_with("crates/") && path.ends_with("/src/lib.rs")) {
        let said = read(path).lines().any(|line| line.starts_with("//!") && line.contains("Must not know"));
        if !said {
            faults.add(format!(
                "{path}: the crate's page lacks `Must not know …`; say what the crate must not know"
            ));
        }
    }
    faults.check();
}

#[test]
fn each_crate_stands_in_the_architecture() {
    let mut faults = Faults::default();
    let page = read("ARCHITECTURE.md");
    for package in packages() {
        if !page.contains(&format!("`{}`", name_of(package))) {
            faults.add(format!("ARCHITECTURE.md: crate `{}` is not named; describe it", name_of(package)));
        }
    }
    faults.check();
}

// --- source files ---

#[test]
fn source_files_begin_with_the_licence() {
    let mut faults = Faults::default();
    for path in sources() {
        if read(path).lines().next() != Some(LICENCE) {
            faults.add(format!("{path}:1: the first line is not `{LICENCE}`; add it"));
        }
    }
    faults.check();
}

#[test]
fn source_files_are_short() {
    let mut faults = Faults::default();
    for path in sources() {
        let lines = read(path).lines().count();
        if lines > FILE_LINES_MAX {
            faults.add(format!("{path}:{lines}: more than {FILE_LINES_MAX} lines; split the file"));
        }
    }
    faults.check();
}

#[test]
fn nothing_ends_the_program_without_a_reason() {
    let mut faults = Faults::default();
    for path in sources().filter(|path| is_product(path)) {
        let text = read(path);
        let lines: Vec<&str> = text.lines().collect();
        for nth in product_lines(&lines) {
            for (call, lint) in ABORTS.iter().filter(|(call, _)| calls(lines[nth], call)) {
                if !states_reason(&lines, nth, lint) {
                    faults.add(format!(
                        "{path}:{}: `{call}` without a reason; return an error, or put \
                         `#[expect({lint}, reason = \"…\")]` before it",
                        nth + 1
                    ));
                }
            }
        }
    }
    faults.check();
}

#[test]
fn lints_are_switched_off_only_with_a_reason() {
    let mut faults = Faults::default();
    for path in sources() {
        let text = read(path);
        let lines: Vec<&str> = text.lines().collect();
        for (nth, line) in lines.iter().enumerate() {
            let line = line.trim_start();
            if !["#[allow(", "#![allow(", "#[expect(", "#![expect("].iter().any(|open| line.starts_with(open))
            {
                continue;
            }
            let end = (nth..lines.len()).find(|at| lines[*at].contains(")]")).unwrap_or(nth);
            if !lines[nth..=end].iter().any(|line| line.contains("reason =")) {
                faults.add(format!(
                    "{path}:{}: a lint is switched off without `reason = \"…\"`; state it",
                    nth + 1
                ));
            }
        }
    }
    faults.check();
}

#[test]
fn pure_crates_take_time_and_chance_as_arguments() {
    let mut faults = Faults::default();
    for path in sources().filter(|path| is_product(path) && PURE.contains(&crate_of(path))) {
        let text = read(path);
        let lines: Vec<&str> = text.lines().collect();
        for nth in product_lines(&lines) {
            for call in IMPURE.iter().filter(|call| calls(lines[nth], call)) {
                faults.add(format!(
                    "{path}:{}: `{call}` in a pure crate; take the value as an argument",
                    nth + 1
                ));
            }
        }
    }
    faults.check();
}

#[test]
fn the_unsafe_keyword_is_absent() {
    let mut faults = Faults::default();
    let keyword = concat!("un", "safe");
    for path in sources().filter(|path| !UNSAFE_IN.iter().any(|folder| path.starts_with(folder))) {
        for (nth, line) in read(path).lines().enumerate().filter(|(_, line)| !is_comment(line)) {
            if words(line).any(|word| word == keyword) {
                faults.add(format!(
                    "{path}:{}: `{keyword}`; write it without, only the scanner's module may ask",
                    nth + 1
                ));
            }
        }
    }
    faults.check();
}

#[test]
fn every_module_is_compiled() {
    let mut faults = Faults::default();
    // What cargo compiles without being told by a module.
    let is_target =
        |path: &str| path.contains("/benches/") || path.contains("/examples/") || path.ends_with("/build.rs");
    for path in sources().filter(|path| !is_target(path)) {
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let (folder, module) = match file {
            "main.rs" | "lib.rs" => continue,
            "mod.rs" => folder.rsplit_once('/').unwrap_or(("", folder)),
            _ => (folder, file.trim_end_matches(".rs")),
        };
        let parents = ["mod.rs", "lib.rs", "main.rs"].map(|parent| format!("{folder}/{parent}"));
        let parents =
            parents.into_iter().chain([format!("{folder}.rs")]).filter(|parent| paths().contains(parent));
        let declared = parents.into_iter().any(|parent| {
            read(&parent)
                .lines()
                .any(|line| !is_comment(line) && line.trim_end().ends_with(&format!("mod {module};")))
        });
        if !declared {
            faults.add(format!(
                "{path}: no file declares `mod {module};`, so it is never compiled; declare it or remove it"
            ));
        }
    }
    faults.check();
}

/// A name that somebody chose reaches the terminal through `message::message`, which escapes: the program's `eprintln!` is
/// that one, and nothing goes another way.
#[test]
fn no_naked_name_reaches_the_terminal() {
    let mut faults = Faults::default();
    let main = read("crates/polder/src/main.rs");
    let first = main.lines().find(|line| line.starts_with("mod ")).unwrap_or_default();
    if first != "mod message;" || !main.contains("#[macro_use]\nmod message;") {
        faults
            .add("crates/polder/src/main.rs: `#[macro_use] mod message;` is not the first module".to_owned());
    }
    // A prompt before a secret; a line that tells how far it is; logs of the server, which escape by themselves.
    let known = [
        ("crates/polder/src/keys.rs", "eprint!("),
        ("crates/polder/src/keys.rs", "io::stderr"),
        ("crates/polder/src/hunting/progress.rs", "io::stderr"),
        ("crates/polder/src/out.rs", "io::stderr"),
        ("crates/polder/src/serving.rs", "io::stderr"),
        ("crates/polder/src/message.rs", "std::eprintln!("),
    ];
    for path in sources().filter(|path| is_product(path) && path.starts_with("crates/polder/")) {
        let text = read(path);
        let lines: Vec<&str> = text.lines().collect();
        for nth in product_lines(&lines) {
            for way in ["std::eprintln!(", "eprint!(", "io::stderr", "std::println!("] {
                let is_known = known.iter().any(|(of, what)| *of == path && way == *what);
                if calls(lines[nth], way) && !is_known {
                    faults.add(format!(
                        "{path}:{}: `{way}` shows names as they are; write `eprintln!` (crates/polder/src/message.rs)",
                        nth + 1
                    ));
                }
            }
        }
    }
    faults.check();
}

#[test]
fn each_table_is_of_exactly_one_kind() {
    let mut faults = Faults::default();
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for path in sources().filter(|path| is_product(path)) {
        let text = read(path);
        let lines: Vec<&str> = text.lines().collect();
        let tables = lines.iter().enumerate().filter(|(_, line)| {
            (line.contains("static ") || line.contains("const "))
                && line.trim_end().ends_with(": Table = Table {")
        });
        for (nth, line) in tables {
            let indent = indent(line);
            let body = lines
                .iter()
                .skip(nth + 1)
                .take_while(|inner| inner.trim().is_empty() || self::indent(inner) > indent);
            let body: Vec<&str> = body.map(|line| line.trim()).collect();
            let kinds = body.iter().filter(|line| line.starts_with("kind: TableKind::")).count();
            if kinds != 1 {
                faults.add(format!(
                    "{path}:{}: the table states {kinds} kinds; state exactly one `kind: TableKind::…`",
                    nth + 1
                ));
            }
            let name = body
                .iter()
                .find_map(|line| line.strip_prefix("name: ")?.strip_suffix(','))
                .unwrap_or("no name")
                .to_owned();
            if let Some(other) = names.insert(name.clone(), format!("{path}:{}", nth + 1)) {
                faults.add(format!(
                    "{path}:{}: table {name} is declared at {other} too; give it its own name",
                    nth + 1
                ));
            }
        }
    }
    assert!(
        names.len() >= 10,
        "only {} tables were found: this test no longer sees them, mend it",
        names.len()
    );
    faults.check();
}

// --- the tree ---

#[test]
fn nothing_is_left_to_do() {
    let mut faults = Faults::default();
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    for path in texts() {
        for (nth, line) in read(path).lines().enumerate() {
            for word in words(line).filter(|word| marks.contains(word)) {
                faults.add(format!(
                    "{path}:{}: `{word}` is left; do it, or file an issue and remove it",
                    nth + 1
                ));
            }
        }
    }
    faults.check();
}

#[test]
fn no_path_of_one_machine_is_left() {
    let mut faults = Faults::default();
    // Samples of logs and golden files quote what real machines wrote.
    // What is looked for on a device has the device's paths.
    let device = ["crates/hunt/src/edge/known.rs", "crates/hunt/tests/it/edge.rs"];
    let quoted =
        |path: &str| path.starts_with("examples/") || path.contains("/golden/") || device.contains(&path);
    for path in texts().filter(|path| !quoted(path)) {
        for (nth, line) in read(path).lines().enumerate() {
            for folder in ["work", "tmp", "root", "home"] {
                let found = line.match_indices(&format!("/{folder}/")).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    before.is_none_or(|c| !c.is_alphanumeric() && !"._-)>}*~".contains(c))
                });
                if found {
                    faults.add(format!(
                        "{path}:{}: `/{folder}/…` exists on one machine only; use a relative path, a temporary \
                         directory of the run, or a variable",
                        nth + 1
                    ));
                }
            }
        }
    }
    faults.check();
}

#[test]
fn the_readme_shows_the_two_commands() {
    let mut faults = Faults::default();
    let text = read("README.md");
    let mut fenced = false;
    let mut shown = BTreeSet::new();
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        if fenced {
            shown.insert(line.trim());
        }
    }
    for command in README_COMMANDS {
        if !shown.contains(command) {
            faults
                .add(format!("README.md: no fenced line `{command}`; `.ci/run` runs it as it stands there"));
        }
    }
    faults.check();
}

/// `[`Name`](path#L7)` in ARCHITECTURE.md leads to a line that has the name.
#[test]
fn links_of_the_architecture_lead_to_their_lines() {
    let mut faults = Faults::default();
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut links = 0;
    for (at, _) in page.match_indices("`](") {
        let name = page[..at].rsplit_once("[`").unwrap().1;
        let target = page[at + 3..].split_once(')').unwrap().0;
        let Some((path, line)) = target.split_once("#L") else { continue };
        let last = name.rsplit("::").next().unwrap();
        let file = std::fs::read_to_string(root().join(path)).unwrap_or_default();
        let defines =
            |text: &str| ["fn", "struct"].iter().any(|word| text.contains(&format!("{word} {last}")));
        let found = line.parse().ok().and_then(|n: usize| file.lines().nth(n - 1)).is_some_and(defines);
        if !found {
            let right =
                file.lines().position(defines).map_or("gone".to_owned(), |n| format!("{path}#L{}", n + 1));
            faults.add(format!(
                "ARCHITECTURE.md: `{name}` leads to {target}, where it is not defined; it is {right}"
            ));
        }
        links += 1;
    }
    assert!(links > 10, "the way of a record has links");
    faults.check();
}

#[test]
fn the_pages_and_the_lock_file_are_there() {
    let mut faults = Faults::default();
    let wanted = [
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Cargo.lock",
        "LICENSE",
        "README.md",
        "SECURITY.md",
        ".ci/run",
        ".ci/floors",
    ];
    for path in wanted {
        if !paths().contains(path) {
            faults.add(format!("{path}: not in the tree, or ignored by git; add it"));
        }
    }
    faults.check();
}

#[test]
fn each_mutant_still_applies() {
    let mut faults = Faults::default();
    let patches: Vec<&String> = paths().iter().filter(|path| path.starts_with("tests/mutants/")).collect();
    assert!(patches.len() >= 4, "only {} patches in tests/mutants", patches.len());
    for path in patches {
        if !read(path).lines().any(|line| line.starts_with("# test: cargo test ")) {
            faults.add(format!("{path}: no line `# test: cargo test …`; say which tests must catch it"));
        }
        let output =
            Command::new("git").args(["apply", "--check", path]).current_dir(root()).output().unwrap();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.trim().replace('\n', "; ");
            faults.add(format!("{path}: does not apply ({said}); make it anew as CONTRIBUTING.md says"));
        }
    }
    faults.check();
}

// --- what the tests look at ---

#[test]
fn the_rules_see_the_house() {
    assert!(packages().len() >= 9, "only {} crates", packages().len());
    assert!(sources().count() >= 80, "only {} source files", sources().count());
    assert!(paths().contains("crates/polder/tests/it/tidy.rs"));

    let lines = [
        "fn f() {",
        "    a.unwrap();",
        "    #[expect(clippy::expect_used, reason = \"r\")]",
        "    a.expect(\"b\");",
        "}",
        "",
        "#[expect(clippy::panic, reason = \"r\")]",
        "fn g(",
        "    a: u8,",
        ") {",
        "    if a == 0 {",
        "        panic!();",
        "    }",
        "}",
        "",
        "fn h() {",
        "    // The list has a first element: it was pushed above.",
        "    unreachable!();",
        "}",
        "",
        "#[cfg(test)]",
        "mod tests {",
        "    fn t() {}",
        "}",
        "fn i() {}",
    ];
    assert_eq!(product_lines(&lines).filter(|nth| *nth > 18).collect::<Vec<_>>(), [19, 24]);
    assert!(!states_reason(&lines, 1, "clippy::unwrap_used"));
    assert!(states_reason(&lines, 3, "clippy::expect_used"));
    assert!(!states_reason(&lines, 3, "clippy::panic"));
    assert!(states_reason(&lines, 11, "clippy::panic"));
    assert!(states_reason(&lines, 17, "clippy::unreachable"));
    assert!(calls("let a = b.unwrap(); // c", ".unwrap()") && !calls("// b.unwrap()", ".unwrap()"));
    assert!(!calls("let a = \"b.unwrap()\";", ".unwrap()") && !calls("a.operand::b", "rand::"));
}

#[derive(Default)]
pub struct Faults(Vec<String>);

impl Faults {
    pub fn add(&mut self, fault: String) {
        self.0.push(fault);
    }

    #[track_caller]
    pub fn check(self) {
        let list = self.0.iter().fold(String::new(), |mut list, fault| {
            let _ = write!(list, "\n  {fault}");
            list
        });
        assert!(self.0.is_empty(), "{} untidy:{list}\n", self.0.len());
    }
}

static METADATA: LazyLock<Value> = LazyLock::new(|| {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
});

/// Files under version control, and new ones that git does not ignore; without git, all but `target`.
static PATHS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let git = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output();
    match git {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout)
            .unwrap()
            .split_terminator('\0')
            .filter(|path| root().join(path).is_file())
            .map(str::to_owned)
            .collect(),
        _ => walk(root()),
    }
});

fn walk(from: &Path) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    let mut folders = vec![from.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                folders.extend((path != from.join("target") && path != from.join(".git")).then_some(path));
            } else {
                files.insert(relative(path.to_str().unwrap()));
            }
        }
    }
    files
}

fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> =
        LazyLock::new(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap());
    &ROOT
}

fn relative(path: &str) -> String {
    Path::new(path).strip_prefix(root()).map_or(path.to_owned(), |path| path.to_str().unwrap().to_owned())
}

#[track_caller]
pub fn read(path: &str) -> String {
    let bytes = std::fs::read(root().join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}; every clone has this file"));
    String::from_utf8_lossy(&bytes).into_owned()
}

fn packages() -> &'static [Value] {
    METADATA["packages"].as_array().unwrap()
}

fn name_of(package: &Value) -> &str {
    package["name"].as_str().unwrap()
}

fn manifest(package: &Value) -> String {
    relative(package["manifest_path"].as_str().unwrap())
}

/// Names of the direct dependencies, each with `normal`, `dev` or `build`.
fn dependencies(package: &Value) -> impl Iterator<Item = (&str, &str)> {
    let all = package["dependencies"].as_array().into_iter().flatten();
    all.map(|one| (one["name"].as_str().unwrap(), one["kind"].as_str().unwrap_or("normal")))
}

pub fn paths() -> &'static BTreeSet<String> {
    &PATHS
}

pub fn sources() -> impl Iterator<Item = &'static str> {
    paths().iter().map(String::as_str).filter(|path| path.ends_with(".rs"))
}

fn texts() -> impl Iterator<Item = &'static str> {
    let ends = [".rs", ".md", ".toml", ".py", ".sh", ".txt"];
    let is_text = move |path: &&str| ends.iter().any(|end| path.ends_with(end)) || path.starts_with(".ci/");
    paths().iter().map(String::as_str).filter(is_text)
}

pub fn crate_of(path: &str) -> &str {
    path.split('/').nth(1).unwrap_or_default()
}

/// Whether the file is part of a crate, not of its tests.
pub fn is_product(path: &str) -> bool {
    path.starts_with("crates/") && path.split('/').nth(2) == Some("src") && !path.ends_with("/tests.rs")
}

/// Numbers of the lines, from 0, that are not in a module of unit tests.
pub fn product_lines<'a>(lines: &'a [&'a str]) -> impl Iterator<Item = usize> + 'a {
    let mut inside: Option<usize> = None;
    (0..lines.len()).filter(move |nth| {
        let line = lines[*nth];
        if let Some(depth) = inside {
            if indent(line) == depth && line.trim() == "}" {
                inside = None;
            }
            return false;
        }
        let opens = line.trim() == "#[cfg(test)]"
            && lines.get(nth + 1).is_some_and(|next| next.trim_end().ends_with('{'));
        inside = opens.then(|| indent(line));
        inside.is_none()
    })
}

/// Whether a reason stands before the line, or before an item or block around it.
fn states_reason(lines: &[&str], nth: usize, lint: &str) -> bool {
    if nth > 0 && lines[nth - 1].trim_start().starts_with("// ") {
        return true;
    }
    let mut depth = indent(lines[nth]) + 1;
    for at in (0..=nth).rev() {
        let line = lines[at].trim();
        if line.is_empty() || indent(lines[at]) >= depth {
            continue;
        }
        depth = indent(lines[at]);
        let before = lines[..at].iter().rev().take_while(|line| {
            let line = line.trim();
            !line.is_empty() && !line.ends_with(['{', '}', ';'])
        });
        let before: Vec<&str> = before.copied().collect();
        let before = before.concat();
        if before.contains(lint) && before.contains("reason =") {
            return true;
        }
    }
    false
}

/// Whether the line calls this, outside comments and text.
fn calls(line: &str, call: &str) -> bool {
    if is_comment(line) {
        return false;
    }
    line.match_indices(call).any(|(at, _)| {
        let before = &line[..at];
        let in_text = before.matches('"').count() - before.matches("\\\"").count();
        let in_word = call.starts_with(|c: char| c.is_alphanumeric())
            && before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        in_text.is_multiple_of(2) && !in_word && !before.contains("// ")
    })
}

pub fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
}
