// SPDX-License-Identifier: Apache-2.0
//! The words of the page, in Dutch and English, for a director who has no department for this.

use crate::event::SourceKind;
use crate::report::summary::{Day, GapReason};
use crate::report::words::{civil, separated};

/// Language of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// Nederlands.
    Dutch,
    /// English.
    #[default]
    English,
}

/// How much it matters, and so what the page begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No line was read.
    Blind,
    /// Nothing was found, and all was looked at that was given.
    Clean,
    /// Nothing was found; some of it could not be looked at.
    CleanSoFar,
    /// Somebody should look at it this week.
    Look,
    /// Nothing was looked for.
    Nothing,
    /// Today.
    Now,
}

/// Headings and fixed sentences.
pub(super) struct Fixed {
    pub title: &'static str,
    pub first: &'static str,
    pub steps_found: &'static [&'static str],
    pub steps_blind: &'static [&'static str],
    pub steps_clean: &'static [&'static str],
    pub accounts: &'static str,
    pub accounts_how: &'static str,
    pub no_accounts: &'static str,
    pub devices: &'static str,
    pub devices_how: &'static str,
    pub no_devices: &'static str,
    pub unseen: &'static str,
    pub nothing_unseen: &'static str,
    pub call: &'static str,
    pub own_it: &'static str,
    pub csirt: &'static str,
    pub sector: &'static str,
    pub police: &'static str,
    pub fill_in: &'static str,
    pub footer: &'static str,
}

const DUTCH: Fixed = Fixed {
    title: "Uitkomst van het logonderzoek",
    first: "Doe dit eerst",
    steps_found: &[
        "Bel uw eigen IT-contact en geef deze pagina door: telefonisch of op papier, niet per e-mail. Wie binnen is, leest misschien mee.",
        "Zet niets uit en gooi niets weg. Sporen die nu verdwijnen, komen niet terug.",
        "Schrijf op wie wat deed en hoe laat. Kunnen er persoonsgegevens zijn gelekt, dan moet u dat mogelijk binnen 72 uur melden; laat dat vandaag uitzoeken.",
    ],
    steps_blind: &[
        "Trek hieruit geen conclusie: dit onderzoek zegt niet of er iets aan de hand is.",
        "Vraag uw IT-contact om de logbestanden die hieronder ontbreken, en laat het onderzoek dan opnieuw doen.",
    ],
    steps_clean: &[
        "U hoeft nu niets te doen.",
        "Laat de logbestanden die hieronder ontbreken voortaan bewaren, zodat er een volgende keer meer te zien is.",
        "Laat het onderzoek opnieuw doen zodra er nieuwe waarschuwingen zijn. Niets gevonden betekent niet dat er niets is.",
    ],
    accounts: "Nieuw wachtwoord nodig",
    accounts_how: "Laat voor deze accounts het wachtwoord wijzigen, alle open sessies afmelden en controleren wie de tweede inlogstap ontvangt.",
    no_accounts: "Geen account gevonden dat een nieuw wachtwoord nodig heeft.",
    devices: "Apparaat laten nakijken",
    devices_how: "Laat het apparaat aanstaan, maar haal het van het netwerk: kabel eruit, wifi uit. Maak het niet zelf schoon.",
    no_devices: "Geen apparaat gevonden dat nagekeken moet worden.",
    unseen: "Wat wij niet konden zien",
    nothing_unseen: "Alles wat is aangeleverd, is gelezen. Over wat niet is aangeleverd, zegt deze pagina niets.",
    call: "Wie u belt",
    own_it: "Eigen IT of IT-leverancier",
    csirt: "Nationaal centrum (CSIRT)",
    sector: "Brancheorganisatie",
    police: "Politie",
    fill_in: "nog invullen: naam en telefoonnummer",
    footer: "Alleen voor intern gebruik. Alle tijden zijn UTC. Het volledige rapport noemt elke regel waarop dit berust.",
};

const ENGLISH: Fixed = Fixed {
    title: "What your logs show",
    first: "Do this first",
    steps_found: &[
        "Call your own IT contact and pass this page on by telephone or on paper, not by e-mail. Whoever is inside may be reading along.",
        "Switch nothing off and throw nothing away. Traces that are lost now do not come back.",
        "Write down who did what, and when. If personal data may have leaked, you may have to report it within 72 hours; have that looked into today.",
    ],
    steps_blind: &[
        "Conclude nothing from this: it does not say whether anything is wrong.",
        "Ask your IT contact for the logs that are missing below, and have this done again.",
    ],
    steps_clean: &[
        "There is nothing that you must do now.",
        "Have the logs that are missing below kept from now on, so that more can be seen next time.",
        "Have this done again when there are new warnings. Nothing found does not mean that nothing is there.",
    ],
    accounts: "New password needed",
    accounts_how: "Have the password of these accounts changed, all open sessions ended, and check who receives the second step of the sign-in.",
    no_accounts: "No account was found that needs a new password.",
    devices: "Device to be checked",
    devices_how: "Leave the device on, but take it off the network: cable out, Wi-Fi off. Do not clean it yourself.",
    no_devices: "No device was found that needs to be checked.",
    unseen: "What could not be seen",
    nothing_unseen: "All that was handed in was read. Of what was not handed in, this page says nothing.",
    call: "Whom to call",
    own_it: "Own IT or IT supplier",
    csirt: "National centre (CSIRT)",
    sector: "Sector body",
    police: "Police",
    fill_in: "to be filled in: name and telephone number",
    footer: "For internal use only. All times are UTC. The full report names every line that this rests on.",
};

/// Valid accounts: somebody signed in.
const SIGNED_IN: &str = "T1078";

/// What is worth saying of a technique of ATT&CK to somebody who has never heard of it.
const TECHNIQUES: &[(&str, &str, &str)] = &[
    ("T1110", "er zijn wachtwoorden geprobeerd", "passwords were tried"),
    (
        "T1621",
        "er kwamen ongewoon veel verzoeken om een aanmelding goed te keuren",
        "there were unusually many requests to approve a sign-in",
    ),
    (
        "T1111",
        "de tweede inlogstap is mogelijk onderschept",
        "the second step of the sign-in may have been intercepted",
    ),
    ("T1556", "de manier van inloggen is gewijzigd", "the way of signing in was changed"),
    (
        "T1098",
        "de rechten of instellingen van het account zijn gewijzigd",
        "rights or settings of the account were changed",
    ),
    ("T1136", "er is een account bijgemaakt", "an account was added"),
    (
        SIGNED_IN,
        "er is ingelogd op een manier die niet bij deze gebruiker past",
        "there was a sign-in that does not fit this user",
    ),
    (
        "T1133",
        "er is van buitenaf ingelogd op een manier die niet klopt",
        "there was a sign-in from outside that does not fit",
    ),
    (
        "T1190",
        "een apparaat aan de rand van het netwerk is mogelijk misbruikt",
        "a device at the edge of the network may have been abused",
    ),
    ("T1114", "er is mogelijk e-mail gekopieerd", "mail may have been copied"),
    ("T1213", "er zijn mogelijk documenten verzameld", "documents may have been collected"),
    (
        "T1039",
        "er zijn mogelijk bestanden van een gedeelde map verzameld",
        "files of a share may have been collected",
    ),
    ("T1074", "er zijn bestanden klaargezet om mee te nemen", "files were put together to be taken away"),
    (
        "T1560",
        "er zijn bestanden ingepakt, zoals vóór het wegsluizen van gegevens",
        "files were packed, as is done before data are taken away",
    ),
    (
        "T1567",
        "er zijn mogelijk gegevens naar een clouddienst gestuurd",
        "data may have been sent to a cloud service",
    ),
    ("T1048", "er zijn mogelijk gegevens naar buiten gestuurd", "data may have been sent out"),
    ("T1041", "er zijn mogelijk gegevens naar buiten gestuurd", "data may have been sent out"),
    (
        "T1030",
        "er zijn mogelijk gegevens in kleine delen naar buiten gestuurd",
        "data may have been sent out in small parts",
    ),
    ("T1071", "het had contact met een server van aanvallers", "it was in contact with an attacker's server"),
    ("T1003", "er zijn mogelijk wachtwoorden buitgemaakt", "passwords may have been taken"),
    ("T1070", "er zijn sporen gewist", "traces were removed"),
    (
        "T1021",
        "er is vanaf een ander apparaat in het netwerk op ingelogd",
        "it was signed in to from another device in the network",
    ),
    ("T1053", "er is een taak ingepland die er niet hoort", "a task was planned that does not belong there"),
];

/// What other words say in neither language: which of a firm's days only a kind of log can show.
const KINDS: &[(&[SourceKind], &str, &str)] = &[
    (
        &[SourceKind::Authentication, SourceKind::Vpn],
        "wie er inlogde, en vanwaar",
        "who signed in, and from where",
    ),
    (
        &[SourceKind::Endpoint],
        "wat er op de computers zelf gebeurde",
        "what happened on the computers themselves",
    ),
    (
        &[SourceKind::Dns, SourceKind::Flow, SourceKind::Proxy, SourceKind::Tls],
        "met welke adressen op internet er contact was",
        "which addresses on the internet were contacted",
    ),
    (&[SourceKind::Email], "welke e-mail er binnenkwam en uitging", "which mail came in and went out"),
];

impl Language {
    /// The tag of BCP 47.
    pub fn tag(self) -> &'static str {
        match self {
            Language::Dutch => "nl",
            Language::English => "en",
        }
    }

    /// The language of a tag.
    pub fn from_tag(tag: &str) -> Option<Language> {
        [Language::Dutch, Language::English].into_iter().find(|language| language.tag() == tag)
    }

    fn pick(self, dutch: &'static str, english: &'static str) -> &'static str {
        match self {
            Language::Dutch => dutch,
            Language::English => english,
        }
    }

    pub(super) fn fixed(self) -> &'static Fixed {
        match self {
            Language::Dutch => &DUTCH,
            Language::English => &ENGLISH,
        }
    }

    pub(super) fn verdict(self, verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Blind => self.pick(
                "Er kon geen enkele regel worden gelezen. Over uw systemen valt daarom niets te zeggen.",
                "Not one line could be read, so nothing can be said about your systems.",
            ),
            Verdict::Clean => self.pick("Er is niets verdachts gevonden.", "Nothing suspicious was found."),
            Verdict::CleanSoFar => self.pick(
                "Er is niets verdachts gevonden, maar niet alles kon worden bekeken.",
                "Nothing suspicious was found, but not everything could be looked at.",
            ),
            Verdict::Look => self.pick(
                "Er is iets gevonden dat iemand deze week moet bekijken.",
                "Something was found that somebody should look at this week.",
            ),
            Verdict::Nothing => self.pick(
                "Er is nergens naar gezocht: er waren geen waarschuwingen en geen regels om op te letten.",
                "Nothing was looked for: there were no warnings and no rules to look for.",
            ),
            Verdict::Now => self.pick(
                "Er is iets gevonden waar u vandaag iets aan moet doen.",
                "Something was found that you must act on today.",
            ),
        }
    }

    pub(super) fn number(self, number: u64) -> String {
        separated(number, if self == Language::Dutch { '.' } else { ',' })
    }

    /// `3 regels`, `1 line`.
    pub(super) fn count(self, number: u64, dutch: [&str; 2], english: [&str; 2]) -> String {
        let [one, many] = if self == Language::Dutch { dutch } else { english };
        format!("{} {}", self.number(number), if number == 1 { one } else { many })
    }

    /// `files`: in how many there are lines, and how many there are.
    pub(super) fn basis(self, lines: u64, files: (u64, u64), period: Option<(Day, Day)>) -> String {
        let lines = self.count(lines, ["regel", "regels"], ["line", "lines"]);
        let (with_lines, files) = files;
        let some = match (with_lines == files, self) {
            (true, _) => String::new(),
            (false, Language::Dutch) => format!("{} van ", separated(with_lines, '.')),
            (false, Language::English) => format!("{} of ", separated(with_lines, ',')),
        };
        let files = some + &self.count(files, ["bestand", "bestanden"], ["file", "files"]);
        let period = period.map_or(String::new(), |(from, to)| format!(", {}", self.days(from, to)));
        match self {
            Language::Dutch => format!("Bekeken: {lines} uit {files}{period}."),
            Language::English => format!("Looked at: {lines} in {files}{period}."),
        }
    }

    /// `1 januari 2026`, `1 January 2026`.
    pub(super) fn date(self, day: Day) -> String {
        let (year, month, day) = civil(day);
        let months = match self {
            Language::Dutch => [
                "januari",
                "februari",
                "maart",
                "april",
                "mei",
                "juni",
                "juli",
                "augustus",
                "september",
                "oktober",
                "november",
                "december",
            ],
            Language::English => [
                "January",
                "February",
                "March",
                "April",
                "May",
                "June",
                "July",
                "August",
                "September",
                "October",
                "November",
                "December",
            ],
        };
        let month = usize::try_from(month).ok().and_then(|month| months.get(month.checked_sub(1)?));
        format!("{day} {} {year}", month.copied().unwrap_or_default())
    }

    /// From a day to a day, both among them.
    pub(super) fn days(self, from: Day, to: Day) -> String {
        match (self, from == to) {
            (Language::Dutch, true) => format!("op {}", self.date(from)),
            (Language::English, true) => format!("on {}", self.date(from)),
            (Language::Dutch, false) => format!("van {} tot en met {}", self.date(from), self.date(to)),
            (Language::English, false) => format!("from {} to {}", self.date(from), self.date(to)),
        }
    }

    pub(super) fn gap(self, why: GapReason) -> &'static str {
        match why {
            GapReason::Deleted => self.pick(
                "verwijderd na afloop van de bewaartermijn",
                "deleted when the time of keeping was over",
            ),
            GapReason::NeverHad => self.pick("niet aangeleverd", "not handed in"),
            GapReason::NotReached => self.pick(
                "niet bekend, het zoeken is gestopt voor alles was gelezen",
                "not known, the search was stopped before all was read",
            ),
            GapReason::NotReadable => self.pick("wel aanwezig, maar onleesbaar", "there, but not readable"),
        }
    }

    /// What is said of somebody about whom there are findings and detections.
    pub(super) fn reason(self, techniques: &[&str], title: Option<&str>, findings: u64) -> String {
        let whole = techniques.iter().map(|technique| technique.split('.').next().unwrap_or(technique));
        let known = || whole.clone().filter_map(|whole| TECHNIQUES.iter().find(|(id, ..)| *id == whole));
        // Who was let in matters more than how often the door was tried.
        let known = known().find(|(id, ..)| *id == SIGNED_IN).or_else(|| known().next());
        let mut reasons = Vec::new();
        match (known, title) {
            (Some((_, dutch, english)), _) => reasons.push(self.pick(dutch, english).to_owned()),
            // No words of our own for it: the rule's, in its own language.
            (None, Some(title)) => reasons.push(match self {
                Language::Dutch => format!("een regel sloeg aan (‘{title}’)"),
                Language::English => format!("a rule matched (‘{title}’)"),
            }),
            (None, None) => {}
        }
        if findings > 0 {
            let times = self.count(findings, ["keer", "keer"], ["time", "times"]);
            reasons.push(match self {
                Language::Dutch => format!("{times} gezien bij iets waarvoor anderen waarschuwen"),
                Language::English => format!("seen {times} with something that others warn of"),
            });
        }
        reasons.join("; ")
    }

    pub(super) fn more(self, count: u64) -> String {
        match self {
            Language::Dutch => format!("en nog {}; zie het volledige rapport", self.number(count)),
            Language::English => format!("and {} more; see the full report", self.number(count)),
        }
    }

    /// Findings that an earlier hunt recorded.
    pub(super) fn known(self, count: u64) -> String {
        let many = count != 1;
        match self {
            Language::Dutch => format!(
                "{} {} ook bij een eerdere controle gevonden.",
                self.count(count, ["vondst", "vondsten"], ["", ""]),
                if many { "zijn" } else { "is" }
            ),
            Language::English => format!(
                "{} {} already found by an earlier check.",
                self.count(count, ["", ""], ["finding", "findings"]),
                if many { "were" } else { "was" }
            ),
        }
    }

    /// Findings that a person dismissed.
    pub(super) fn dismissed(self, count: u64) -> String {
        let many = count != 1;
        match self {
            Language::Dutch => format!(
                "{} {} door iemand als onschuldig beoordeeld en {} hier niet mee.",
                self.count(count, ["vondst", "vondsten"], ["", ""]),
                if many { "zijn" } else { "is" },
                if many { "tellen" } else { "telt" }
            ),
            Language::English => format!(
                "{} {} judged by somebody to be no threat, and {} not counted here.",
                self.count(count, ["", ""], ["finding", "findings"]),
                if many { "were" } else { "was" },
                if many { "are" } else { "is" }
            ),
        }
    }

    /// What a rule told again and again of the same, before the command that makes an exception.
    pub(super) fn repeated(self, times: u64, title: &str, about: &str, others: u64) -> String {
        let times = self.number(times);
        let others = match (self, others) {
            (_, 0) => String::new(),
            (Language::Dutch, others) => {
                format!(
                    " (zo {} er nog {}; zie het volledige rapport)",
                    if others == 1 { "is" } else { "zijn" },
                    others
                )
            }
            (Language::English, others) => {
                format!(" (and {} more like it; see the full report)", self.number(others))
            }
        };
        match self {
            Language::Dutch => format!(
                "{times} keer hetzelfde gemeld: ‘{title}’, {about}{others}. Weet uw beheerder dat dit onschuldig is, dan \
                 maakt hij een uitzondering, met reden en einddatum:"
            ),
            Language::English => format!(
                "Told {times} times of the same: ‘{title}’, {about}{others}. If your own IT knows that it is harmless, it makes \
                 an exception, with a reason and an end:"
            ),
        }
    }

    /// Detections and findings that name neither account nor device.
    pub(super) fn nameless(self, count: u64) -> String {
        match self {
            Language::Dutch => format!(
                "{} zonder account of apparaat {} in het volledige rapport.",
                self.count(count, ["vondst", "vondsten"], ["", ""]),
                if count == 1 { "staat" } else { "staan" }
            ),
            Language::English => format!(
                "{} without an account or device {} in the full report.",
                self.count(count, ["", ""], ["finding", "findings"]),
                if count == 1 { "stands" } else { "stand" }
            ),
        }
    }

    /// What no log at hand can show.
    pub(super) fn blind_to(self, had: &[SourceKind]) -> Vec<&'static str> {
        let missing = KINDS.iter().filter(|(kinds, ..)| !kinds.iter().any(|kind| had.contains(kind)));
        missing.map(|(_, dutch, english)| self.pick(dutch, english)).collect()
    }

    pub(super) fn no_log_for(self, what: &str) -> String {
        match self {
            Language::Dutch => format!("{what}: daarvan is geen logbestand aangeleverd"),
            Language::English => format!("{what}: no log of it was handed in"),
        }
    }

    pub(super) fn source_missing(self, name: &str) -> String {
        match self {
            Language::Dutch => format!("{name}: niets ontvangen, terwijl het wel wordt verwacht"),
            Language::English => format!("{name}: nothing was received, though it is expected"),
        }
    }

    pub(super) fn not_due(self, name: &str, from: Day) -> String {
        let from = self.date(from);
        match self {
            Language::Dutch => format!("{name}: wordt pas verwacht vanaf {from}"),
            Language::English => format!("{name}: is expected from {from} on, and not before"),
        }
    }

    pub(super) fn bad_files(self, files: u64) -> String {
        let verb = if files == 1 { "kon" } else { "konden" };
        let files = self.count(files, ["bestand", "bestanden"], ["file", "files"]);
        match self {
            Language::Dutch => format!("{files} {verb} niet of maar voor een deel worden gelezen"),
            Language::English => format!("{files} could not be read, or only in part"),
        }
    }

    pub(super) fn bad_lines(self, lines: u64) -> String {
        let lines = self.count(lines, ["regel", "regels"], ["line", "lines"]);
        match self {
            Language::Dutch => format!("{lines} in een vorm die het programma niet kent"),
            Language::English => format!("{lines} in a form that the program does not know"),
        }
    }

    pub(super) fn stopped(self) -> &'static str {
        self.pick(
            "Het onderzoek is gestopt voordat alles was gelezen",
            "The search was stopped before all was read",
        )
    }

    pub(super) fn made(self, day: Day) -> String {
        match self {
            Language::Dutch => format!("Gemaakt op {}", self.date(day)),
            Language::English => format!("Made on {}", self.date(day)),
        }
    }
}
