// SPDX-License-Identifier: Apache-2.0
//! Each detector of sign-ins at each door: a story in which it must speak, and the nearest one in which it must not.

use std::net::IpAddr;

use hunt::detection::{Detection, Level};
use hunt::detector::Detectors;
use loggen::render::{Logon, Out, SignIn, entra, entra_audit, logon, mail, okta, okta_event, vpn, web};
use loggen::{DAY, HOUR, Line, MINUTE, NETS, Plan, SECOND};

use super::{logs, observe_log, options};

/// The log families that tell of sign-ins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Entra,
    Mail,
    Okta,
    Vpn,
    Web,
    Windows,
}

pub const DOORS: [Door; 6] = [Door::Entra, Door::Mail, Door::Okta, Door::Vpn, Door::Web, Door::Windows];

/// Monday, 4 March 2024.
pub const BEGIN: i64 = 19_786 * DAY;
/// Accounts of the firm.
pub const USERS: i64 = 24;
const CHROME: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/122.0.0.0 Safari/537.36";
const STRANGE: &str = "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/119.0.0.0";

/// Places of the generator: a home in the Netherlands, a guest house in Belgium, somewhere far, a rented server.
pub fn home(nth: i64) -> String {
    format!("198.18.1.{}", nth + 1)
}
pub const BELGIUM: &str = "203.0.113.70";
pub const FAR: &str = "203.0.113.180";
const HOSTING: &str = "203.0.113.130";
/// The firm's own office.
const OFFICE: &str = "192.0.2.1";

/// A sign-in by a person's own means, or by those of a stranger.
pub fn at(door: Door, time: i64, user: &str, from: &str, out: Out, own: bool) -> Line {
    let from: IpAddr = from.parse().unwrap();
    let device = if own { format!("5a170000-0000-4000-8000-{:0>12}", user.len()) } else { String::new() };
    let (agent, app) = (if own { CHROME } else { STRANGE }, "Mail Online");
    let act = SignIn { time, user, from, out, device: &device, agent, app, client: "Browser" };
    match door {
        Door::Entra => entra(&act),
        Door::Mail => mail(time, user, from, out),
        Door::Okta => okta(&act),
        Door::Vpn => vpn(time, user, from, out, 1),
        Door::Web => web(time, user, from, out, agent),
        Door::Windows => {
            logon(&Logon { time, computer: "SRV1", user, from: &from.to_string(), kind: 10, out })
        }
    }
}

pub fn user(nth: i64) -> String {
    format!("person{nth}.example")
}

/// Weeks of everybody working from home.
pub fn usual(door: Door, days: i64) -> Vec<Line> {
    let mut lines = Vec::new();
    for day in 0..days {
        for nth in 0..USERS {
            for turn in 0..3 {
                let time = BEGIN + day * DAY + (8 + turn * 3) * HOUR + nth * MINUTE;
                lines.push(at(door, time, &user(nth), &home(nth), Out::Ok, true));
            }
        }
    }
    lines
}

/// All that the detectors say of lines, in any order.
pub fn said(lines: &[Line]) -> Vec<Detection> {
    let firm = loggen::Firm::new(Plan { seed: 1, users: 1, days: 40, quiet: true });
    let mut detectors = Detectors::new(options(firm.places()));
    let mut found = Vec::new();
    for (name, log) in logs(lines, "all") {
        observe_log(&mut detectors, &log, &name, &mut found);
    }
    detectors.finish(&mut |detection| found.push(detection));
    found
}

fn story(door: Door, days: i64, more: impl FnOnce(i64) -> Vec<Line>) -> Vec<Detection> {
    let mut lines = usual(door, days);
    lines.extend(more(BEGIN + days * DAY));
    said(&lines)
}

fn level(found: &[Detection], id: &str) -> Option<Level> {
    found.iter().filter(|detection| detection.id == id).map(|detection| detection.level).max()
}

#[track_caller]
fn quiet(door: Door, found: &[Detection], id: &str) {
    let spoke: Vec<&str> = found.iter().filter(|d| d.id == id).map(|d| d.title.as_str()).collect();
    assert!(spoke.is_empty(), "{door:?}: {id} must not speak: {spoke:?}");
}

#[track_caller]
fn speaks(door: Door, found: &[Detection], id: &str, expected: Level) {
    let all: Vec<_> = found.iter().map(|d| (&d.id, &d.title)).collect();
    assert_eq!(level(found, id), Some(expected), "{door:?}: {id}; said was {all:?}");
}

#[test]
fn weeks_of_work_are_quiet_at_each_door() {
    for door in DOORS {
        let found = story(door, 40, |_| Vec::new());
        assert!(found.is_empty(), "{door:?}: {:?}", found.iter().map(|d| &d.title).collect::<Vec<_>>());
    }
}

#[test]
fn a_spray_from_one_source_is_found_and_is_critical_with_a_success() {
    let id = "spray-one-source";
    for door in DOORS {
        let spray = |start: i64, accounts: i64, tries: i64, from: &str| -> Vec<Line> {
            let one = |n: i64| at(door, start + n * 7 * SECOND, &user(n % accounts), from, Out::Bad, false);
            (0..accounts * tries).map(one).collect()
        };
        speaks(door, &story(door, 16, |t| spray(t, 12, 2, FAR)), id, Level::High);
        let with_success = |t| {
            let mut lines = spray(t, 12, 2, FAR);
            lines.push(at(door, t + 5 * HOUR, &user(20), FAR, Out::Ok, false));
            lines
        };
        speaks(door, &story(door, 16, with_success), id, Level::Critical);
        // A quarter of the firm, and one less.
        speaks(door, &story(door, 16, |t| spray(t, USERS / 4, 2, FAR)), id, Level::High);
        quiet(door, &story(door, 16, |t| spray(t, USERS / 4 - 1, 2, FAR)), id);
        quiet(door, &story(door, 16, |t| spray(t, 12, 7, FAR)), id);
        // The same people at the address that they all share, where they always sit.
        let office = |t: i64| {
            let before = (0..12).map(|n| at(door, t - 2 * DAY, &user(n), OFFICE, Out::Ok, true));
            before.chain(spray(t, 12, 2, OFFICE)).collect()
        };
        quiet(door, &story(door, 16, office), id);
    }
}

#[test]
fn a_slow_spray_from_many_sources_stands_out_from_the_days_before() {
    let id = "spray-distributed";
    for door in DOORS {
        let slow = |start: i64, accounts: i64| -> Vec<Line> {
            let one = |n: i64| {
                let from = format!("198.51.100.{}", 130 + n);
                at(door, start + n * 20 * MINUTE, &user(n), &from, Out::Bad, false)
            };
            (0..accounts).map(one).collect()
        };
        speaks(door, &story(door, 20, |t| slow(t, 20)), id, Level::High);
        speaks(door, &story(door, 20, |t| slow(t, USERS / 4)), id, Level::High);
        quiet(door, &story(door, 20, |t| slow(t, USERS / 4 - 1)), id);
        quiet(door, &story(door, 10, |t| slow(t, 20)), id);
    }
}

#[test]
fn stuffing_is_known_by_accounts_that_are_not_there() {
    let id = "stuffing";
    for door in DOORS {
        let stuff = |start: i64, strangers: i64| -> Vec<Line> {
            let ours = (0..20).map(|n| (user(n), Out::Bad));
            let theirs = (0..strangers).map(|n| (format!("stranger{n}"), Out::NoUser));
            let from = |n: usize| format!("203.0.113.{}", 161 + n % 4);
            ours.chain(theirs)
                .enumerate()
                .map(|(n, (name, out))| at(door, start + n as i64 * 90 * SECOND, &name, &from(n), out, false))
                .collect()
        };
        speaks(door, &story(door, 16, |t| stuff(t, 40)), id, Level::High);
        quiet(door, &story(door, 16, |t| stuff(t, 4)), id);
    }
}

#[test]
fn failures_and_then_a_success_from_a_strange_place_are_brute_force() {
    let id = "brute-force-success";
    for door in DOORS {
        let brute = |start: i64, failures: i64, from: &str| -> Vec<Line> {
            let tries =
                (0..failures).map(|n| at(door, start + n * 40 * SECOND, &user(3), from, Out::Bad, false));
            tries.chain([at(door, start + HOUR / 2, &user(3), from, Out::Ok, false)]).collect()
        };
        speaks(door, &story(door, 16, |t| brute(t, 10, FAR)), id, Level::Critical);
        quiet(door, &story(door, 16, |t| brute(t, 9, FAR)), id);
        quiet(door, &story(door, 16, |t| brute(t, 30, &home(3))), id);
        let late = |t: i64| {
            let mut lines = brute(t, 20, FAR);
            lines.pop();
            lines.push(at(door, t + 3 * HOUR, &user(3), FAR, Out::Ok, false));
            lines
        };
        quiet(door, &story(door, 16, late), id);
    }
}

#[test]
fn nobody_travels_faster_than_an_airliner() {
    let id = "impossible-travel";
    for door in DOORS {
        let travel = |start: i64, hours: i64, to: &str| {
            let noon = start + 12 * HOUR;
            vec![
                at(door, noon, &user(4), &home(4), Out::Ok, true),
                at(door, noon + hours * HOUR, &user(4), to, Out::Ok, false),
            ]
        };
        speaks(door, &story(door, 16, |t| travel(t, 2, FAR)), id, Level::High);
        quiet(door, &story(door, 16, |t| travel(t, 15, FAR)), id);
        quiet(door, &story(door, 16, |t| travel(t, 1, BELGIUM)), id);
    }
}

/// Where only the log says where addresses are, telephones on a far network were told of day after day.
#[test]
fn without_places_a_network_that_an_account_uses_is_no_travel() {
    let id = "impossible-travel";
    let noon =
        |day: i64, from: &str| at(Door::Entra, BEGIN + day * DAY + 12 * HOUR, &user(4), from, Out::Ok, true);
    let told = |more: Vec<Line>| {
        let lines: Vec<Line> = usual(Door::Entra, 16).into_iter().chain(more).collect();
        let mut detectors = Detectors::new(hunt::detector::Options::default());
        let mut found = Vec::new();
        for (name, log) in logs(&lines, "all") {
            observe_log(&mut detectors, &log, &name, &mut found);
        }
        detectors.finish(&mut |detection| found.push(detection));
        found.iter().filter(|detection| detection.id == id).count()
    };
    assert_eq!(told((0..16).map(|day| noon(day, FAR)).collect()), 1, "the first time, and never again");
    assert_eq!(told(vec![noon(15, FAR)]), 1);
    assert_eq!(told(Vec::new()), 0);
}

#[test]
fn a_session_in_two_countries_is_used_turn_by_turn() {
    let id = "two-countries";
    for door in DOORS {
        let turns = |start: i64, times: i64| -> Vec<Line> {
            let place = |n: i64| if n % 2 == 0 { home(5) } else { BELGIUM.to_owned() };
            let one = |n: i64| at(door, start + n * 11 * MINUTE, &user(5), &place(n), Out::Ok, n % 2 == 0);
            (0..times).map(one).collect()
        };
        speaks(door, &story(door, 16, |t| turns(t, 4)), id, Level::High);
        quiet(door, &story(door, 16, |t| turns(t, 3)), id);
    }
}

#[test]
fn a_place_and_a_device_never_seen_are_told_and_one_of_them_is_not() {
    let id = "first-seen";
    for door in DOORS {
        let visit = |from: &'static str, own: bool| {
            move |t: i64| vec![at(door, t + 9 * HOUR, &user(6), from, Out::Ok, own)]
        };
        speaks(door, &story(door, 16, visit(FAR, false)), id, Level::High);
        quiet(door, &story(door, 10, visit(FAR, false)), id);
        if matches!(door, Door::Entra | Door::Okta | Door::Web) {
            quiet(door, &story(door, 16, visit(FAR, true)), id);
        } else {
            // The door tells of no device; where colleagues are, a person may be.
            let colleagues = |t: i64| {
                let others = (0..3).map(|n| at(door, t + n * HOUR, &user(n), FAR, Out::Ok, true));
                others.chain([at(door, t + 9 * HOUR, &user(6), FAR, Out::Ok, true)]).collect()
            };
            let found = story(door, 16, colleagues);
            let spoke = found.iter().filter(|d| d.id == id && d.about[0].1 == user(6)).count();
            assert_eq!(spoke, 0, "{door:?}");
        }
    }
}

/// In small firms those who travelled were told of when the log was lost that would have shown their own devices.
#[test]
fn a_new_place_waits_for_the_devices_of_a_log_that_was_silent() {
    let id = "first-seen";
    let judged = |others_at_work: bool, own_device: bool| {
        let found = story(Door::Entra, 16, |t| {
            let mut lines = vec![at(Door::Vpn, t + 9 * HOUR, &user(6), FAR, Out::Ok, true)];
            if others_at_work {
                lines.push(at(Door::Entra, t + 10 * HOUR, &user(1), &home(1), Out::Ok, true));
            }
            if own_device {
                lines.push(at(Door::Entra, t + 33 * HOUR, &user(6), FAR, Out::Ok, true));
            }
            // The hours go on.
            let later = (1..5)
                .map(|day| at(Door::Entra, t + day * DAY + 11 * HOUR, &user(2), &home(2), Out::Ok, true));
            lines.extend(later);
            lines
        });
        level(&found, id)
    };
    assert_eq!(judged(false, true), None, "the device came a day later, as the log was silent before");
    assert_eq!(judged(false, false), Some(Level::High), "it never came");
    assert_eq!(judged(true, true), Some(Level::High), "the log spoke, and not of the device");
}

#[test]
fn an_account_that_slept_for_ninety_days_wakes_with_an_alarm() {
    let id = "dormant-account";
    for door in DOORS {
        let wake = |days: i64, covered: i64| {
            let mut lines = usual(door, covered);
            lines.push(at(door, BEGIN, "sleeper", &home(30), Out::Ok, true));
            lines.push(at(door, BEGIN + days * DAY + HOUR, "sleeper", &home(30), Out::Ok, true));
            said(&lines)
        };
        speaks(door, &wake(91, 91), id, Level::High);
        quiet(door, &wake(89, 91), id);
        // A gap in the logs is no absence.
        quiet(door, &wake(91, 30), id);
    }
}

#[test]
fn an_hour_at_which_nobody_of_that_name_works_is_odd() {
    let id = "odd-hour";
    for door in [Door::Entra, Door::Okta, Door::Web] {
        let visit = |hour: i64, from: &'static str, own: bool| {
            move |t: i64| vec![at(door, t + hour * HOUR + 10 * MINUTE, &user(7), from, Out::Ok, own)]
        };
        speaks(door, &story(door, 32, visit(2, FAR, false)), id, Level::Medium);
        quiet(door, &story(door, 32, visit(11, FAR, false)), id);
        quiet(door, &story(door, 32, visit(2, FAR, true)), id);
    }
}

#[test]
fn requests_until_somebody_gives_in_are_critical() {
    let id = "mfa-fatigue";
    for door in [Door::Entra, Door::Okta] {
        let tire = |start: i64, pushes: i64, approve: bool| -> Vec<Line> {
            let push = |n: i64| at(door, start + n * 50 * SECOND, &user(8), FAR, Out::Denied, false);
            let end = approve.then(|| at(door, start + 20 * MINUTE, &user(8), FAR, Out::Ok, false));
            (0..pushes).map(push).chain(end).collect()
        };
        speaks(door, &story(door, 16, |t| tire(t, 5, true)), id, Level::Critical);
        speaks(door, &story(door, 16, |t| tire(t, 6, false)), id, Level::Medium);
        quiet(door, &story(door, 16, |t| tire(t, 4, true)), id);
        let slow = |t: i64| (0..6).flat_map(|n| tire(t + n * 15 * MINUTE, 1, false)).collect();
        quiet(door, &story(door, 16, slow), id);
    }
}

#[test]
fn another_second_factor_after_a_strange_place_is_told() {
    let id = "mfa-method-change";
    for door in [Door::Entra, Door::Okta] {
        let change = |time: i64, from: &str| {
            let from: IpAddr = from.parse().unwrap();
            let name = user(9);
            let act = SignIn {
                time,
                user: &name,
                from,
                out: Out::Ok,
                device: "",
                agent: CHROME,
                app: "",
                client: "Browser",
            };
            match door {
                Door::Okta => okta_event(&act, "user.mfa.factor.activate", "SUCCESS", ""),
                _ => entra_audit(time, "User registered security info", &name, &name, from),
            }
        };
        let after = |hours: i64, place: &'static str| {
            move |t: i64| {
                let own = place != FAR;
                let from = if own { home(9) } else { FAR.to_owned() };
                vec![at(door, t, &user(9), &from, Out::Ok, own), change(t + hours * HOUR, &home(9))]
            }
        };
        speaks(door, &story(door, 16, after(3, FAR)), id, Level::High);
        quiet(door, &story(door, 16, after(30, FAR)), id);
        quiet(door, &story(door, 16, after(3, "home")), id);
    }
}

#[test]
fn the_first_use_of_a_protocol_without_second_factor_is_told() {
    let id = "legacy-protocol";
    for door in [Door::Entra, Door::Mail] {
        let read = |t: i64| {
            let from: IpAddr = FAR.parse().unwrap();
            let (name, client) = (user(10), "IMAP4");
            let act =
                SignIn { time: t, user: &name, from, out: Out::Ok, device: "", agent: "", app: "", client };
            vec![if door == Door::Mail { mail(t, &name, from, Out::Ok) } else { entra(&act) }]
        };
        speaks(door, &story(Door::Entra, 16, read), id, Level::High);
        // Known for too short a time, and long known to use it.
        quiet(door, &story(Door::Entra, 10, read), id);
        quiet(
            door,
            &story(Door::Mail, 16, |t| vec![at(Door::Mail, t, &user(10), &home(10), Out::Ok, true)]),
            id,
        );
    }
}

#[test]
fn remote_access_from_a_rented_server_is_told() {
    let id = "hosting-vpn";
    let visit =
        |door: Door, from: &'static str| move |t: i64| vec![at(door, t, &user(11), from, Out::Ok, true)];
    speaks(Door::Vpn, &story(Door::Vpn, 16, visit(Door::Vpn, HOSTING)), id, Level::High);
    quiet(Door::Vpn, &story(Door::Vpn, 16, visit(Door::Vpn, BELGIUM)), id);
    quiet(Door::Web, &story(Door::Web, 16, visit(Door::Web, HOSTING)), id);
    let again =
        |t: i64| (0..3).map(|n| at(Door::Vpn, t + n * DAY, &user(11), HOSTING, Out::Ok, true)).collect();
    let found = story(Door::Vpn, 16, again);
    assert_eq!(found.iter().filter(|d| d.id == id).count(), 1, "once, then the account is known to use it");
}

#[test]
fn the_places_of_this_file_are_where_it_says() {
    let country = |address: &str| {
        let address: IpAddr = address.parse().unwrap();
        let block = |net: &loggen::Net| {
            hunt::detector::Block::parse(&format!("{}/{}", net.base, net.prefix)).unwrap()
        };
        NETS.iter().find(|net| block(net).holds(address)).unwrap().country
    };
    let all = [home(0), BELGIUM.to_owned(), FAR.to_owned(), HOSTING.to_owned(), OFFICE.to_owned()];
    assert_eq!(all.map(|address| country(&address)), ["NL", "BE", "XA", "XA", "NL"]);
}
