// SPDX-License-Identifier: Apache-2.0
//! FortiGate (log reference, `event`/`vpn`), Dovecot, combined web log, and Zeek's `http`, `dns` and `smb_files`.

use std::net::IpAddr;

use super::{DOMAIN, Family, Line, Out, id_of};
use crate::time::{HOUR, clf, date, epoch, hms, iso};

/// Head of a Zeek `http` log.
pub const HTTP_HEADER: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\thttp\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\ttrans_depth\tmethod\thost\turi\treferrer\tversion\tuser_agent\torigin\trequest_body_len\tresponse_body_len\tstatus_code\tstatus_msg\tusername\n#types\ttime\tstring\taddr\tport\taddr\tport\tcount\tstring\tstring\tstring\tstring\tstring\tstring\tstring\tcount\tcount\tcount\tstring\tstring\n";
/// Head of a Zeek `dns` log.
pub const DNS_HEADER: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tdns\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\ttrans_id\tquery\tqclass_name\tqtype_name\trcode_name\tanswers\n#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tcount\tstring\tstring\tstring\tstring\tvector[string]\n";
/// Head of a Zeek `smb_files` log.
pub const SMB_HEADER: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tsmb_files\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tfuid\taction\tpath\tname\tsize\n#types\ttime\tstring\taddr\tport\taddr\tport\tstring\tenum\tstring\tstring\tcount\n";

/// A FortiGate tells of a tunnel that came up, or of a sign-in that failed. It writes local time and, in
/// `eventtime`, nanoseconds since 1970.
pub fn vpn(time: i64, user: &str, from: IpAddr, out: Out, offset_hours: i64) -> Line {
    let local = time + offset_hours * HOUR;
    let head = format!(
        "date={} time={} devname=\"gate1\" devid=\"FGT0000000000001\" eventtime={} tz=\"{}{:02}00\" type=\"event\" subtype=\"vpn\"",
        date(local),
        hms(local),
        time * 1_000,
        if offset_hours < 0 { '-' } else { '+' },
        offset_hours.abs()
    );
    let text = match out {
        Out::Ok => format!(
            "{head} logid=\"0101039424\" level=\"information\" vd=\"root\" logdesc=\"SSL VPN tunnel up\" action=\"tunnel-up\" tunneltype=\"ssl-tunnel\" tunnelid={} remip={from} user=\"{user}\" group=\"staff\" dst_host=\"N/A\" reason=\"tunnel established\" msg=\"SSL tunnel established\"",
            id_of(&[user], time) % 1_000_000_000
        ),
        _ => format!(
            "{head} logid=\"0101039426\" level=\"alert\" vd=\"root\" logdesc=\"SSL VPN login fail\" action=\"ssl-login-fail\" tunneltype=\"ssl-web\" tunnelid=0 remip={from} user=\"{user}\" group=\"N/A\" dst_host=\"N/A\" reason=\"{}\" msg=\"SSL user failed to logged in\"",
            match out {
                Out::NoUser => "sslvpn_login_unknown_user",
                Out::Locked => "sslvpn_login_blocked",
                _ => "sslvpn_login_permission_denied",
            }
        ),
    };
    Line { family: Family::Vpn, time, text }
}

/// Dovecot's line for a sign-in by IMAP, behind an RFC 5424 header.
pub fn mail(time: i64, user: &str, from: IpAddr, out: Out) -> Line {
    let session = id_of(&[user, "imap"], time);
    let rest = format!(
        "user=<{user}@{DOMAIN}>, method=PLAIN, rip={from}, lip=10.0.0.25, TLS, session=<{session:016x}>"
    );
    let message = match out {
        Out::Ok => format!("imap-login: Login: {rest}, mpid={}", session % 60_000),
        Out::NoUser => {
            format!("imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): {rest}")
        }
        _ => {
            format!("imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): {rest}")
        }
    };
    Line { family: Family::Mail, time, text: format!("<22>1 {} mx1 dovecot 812 - - {message}", iso(time)) }
}

/// A request to a web application with basic authentication.
pub fn web(time: i64, user: &str, from: IpAddr, out: Out, agent: &str) -> Line {
    let status = if out == Out::Ok { 200 } else { 401 };
    let text = format!(
        "{from} - {user} [{}] \"GET /webmail/inbox?page={} HTTP/1.1\" {status} {} \"-\" \"{agent}\"",
        clf(time),
        time / 1_000_000 % 9,
        1_000 + time / 1_000_000 % 7_919
    );
    Line { family: Family::Web, time, text }
}

/// A request that left the firm.
pub fn http(time: i64, from: &str, user: &str, host: &str, sent: u64, received: u64, agent: &str) -> Line {
    let id = id_of(&[from, host], time);
    let method = if sent == 0 { "GET" } else { "PUT" };
    let text = format!(
        "{}\tC{:013x}\t{from}\t{}\t192.0.2.200\t443\t1\t{method}\t{host}\t/v1/{:x}\t-\t1.1\t{agent}\t-\t{sent}\t{received}\t200\tOK\t{user}",
        epoch(time),
        id & 0xF_FFFF_FFFF_FFFF,
        1024 + id % 60_000,
        id % 4_096
    );
    Line { family: Family::Http, time, text }
}

/// A question to the firm's resolver.
pub fn dns(time: i64, from: &str, name: &str) -> Line {
    let id = id_of(&[from, name], time);
    let text = format!(
        "{}\tC{:013x}\t{from}\t{}\t10.0.0.53\t53\tudp\t{}\t{name}\tC_INTERNET\tA\tNOERROR\t192.0.2.{}",
        epoch(time),
        id & 0xF_FFFF_FFFF_FFFF,
        1024 + id % 60_000,
        id % 65_536,
        200 + id % 50
    );
    Line { family: Family::Dns, time, text }
}

/// A file on a share that a workstation opened.
pub fn smb_open(time: i64, from: &str, share: &str, file: &str, size: u64) -> Line {
    let id = id_of(&[from, file], time);
    let text = format!(
        "{}\tC{:013x}\t{from}\t{}\t10.0.0.20\t445\tF{:013x}\tSMB::FILE_OPEN\t\\\\fs1\\{share}\t{file}\t{size}",
        epoch(time),
        id & 0xF_FFFF_FFFF_FFFF,
        1024 + id % 60_000,
        id >> 7 & 0xF_FFFF_FFFF_FFFF
    );
    Line { family: Family::Smb, time, text }
}
