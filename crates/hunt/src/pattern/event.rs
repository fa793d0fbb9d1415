// SPDX-License-Identifier: Apache-2.0
//! Events as observations: the objects that patterns speak of, made of a log's fields.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use model::observable::{Observable, ObservableKind, address_text, kind_of_hash_name, parse_address};
use model::time::Timestamp;
use serde_json::{Map, Value, json};

use super::observed::Observation;
use super::roles::{Role, all_of, text_of};
use crate::event::{Event, SourceKind};

/// Type of the object that holds an event's own fields, for patterns that name them: `[x-event:EventID = 1102]`.
pub const EVENT_TYPE: &str = "x-event";

/// The observation of an event: `network-traffic` with both ends, addresses, `domain-name`, `url`, `file` with
/// its `directory`, `process` with its parent, `user-account`, `windows-registry-key`, `email-message`,
/// `email-addr`, and the event's own fields as `x-event`. Without a time it stands at `without_time`.
///
/// ```
/// use hunt::event::Event;
/// use hunt::pattern::{Matcher, Pattern, observation};
/// use model::time::Timestamp;
///
/// let mut event = Event::default();
/// event.fields = serde_json::from_str(r#"{"id.orig_h":"192.0.2.7","id.resp_h":"203.0.113.9","id.resp_p":541}"#).unwrap();
/// let pattern = Pattern::parse("[network-traffic:dst_port = 541 AND network-traffic:dst_ref.value ISSUBSET '203.0.113.0/24']");
/// let observed = observation(&event, Timestamp::EPOCH);
/// assert!(Matcher::new(&pattern.unwrap()).unwrap().matched(&[observed]).unwrap().is_some());
/// ```
pub fn observation(event: &Event, without_time: Timestamp) -> Observation {
    objects_of(event, without_time, true)
}

/// The same, with the event's own fields only where they are asked for: they are copied.
pub(crate) fn objects_of(event: &Event, without_time: Timestamp, with_fields: bool) -> Observation {
    let mut objects = Objects::default();
    network(event, &mut objects);
    process(event, &mut objects);
    file(event, &mut objects);
    accounts(event, &mut objects);
    registry(event, &mut objects);
    email(event, &mut objects);
    if with_fields {
        let mut fields = event.fields.clone();
        fields.insert("type".to_owned(), Value::from(EVENT_TYPE));
        objects.by_id.insert(EVENT_TYPE.to_owned(), Value::Object(fields));
    }
    let time = event.time.unwrap_or(without_time);
    Observation { objects: objects.by_id, first: time, last: time, number: 1 }
}

/// Objects with ids that tell their type.
#[derive(Default)]
struct Objects {
    by_id: BTreeMap<String, Value>,
    /// The id of each object by its text, where there are more than [`LOOKED_THROUGH_MAX`]: a mail has as many
    /// recipients as its sender likes.
    by_text: HashMap<String, String>,
}

/// Objects that are looked through for the same; most events have fewer.
const LOOKED_THROUGH_MAX: usize = 32;

impl Objects {
    /// Adds an object; its id, under which others refer to it. The same object is one.
    fn add(&mut self, kind: &str, mut properties: Map<String, Value>) -> String {
        properties.insert("type".to_owned(), Value::from(kind));
        let object = Value::Object(properties);
        let id = format!("{kind}--{}", self.by_id.len());
        if let Some(same) = self.same(&object, &id) {
            return same;
        }
        self.by_id.insert(id.clone(), object);
        id
    }

    /// The id of an object that is the same; where there is none, the next look finds this one.
    fn same(&mut self, object: &Value, id: &str) -> Option<String> {
        if self.by_id.len() < LOOKED_THROUGH_MAX {
            let same = self.by_id.iter().find(|(_, known)| *known == object);
            return same.map(|(id, _)| id.clone());
        }
        if self.by_text.is_empty() {
            self.by_text = self.by_id.iter().map(|(id, known)| (known.to_string(), id.clone())).collect();
        }
        match self.by_text.entry(object.to_string()) {
            Entry::Occupied(same) => Some(same.get().clone()),
            Entry::Vacant(new) => {
                new.insert(id.to_owned());
                None
            }
        }
    }

    fn value(&mut self, kind: &str, value: &str) -> String {
        self.add(kind, one("value", value))
    }

    /// An address, or the name that stands where one could.
    fn host(&mut self, text: &str) -> Option<String> {
        match parse_address(text) {
            Some(address) => {
                let text = address_text(address);
                Some(self.value(if text.contains(':') { "ipv6-addr" } else { "ipv4-addr" }, &text))
            }
            None => self.domain(text),
        }
    }

    fn domain(&mut self, text: &str) -> Option<String> {
        // A host header may have a port.
        let name = text.rsplit_once(':').map_or(text, |(name, _)| name);
        let domain = Observable::parse(ObservableKind::Domain, name).ok()?;
        Some(self.value("domain-name", &domain.display()))
    }
}

fn one(key: &str, value: impl Into<Value>) -> Map<String, Value> {
    Map::from_iter([(key.to_owned(), value.into())])
}

fn number(text: Option<Cow<'_, str>>) -> Option<u64> {
    let text = text?;
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Connections: one object with the address at the far end, another with the name where both are known.
fn network(event: &Event, objects: &mut Objects) {
    let mut traffic = Map::new();
    let is_dns = event.class.kind == SourceKind::Dns;
    for (role, key) in [
        (Role::SourcePort, "src_port"),
        (Role::DestinationPort, "dst_port"),
        (Role::SourceBytes, "src_byte_count"),
        (Role::DestinationBytes, "dst_byte_count"),
    ] {
        if let Some(number) = number(text_of(event, role)) {
            traffic.insert(key.to_owned(), Value::from(number));
        }
    }
    for (role, key) in [(Role::Ja3, "x_ja3"), (Role::Ja4, "x_ja4")] {
        if let Some(text) = text_of(event, role) {
            traffic.insert(key.to_owned(), Value::from(text.to_ascii_lowercase()));
        }
    }
    let source = text_of(event, Role::Source).and_then(|text| objects.host(&text));
    if let Some(source) = source {
        traffic.insert("src_ref".to_owned(), Value::from(source));
    }
    http(event, objects, &mut traffic);
    for name in all_of(event, Role::DnsName) {
        objects.domain(&name);
    }
    let address = text_of(event, Role::Destination).and_then(|text| objects.host(&text));
    // A resolver is not what is looked up.
    let host = text_of(event, Role::DestinationHost).filter(|_| !is_dns).and_then(|text| objects.host(&text));
    if traffic.is_empty() && address.is_none() && host.is_none() {
        return;
    }
    let protocols = [Role::Protocol, Role::Service].into_iter().filter_map(|role| text_of(event, role));
    let protocols: Vec<Value> = protocols.map(|name| Value::from(protocol(&name))).collect();
    if !protocols.is_empty() {
        traffic.insert("protocols".to_owned(), Value::from(protocols));
    }
    if let Some(time) = event.time {
        traffic.insert("start".to_owned(), Value::from(time.to_string()));
    }
    let mut ends: Vec<Option<String>> = [address, host].into_iter().flatten().map(Some).collect();
    ends.dedup();
    if ends.is_empty() {
        ends.push(None);
    }
    for end in ends {
        let mut traffic = traffic.clone();
        if let Some(end) = end {
            traffic.insert("dst_ref".to_owned(), Value::from(end));
        }
        objects.add("network-traffic", traffic);
    }
}

/// FortiGate and Windows write protocols as IANA numbers.
fn protocol(name: &str) -> String {
    match name {
        "1" => "icmp".to_owned(),
        "6" => "tcp".to_owned(),
        "17" => "udp".to_owned(),
        "58" => "ipv6-icmp".to_owned(),
        other => other.to_ascii_lowercase(),
    }
}

/// The URL of a request, with its query where a web server writes that into a field of its own.
fn url_of(event: &Event) -> Option<Cow<'_, str>> {
    let url = text_of(event, Role::Url)?;
    let is_stem = event.text("cs-uri-stem").is_some_and(|stem| stem == url) && !url.contains('?');
    let query = event.text("cs-uri-query").filter(|_| is_stem);
    // Some proxies write the question mark, too.
    let query = query.as_deref().map(|query| query.strip_prefix('?').unwrap_or(query));
    Some(match query.filter(|query| !query.is_empty()) {
        Some(query) => Cow::Owned(format!("{url}?{query}")),
        None => url,
    })
}

fn http(event: &Event, objects: &mut Objects, traffic: &mut Map<String, Value>) {
    let url = url_of(event);
    let agent = text_of(event, Role::UserAgent);
    let method = text_of(event, Role::HttpMethod);
    if let Some(url) = &url {
        if url.contains("://") {
            objects.value("url", url);
        } else if let Some(host) = text_of(event, Role::DestinationHost) {
            // What is written of a request is its path alone; the scheme is not told, so it is both.
            let path = url.strip_prefix('/').unwrap_or(url);
            objects.value("url", &format!("http://{host}/{path}"));
            objects.value("url", &format!("https://{host}/{path}"));
        }
    }
    if agent.is_none() && method.is_none() {
        return;
    }
    let mut request = Map::new();
    if let Some(method) = method {
        request.insert("request_method".to_owned(), Value::from(method.to_ascii_lowercase()));
    }
    if let Some(url) = url {
        request.insert("request_value".to_owned(), Value::from(url));
    }
    if let Some(agent) = agent {
        request.insert("request_header".to_owned(), json!({ "User-Agent": agent }));
    }
    traffic.insert("extensions".to_owned(), json!({ "http-request-ext": request }));
}

fn process(event: &Event, objects: &mut Objects) {
    let image = text_of(event, Role::Image);
    let command = text_of(event, Role::CommandLine);
    if image.is_none() && command.is_none() {
        return;
    }
    let mut parent = Map::new();
    if let Some(command) = text_of(event, Role::ParentCommandLine) {
        parent.insert("command_line".to_owned(), Value::from(command));
    }
    if let Some(image) = text_of(event, Role::ParentImage) {
        parent.insert("name".to_owned(), Value::from(base(&image)));
        let id = file_object(objects, &image, Map::new());
        parent.insert("image_ref".to_owned(), Value::from(id));
    }
    if let Some(pid) = number(text_of(event, Role::ParentProcessId)) {
        parent.insert("pid".to_owned(), Value::from(pid));
    }
    let mut process = Map::new();
    if !parent.is_empty() {
        let id = objects.add("process", parent);
        process.insert("parent_ref".to_owned(), Value::from(id));
    }
    if let Some(command) = command {
        process.insert("command_line".to_owned(), Value::from(command));
    }
    if let Some(image) = image {
        // STIX 2.0 has the name, 2.1 the image; patterns of both are about.
        process.insert("name".to_owned(), Value::from(base(&image)));
        let id = file_object(objects, &image, hashes(event));
        process.insert("image_ref".to_owned(), Value::from(id.clone()));
        process.insert("binary_ref".to_owned(), Value::from(id));
    }
    if let Some(cwd) = text_of(event, Role::WorkingDirectory) {
        process.insert("cwd".to_owned(), Value::from(cwd));
    }
    if let Some(pid) = number(text_of(event, Role::ProcessId)) {
        process.insert("pid".to_owned(), Value::from(pid));
    }
    if let Some(account) = text_of(event, Role::Account) {
        let id = account_object(objects, &account, None);
        process.insert("creator_user_ref".to_owned(), Value::from(id));
    }
    objects.add("process", process);
}

/// Files that are not a process's own image.
fn file(event: &Event, objects: &mut Objects) {
    let hashes = hashes(event);
    let is_image = text_of(event, Role::Image).is_some();
    match text_of(event, Role::File) {
        Some(path) => {
            // Of an event with an image the hashes are the image's, except of a module that it loads.
            let loaded = event.field("ImageLoaded").is_some();
            let mut more = if is_image && !loaded { Map::new() } else { hashes };
            if let Some(size) = number(text_of(event, Role::FileSize)) {
                more.insert("size".to_owned(), Value::from(size));
            }
            file_object(objects, &path, more);
        }
        None if !is_image && !hashes.is_empty() => {
            objects.add("file", hashes);
        }
        None => {}
    }
}

fn file_object(objects: &mut Objects, path: &str, mut properties: Map<String, Value>) -> String {
    properties.insert("name".to_owned(), Value::from(base(path)));
    if let Some((directory, _)) = path.rsplit_once(['/', '\\']).filter(|(directory, _)| !directory.is_empty())
    {
        let id = objects.add("directory", one("path", directory));
        properties.insert("parent_directory_ref".to_owned(), Value::from(id));
    }
    objects.add("file", properties)
}

/// The last part of a path, of either system.
fn base(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// `hashes` of an event: fields by their kind, and Sysmon's `MD5=…,SHA256=…`.
fn hashes(event: &Event) -> Map<String, Value> {
    let mut hashes = Map::new();
    for (role, name) in [(Role::Md5, "MD5"), (Role::Sha1, "SHA-1"), (Role::Sha256, "SHA-256")] {
        if let Some(text) = text_of(event, role) {
            hashes.insert(name.to_owned(), Value::from(text.to_ascii_lowercase()));
        }
    }
    for text in all_of(event, Role::Hash) {
        for part in text.split([',', ';', ' ']).filter(|part| !part.is_empty()) {
            let (name, digest) = part.split_once('=').unwrap_or(("", part));
            let kind = match name {
                "" => ObservableKind::of_digest_digits(digest.len()),
                name => kind_of_hash_name(name),
            };
            let name = match kind {
                Some(ObservableKind::Md5) => "MD5",
                Some(ObservableKind::Sha1) => "SHA-1",
                Some(ObservableKind::Sha256) => "SHA-256",
                Some(ObservableKind::Sha384) => "SHA-384",
                Some(ObservableKind::Sha512) => "SHA-512",
                _ if !name.is_empty() => name,
                _ => continue,
            };
            hashes.insert(name.to_owned(), Value::from(digest.to_ascii_lowercase()));
        }
    }
    if hashes.is_empty() { Map::new() } else { one("hashes", hashes) }
}

fn accounts(event: &Event, objects: &mut Objects) {
    let id = text_of(event, Role::AccountId);
    let names = all_of(event, Role::Account);
    let several = names.len() > 1;
    for name in &names {
        // One id belongs to one name; with several it is not told to which.
        account_object(objects, name, id.as_deref().filter(|_| !several));
    }
    if names.is_empty()
        && let Some(id) = id
    {
        objects.add("user-account", one("user_id", id));
    }
}

fn account_object(objects: &mut Objects, name: &str, id: Option<&str>) -> String {
    // `DOMAIN\login` and `login@domain` are the login, too: both are looked for.
    let mut account = one("account_login", name);
    if let Some((domain, login)) = name.split_once('\\') {
        account.insert("account_login".to_owned(), Value::from(login));
        account.insert("x_domain".to_owned(), Value::from(domain));
        objects.add("user-account", one("account_login", name));
    }
    if let Some(id) = id {
        account.insert("user_id".to_owned(), Value::from(id));
    }
    objects.add("user-account", account)
}

fn registry(event: &Event, objects: &mut Objects) {
    let Some(key) = text_of(event, Role::RegistryKey) else { return };
    // Sysmon names the value behind the last backslash; the standard wants roots in full.
    let full =
        [("HKLM\\", "HKEY_LOCAL_MACHINE\\"), ("HKU\\", "HKEY_USERS\\"), ("HKCU\\", "HKEY_CURRENT_USER\\")]
            .iter()
            .find_map(|(short, full)| key.strip_prefix(short).map(|rest| format!("{full}{rest}")))
            .unwrap_or_else(|| key.to_string());
    let data = text_of(event, Role::RegistryData);
    let mut whole = one("key", full.as_str());
    if let (Some((parent, name)), Some(data)) = (full.rsplit_once('\\'), data) {
        let values = json!([{ "name": name, "data": data }]);
        let mut parent = one("key", parent);
        parent.insert("values".to_owned(), values.clone());
        objects.add("windows-registry-key", parent);
        whole.insert("values".to_owned(), values);
    }
    objects.add("windows-registry-key", whole);
}

fn email(event: &Event, objects: &mut Objects) {
    if event.class.kind != SourceKind::Email
        && event.field("mailfrom").is_none()
        && event.field("smtp").is_none()
    {
        return;
    }
    let mut message = Map::new();
    let address = |text: &str, objects: &mut Objects| {
        let plain = text.rsplit_once('<').map_or(text, |(_, rest)| rest);
        let plain = plain.trim_matches(|c: char| matches!(c, '<' | '>' | ' ' | '"'));
        let found = Observable::parse(ObservableKind::Email, plain).ok()?;
        Some(objects.value("email-addr", &found.display()))
    };
    if let Some(from) = text_of(event, Role::MailFrom).and_then(|text| address(&text, objects)) {
        message.insert("from_ref".to_owned(), Value::from(from.clone()));
        message.insert("sender_ref".to_owned(), Value::from(from));
    }
    let to: Vec<Value> = all_of(event, Role::MailTo)
        .iter()
        .flat_map(|list| list.split([',', ';']))
        .filter_map(|text| address(text, objects))
        .map(Value::from)
        .collect();
    if !to.is_empty() {
        message.insert("to_refs".to_owned(), Value::from(to));
    }
    if let Some(subject) = text_of(event, Role::MailSubject) {
        message.insert("subject".to_owned(), Value::from(subject));
    }
    if !message.is_empty() {
        objects.add("email-message", message);
    }
}
