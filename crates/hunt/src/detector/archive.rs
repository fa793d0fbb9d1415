// SPDX-License-Identifier: Apache-2.0
//! Archive programs under names that are not their own, as Chimera used a patched RAR as `RecordedTV.ms` and
//! `jucheck.exe` (CyCraft, "Chimera", version 4.1; ATT&CK G0114).

use super::movement::ProcessStart;

/// Names of archive programs, without ending.
const ARCHIVERS: &[&str] = &[
    "rar", "winrar", "unrar", "7z", "7za", "7zr", "7zg", "7zfm", "wzzip", "winzip64", "winzip", "wzcline",
    "peazip", "bandizip", "bz", "ace32", "arj", "tar", "zip", "makecab", "pkzip25", "pkzip",
];
/// Switches that two of are enough: RAR's and 7-Zip's manuals.
pub const SWITCHES_MIN: usize = 2;

/// Why a program is taken for a renamed archiver; `None` if it is not.
pub(super) fn renamed(start: &ProcessStart) -> Option<String> {
    let name = stem(&start.image);
    if ARCHIVERS.contains(&name.as_str()) || is_setup(&name) {
        return None;
    }
    if let Some(original) = start.original.as_deref().map(stem)
        && ARCHIVERS.contains(&original.as_str())
        && original != name
    {
        return Some(format!("the file itself says that it is {original}, but it is called {name}"));
    }
    let words = words(&start.command);
    let mut words = words.iter().map(String::as_str).skip(1);
    // Add, move, update: the verbs that make an archive.
    let verb = words.next().filter(|verb| matches!(*verb, "a" | "m" | "u" | "mf" | "mv"))?;
    let switches: Vec<&str> = words.filter(|word| is_switch(word)).collect();
    (switches.len() >= SWITCHES_MIN).then(|| {
        let shown: Vec<&str> = switches.iter().map(|switch| without_secret(switch)).collect();
        format!("{name} is called as archivers are: {verb} {}", shown.join(" "))
    })
}

/// The last part of a path, without ending, lower case.
fn stem(path: &str) -> String {
    let file = path.rsplit(['\\', '/']).next().unwrap_or(path).trim_matches('"').to_lowercase();
    file.strip_suffix(".exe").map_or(file.clone(), str::to_owned)
}

/// Self-extracting packages carry the archiver's own name in their file.
fn is_setup(name: &str) -> bool {
    name.contains("setup")
        || name.contains("install")
        || name.ends_with("sfx")
        || name.contains("update-package")
}

fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in command.chars().take(8_192) {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn is_switch(word: &str) -> bool {
    let lower = word.to_lowercase();
    let Some(switch) = lower.strip_prefix(['-', '/']) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    // Level, volumes, passwords, paths, recursion, time, recovery, method, type.
    let level = switch.strip_prefix('m').is_some_and(|rest| rest.len() == 1 && digits(rest));
    let volume =
        switch.strip_prefix('v').is_some_and(|rest| digits(rest.trim_end_matches(['b', 'k', 'm', 'g'])));
    let password = switch.strip_prefix("hp").is_some_and(|rest| !rest.is_empty());
    level
        || volume
        || password
        || switch.starts_with("mx=")
        || switch.starts_with("mhe")
        || switch.starts_with("t7z")
        || switch.starts_with("tzip")
        || matches!(switch, "ep" | "ep1" | "ep2" | "ep3" | "r" | "r0" | "inul" | "dh" | "df" | "ibck")
        || switch.starts_with("rr")
        || switch.starts_with("ta2")
        || switch.starts_with("x*")
}

/// A switch without the password that stands in it.
fn without_secret(switch: &str) -> &str {
    let secret = switch.get(..3).filter(|start| start.eq_ignore_ascii_case("-hp"));
    secret.unwrap_or(switch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(image: &str, original: Option<&str>, command: &str) -> ProcessStart {
        ProcessStart {
            time: None,
            user: None,
            host: None,
            image: image.to_owned(),
            original: original.map(str::to_owned),
            command: command.to_owned(),
        }
    }

    #[test]
    fn archivers_under_other_names_are_known() {
        let rar = "RecordedTV.ms a -m5 -v71m -hpSecret11 vmlum-x.log \\\\fs1\\designs";
        let why = renamed(&start("C:\\Windows\\Temp\\RecordedTV.ms", None, rar)).unwrap();
        assert!(why.contains("-m5") && !why.contains("Secret"), "{why}");
        assert!(renamed(&start("C:\\a\\jucheck.exe", Some("7z.exe"), "jucheck.exe u x y")).is_some());
        assert!(renamed(&start("C:\\a\\x.exe", None, "\"C:\\a\\x.exe\" a -mx=9 -mhe out in")).is_some());
    }

    #[test]
    fn archivers_under_their_own_names_and_others_are_not() {
        for (image, original, command) in [
            ("C:\\Program Files\\WinRAR\\Rar.exe", Some("rar.exe"), "rar a -m5 -v50m a b"),
            ("C:\\Program Files\\7-Zip\\7z.exe", Some("7z.exe"), "7z.exe a -mx=5 -mhe r.7z r"),
            ("C:\\p\\player.exe", None, "player.exe a -m5 tune"),
            ("C:\\p\\tool-setup.exe", Some("7zS.sfx.exe"), "tool-setup.exe"),
            ("C:\\p\\editor.exe", None, "editor.exe /r /ep file"),
        ] {
            assert_eq!(renamed(&start(image, original, command)), None, "{image}");
        }
    }
}
