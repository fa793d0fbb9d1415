// SPDX-License-Identifier: Apache-2.0
//! One account, and who should not have it.

use std::net::IpAddr;

use super::{Act, MORNING, Stage, midnight, stranger};
use crate::render::{Logon, Out, SignIn, entra_audit, logon, okta_event, web};
use crate::time::{DAY, HOUR, MINUTE, SECOND};
use crate::world::{FIBRE, FIBRE6, HOSTING, PROXIES, RESIDENT, User, address};

pub const ACTS: &[Act] = &[
    brute_force,
    impossible_travel,
    two_countries,
    fatigue,
    method_change,
    first_seen,
    legacy,
    dormant,
    odd_hour,
    hosting_gate,
];

/// 40 tries, and in.
fn brute_force(stage: &mut Stage<'_>) {
    for door in 0..6_u64 {
        let Some(user) = stage.victim(door == 1) else { return };
        let start = stage.next_day() + 22 * HOUR;
        let from = address(PROXIES, 100 + door);
        let inside = format!("10.1.88.{}", door + 10);
        for nth in 0..41 {
            let time = start + nth * 50 * SECOND;
            let out = if nth == 40 { Out::Ok } else { Out::Bad };
            let name = user.name.as_str();
            match door {
                0 | 1 => stage.cloud(door == 1, &stranger(time, name, from, out)),
                2 => stage.gate(time, name, from, out),
                3 => stage.mailbox(time, name, from, out),
                4 => stage.line(web(time, name, from, out, super::STRANGE_AGENT)),
                _ => stage.line(logon(&Logon {
                    time,
                    computer: "SRV09",
                    user: name,
                    from: &inside,
                    kind: 10,
                    out,
                })),
            }
        }
        let end = start + HOUR;
        stage.must("brute-force-success", &[&user.name], start, end);
        stage.may(&[&user.name], start, end);
    }
}

/// At the desk, and an hour later on the other side of the world.
fn impossible_travel(stage: &mut Stage<'_>) {
    for okta_side in [false, true] {
        let Some(user) = stage.victim(okta_side) else { return };
        let day = stage.next_working_day() + MORNING;
        work(stage, user, day, 0);
        let from = address(RESIDENT, 2 + u64::from(okta_side));
        stage.cloud(okta_side, &stranger(day + HOUR, &user.name, from, Out::Ok));
        stage.must("impossible-travel", &[&user.name], day, day + HOUR);
        stage.may(&[&user.name], day, day + HOUR);
    }
    // By the gate in the morning, by mail from elsewhere.
    let Some(user) = stage.victim(false) else { return };
    let day = stage.next_working_day() + MORNING;
    stage.gate(day, &user.name, user.home_address(0), Out::Ok);
    stage.gate(day + 90 * MINUTE, &user.name, address(RESIDENT, 7), Out::Ok);
    stage.must("impossible-travel", &[&user.name], day, day + 2 * HOUR);
    stage.may(&[&user.name], day, day + 2 * HOUR);
}

/// The person at the usual place with the usual device, to be sure of it.
fn work(stage: &mut Stage<'_>, user: &User, time: i64, nth: i64) {
    let day = time.div_euclid(DAY) - crate::FIRST_DAY;
    let device = user.laptop(day);
    let agent = user.agent(day);
    let act = SignIn {
        time: time + nth * MINUTE,
        user: &user.name,
        from: address(0, user.nth % 4),
        out: Out::Ok,
        device: &device,
        agent: &agent,
        app: "Documents Online",
        client: "Browser",
    };
    stage.cloud(user.okta, &act);
}

/// A stolen session is used while its owner works: turn by turn from two countries.
fn two_countries(stage: &mut Stage<'_>) {
    for okta_side in [false, true] {
        let Some(user) = stage.victim(okta_side) else { return };
        let day = stage.next_working_day() + MORNING;
        for turn in 0..4 {
            work(stage, user, day, turn * 14);
            let from = address(18, 3 + u64::from(okta_side));
            stage.cloud(okta_side, &stranger(day + (turn * 14 + 7) * MINUTE, &user.name, from, Out::Ok));
        }
        stage.must("two-countries", &[&user.name], day, day + HOUR);
        stage.may(&[&user.name], day, day + HOUR);
    }
}

/// Pushes until the person gives in; and one who does not.
fn fatigue(stage: &mut Stage<'_>) {
    for (okta_side, gives_in) in [(false, true), (true, true), (false, false)] {
        let Some(user) = stage.victim(okta_side) else { return };
        let start = stage.next_day() + 23 * HOUR;
        let from = address(PROXIES, 60 + u64::from(okta_side));
        for nth in 0..8 {
            let time = start + nth * 55 * SECOND;
            stage.cloud(okta_side, &stranger(time, &user.name, from, Out::Mfa));
            stage.cloud(okta_side, &stranger(time + 20 * SECOND, &user.name, from, Out::Denied));
        }
        if gives_in {
            let act = stranger(start + 8 * MINUTE, &user.name, from, Out::Ok);
            if okta_side {
                stage.line(okta_event(&act, "user.authentication.auth_via_mfa", "SUCCESS", ""));
            }
            let act = stranger(start + 8 * MINUTE + SECOND, &user.name, from, Out::Ok);
            stage.cloud(okta_side, &act);
        }
        stage.must("mfa-fatigue", &[&user.name], start, start + 10 * MINUTE);
        stage.may(&[&user.name], start, start + HOUR);
    }
}

/// From a place never seen, and then another telephone for the codes.
fn method_change(stage: &mut Stage<'_>) {
    for okta_side in [false, true] {
        let Some(user) = stage.victim(okta_side) else { return };
        let start = stage.next_day() + 21 * HOUR;
        let from = address(PROXIES, 80 + u64::from(okta_side));
        let act = stranger(start, &user.name, from, Out::Ok);
        stage.cloud(okta_side, &act);
        let later = start + 2 * HOUR;
        if okta_side {
            let act = stranger(later, &user.name, from, Out::Ok);
            stage.line(okta_event(
                &act,
                "user.mfa.factor.activate",
                "SUCCESS",
                "User set up SMS_FACTOR factor",
            ));
        } else {
            stage.line(entra_audit(later, "User registered security info", &user.name, &user.name, from));
        }
        stage.must("mfa-method-change", &[&user.name], start, later);
        stage.may(&[&user.name], start, later);
    }
}

/// Device, provider and country that were never seen with this person.
fn first_seen(stage: &mut Stage<'_>) {
    for (nth, okta_side) in [false, true, false].into_iter().enumerate() {
        let Some(user) = stage.victim(okta_side) else { return };
        let start = stage.next_day() + 18 * HOUR;
        // The third comes by a provider of the country, so only provider and device are new.
        let from = if nth == 2 { neighbour(user) } else { address(RESIDENT, nth as u64 + 9) };
        stage.cloud(okta_side, &stranger(start, &user.name, from, Out::Ok));
        stage.must("first-seen", &[&user.name], start, start + MINUTE);
        stage.may(&[&user.name], start, start + HOUR);
    }
}

/// An address of the country, of a provider that is not the person's.
fn neighbour(user: &User) -> IpAddr {
    let cable = 4;
    address(if [FIBRE, FIBRE6].contains(&user.home) { cable } else { FIBRE }, 31_000)
}

/// The mailbox is read by a protocol that knows no second factor.
fn legacy(stage: &mut Stage<'_>) {
    let Some(user) = stage.victim(false) else { return };
    let start = stage.next_day() + 17 * HOUR;
    stage.mailbox(start, &user.name, address(PROXIES, 40), Out::Ok);
    stage.must("legacy-protocol", &[&user.name], start, start + MINUTE);
    stage.may(&[&user.name], start, start + HOUR);
    let Some(user) = stage.victim(false) else { return };
    let start = stage.next_day() + 17 * HOUR;
    let act = SignIn {
        client: "Other clients; IMAP",
        agent: "libmail/1.0",
        ..stranger(start, &user.name, address(PROXIES, 41), Out::Ok)
    };
    stage.cloud(false, &act);
    stage.must("legacy-protocol", &[&user.name], start, start + MINUTE);
    stage.may(&[&user.name], start, start + HOUR);
}

/// Accounts that were last used before the logs begin.
fn dormant(stage: &mut Stage<'_>) {
    for nth in 0..3 {
        let name = format!("former.member{nth}");
        let old = midnight(crate::OLD_DAYS.start + nth) + MORNING;
        let desk = format!("10.1.9.{}", nth + 10);
        stage.line(logon(&Logon {
            time: old,
            computer: "WS90001",
            user: &name,
            from: &desk,
            kind: 2,
            out: Out::Ok,
        }));
        // More than 90 days after the last old day, and logs of most of them.
        let day = stage.to - nth * 2;
        if day < 50 {
            return;
        }
        let start = midnight(day) + MORNING;
        let from = address(RESIDENT, 12);
        match nth {
            0 => stage.gate(start, &name, from, Out::Ok),
            1 => stage.cloud(false, &stranger(start, &name, from, Out::Ok)),
            _ => stage.line(logon(&Logon {
                time: start,
                computer: "SRV04",
                user: &name,
                from: &desk,
                kind: 3,
                out: Out::Ok,
            })),
        }
        stage.must("dormant-account", &[&name], start, start + MINUTE);
        stage.may(&[&name], start, start + HOUR);
    }
}

/// In the middle of the night, from a device and a provider that are not the person's.
fn odd_hour(stage: &mut Stage<'_>) {
    let Some(user) = stage.victim(false) else { return };
    let start = stage.next_working_day() + 90 * MINUTE;
    let from = neighbour(user);
    stage.cloud(false, &stranger(start, &user.name, from, Out::Ok));
    stage.must("odd-hour", &[&user.name], start, start + MINUTE);
    stage.may(&[&user.name], start, start + HOUR);
}

/// Through the gate from a rented server.
fn hosting_gate(stage: &mut Stage<'_>) {
    let Some(user) = stage.victim(false) else { return };
    let start = stage.next_day() + 12 * HOUR;
    stage.gate(start, &user.name, address(HOSTING[0], 8), Out::Ok);
    stage.must("hosting-vpn", &[&user.name], start, start + MINUTE);
    stage.may(&[&user.name], start, start + HOUR);
}
