// SPDX-License-Identifier: Apache-2.0
//! Data that moves: what leaves, which files are opened on shares, which programs are started.
//!
//! What is read: Zeek `http` and `smb_files`, proxies' W3C logs, FortiGate traffic; Windows 5145, 4688 and Sysmon 1;
//! the unified audit log's downloads.

use model::time::Timestamp;
use serde_json::Value;

use super::signin::{account, address};
use crate::event::{Event, SourceClass, SourceKind};

/// Bytes that somebody sent to somewhere outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// When.
    pub time: Timestamp,
    /// Account, or the address where no account is told.
    pub who: String,
    /// Registrable domain, or an address.
    pub to: String,
    /// How many.
    pub bytes: u64,
}

/// A file on a share that somebody opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileUse {
    /// When.
    pub time: Timestamp,
    /// Account, or the address where no account is told.
    pub who: String,
    /// `host\share` in lower case, or a site.
    pub share: String,
    /// Path on it.
    pub file: String,
    /// Whether to write.
    pub write: bool,
}

/// A program that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessStart {
    /// When.
    pub time: Option<Timestamp>,
    /// Account.
    pub user: Option<String>,
    /// Computer.
    pub host: Option<String>,
    /// Path of the program.
    pub image: String,
    /// Name that the program's own file carries.
    pub original: Option<String>,
    /// Command line.
    pub command: String,
}

/// What an event tells of data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Movement {
    /// A file was opened.
    FileUse(FileUse),
    /// A program was started.
    ProcessStart(ProcessStart),
    /// Bytes left.
    Upload(Upload),
}

/// Whether logs of a class can tell of any.
pub fn can_tell(class: &SourceClass) -> bool {
    matches!(
        class.kind,
        SourceKind::Audit | SourceKind::Endpoint | SourceKind::File | SourceKind::Flow | SourceKind::Proxy
    ) || class.source.product == "windows"
}

/// Reads an event.
pub fn movement(event: &Event) -> Option<Movement> {
    let fields = &event.fields;
    if let Some(id) = super::signin::windows_id(event) {
        return match id {
            5145 => share_5145(event).map(Movement::FileUse),
            4688 => process_4688(event).map(Movement::ProcessStart),
            1 => process_sysmon(event).map(Movement::ProcessStart),
            _ => None,
        };
    }
    if fields.contains_key("request_body_len") {
        return zeek_http(event).map(Movement::Upload);
    }
    if fields.contains_key("action") && fields.contains_key("fuid") {
        return zeek_smb(event).map(Movement::FileUse);
    }
    if fields.contains_key("cs-bytes") {
        return proxy(event).map(Movement::Upload);
    }
    if fields.contains_key("sentbyte") {
        return fortigate(event).map(Movement::Upload);
    }
    if fields.contains_key("Operation") {
        return unified(event).map(Movement::FileUse);
    }
    None
}

fn text(event: &Event, name: &str) -> Option<String> {
    super::signin::windows_data(event, name)
}

fn number(event: &Event, name: &str) -> Option<u64> {
    let value = event.field(name)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// `\\*\designs` on FS1, or `\\fs1\designs`.
pub(super) fn share_name(unc: &str, host: &str) -> String {
    let mut parts = unc.trim_start_matches('\\').splitn(2, '\\');
    let (server, share) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (server, share) = if share.is_empty() { ("*", server) } else { (server, share) };
    let server = if server == "*" || server.is_empty() { host } else { server };
    // An address has dots that no domain follows.
    let server = if address(server).is_some() { server } else { server.split('.').next().unwrap_or(server) };
    format!("{server}\\{}", share.trim_end_matches('\\')).to_lowercase()
}

/// Shares that Windows itself uses all the time.
fn is_plumbing(share: &str) -> bool {
    let name = share.rsplit_once('\\').map_or(share, |(_, name)| name);
    matches!(name, "ipc$" | "sysvol" | "netlogon" | "print$")
}

fn share_5145(event: &Event) -> Option<FileUse> {
    let host = text(event, "Computer").unwrap_or_default();
    let share = share_name(&text(event, "ShareName")?, &host);
    let mask = text(event, "AccessMask")?;
    let mask = u32::from_str_radix(mask.trim_start_matches("0x"), 16).ok()?;
    // FILE_READ_DATA 1; FILE_WRITE_DATA 2, FILE_APPEND_DATA 4. Looking at attributes is no use of a file.
    let write = mask & 6 != 0;
    if mask & 7 == 0 || is_plumbing(&share) {
        return None;
    }
    let who = account(&text(event, "SubjectUserName")?)?;
    Some(FileUse { time: event.time?, who, share, file: text(event, "RelativeTargetName")?, write })
}

fn process_4688(event: &Event) -> Option<ProcessStart> {
    Some(ProcessStart {
        time: event.time,
        user: text(event, "SubjectUserName").and_then(|name| account(&name)),
        host: text(event, "Computer"),
        image: text(event, "NewProcessName")?,
        original: text(event, "OriginalFileName"),
        command: text(event, "CommandLine").or_else(|| text(event, "ProcessCommandLine"))?,
    })
}

fn process_sysmon(event: &Event) -> Option<ProcessStart> {
    let image = text(event, "Image")?;
    Some(ProcessStart {
        time: event.time,
        user: text(event, "User").and_then(|name| account(&name)),
        host: text(event, "Computer"),
        image,
        original: text(event, "OriginalFileName"),
        command: text(event, "CommandLine")?,
    })
}

/// The registrable domain of a host, or the address that stands there.
fn destination(host: &str) -> Option<String> {
    let host = host.trim().trim_end_matches('.').to_lowercase();
    let host = host
        .rsplit_once(':')
        .filter(|(_, port)| port.parse::<u16>().is_ok())
        .map_or(host.as_str(), |(h, _)| h);
    if let Some(address) = address(host) {
        return (!super::place::is_inside(address)).then(|| address.to_string());
    }
    let domain = psl::domain_str(host).unwrap_or(host);
    (!domain.is_empty() && domain.contains('.')).then(|| domain.to_owned())
}

fn upload(event: &Event, user: &[&str], from: &[&str], host: Option<String>, bytes: u64) -> Option<Upload> {
    if bytes == 0 {
        return None;
    }
    let named = user.iter().find_map(|name| account(&event.text(name)?));
    let who =
        named.or_else(|| from.iter().find_map(|name| Some(address(&event.text(name)?)?.to_string())))?;
    Some(Upload { time: event.time?, who, to: destination(&host?)?, bytes })
}

fn zeek_http(event: &Event) -> Option<Upload> {
    let host = event.text("host").or_else(|| event.text("id.resp_h")).map(|host| host.into_owned());
    upload(event, &["username"], &["id.orig_h"], host, number(event, "request_body_len")?)
}

fn proxy(event: &Event) -> Option<Upload> {
    // On own servers `cs-bytes` is what came in.
    if event.class.kind != SourceKind::Proxy {
        return None;
    }
    let host = event.text("cs-host").or_else(|| event.text("cs-uri-host")).or_else(|| event.text("r-host"));
    // Headers alone are some hundred bytes a request, and nobody's data.
    let method = event.text("cs-method")?;
    if !matches!(&*method, "POST" | "PUT" | "PATCH" | "CONNECT") {
        return None;
    }
    let host = host.map(|host| host.into_owned());
    upload(event, &["cs-username"], &["c-ip"], host, number(event, "cs-bytes")?)
}

fn fortigate(event: &Event) -> Option<Upload> {
    let to = event.text("hostname").or_else(|| event.text("dstip")).map(|to| to.into_owned());
    upload(event, &["user", "unauthuser"], &["srcip"], to, number(event, "sentbyte")?)
}

fn zeek_smb(event: &Event) -> Option<FileUse> {
    let write = match &*event.text("action")? {
        "SMB::FILE_OPEN" | "SMB::FILE_READ" => false,
        "SMB::FILE_WRITE" => true,
        _ => return None,
    };
    let share = share_name(&event.text("path")?, &event.text("id.resp_h").unwrap_or_default());
    if is_plumbing(&share) {
        return None;
    }
    let who = address(&event.text("id.orig_h")?)?.to_string();
    Some(FileUse { time: event.time?, who, share, file: event.text("name")?.into_owned(), write })
}

fn unified(event: &Event) -> Option<FileUse> {
    let write = match &*event.text("Operation")? {
        "FileAccessed" | "FileDownloaded" | "FileSyncDownloadedFull" => false,
        "FileUploaded" | "FileSyncUploadedFull" => true,
        _ => return None,
    };
    let site = event.text("SiteUrl").or_else(|| event.text("Workload"))?.trim_end_matches('/').to_lowercase();
    let file = event.field("ObjectId").and_then(Value::as_str)?.to_owned();
    Some(FileUse { time: event.time?, who: account(&event.text("UserId")?)?, share: site, file, write })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_one_name_however_they_are_written() {
        assert_eq!(share_name("\\\\*\\Designs", "FS1.works.example"), "fs1\\designs");
        assert_eq!(share_name("\\\\fs1\\designs\\", "10.0.0.20"), "fs1\\designs");
        assert_eq!(share_name("\\\\10.0.0.20\\d$", ""), "10.0.0.20\\d$");
    }

    #[test]
    fn destinations_are_what_somebody_registered() {
        assert_eq!(destination("a.b.cloudbox.example:443").as_deref(), Some("cloudbox.example"));
        assert_eq!(destination("203.0.113.9").as_deref(), Some("203.0.113.9"));
        assert_eq!(destination("10.0.0.9"), None);
        assert_eq!(destination("localhost"), None);
    }
}
