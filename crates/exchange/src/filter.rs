// SPDX-License-Identifier: Apache-2.0
//! What a client asks of a page: TAXII 2.1 sections 3.4 and 3.5 (`limit`, `next`, `added_after`, `match`).

use std::collections::BTreeSet;

use model::time::Timestamp;

use crate::limits::{FILTER_VALUE_BYTES_MAX, FILTER_VALUES_MAX, PAGE_OBJECTS_DEFAULT, PAGE_OBJECTS_MAX};
use trust::mac::push_part;

/// Which `match` fields a resource knows (TAXII 2.1 sections 5.3 to 5.8); it ignores the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields {
    /// Objects and manifest: id, type, version, spec_version.
    Collection,
    /// One object: version, spec_version.
    Object,
    /// The versions of one object: spec_version.
    Versions,
}

impl Fields {
    fn knows(self, field: &str) -> bool {
        match field {
            "match[spec_version]" => true,
            "match[version]" => self != Fields::Versions,
            "match[id]" | "match[type]" => self == Fields::Collection,
            _ => false,
        }
    }
}

/// A STIX version in which objects are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Spec {
    /// STIX 2.0.
    Stix20,
    /// STIX 2.1.
    Stix21,
}

impl Spec {
    /// As `match[spec_version]` writes it.
    pub fn name(self) -> &'static str {
        match self {
            Spec::Stix20 => "2.0",
            Spec::Stix21 => "2.1",
        }
    }

    /// Number in the view's tables.
    pub(crate) fn code(self) -> i64 {
        match self {
            Spec::Stix20 => 20,
            Spec::Stix21 => 21,
        }
    }

    /// Spec of a stored number; anything unknown reads as the newest.
    pub(crate) fn from_code(code: i64) -> Spec {
        if code == 20 { Spec::Stix20 } else { Spec::Stix21 }
    }
}

/// Which versions of each object are wanted, over all that the reader may see (section 3.5,
/// `match[version]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Versions {
    /// Every version.
    All,
    /// The union of these.
    These {
        /// The oldest.
        first: bool,
        /// The newest.
        last: bool,
        /// Exactly these times.
        times: BTreeSet<Timestamp>,
    },
}

impl Versions {
    /// What counts when the client says nothing: the newest.
    pub fn last() -> Versions {
        Versions::These { first: false, last: true, times: BTreeSet::new() }
    }

    /// Whether `version` is wanted of an object whose visible versions run from `oldest` to `newest`.
    pub fn wants(&self, version: Timestamp, oldest: Timestamp, newest: Timestamp) -> bool {
        match self {
            Versions::All => true,
            Versions::These { first, last, times } => {
                (*first && version == oldest) || (*last && version == newest) || times.contains(&version)
            }
        }
    }
}

/// The `match` fields: fields are ANDed, the values of one field are ORed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filters {
    /// Wanted ids; all without it.
    pub ids: Option<BTreeSet<String>>,
    /// Wanted types; all without it.
    pub types: Option<BTreeSet<String>>,
    /// Wanted versions.
    pub versions: Versions,
    /// Wanted STIX versions; without it only the newest of each object (section 3.5, MUST).
    pub specs: Option<BTreeSet<Spec>>,
}

impl Default for Filters {
    fn default() -> Filters {
        Filters { ids: None, types: None, versions: Versions::last(), specs: None }
    }
}

impl Filters {
    /// Every version of everything.
    pub fn everything() -> Filters {
        Filters {
            versions: Versions::All,
            specs: Some([Spec::Stix20, Spec::Stix21].into()),
            ..Filters::default()
        }
    }

    /// The same bytes for the same wish, however it was written; what a cursor is bound to.
    pub(crate) fn normal_form(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, values) in [("id", &self.ids), ("type", &self.types)] {
            push_part(&mut bytes, name.as_bytes());
            push_part(&mut bytes, &[u8::from(values.is_some())]);
            let values: Vec<&String> = values.iter().flatten().collect();
            push_part(&mut bytes, &(values.len() as u64).to_be_bytes());
            for value in values {
                push_part(&mut bytes, value.as_bytes());
            }
        }
        match &self.versions {
            Versions::All => push_part(&mut bytes, b"all"),
            Versions::These { first, last, times } => {
                push_part(&mut bytes, &[u8::from(*first), u8::from(*last)]);
                for time in times {
                    push_part(&mut bytes, &time.micros().to_be_bytes());
                }
            }
        }
        let specs =
            self.specs.as_ref().map(|specs| specs.iter().map(|s| s.name()).collect::<Vec<_>>().join(","));
        push_part(&mut bytes, specs.unwrap_or_else(|| "newest".into()).as_bytes());
        bytes
    }
}

/// Everything that a client asks of one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The `match` fields.
    pub filters: Filters,
    /// Only what was added later than this.
    pub added_after: Option<Timestamp>,
    /// Most objects on the page, already capped.
    pub limit: usize,
    /// The cursor of an earlier page.
    pub next: Option<String>,
}

impl Default for Wish {
    fn default() -> Wish {
        Wish { filters: Filters::default(), added_after: None, limit: PAGE_OBJECTS_DEFAULT, next: None }
    }
}

/// The query is malformed: the sender must mend it (400).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// `all` stands with other values.
    #[error("`match[version]=all` stands alone; leave the other values out")]
    AllWithOthers,
    /// A value between commas, or the whole field, is empty.
    #[error("`{0}` has an empty value; separate values by single commas without spaces")]
    Empty(&'static str),
    /// Not a count.
    #[error("`limit` is a whole number above 0")]
    Limit,
    /// A field stands twice.
    #[error("`{0}` may stand only once; separate several values by commas")]
    Repeated(&'static str),
    /// A version stands twice.
    #[error("`match[version]` names the same version twice")]
    RepeatedVersion,
    /// Not a time.
    #[error("`{0}` is a time such as 2024-01-31T08:30:00.000000Z")]
    Time(&'static str),
    /// A value is longer than any that could match.
    #[error("a value of `{0}` is longer than {FILTER_VALUE_BYTES_MAX} bytes")]
    TooLong(&'static str),
    /// Too many values.
    #[error("`{0}` has more than {FILTER_VALUES_MAX} values; ask in several requests")]
    TooMany(&'static str),
    /// Not a version.
    #[error("`match[version]` takes first, last, all or times such as 2024-01-31T08:30:00.000000Z")]
    Version,
}

impl Wish {
    /// Reads decoded query parameters. Parameters that the resource does not know are ignored (section
    /// 3.5), also when they stand twice.
    pub fn parse<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
        fields: Fields,
    ) -> Result<Wish, FilterError> {
        const NAMES: [&str; 7] = [
            "added_after",
            "limit",
            "next",
            "match[id]",
            "match[spec_version]",
            "match[type]",
            "match[version]",
        ];
        let mut wish = Wish::default();
        let mut seen: Vec<&'static str> = Vec::new();
        for (name, value) in pairs {
            let Some(name) = NAMES.into_iter().find(|known| *known == name) else { continue };
            if name.starts_with("match[") && !fields.knows(name) {
                continue;
            }
            if seen.contains(&name) {
                return Err(FilterError::Repeated(name));
            }
            seen.push(name);
            match name {
                "added_after" => wish.added_after = Some(parse_time(value).ok_or(FilterError::Time(name))?),
                "limit" => wish.limit = parse_limit(value)?,
                "next" => wish.next = Some(value.to_owned()),
                "match[id]" => wish.filters.ids = Some(parse_values(name, value)?),
                "match[type]" => wish.filters.types = Some(parse_values(name, value)?),
                "match[spec_version]" => wish.filters.specs = Some(parse_specs(name, value)?),
                _ => wish.filters.versions = parse_versions(name, value)?,
            }
        }
        Ok(wish)
    }
}

/// TAXII asks for six digits and `Z`; clients send 0 to 9 digits, lower case and `+00:00`. Other offsets
/// are no TAXII times.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    let utc = text.ends_with(['Z', 'z']) || text.ends_with("+00:00");
    utc.then(|| Timestamp::parse(text).ok()).flatten()
}

fn parse_limit(text: &str) -> Result<usize, FilterError> {
    let digits = text.trim_start_matches('0');
    if digits.is_empty() || !text.bytes().all(|c| c.is_ascii_digit()) {
        return Err(FilterError::Limit);
    }
    // A number of any length is a number above the cap.
    Ok(digits.parse::<usize>().unwrap_or(PAGE_OBJECTS_MAX).min(PAGE_OBJECTS_MAX))
}

fn split_values<'a>(name: &'static str, text: &'a str) -> Result<Vec<&'a str>, FilterError> {
    let values: Vec<&str> = text.split(',').take(FILTER_VALUES_MAX + 1).collect();
    if values.len() > FILTER_VALUES_MAX {
        return Err(FilterError::TooMany(name));
    }
    if values.iter().any(|value| value.is_empty()) {
        return Err(FilterError::Empty(name));
    }
    if values.iter().any(|value| value.len() > FILTER_VALUE_BYTES_MAX) {
        return Err(FilterError::TooLong(name));
    }
    Ok(values)
}

fn parse_values(name: &'static str, text: &str) -> Result<BTreeSet<String>, FilterError> {
    Ok(split_values(name, text)?.into_iter().map(str::to_owned).collect())
}

/// A STIX version that no object has matches nothing; it is no error.
fn parse_specs(name: &'static str, text: &str) -> Result<BTreeSet<Spec>, FilterError> {
    let known = |value| [Spec::Stix20, Spec::Stix21].into_iter().find(|spec| spec.name() == value);
    Ok(split_values(name, text)?.into_iter().filter_map(known).collect())
}

fn parse_versions(name: &'static str, text: &str) -> Result<Versions, FilterError> {
    let values = split_values(name, text)?;
    if values.contains(&"all") {
        return if values.len() == 1 { Ok(Versions::All) } else { Err(FilterError::AllWithOthers) };
    }
    let (mut first, mut last, mut times) = (false, false, BTreeSet::new());
    for value in values {
        let fresh = match value {
            "first" => !std::mem::replace(&mut first, true),
            "last" => !std::mem::replace(&mut last, true),
            // Times are compared as numbers: `.1Z` and `.100Z` are one version.
            _ => times.insert(parse_time(value).ok_or(FilterError::Version)?),
        };
        if !fresh {
            return Err(FilterError::RepeatedVersion);
        }
    }
    Ok(Versions::These { first, last, times })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<Wish, FilterError> {
        Wish::parse(pairs.iter().copied(), Fields::Collection)
    }

    fn time(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn nothing_asked_is_the_newest_versions_on_a_default_page() {
        let wish = parse(&[]).unwrap();
        assert_eq!(wish, Wish::default());
        assert_eq!(wish.limit, PAGE_OBJECTS_DEFAULT);
        assert_eq!(parse(&[("match[version]", "last")]).unwrap().filters, Filters::default());
    }

    #[test]
    fn limits_are_counts_and_are_capped_in_silence() {
        for (text, limit) in [("1", 1), ("007", 7), ("10000", 10_000), ("10001", 10_000)] {
            assert_eq!(parse(&[("limit", text)]).unwrap().limit, limit, "{text}");
        }
        let long = "9".repeat(400);
        assert_eq!(parse(&[("limit", &long)]).unwrap().limit, PAGE_OBJECTS_MAX);
        for text in ["0", "000", "-5", "+5", "1.0", "", " 1", "ten", "0x10", "1e3"] {
            assert_eq!(parse(&[("limit", text)]), Err(FilterError::Limit), "{text}");
        }
    }

    #[test]
    fn times_as_clients_write_them() {
        for text in [
            "2020-01-01T00:00:00Z",
            "2020-01-01t00:00:00z",
            "2020-01-01T00:00:00.0Z",
            "2020-01-01T00:00:00.000000000Z",
            "2020-01-01T00:00:00.000000999Z",
            "2020-01-01T00:00:00+00:00",
            "2020-01-01T00:00:00.000000+00:00",
        ] {
            let wish = parse(&[("added_after", text)]).unwrap();
            assert_eq!(wish.added_after, Some(time("2020-01-01T00:00:00Z")), "{text}");
        }
        for text in [
            "",
            "2020-01-01",
            "2020-01-01T00:00:00",
            "2020-01-01 00:00:00Z",
            "2020-13-01T00:00:00Z",
            "yesterday",
            "2020-01-01T02:00:00+02:00",
            "1577836800",
            "2020-01-01T00:00:00-00:00",
        ] {
            assert_eq!(parse(&[("added_after", text)]), Err(FilterError::Time("added_after")), "{text}");
        }
    }

    #[test]
    fn versions_are_keywords_and_times() {
        let versions = |text| parse(&[("match[version]", text)]).map(|wish| wish.filters.versions);
        assert_eq!(versions("all"), Ok(Versions::All));
        let both = Versions::These { first: true, last: true, times: BTreeSet::new() };
        assert_eq!(versions("first,last"), Ok(both));
        let mixed =
            Versions::These { first: true, last: false, times: [time("2020-01-01T00:00:00.1Z")].into() };
        assert_eq!(versions("2020-01-01T00:00:00.100Z,first"), Ok(mixed));
        assert_eq!(versions("all,first"), Err(FilterError::AllWithOthers));
        assert_eq!(versions("all,all"), Err(FilterError::AllWithOthers));
        assert_eq!(versions("last,last"), Err(FilterError::RepeatedVersion));
        let twice = "2020-01-01T00:00:00.1Z,2020-01-01T00:00:00.100Z";
        assert_eq!(versions(twice), Err(FilterError::RepeatedVersion));
        assert_eq!(versions("newest"), Err(FilterError::Version));
        assert_eq!(versions("LAST"), Err(FilterError::Version));
        assert_eq!(versions("first, last"), Err(FilterError::Version));
        assert_eq!(versions("first,"), Err(FilterError::Empty("match[version]")));
    }

    #[test]
    fn a_field_stands_once_and_unknown_fields_are_ignored() {
        for name in [
            "added_after",
            "limit",
            "next",
            "match[id]",
            "match[type]",
            "match[version]",
            "match[spec_version]",
        ] {
            let value = match name {
                "added_after" => "2020-01-01T00:00:00Z",
                "limit" => "5",
                "match[version]" => "all",
                _ => "2.1",
            };
            assert_eq!(parse(&[(name, value), (name, value)]), Err(FilterError::Repeated(name)));
        }
        let odd = [
            ("match[colour]", "red"),
            ("match[colour]", "blue"),
            ("page", "3"),
            ("page", "4"),
            ("Limit", "0"),
        ];
        assert_eq!(parse(&odd), Ok(Wish::default()));
    }

    #[test]
    fn fields_that_a_resource_does_not_know_are_ignored() {
        let pairs = [("match[id]", ""), ("match[type]", ""), ("match[version]", "nonsense")];
        assert_eq!(Wish::parse(pairs, Fields::Versions), Ok(Wish::default()));
        assert!(Wish::parse(pairs, Fields::Object).is_err(), "one object knows versions");
        assert_eq!(Wish::parse([("match[id]", "")], Fields::Object), Ok(Wish::default()));
    }

    #[test]
    fn values_are_bounded() {
        let many = |n: usize| vec!["indicator"; n].join(",");
        assert!(parse(&[("match[type]", &many(FILTER_VALUES_MAX))]).is_ok());
        let over = parse(&[("match[type]", &many(FILTER_VALUES_MAX + 1))]);
        assert_eq!(over, Err(FilterError::TooMany("match[type]")));
        let long = |n: usize| "x".repeat(n);
        assert!(parse(&[("match[id]", &long(FILTER_VALUE_BYTES_MAX))]).is_ok());
        let over = parse(&[("match[id]", &long(FILTER_VALUE_BYTES_MAX + 1))]);
        assert_eq!(over, Err(FilterError::TooLong("match[id]")));
    }

    #[test]
    fn unknown_stix_versions_match_nothing() {
        let wish = parse(&[("match[spec_version]", "3.0")]).unwrap();
        assert_eq!(wish.filters.specs, Some(BTreeSet::new()));
        let wish = parse(&[("match[spec_version]", "2.1,2.0")]).unwrap();
        assert_eq!(wish.filters.specs, Some([Spec::Stix20, Spec::Stix21].into()));
    }

    #[test]
    fn the_normal_form_forgets_how_it_was_written() {
        let form = |pairs: &[(&str, &str)]| parse(pairs).unwrap().filters.normal_form();
        assert_eq!(form(&[("match[type]", "a,b")]), form(&[("match[type]", "b,a,b")]));
        assert_eq!(form(&[("limit", "5"), ("added_after", "2020-01-01T00:00:00Z")]), form(&[]));
        let all = [
            form(&[]),
            form(&[("match[type]", "a")]),
            form(&[("match[id]", "a")]),
            form(&[("match[id]", "a,b")]),
            form(&[("match[version]", "all")]),
            form(&[("match[version]", "first")]),
            form(&[("match[version]", "first,last")]),
            form(&[("match[version]", "2020-01-01T00:00:00Z")]),
            form(&[("match[spec_version]", "2.1")]),
            form(&[("match[spec_version]", "2.0,2.1")]),
            form(&[("match[spec_version]", "3.0")]),
        ];
        let distinct: BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
