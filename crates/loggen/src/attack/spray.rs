// SPDX-License-Identifier: Apache-2.0
//! Many accounts, few passwords.

use super::{MORNING, STRANGE_AGENT, Stage, stranger};
use crate::render::{Logon, Out, SignIn, kerberos, logon, ntlm, web};
use crate::time::{DAY, HOUR, MINUTE, SECOND};
use crate::world::{HOSTING, PROXIES, PROXIES6, User, address};

pub fn plant(stage: &mut Stage<'_>) {
    one_source_entra(stage);
    one_source_elsewhere(stage);
    one_source_inside(stage);
    if stage.plan.days >= 45 {
        distributed(stage, false);
        distributed(stage, true);
    }
    stuffing(stage);
}

/// Of a firm that has not so many beyond those that are skipped, fewer are skipped.
fn names(users: &[User], skip: usize, count: usize) -> impl Iterator<Item = &str> {
    let skip = skip.min(users.len().saturating_sub(count));
    users.iter().skip(skip).take(count).map(|user| user.name.as_str())
}

/// An attacker of a small firm tries all of its accounts, or knows of two in five and ten at least.
fn part(users: &[User], count: usize, knows_all: bool) -> usize {
    if knows_all { count } else { count.min((users.len() * 2 / 5).max(10)) }
}

/// 40 accounts, two tries each, and in after five hours.
fn one_source_entra(stage: &mut Stage<'_>) {
    let Some(victim) = stage.victim(false) else { return };
    let start = stage.next_day() + 2 * HOUR;
    let from = address(HOSTING[0], 1);
    let users = stage.users;
    for (nth, name) in names(users, 0, 40).chain([victim.name.as_str()]).enumerate() {
        for round in 0..2 {
            let time = start + (nth as i64 * 25 + round * 1_500) * SECOND;
            stage.cloud(false, &stranger(time, name, from, Out::Bad));
        }
    }
    let end = start + 6 * HOUR;
    stage.cloud(false, &stranger(end, &victim.name, from, Out::Ok));
    stage.must("spray-one-source", &[&from.to_string()], start, end);
    stage.may(&[&victim.name, &from.to_string(), "entra"], start, end);
}

/// The same on each other door, without success.
fn one_source_elsewhere(stage: &mut Stage<'_>) {
    let users = stage.users;
    for door in 0..4 {
        let start = stage.next_day() + 20 * HOUR;
        let from = address(HOSTING[1], door + 1);
        for (nth, name) in names(users, 5, part(users, 25, door % 2 == 0)).enumerate() {
            let time = start + nth as i64 * 70 * SECOND;
            match door {
                0 => stage.cloud(true, &stranger(time, name, from, Out::Bad)),
                1 => stage.gate(time, name, from, Out::Bad),
                2 => stage.mailbox(time, name, from, Out::Bad),
                _ => stage.line(web(time, name, from, Out::Bad, STRANGE_AGENT)),
            }
        }
        let service = ["okta", "vpn", "mail", "web"].get(door as usize).copied().unwrap_or_default();
        stage.must("spray-one-source", &[&from.to_string()], start, start + HOUR);
        stage.may(&[&from.to_string(), service], start, start + HOUR);
    }
}

/// A workstation of the firm tries the firm's accounts.
fn one_source_inside(stage: &mut Stage<'_>) {
    let users = stage.users;
    for way in 0..3 {
        let start = stage.next_day() + MORNING;
        let from = format!("10.1.77.{}", way + 20);
        let station = format!("WS77{way}");
        for (nth, name) in names(users, 10, part(users, 24, way != 1)).enumerate() {
            let time = start + nth as i64 * 40 * SECOND;
            stage.line(match way {
                0 => kerberos(time, name, &from, Out::Bad),
                1 => ntlm(time, name, &station, Out::Bad),
                _ => {
                    logon(&Logon { time, computer: "SRV03", user: name, from: &from, kind: 3, out: Out::Bad })
                }
            });
        }
        let about = if way == 1 { station.to_lowercase() } else { from };
        stage.must("spray-one-source", &[&about], start, start + HOUR);
        stage.may(&[&about, "windows"], start, start + HOUR);
    }
}

/// Each night a third of the accounts, of a small firm more of them, one or two tries, each from another hijacked router: nine nights.
fn distributed(stage: &mut Stage<'_>, gate: bool) {
    let users = stage.users;
    let begin = stage.to - if gate { 24 } else { 11 };
    let count = part(users, (users.len() / 3).clamp(25, 120), !gate);
    let nights = if gate { 4 } else { 9 };
    for night in 0..nights {
        let start = super::midnight(begin + night) + HOUR;
        for (nth, name) in names(users, night as usize * 11 % 30, count).enumerate() {
            let net = if nth % 3 == 0 && !gate { PROXIES6 } else { PROXIES };
            let from = address(net, (night as u64 * 1_009 + nth as u64 * 31) % 9_000);
            let time = start + nth as i64 * (4 * HOUR / count.min(users.len()).max(1) as i64);
            for round in 0..1 + i64::from(nth % 4 == 0) {
                let time = time + round * 30 * MINUTE;
                if gate {
                    stage.gate(time, name, from, Out::Bad);
                } else {
                    let act = SignIn {
                        agent: "fasthttp",
                        app: "Legacy Directory Client",
                        ..stranger(time, name, from, Out::Bad)
                    };
                    stage.cloud(false, &act);
                }
            }
        }
    }
    let service = if gate { "vpn" } else { "entra" };
    let first = super::midnight(begin);
    stage.must("spray-distributed", &[service], first, first + nights * DAY);
}

/// A list of names and passwords stolen elsewhere: most are not ours.
fn stuffing(stage: &mut Stage<'_>) {
    let users = stage.users;
    for okta_side in [true, false] {
        let start = stage.next_day() + 14 * HOUR;
        let ours = (users.len() / 8).clamp(12, 60);
        let mut nth = 0_i64;
        for (at, name) in names(users, 3, ours).enumerate() {
            for strange in 0..4 {
                let from = address(HOSTING[2], (nth % 4) as u64);
                let time = start + nth * 20 * SECOND;
                nth += 1;
                // Its program is no other attacker's of the same day.
                let agent = "checker/2.4";
                if strange == 0 {
                    stage.cloud(okta_side, &SignIn { agent, ..stranger(time, name, from, Out::Bad) });
                } else {
                    let other = format!("someone{}.else{strange}", at * 7 + strange);
                    stage.cloud(okta_side, &SignIn { agent, ..stranger(time, &other, from, Out::NoUser) });
                }
            }
        }
        let service = if okta_side { "okta" } else { "entra" };
        let sources: Vec<String> = (0..4).map(|n| address(HOSTING[2], n).to_string()).collect();
        let end = start + nth * 20 * SECOND;
        let mut about: Vec<&str> = sources.iter().map(String::as_str).collect();
        stage.must("stuffing", &[service], start, end);
        about.push(service);
        stage.may(&about, start, end);
    }
}
