// SPDX-License-Identifier: Apache-2.0
//! What is carried away.

use super::{Act, Stage, midnight};
use crate::render::{archive, http, process, share, smb_open};
use crate::time::{HOUR, MINUTE, SECOND};
use crate::world::User;

pub const ACTS: &[Act] = &[slow, collection, staging, archives, upload];

/// The next of those who work on designs, or anybody.
fn insider<'a>(stage: &mut Stage<'a>) -> Option<&'a User> {
    match stage.victims.iter().position(|user| user.engineer) {
        Some(nth) => Some(stage.victims.remove(nth)),
        None => stage.victim(false),
    }
}

/// Thirty to sixty megabytes on most days for as long as the logs go: to a place of its own, and hidden in what
/// everybody uses.
fn slow(stage: &mut Stage<'_>) {
    if stage.plan.days < 45 {
        return;
    }
    for hidden in [false, true] {
        let Some(user) = insider(stage) else { return };
        let host = if hidden { "sync.drive.example" } else { "box.parcels.example" };
        let first = stage.from - if hidden { 0 } else { 10 };
        for day in first..stage.plan.days {
            if stage.rng.permille(200) {
                continue;
            }
            let parts = 6;
            let size = if hidden { 150_000_000 } else { 45_000_000 };
            for part in 0..parts {
                let sent = (size / parts) as u64 + stage.rng.below(2_000_000);
                let time = midnight(day) + 11 * HOUR + part * 20 * MINUTE;
                stage.line(http(time, &user.desk(), &user.name, host, sent, 300, &user.agent(day)));
            }
        }
        let (first, last) = (midnight(first), midnight(stage.plan.days));
        stage.must("slow-exfiltration", &[&user.name], first, last);
        stage.may(&[&user.name], first, last);
    }
}

/// A night in which everything is read.
fn collection(stage: &mut Stage<'_>) {
    let count = if stage.plan.quiet { 1_200 } else { 2_500 };
    for way in 0..2 {
        let Some(user) = insider(stage) else { return };
        let start = stage.next_day() + 20 * HOUR;
        for nth in 0..count {
            let time = start + nth * 2 * SECOND;
            let file = format!("unit{}\\drawing{nth:05}.dat", nth % 40);
            stage.line(if way == 0 {
                share(time, &user.name, &user.desk(), "designs", &file, false)
            } else {
                smb_open(time, &user.desk(), "models", &file, 90_000)
            });
        }
        let about = [user.name.as_str(), &user.desk()];
        stage.must("bulk-collection", &about, start, start + 2 * HOUR);
        stage.may(&about, start, start + 2 * HOUR);
    }
}

/// What was taken is put together where the account never wrote.
fn staging(stage: &mut Stage<'_>) {
    let Some(user) = insider(stage) else { return };
    let start = stage.next_day() + 21 * HOUR;
    for nth in 0..400 {
        let file = format!("cache\\part{nth:04}.tmp");
        stage.line(share(start + nth * 3 * SECOND, &user.name, &user.desk(), "drop$", &file, true));
    }
    stage.must("staging", &[&user.name], start, start + HOUR);
    stage.may(&[&user.name], start, start + HOUR);
}

/// A packer that is called otherwise.
fn archives(stage: &mut Stage<'_>) {
    let Some(user) = insider(stage) else { return };
    let start = stage.next_day() + 19 * HOUR;
    stage.line(process(
        start,
        &user.computer(),
        &user.name,
        "C:\\Windows\\Temp\\RecordedTV.exe",
        "RecordedTV.exe a -m5 -v71m -hpSecretPhrase11 vmlum-a.log \\\\fs1\\designs\\unit1",
    ));
    stage.must("renamed-archiver", &[&user.name], start, start + MINUTE);
    stage.may(&[&user.name], start, start + HOUR);
    let Some(user) = insider(stage) else { return };
    let start = stage.next_day() + 19 * HOUR;
    stage.line(archive(
        start,
        &user.computer(),
        &user.name,
        "C:\\ProgramData\\jucheck.exe",
        "7z.exe",
        "jucheck.exe u C:\\ProgramData\\update.dat D:\\designs",
    ));
    stage.must("renamed-archiver", &[&user.name], start, start + MINUTE);
    stage.may(&[&user.name], start, start + HOUR);
}

/// Two gigabytes in an evening to a place that nobody here uses.
fn upload(stage: &mut Stage<'_>) {
    let Some(user) = insider(stage) else { return };
    let day = stage.next_day();
    let start = day + 18 * HOUR;
    for nth in 0..20 {
        let time = start + nth * 4 * MINUTE;
        stage.line(http(
            time,
            &user.desk(),
            &user.name,
            "put.cloudbox.example",
            100_000_000,
            300,
            "uploader/2.0",
        ));
    }
    stage.must("cloud-upload", &[&user.name], start, start + 2 * HOUR);
    stage.may(&[&user.name], start, start + 2 * HOUR);
}
