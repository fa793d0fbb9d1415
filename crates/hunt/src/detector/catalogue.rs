// SPDX-License-Identifier: Apache-2.0
//! The detectors by name, with what is the same for each of their detections.

/// A detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detector {
    /// Short name, the `id` of its detections.
    pub id: &'static str,
    /// What it finds.
    pub finds: &'static str,
    /// Techniques of ATT&CK.
    pub techniques: &'static [&'static str],
    /// What would show that a detection is nothing.
    pub disproof: &'static str,
    /// What to do.
    pub advice: &'static str,
}

/// All detectors, by name.
pub const DETECTORS: &[Detector] = &[
    BRUTE_FORCE,
    BULK_COLLECTION,
    CLOUD_UPLOAD,
    DORMANT,
    FIRST_SEEN,
    HOSTING_VPN,
    IMPOSSIBLE_TRAVEL,
    LEAKED_PASSWORD,
    LEGACY,
    MFA_FATIGUE,
    MFA_METHOD,
    ODD_HOUR,
    RENAMED_ARCHIVER,
    SLOW_EXFILTRATION,
    SPRAY_DISTRIBUTED,
    SPRAY_ONE_SOURCE,
    STAGING,
    STUFFING,
    TWO_COUNTRIES,
];

/// Many failures, then success, from a place that the account had not been used from.
pub const BRUTE_FORCE: Detector = Detector {
    id: "brute-force-success",
    finds: "many failures and then a success from a source that the account had not used",
    techniques: &["T1110.001", "T1078"],
    disproof: "the owner says that it was he, on a new device, and the helpdesk knows of the call",
    advice: "end the account's sessions, set a new password, check second factors and mailbox rules, and look at what \
             else came from the source",
};

/// Far more files read than usual.
pub const BULK_COLLECTION: Detector = Detector {
    id: "bulk-collection",
    finds: "far more files of a share opened on one day than the account ever opens",
    techniques: &["T1039", "T1005", "T1213"],
    disproof: "a migration, a backup or a search index that somebody ordered runs under this account",
    advice: "ask the owner and his manager; if nobody ordered it, take the computer off the network without switching \
             it off, and keep the file server's logs",
};

/// Much data to a place that nobody here uses.
pub const CLOUD_UPLOAD: Detector = Detector {
    id: "cloud-upload",
    finds: "much data sent on one day to a destination that hardly anybody here uses",
    techniques: &["T1567.002"],
    disproof: "the destination belongs to a customer or supplier, and the transfer was agreed",
    advice: "find out what was sent and by which program; block the destination until that is known",
};

/// Success after a long time.
pub const DORMANT: Detector = Detector {
    id: "dormant-account",
    finds: "a sign-in to an account that was not used for a long time",
    techniques: &["T1078"],
    disproof: "the owner came back from long leave, which the personnel office can confirm",
    advice: "disable the account until its owner is known; see whether it should still exist",
};

/// New place with a new device.
pub const FIRST_SEEN: Detector = Detector {
    id: "first-seen",
    finds: "a sign-in from a provider or country, with a device or program, that were both never seen with the account",
    techniques: &["T1078.004", "T1078"],
    disproof: "the owner travels or moved and has a new device, and says so when called at a known number",
    advice: "call the owner at a known number; if it was not he, end all sessions, set a new password and check second \
             factors",
};

/// Remote access from a rented server.
pub const HOSTING_VPN: Detector = Detector {
    id: "hosting-vpn",
    finds: "remote access from a network of rented servers, which the account had not used",
    techniques: &["T1133", "T1078"],
    disproof: "the owner uses a commercial VPN, or a supplier's jump host is there by agreement",
    advice: "end the session, call the owner, and consider allowing remote access from no hosting networks at all",
};

/// Too far, too fast.
pub const IMPOSSIBLE_TRAVEL: Detector = Detector {
    id: "impossible-travel",
    finds: "two sign-ins that are farther apart than anybody travels in the time between",
    techniques: &["T1078.004", "T1550.001"],
    disproof: "one of the addresses is the exit of a VPN or a proxy that the owner uses, or is placed wrongly",
    advice: "call the owner; if only one place is his, end all sessions and set a new password. If an address is an exit \
             of a VPN, name it as one",
};

/// A password that is in lists.
pub const LEAKED_PASSWORD: Detector = Detector {
    id: "leaked-password",
    finds: "an account whose password stands in a list of leaked passwords",
    techniques: &["T1589.001", "T1110.004"],
    disproof: "the password was changed since the hashes were taken",
    advice: "have the password changed, and see whether the account was signed in to from unknown places",
};

/// A protocol without a second factor.
pub const LEGACY: Detector = Detector {
    id: "legacy-protocol",
    finds: "the first sign-in of an account by a protocol that knows no second factor",
    techniques: &["T1078.004", "T1114.002", "T1556.006"],
    disproof: "the owner set up an old mail program or a device that can do no other",
    advice: "switch the protocol off for the account; if the owner knows nothing of it, set a new password and look at \
             what was read",
};

/// Pushes until somebody gives in.
pub const MFA_FATIGUE: Detector = Detector {
    id: "mfa-fatigue",
    finds: "many refused or unanswered requests for a second factor in a short time",
    techniques: &["T1621"],
    disproof: "the owner fought with his own telephone, and says so",
    advice: "whoever asked knows the password: set a new one now; if a request was approved, end all sessions; use \
             number matching",
};

/// Another second factor after a place never seen.
pub const MFA_METHOD: Detector = Detector {
    id: "mfa-method-change",
    finds: "a second factor changed within a day of a sign-in from a place never seen with the account",
    techniques: &["T1556.006", "T1098.005", "T1111"],
    disproof: "the owner has a new telephone and was where the sign-in came from",
    advice: "call the owner at a known number; take away the new factor, end all sessions, set a new password",
};

/// When the account never is used.
pub const ODD_HOUR: Detector = Detector {
    id: "odd-hour",
    finds: "a sign-in at an hour at which the account is not used, from a device or place that is new to it",
    techniques: &["T1078"],
    disproof: "the owner worked at that hour, or is in another time zone",
    advice: "ask the owner",
};

/// A packer that is called otherwise.
pub const RENAMED_ARCHIVER: Detector = Detector {
    id: "renamed-archiver",
    finds: "an archive program under a name that is not its own",
    techniques: &["T1560.001", "T1036.003", "T1036.005"],
    disproof: "an installer that is known to bring its own packer under that name",
    advice: "keep the program, its archives and the command line; find out what was packed and where it went",
};

/// Little by little, for weeks.
pub const SLOW_EXFILTRATION: Detector = Detector {
    id: "slow-exfiltration",
    finds: "data sent to one destination week after week beyond what is usual for the account and for others",
    techniques: &["T1030", "T1029", "T1567.002", "T1048"],
    disproof: "a new duty of the account explains it: a backup, a shared project, a supplier's portal",
    advice: "find out what is sent before anything is blocked: who does this for weeks notices. Keep proxy and host \
             logs",
};

/// Many users, few tries, many sources.
pub const SPRAY_DISTRIBUTED: Detector = Detector {
    id: "spray-distributed",
    finds: "many more accounts than usual that fail once or twice on a day, from places that are not theirs",
    techniques: &["T1110.003"],
    disproof: "a change on that day broke sign-ins for many: a certificate, a gateway, a password policy",
    advice: "look for a success among the same sources, programs and providers; require a second factor everywhere; \
             block what the attempts have in common",
};

/// Many users, one source.
pub const SPRAY_ONE_SOURCE: Detector = Detector {
    id: "spray-one-source",
    finds: "one source that fails with a few tries each for many accounts that are not usually used from there",
    techniques: &["T1110.003", "T1078"],
    disproof: "the source is a scanner or gateway of your own",
    advice: "block the source; set new passwords for accounts that succeeded from it and end their sessions",
};

/// Files put together to be taken.
pub const STAGING: Detector = Detector {
    id: "staging",
    finds: "many files written on one day to a share that the account had never written to",
    techniques: &["T1074.002", "T1074.001"],
    disproof: "a migration or a new project folder that somebody ordered",
    advice: "see what the files are, before they are gone; ask the owner",
};

/// A stolen list is tried.
pub const STUFFING: Detector = Detector {
    id: "stuffing",
    finds: "many accounts tried about once each, a large part of which do not exist",
    techniques: &["T1110.004"],
    disproof: "a directory migration renamed accounts, and old devices still use the old names",
    advice: "look for a success among the same sources and programs; tell the owners to use no password twice",
};

/// Turn by turn from two countries.
pub const TWO_COUNTRIES: Detector = Detector {
    id: "two-countries",
    finds: "an account used from two countries turn by turn",
    techniques: &["T1078.004", "T1550.004", "T1539"],
    disproof: "one of the addresses is the exit of a VPN or of a mobile carrier abroad",
    advice: "a stolen session looks like this: end all sessions, set a new password, check the owner's computer for \
             programs that steal cookies",
};
