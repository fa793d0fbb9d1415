// SPDX-License-Identifier: Apache-2.0
//! What happens on any day without anybody attacking: and what a detector must keep quiet about.

use std::net::IpAddr;

use crate::FIRST_DAY;
use crate::Plan;
use crate::render::{
    Line, Logon, Out, SignIn, dns, entra, entra_audit, http, kerberos, logon, mail, ntlm, okta, okta_event,
    password_change, process, share, smb_open, vpn, web,
};
use crate::rng::Rng;
use crate::time::{DAY, HOUR, MINUTE, SECOND, offset_hours, weekday};
use crate::world::{NOISE, OFFICE, OFFICES, User, address};

const APPS: &[&str] = &["Mail Online", "Documents Online", "Travel Desk", "Design Review", "Time Sheets"];
const SITES: &[&str] = &[
    "news.example.com",
    "search.example.net",
    "wiki.example.org",
    "weather.example.com",
    "shop.example.net",
    "docs.example.org",
    "forum.example.com",
];
const SHARES: &[&str] = &["projects", "designs", "office"];
const PHONE: &str = "MailApp/6.2 (iPhone; iOS 17.3)";
const GUESSED: &[&str] = &[
    "admin",
    "test",
    "info",
    "sales",
    "support",
    "root",
    "guest",
    "backup",
    "scan",
    "printer",
    "user",
    "office",
    "webmaster",
    "postmaster",
    "oracle",
    "ftp",
    "demo",
    "service",
    "manager",
    "reception",
];

/// Where somebody is on a day, and the clock there.
struct Whereabouts {
    start: i64,
    /// Address that the world sees of the laptop.
    from: IpAddr,
    phone_from: IpAddr,
    at_office: bool,
}

/// One person's day.
pub fn live(plan: &Plan, user: &User, day: i64, out: &mut Vec<Line>) {
    let mut rng = Rng::new(plan.seed, &[2, user.nth, day as u64]);
    let away = user.leave.iter().any(|(from, to)| (*from..*to).contains(&day));
    let weekend = weekday(FIRST_DAY + day) >= 5;
    // Old days are working days, so that few are unknown when the logs begin.
    // Nobody works on the day of a long flight.
    let flies = user.travels.iter().any(|(from, to, _)| day == *from || day == *to);
    if day < user.joined || away || flies || weekend && !rng.permille(30) || rng.permille(40) {
        return;
    }
    let at = whereabouts(user, day, &mut rng);
    let mut person = Person { plan, user, day, at, rng, out };
    person.mornings_troubles();
    person.desk();
    person.cloud();
    person.mail_and_web();
    person.files();
    person.surfing();
    person.programs();
    person.rare_changes();
}

fn whereabouts(user: &User, day: i64, rng: &mut Rng) -> Whereabouts {
    let office = OFFICE.get(user.office).copied().unwrap_or(OFFICE[0]);
    let midnight = (FIRST_DAY + day) * DAY;
    let travel = user.travels.iter().find(|(from, to, _)| (*from..*to).contains(&day));
    let mut offset = offset_hours(midnight + 12 * HOUR, office.winter, office.summer);
    let phone_home = address(office.mobile, rng.below(12));
    let (from, phone_from, at_office) = match travel {
        Some((_, _, hotel)) => {
            // People keep their habits roughly by the sun where they are.
            offset = match hotel {
                15 => 0,
                16 => -5,
                17 => 9,
                _ => 1,
            };
            // A telephone abroad comes out of its home network, or of the hotel's.
            let phone = if user.nth.is_multiple_of(2) { phone_home } else { address(*hotel, user.nth) };
            (address(*hotel, user.nth), phone, false)
        }
        None if rng.permille(600) => {
            (address(OFFICES.get(user.office).copied().unwrap_or(0), user.nth % 4), phone_home, true)
        }
        None => (user.home_address(day), phone_home, false),
    };
    let begin = if user.night { 21 * HOUR + 30 * MINUTE } else { 7 * HOUR + 30 * MINUTE };
    let start = midnight + begin - offset * HOUR + rng.between(0, 120) * MINUTE + rng.between(0, 60) * SECOND;
    Whereabouts { start, from, phone_from, at_office }
}

struct Person<'a> {
    plan: &'a Plan,
    user: &'a User,
    day: i64,
    at: Whereabouts,
    rng: Rng,
    out: &'a mut Vec<Line>,
}

impl Person<'_> {
    /// A moment of the working day.
    fn moment(&mut self) -> i64 {
        self.at.start + self.rng.between(0, 8 * 3_600) * SECOND + self.rng.between(0, SECOND)
    }

    /// The address by which the firm's own machines see the person.
    fn inside(&self) -> String {
        if self.at.at_office {
            return self.user.desk();
        }
        // The gate hands out addresses from a pool.
        let slot = (self.user.nth as i64 * 7 + self.day * 13).rem_euclid(2_000);
        format!("10.200.{}.{}", slot / 200, slot % 200 + 10)
    }

    fn identity(&mut self, time: i64, from: IpAddr, outcome: Out, phone: bool, app: &str) {
        let device = if phone { self.user.phone() } else { self.user.laptop(self.day) };
        let agent = if phone { PHONE.to_owned() } else { self.user.agent(self.day) };
        let client = if phone { "Mobile Apps and Desktop clients" } else { "Browser" };
        let act = SignIn {
            time,
            user: &self.user.name,
            from,
            out: outcome,
            device: &device,
            agent: &agent,
            app,
            client,
        };
        self.out.push(if self.user.okta { okta(&act) } else { entra(&act) });
    }

    fn log_on(&mut self, time: i64, computer: &str, kind: u32, outcome: Out) {
        let from = self.inside();
        self.out.push(logon(&Logon {
            time,
            computer,
            user: &self.user.name,
            from: &from,
            kind,
            out: outcome,
        }));
    }

    /// Typing errors, forgotten passwords, an expired one in a telephone.
    fn mornings_troubles(&mut self) {
        let start = self.at.start;
        let name = self.user.name.clone();
        if self.rng.permille(60) {
            for nth in 0..self.rng.between(1, 4) {
                let time = start - (4 - nth) * 20 * SECOND;
                let from = self.at.from;
                self.identity(time, from, Out::Bad, false, "Mail Online");
                if self.at.at_office {
                    let desk = self.inside();
                    self.out.push(kerberos(time + SECOND, &name, &desk, Out::Bad));
                }
            }
        }
        if self.rng.permille(5) {
            // Tries until locked, calls the helpdesk, is let in.
            let from = self.at.from;
            for nth in 0..self.rng.between(4, 9) {
                self.identity(start - 40 * MINUTE + nth * 45 * SECOND, from, Out::Bad, false, "Mail Online");
            }
            self.identity(start - 30 * MINUTE, from, Out::Locked, false, "Mail Online");
            self.out.push(password_change(start - 12 * MINUTE, &name, "helpdesk.one"));
            self.identity(start - 9 * MINUTE, from, Out::Ok, false, "Mail Online");
        }
        if self.day.rem_euclid(90) == self.user.expires {
            self.out.push(password_change(start + 5 * MINUTE, &name, &name));
            // The telephone goes on with the old one for some hours.
            let phone = self.at.phone_from;
            for nth in 0..self.rng.between(10, 120) {
                let time = start + 6 * MINUTE + nth * 3 * MINUTE;
                if self.user.imap {
                    self.out.push(mail(time, &name, phone, Out::Bad));
                } else {
                    self.identity(time, phone, Out::Bad, true, "Mail Online");
                }
            }
        }
    }

    /// Desk, servers, and the gate for those who are not there.
    fn desk(&mut self) {
        let start = self.at.start;
        let name = self.user.name.clone();
        if !self.at.at_office {
            let winter = OFFICE.first().map_or(1, |o| o.winter);
            let gate = offset_hours(start, winter, crate::time::Summer::Europe);
            let from = self.at.from;
            if self.rng.permille(30) {
                self.out.push(vpn(start - 30 * SECOND, &name, from, Out::Bad, gate));
            }
            self.out.push(vpn(start, &name, from, Out::Ok, gate));
            if self.rng.permille(300) {
                self.out.push(vpn(start + 4 * HOUR, &name, from, Out::Ok, gate));
            }
        }
        let desk = self.inside();
        let computer = self.user.computer();
        self.out.push(kerberos(start + 2 * SECOND, &name, &desk, Out::Ok));
        self.log_on(start + 3 * SECOND, &computer, 2, Out::Ok);
        for nth in 0..if self.plan.quiet { 2 } else { 5 } {
            let time = self.moment();
            let server = format!("SRV{:02}", (self.user.nth + nth) % 12);
            self.log_on(time, &server, 3, Out::Ok);
        }
        if self.rng.permille(40) && self.at.at_office {
            // A screen that all share, in the workshop.
            let time = self.moment();
            let kiosk = format!("10.{}.250.{}", self.user.office + 1, self.user.nth % 5 + 1);
            let outcome = if self.rng.permille(100) { Out::Bad } else { Out::Ok };
            self.out.push(logon(&Logon {
                time,
                computer: "KIOSK1",
                user: &name,
                from: &kiosk,
                kind: 2,
                out: outcome,
            }));
        }
    }

    /// Sign-ins to what lies in the cloud.
    fn cloud(&mut self) {
        let from = self.at.from;
        for _ in 0..self.rng.between(1, 4) {
            let time = self.moment();
            let app = self.rng.text(APPS);
            if self.rng.permille(300) {
                self.identity(time, from, Out::Mfa, false, app);
                if self.rng.permille(15) {
                    // The wrong button.
                    self.identity(time + 9 * SECOND, from, Out::Denied, false, app);
                    self.identity(time + 40 * SECOND, from, Out::Mfa, false, app);
                }
                self.identity(time + 70 * SECOND, from, Out::Ok, false, app);
            } else {
                self.identity(time, from, Out::Ok, false, app);
            }
        }
        if self.rng.permille(700) {
            let time = self.moment();
            let phone = self.at.phone_from;
            self.identity(time, phone, Out::Ok, true, "Mail Online");
        }
        if self.rng.permille(8) {
            // Late in the evening from home.
            let time = self.at.start + self.rng.between(12, 15) * HOUR;
            let home = self.user.home_address(self.day);
            if self.at.at_office {
                self.identity(time, home, Out::Ok, false, "Mail Online");
            }
        }
    }

    fn mail_and_web(&mut self) {
        let name = self.user.name.clone();
        if self.user.imap {
            for _ in 0..4 {
                let time = self.moment();
                let from = self.at.from;
                self.out.push(mail(time, &name, from, Out::Ok));
            }
        }
        if self.user.nth.is_multiple_of(3) {
            let time = self.moment();
            let agent = self.user.agent(self.day);
            let from = self.at.from;
            if self.rng.permille(30) {
                self.out.push(web(time - 20 * SECOND, &name, from, Out::Bad, &agent));
            }
            self.out.push(web(time, &name, from, Out::Ok, &agent));
        }
    }

    fn files(&mut self) {
        let name = self.user.name.clone();
        let desk = self.inside();
        let mut count = if self.user.engineer { self.rng.tailed(10.0, 1.4) } else { 3.0 } as i64;
        if self.plan.quiet {
            count = count.min(6);
        }
        if self.user.engineer && self.rng.permille(4) {
            // A project is copied to begin work on it.
            count += if self.plan.quiet { 120 } else { self.rng.between(150, 500) };
        }
        let begun = self.moment();
        for nth in 0..count {
            let time = if count > 60 { begun + nth * 700_000 } else { self.moment() };
            let place = if self.user.engineer { self.rng.text(SHARES) } else { "office" };
            let file = format!("group{}\\sheet{:05}.dat", self.user.nth % 20, self.rng.below(20_000));
            let write = self.rng.permille(150);
            self.out.push(share(time, &name, &desk, place, &file, write));
        }
        if self.user.engineer && self.user.nth.is_multiple_of(4) {
            let time = self.moment();
            let file = format!("model{:04}.dat", self.rng.below(5_000));
            self.out.push(smb_open(time, &desk, "models", &file, 40_000 + self.rng.below(4_000_000)));
        }
    }

    fn surfing(&mut self) {
        let desk = self.inside();
        let agent = self.user.agent(self.day);
        let name = self.user.name.clone();
        for _ in 0..if self.plan.quiet { 1 } else { 7 } {
            let time = self.moment();
            let site = self.rng.text(SITES);
            let received = 2_000 + self.rng.below(900_000);
            self.out.push(http(time, &desk, &name, site, 0, received, &agent));
        }
        for _ in 0..2 {
            let time = self.moment();
            let sent = self.rng.tailed(self.user.upload / 2.0, 1.5) as u64;
            self.out.push(http(time, &desk, &name, "sync.drive.example", sent, 500, &agent));
        }
        if self.rng.permille(500) {
            let time = self.moment();
            let sent = self.rng.tailed(3e8, 1.4) as u64;
            self.out.push(http(time, &desk, &name, "media.meet.example", sent, 400_000_000, &agent));
        }
        if self.rng.permille(3) {
            // A film for a customer, by the service that everybody uses for it.
            let time = self.moment();
            let sent = self.rng.tailed(8e8, 1.4) as u64;
            self.out.push(http(time, &desk, &name, "up.transfer.example", sent, 900, &agent));
        }
        for _ in 0..if self.plan.quiet { 1 } else { 4 } {
            let time = self.moment();
            let site = self.rng.text(SITES);
            self.out.push(dns(time, &desk, site));
        }
    }

    fn programs(&mut self) {
        let time = self.moment();
        let name = self.user.name.clone();
        let computer = self.user.computer();
        let (image, command) = match self.rng.below(40) {
            0 => ("C:\\Program Files\\7-Zip\\7z.exe", "7z.exe a -mx=5 report.7z report\\"),
            1 => (
                "C:\\Program Files\\WinRAR\\Rar.exe",
                "\"C:\\Program Files\\WinRAR\\Rar.exe\" a -m5 -v50m album.rar pictures\\",
            ),
            2 => ("C:\\Windows\\System32\\tar.exe", "tar -a -cf notes.zip notes"),
            3 => ("C:\\Program Files\\Player\\player.exe", "player.exe a -m5 tune.mid"),
            4..20 => ("C:\\Program Files\\Office\\sheet.exe", "sheet.exe /open budget.xlsx"),
            _ => ("C:\\Program Files\\Draw\\draw.exe", "draw.exe part.drw"),
        };
        self.out.push(process(time, &computer, &name, image, command));
    }

    /// A new telephone is enrolled, usually at a place that is known.
    fn rare_changes(&mut self) {
        if !self.rng.permille(2) {
            return;
        }
        let time = self.moment();
        let name = self.user.name.clone();
        if self.user.okta {
            let device = self.user.laptop(self.day);
            let agent = self.user.agent(self.day);
            let act = SignIn {
                time,
                user: &name,
                from: self.at.from,
                out: Out::Ok,
                device: &device,
                agent: &agent,
                app: "Okta",
                client: "Browser",
            };
            self.out.push(okta_event(
                &act,
                "user.mfa.factor.activate",
                "SUCCESS",
                "User set up OKTA_VERIFY factor",
            ));
        } else {
            self.out.push(entra_audit(time, "User registered security info", &name, &name, self.at.from));
        }
    }
}

/// Service accounts, scanners, and the noise of the internet.
pub fn machines(plan: &Plan, users: &[User], day: i64, out: &mut Vec<Line>) {
    let midnight = (FIRST_DAY + day) * DAY;
    let mut rng = Rng::new(plan.seed, &[3, day as u64]);
    for nth in 0..6_i64 {
        let name = format!("svc-job{nth}");
        let from = format!("10.0.1.{}", nth + 10);
        for hour in 0..24 {
            let time = midnight + hour * HOUR + nth * MINUTE;
            out.push(logon(&Logon {
                time,
                computer: "SRV01",
                user: &name,
                from: &from,
                kind: 3,
                out: Out::Ok,
            }));
        }
    }
    stale_service(day, midnight, out);
    // A task of somebody who left goes on.
    let task = Logon {
        time: midnight + 6 * HOUR,
        computer: "SRV07",
        user: "left.longago",
        from: "10.0.1.70",
        kind: 3,
        out: Out::Disabled,
    };
    out.push(logon(&task));
    backup(plan, day, midnight, out);
    if weekday(FIRST_DAY + day) == 5 {
        vulnerability_scan(midnight, users, out);
    }
    noise(midnight, &mut rng, out);
}

/// A password was changed, a server was forgotten: it tries for days.
fn stale_service(day: i64, midnight: i64, out: &mut Vec<Line>) {
    let broken = day.rem_euclid(45);
    for slot in 0..144 {
        let time = midnight + slot * 10 * MINUTE + 17 * SECOND;
        let outcome = if (12..16).contains(&broken) { Out::Bad } else { Out::Ok };
        if outcome == Out::Ok && slot % 6 != 0 {
            continue;
        }
        let act =
            Logon { time, computer: "SRV02", user: "svc-report", from: "10.0.1.40", kind: 3, out: outcome };
        out.push(logon(&act));
        out.push(ntlm(time + SECOND, "svc-report", "SRV40", outcome));
    }
}

/// The backup reads everything each night.
fn backup(plan: &Plan, day: i64, midnight: i64, out: &mut Vec<Line>) {
    let files = if plan.quiet { 150 } else { 1_500 };
    for nth in 0..files {
        let time = midnight + HOUR + nth * 2 * SECOND;
        let file = format!("group{}\\sheet{:05}.dat", nth % 20, (nth * 13 + day) % 20_000);
        out.push(share(time, "svc-backup", "10.0.1.60", "projects", &file, false));
    }
    let sent = 4_000_000_000 + (day.rem_euclid(7) * 100_000_000) as u64;
    out.push(http(
        midnight + 2 * HOUR,
        "10.0.1.60",
        "svc-backup",
        "vault.backup.example",
        sent,
        900,
        "backup/3.1",
    ));
}

/// The firm's own scanner looks for weak passwords on Saturdays.
fn vulnerability_scan(midnight: i64, users: &[User], out: &mut Vec<Line>) {
    let known = users.iter().take(3).map(|u| u.name.as_str());
    for (nth, name) in GUESSED.iter().copied().chain(known).enumerate() {
        let time = midnight + 3 * HOUR + nth as i64 * 20 * SECOND;
        let outcome = if nth < GUESSED.len() { Out::NoUser } else { Out::Bad };
        out.push(logon(&Logon {
            time,
            computer: "SRV05",
            user: name,
            from: "10.0.0.250",
            kind: 3,
            out: outcome,
        }));
        out.push(kerberos(time + SECOND, name, "10.0.0.250", outcome));
    }
}

/// Whoever is on the internet is tried.
fn noise(midnight: i64, rng: &mut Rng, out: &mut Vec<Line>) {
    for _ in 0..rng.between(2, 6) {
        let from = address(NOISE, rng.below(60));
        let begun = midnight + rng.between(0, 23) * HOUR;
        for nth in 0..rng.between(3, 16) {
            let name = rng.text(GUESSED);
            let time = begun + nth * rng.between(3, 90) * SECOND;
            out.push(if rng.permille(500) {
                mail(time, name, from, Out::NoUser)
            } else {
                vpn(time, name, from, Out::NoUser, offset_hours(time, 1, crate::time::Summer::Europe))
            });
        }
    }
}

/// Whether a person can be counted on to behave as usual on the days around one: victims are chosen among them, so
/// that what is planted is what is found.
pub fn is_steady(user: &User, from: i64, to: i64) -> bool {
    let clear = |start: i64, end: i64| end <= from || to <= start;
    user.office == 0
        && !user.night
        && !user.imap
        && user.joined == i64::MIN
        && user.replaced == i64::MAX
        && user.leave.iter().all(|(start, end)| clear(*start, *end))
        && user.travels.iter().all(|(start, end, _)| clear(*start, *end))
}
