// SPDX-License-Identifier: Apache-2.0
//! The shapes of TAXII 2.1 on the wire. Empty lists are left out, as section 2 demands.

use exchange::filter::Spec;
use exchange::query::{Collection, Entry, ManifestPage, ObjectsPage, VersionsPage};
use exchange::status::{Detail, Status};
use model::stix::runs;
use model::time::Timestamp;
use serde::Serialize;

use crate::media::{STIX_20, STIX_21, TAXII};

/// Discovery (section 4.1.1).
#[derive(Serialize)]
pub(crate) struct Discovery<'a> {
    pub(crate) title: &'a str,
    pub(crate) default: &'a str,
    pub(crate) api_roots: [&'a str; 1],
}

/// API root (section 4.2.1).
#[derive(Serialize)]
pub(crate) struct ApiRoot<'a> {
    title: &'a str,
    versions: [&'a str; 1],
    max_content_length: usize,
}

impl<'a> ApiRoot<'a> {
    pub(crate) fn new(title: &'a str, max_content_length: usize) -> ApiRoot<'a> {
        ApiRoot { title, versions: [TAXII], max_content_length }
    }
}

/// Collections (section 5.1.1).
#[derive(Serialize)]
pub(crate) struct Collections<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    collections: Vec<CollectionShape<'a>>,
}

impl<'a> Collections<'a> {
    pub(crate) fn new(collections: &'a [Collection]) -> Collections<'a> {
        Collections { collections: collections.iter().map(CollectionShape::new).collect() }
    }
}

/// Collection (section 5.2.1).
#[derive(Serialize)]
pub(crate) struct CollectionShape<'a> {
    id: String,
    title: &'a str,
    description: &'a str,
    can_read: bool,
    can_write: bool,
    media_types: [&'a str; 2],
}

impl<'a> CollectionShape<'a> {
    pub(crate) fn new(collection: &'a Collection) -> CollectionShape<'a> {
        CollectionShape {
            id: collection.uuid.to_string(),
            title: &collection.title,
            description: collection.description,
            can_read: collection.can_read,
            can_write: collection.can_write,
            media_types: [STIX_21, STIX_20],
        }
    }
}

/// Manifest (section 5.3.1). `next` is no property of it, but clients page by it.
#[derive(Serialize)]
pub(crate) struct Manifest<'a> {
    more: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    objects: Vec<EntryShape<'a>>,
}

#[derive(Serialize)]
struct EntryShape<'a> {
    id: &'a str,
    date_added: String,
    version: String,
    media_type: &'a str,
}

impl<'a> Manifest<'a> {
    pub(crate) fn new(page: &'a ManifestPage) -> Manifest<'a> {
        let shape = |entry: &'a Entry| EntryShape {
            id: &entry.id,
            date_added: entry.added.to_string(),
            version: version_text(entry.version),
            media_type: match entry.spec {
                Spec::Stix20 => STIX_20,
                Spec::Stix21 => STIX_21,
            },
        };
        let objects = page.entries.iter().map(shape).collect();
        Manifest { more: page.next.is_some(), next: page.next.as_deref(), objects }
    }
}

/// Versions (section 5.8.1).
#[derive(Serialize)]
pub(crate) struct Versions<'a> {
    more: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    versions: Vec<String>,
}

impl<'a> Versions<'a> {
    pub(crate) fn new(page: &'a VersionsPage) -> Versions<'a> {
        let versions = page.versions.iter().map(|version| version_text(*version)).collect();
        Versions { more: page.next.is_some(), next: page.next.as_deref(), versions }
    }
}

/// Status (section 4.3.1).
#[derive(Serialize)]
pub(crate) struct StatusShape<'a> {
    id: String,
    status: &'a str,
    request_timestamp: String,
    total_count: u64,
    success_count: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    successes: Vec<DetailShape<'a>>,
    failure_count: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<DetailShape<'a>>,
    pending_count: u64,
}

#[derive(Serialize)]
struct DetailShape<'a> {
    id: &'a str,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

impl<'a> StatusShape<'a> {
    pub(crate) fn new(status: &'a Status) -> StatusShape<'a> {
        let detail = |detail: &'a Detail| DetailShape {
            id: &detail.id,
            version: version_text(detail.version),
            message: detail.message.as_deref(),
        };
        let failure_count = status.failures.len() as u64;
        StatusShape {
            id: status.id.to_string(),
            // What is answered is durable: nothing waits.
            status: "complete",
            request_timestamp: status.requested.to_string(),
            total_count: status.success_count + failure_count,
            success_count: status.success_count,
            successes: status.successes.iter().map(detail).collect(),
            failure_count,
            failures: status.failures.iter().map(detail).collect(),
            pending_count: 0,
        }
    }
}

/// A version as objects write it: three digits if they tell it whole, so that a client finds the text
/// that stands in the object, else six.
fn version_text(version: Timestamp) -> String {
    let text = version.to_string();
    match text.strip_suffix("000Z") {
        Some(millis) => format!("{millis}Z"),
        None => text,
    }
}

/// What stands before the objects of an envelope (section 3.7), and behind them.
///
/// `x_polder_markings` carries the effective markings: what an object's own bytes say may be less than
/// what holds for it. It stands before the objects, so that a client that reads along has it in time.
pub(crate) fn envelope_ends(page: &ObjectsPage) -> Result<(Vec<u8>, Vec<u8>), serde_json::Error> {
    let head = EnvelopeHead {
        more: page.next.is_some(),
        next: page.next.as_deref(),
        x_polder_markings: runs::print(&page.runs).as_array().cloned().unwrap_or_default(),
    };
    let mut before = serde_json::to_vec(&head)?;
    if page.count == 0 {
        return Ok((before, Vec::new()));
    }
    before.pop();
    before.extend_from_slice(b",\"objects\":[");
    Ok((before, b"]}".to_vec()))
}

#[derive(Serialize)]
struct EnvelopeHead<'a> {
    more: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    x_polder_markings: Vec<serde_json::Value>,
}

/// Error (section 3.6.1); `http_status` is a text and equals the status line.
#[derive(Serialize)]
pub(crate) struct ErrorShape<'a> {
    pub(crate) title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) http_status: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::marking::{Marking, Tlp};
    use model::stix::runs::Run;

    fn page(count: usize, next: Option<&str>, runs: Vec<Run>) -> ObjectsPage {
        ObjectsPage {
            pieces: Vec::new(),
            count,
            runs,
            next: next.map(str::to_owned),
            added_first: Timestamp::EPOCH,
            added_last: Timestamp::EPOCH,
        }
    }

    #[test]
    fn envelopes_close_around_their_objects() {
        let run = Run { marking: Marking::tlp(Tlp::Green), first: 0, last: 1 };
        let (before, after) = envelope_ends(&page(2, Some("AQ"), vec![run])).unwrap();
        let text = String::from_utf8([before, b"{},{}".to_vec(), after].concat()).unwrap();
        assert_eq!(
            text,
            r#"{"more":true,"next":"AQ","x_polder_markings":[{"first":0,"last":1,"marking":"TLP:GREEN","marking_ref":"marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"}],"objects":[{},{}]}"#
        );
        let (before, after) = envelope_ends(&page(0, None, Vec::new())).unwrap();
        assert_eq!([before, after].concat(), br#"{"more":false}"#, "empty lists are forbidden");
    }

    #[test]
    fn versions_are_written_as_objects_write_them() {
        let text = |text: &str| version_text(Timestamp::parse(text).unwrap());
        assert_eq!(version_text(Timestamp::EPOCH), "1970-01-01T00:00:00.000Z");
        assert_eq!(text("2024-02-06T09:00:00.12Z"), "2024-02-06T09:00:00.120Z");
        assert_eq!(text("2024-02-06T09:00:00.123456Z"), "2024-02-06T09:00:00.123456Z");
        assert_eq!(text("2024-02-06T09:00:00.000001Z"), "2024-02-06T09:00:00.000001Z");
    }

    #[test]
    fn empty_lists_are_left_out() {
        let json = |value: &dyn erased::Json| value.json();
        assert_eq!(json(&Collections { collections: Vec::new() }), "{}");
        assert_eq!(json(&Manifest { more: false, next: None, objects: Vec::new() }), r#"{"more":false}"#);
        assert_eq!(json(&Versions { more: false, next: None, versions: Vec::new() }), r#"{"more":false}"#);
    }

    mod erased {
        pub(super) trait Json {
            fn json(&self) -> String;
        }
        impl<T: serde::Serialize> Json for T {
            fn json(&self) -> String {
                serde_json::to_string(self).unwrap()
            }
        }
    }
}
