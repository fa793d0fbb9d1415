// SPDX-License-Identifier: Apache-2.0
//! Passwords that stand in lists of leaked ones, found without the list or the password leaving the house.
//!
//! The list is one that *Have I Been Pwned* hands out for use off line: for each hash, SHA-1 of the password or NT hash,
//! a line `HASH:COUNT`. Either one file sorted by hash, or one file for each first five hexadecimal digits, whose lines
//! lack these ("k-anonymity": who is asked for a range learns nothing of the rest). Hashes are never put into a
//! detection, a diagnostic or a log.

use std::io::{self, Read, Seek, SeekFrom};

use model::diagnostic::Diagnostic;
use model::time::Timestamp;

use super::catalogue::LEAKED_PASSWORD;
use super::signin::account;
use crate::detection::{Detection, Evidence, Level, Means};
use crate::event::{Place, SourceKind};
use crate::limits::{FILE_DIAGNOSTICS_MAX, LEAKED_LINE_BYTES_MAX};

/// Hexadecimal digits by which a range is asked for.
pub const PREFIX_DIGITS: usize = 5;
/// NT hash of no password.
const NT_OF_NOTHING: &str = "31D6CFE0D16AE931B73C59D7E0C089C0";

/// What a hash is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashKind {
    /// NT hash, 32 hexadecimal digits.
    Nt,
    /// SHA-1 of the password, 40 hexadecimal digits.
    Sha1,
}

impl HashKind {
    /// Hexadecimal digits of such a hash.
    pub fn digits(self) -> usize {
        match self {
            HashKind::Nt => 32,
            HashKind::Sha1 => 40,
        }
    }
}

/// A hash of a password. It cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    kind: HashKind,
    digits: String,
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PasswordHash({:?})", self.kind)
    }
}

impl PasswordHash {
    /// Reads 32 or 40 hexadecimal digits.
    pub fn parse(text: &str) -> Option<PasswordHash> {
        let kind = [HashKind::Nt, HashKind::Sha1].into_iter().find(|kind| kind.digits() == text.len())?;
        let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        hex.then(|| PasswordHash { kind, digits: text.to_ascii_uppercase() })
    }

    /// What it is of.
    pub fn kind(&self) -> HashKind {
        self.kind
    }

    /// The digits by which its range is asked for.
    pub fn prefix(&self) -> &str {
        self.digits.get(..PREFIX_DIGITS).unwrap_or_default()
    }

    /// The digits that stand in the range's lines.
    fn rest(&self) -> &str {
        self.digits.get(PREFIX_DIGITS..).unwrap_or_default()
    }
}

/// How often a hash stands in a range: the lines of one prefix, `REST:COUNT`, in any order. `None` if it does not.
///
/// ```
/// use hunt::detector::leak::{PasswordHash, count_in_range};
///
/// let hash = PasswordHash::parse("0123456789abcdef0123456789abcdef01234567").unwrap();
/// assert_eq!(hash.prefix(), "01234");
/// assert_eq!(count_in_range(b"56789ABCDEF0123456789ABCDEF01234567:42\r\n", &hash), Some(42));
/// assert_eq!(count_in_range(b"66789ABCDEF0123456789ABCDEF01234567:42\r\n", &hash), None);
/// ```
pub fn count_in_range(range: &[u8], hash: &PasswordHash) -> Option<u64> {
    range.split(|byte| *byte == b'\n').find_map(|line| count_in_line(line, hash.rest()))
}

fn count_in_line(line: &[u8], digits: &str) -> Option<u64> {
    let (start, rest) = line.split_at_checked(digits.len())?;
    let count = rest.strip_prefix(b":")?;
    if !start.eq_ignore_ascii_case(digits.as_bytes()) {
        return None;
    }
    // Ranges are padded with hashes that were seen no times.
    std::str::from_utf8(count).ok()?.trim().parse().ok().filter(|count| *count > 0)
}

/// One sorted file of `HASH:COUNT`, however large: a look-up reads some thirty lines of it.
#[derive(Debug)]
pub struct SortedHashes<R> {
    file: R,
    bytes: u64,
    kind: HashKind,
}

impl<R: Read + Seek> SortedHashes<R> {
    /// Takes a file; its first line says of which kind its hashes are. `None` if it is no such file.
    pub fn open(mut file: R) -> io::Result<Option<SortedHashes<R>>> {
        let bytes = file.seek(SeekFrom::End(0))?;
        let mut sorted = SortedHashes { file, bytes, kind: HashKind::Sha1 };
        let Some(line) = sorted.line_at(0)? else { return Ok(None) };
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let kind = [HashKind::Nt, HashKind::Sha1].into_iter().find(|kind| kind.digits() == digits);
        let Some(kind) = kind.filter(|_| line.get(digits) == Some(&b':')) else { return Ok(None) };
        sorted.kind = kind;
        Ok(Some(sorted))
    }

    /// Of which kind its hashes are.
    pub fn kind(&self) -> HashKind {
        self.kind
    }

    /// How often a hash stands in it; `None` if it does not, or is of another kind.
    pub fn count(&mut self, hash: &PasswordHash) -> io::Result<Option<u64>> {
        if hash.kind != self.kind {
            return Ok(None);
        }
        // The line sought begins in `low..high`.
        let (mut low, mut high) = (0, self.bytes);
        while low < high {
            let middle = low + (high - low) / 2;
            let start = self.line_start(middle, low)?;
            let Some(line) = self.line_at(start)? else { return Ok(None) };
            let found = line.get(..self.kind.digits()).unwrap_or_default().to_ascii_uppercase();
            match found.as_slice().cmp(hash.digits.as_bytes()) {
                std::cmp::Ordering::Equal => return Ok(count_in_line(&line, &hash.digits)),
                std::cmp::Ordering::Less => low = start + line.len() as u64 + 1,
                std::cmp::Ordering::Greater => high = start,
            }
        }
        Ok(None)
    }

    /// Where the line begins that a byte belongs to, not before `low`, which begins a line.
    fn line_start(&mut self, at: u64, low: u64) -> io::Result<u64> {
        let from = at.saturating_sub(LEAKED_LINE_BYTES_MAX as u64).max(low);
        let mut bytes = vec![0; usize::try_from(at - from).unwrap_or(0)];
        self.file.seek(SeekFrom::Start(from))?;
        self.file.read_exact(&mut bytes)?;
        let newline = bytes.iter().rposition(|byte| *byte == b'\n');
        Ok(newline.map_or(from, |newline| from + newline as u64 + 1))
    }

    /// A line without its newline; `None` at the end, or if it is longer than such lines are.
    fn line_at(&mut self, start: u64) -> io::Result<Option<Vec<u8>>> {
        self.file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        (&mut self.file).take(LEAKED_LINE_BYTES_MAX as u64).read_to_end(&mut bytes)?;
        let whole = bytes.len() < LEAKED_LINE_BYTES_MAX;
        let end = bytes.iter().position(|byte| *byte == b'\n').or_else(|| whole.then_some(bytes.len()));
        Ok(end.filter(|end| *end > 0).map(|end| {
            bytes.truncate(end);
            bytes
        }))
    }
}

/// An account with the hash of its password, as exported from a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountHash {
    /// Account.
    pub user: String,
    /// Line of the list, from 1.
    pub line: u64,
    /// Its hash.
    pub hash: PasswordHash,
}

/// Reads a list of accounts: `user:HASH`, or `domain\user:rid:lm:nt:::` as tools for directories write it. Accounts of
/// computers are left out.
pub fn read_hashes(list: &[u8], name: &str) -> (Vec<AccountHash>, Vec<Diagnostic>) {
    let (mut accounts, mut diagnostics) = (Vec::new(), Vec::new());
    for (nth, line) in list.split(|byte| *byte == b'\n').enumerate() {
        let text = String::from_utf8_lossy(line);
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let fields: Vec<&str> = text.split(':').collect();
        let hash = match fields.as_slice() {
            [_, hash] => PasswordHash::parse(hash),
            [_, _, _, nt, ..] => PasswordHash::parse(nt).filter(|hash| hash.kind == HashKind::Nt),
            _ => None,
        };
        let user = fields.first().copied().unwrap_or_default();
        match hash {
            Some(hash) => {
                accounts.extend(account(user).map(|user| AccountHash { user, line: nth as u64 + 1, hash }))
            }
            // The line itself is not shown: it may hold what must not be.
            None if diagnostics.len() < FILE_DIAGNOSTICS_MAX => diagnostics.push(
                Diagnostic::error("hash-line", format!("{name} line {}", nth + 1), "no account with a hash")
                    .with_fix(
                        "write user:HASH with 32 (NT) or 40 (SHA-1) hexadecimal digits, or user:rid:lm:nt:::",
                    ),
            ),
            None => {}
        }
    }
    (accounts, diagnostics)
}

/// Compares accounts with a list of leaked passwords, which `count` asks: how often a hash stands in it.
pub fn leaked<E>(
    accounts: &[AccountHash],
    name: &str,
    taken: Option<Timestamp>,
    count: &mut dyn FnMut(&PasswordHash) -> Result<Option<u64>, E>,
    out: &mut dyn FnMut(Detection),
) -> Result<(), E> {
    for account in accounts {
        let nothing = account.hash.digits == NT_OF_NOTHING;
        let times = if nothing { None } else { count(&account.hash)? };
        if !nothing && times.is_none() {
            continue;
        }
        let (title, level) = match times {
            None => (format!("{}: the password is empty", account.user), Level::Critical),
            Some(times) => {
                (format!("{}: the password was leaked, seen {times} times", account.user), Level::High)
            }
        };
        let evidence = Evidence {
            file: name.to_owned(),
            place: Place { line: account.line, offset: 0 },
            time: taken,
            text: format!("{} (the hash is not shown)", account.user),
        };
        out(Detection {
            means: Means::Detector,
            id: LEAKED_PASSWORD.id.to_owned(),
            title,
            level,
            techniques: LEAKED_PASSWORD.techniques.iter().map(|t| (*t).to_owned()).collect(),
            credit: String::new(),
            source: SourceKind::Audit,
            about: vec![("account", account.user.clone())],
            first: taken,
            last: taken,
            count: 1,
            evidence: vec![evidence],
            threshold: "the hash stands in the list at least once".to_owned(),
            baseline: String::new(),
            disproof: LEAKED_PASSWORD.disproof.to_owned(),
            advice: LEAKED_PASSWORD.advice.to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(count: u64) -> Vec<u8> {
        (0..count)
            .flat_map(|n| format!("{:040X}:{}\n", (u128::from(n) * 3) << 64, n + 1).into_bytes())
            .collect()
    }

    #[test]
    fn each_hash_of_a_sorted_file_is_found_and_no_other() {
        for lines in [1, 2, 3, 100] {
            let mut file = SortedHashes::open(io::Cursor::new(sorted(lines))).unwrap().unwrap();
            for n in 0..lines * 3 {
                let hash = PasswordHash::parse(&format!("{:040x}", u128::from(n) << 64)).unwrap();
                let expected = (n % 3 == 0).then(|| n / 3 + 1);
                assert_eq!(file.count(&hash).unwrap(), expected, "{n} of {lines}");
            }
        }
        assert!(SortedHashes::open(io::Cursor::new(b"no list\n".to_vec())).unwrap().is_none());
        assert!(SortedHashes::open(io::Cursor::new(Vec::new())).unwrap().is_none());
    }

    #[test]
    fn hashes_are_never_shown() {
        let hash = "0123456789abcdef0123456789abcdef";
        let list = format!(
            "works\\alice:1001:aad3b435b51404eeaad3b435b51404ee:{hash}:::\nbob:{NT_OF_NOTHING}\nWS1$:{hash}\nx:y:z\n"
        );
        let (accounts, diagnostics) = read_hashes(list.as_bytes(), "ntds.txt");
        assert_eq!(accounts.len(), 2);
        assert_eq!(diagnostics.len(), 1);
        let mut found = Vec::new();
        leaked::<()>(&accounts, "ntds.txt", None, &mut |_| Ok(Some(7)), &mut |d| found.push(d)).unwrap();
        assert_eq!(found.len(), 2);
        let shown = format!("{found:?} {accounts:?} {diagnostics:?}").to_lowercase();
        assert!(!shown.contains(hash) && !shown.contains(&NT_OF_NOTHING.to_lowercase()), "{shown}");
        let mut none = Vec::new();
        leaked::<()>(&accounts[..1], "ntds.txt", None, &mut |_| Ok(None), &mut |d| none.push(d)).unwrap();
        assert!(none.is_empty());
    }
}
