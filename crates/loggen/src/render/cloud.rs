// SPDX-License-Identifier: Apache-2.0
//! Entra ID (Microsoft Graph `signIn` and `directoryAudit`) and Okta (System Log API).

use serde_json::json;

use super::{DOMAIN, Family, Line, Out, SignIn, id_of};
use crate::time::iso;
use crate::world::NETS;

fn guid(number: u64) -> String {
    format!("{:08x}-{:04x}-4000-8000-{:012x}", number >> 32, number >> 16 & 0xFFFF, number & 0xFFFF_FFFF_FFFF)
}

/// The network of an address, as the identity provider would look it up.
fn net_of(address: std::net::IpAddr) -> Option<&'static crate::world::Net> {
    NETS.iter().find(|net| match (net.base.parse(), address) {
        (Ok(std::net::IpAddr::V4(base)), std::net::IpAddr::V4(a)) => {
            (u32::from(base) ^ u32::from(a)) >> (32 - u32::from(net.prefix)) == 0
        }
        (Ok(std::net::IpAddr::V6(base)), std::net::IpAddr::V6(a)) => {
            (u128::from(base) ^ u128::from(a)) >> (128 - u32::from(net.prefix)) == 0
        }
        _ => false,
    })
}

/// A sign-in at Entra.
pub fn entra(act: &SignIn<'_>) -> Line {
    let id = id_of(&[act.user, act.app], act.time);
    let (code, reason) = match act.out {
        Out::Bad => (50126, "Error validating credentials due to invalid username or password."),
        Out::Denied => (500_121, "Authentication failed during strong authentication request."),
        Out::Disabled => (50057, "The user account is disabled."),
        Out::Locked => (50053, "Account is locked because user tried to sign in too many times."),
        Out::NoUser => (50034, "The user account does not exist in the directory."),
        Out::Mfa => (50074, "Strong Authentication is required."),
        Out::Ok => (0, "Other."),
    };
    let net = net_of(act.from);
    let details = match act.out {
        Out::Denied => "MFA denied; user declined the authentication",
        Out::Ok => "MFA completed in Azure AD",
        _ => "",
    };
    let text = json!({
        "id": guid(id),
        "createdDateTime": iso(act.time),
        "userDisplayName": act.user,
        "userPrincipalName": format!("{}@{DOMAIN}", act.user),
        "userId": guid(id_of(&[act.user], 0)),
        "appId": guid(id_of(&[act.app], 1)),
        "appDisplayName": act.app,
        "ipAddress": act.from.to_string(),
        "clientAppUsed": act.client,
        "userAgent": act.agent,
        "correlationId": guid(id ^ 1),
        "conditionalAccessStatus": "notApplied",
        "isInteractive": true,
        "authenticationRequirement": if act.out == Out::Mfa { "multiFactorAuthentication" } else { "singleFactorAuthentication" },
        "status": {"errorCode": code, "failureReason": reason, "additionalDetails": details},
        "deviceDetail": {
            "deviceId": act.device,
            "displayName": null,
            "operatingSystem": if act.device.starts_with("f0fe") { "Ios" } else { "Windows10" },
            "browser": act.agent.rsplit(' ').next().unwrap_or_default(),
            "isManaged": !act.device.is_empty(),
        },
        "location": {
            "city": null,
            "countryOrRegion": net.map(|n| n.country),
            "geoCoordinates": net.map(|n| json!({"latitude": n.at.0, "longitude": n.at.1})),
        },
        "autonomousSystemNumber": net.map(|n| n.asn),
    });
    Line { family: Family::Entra, time: act.time, text: text.to_string() }
}

/// A change that Entra's directory audit tells of, `User registered security info` or `Reset password (by admin)`.
pub fn entra_audit(time: i64, what: &str, user: &str, actor: &str, from: std::net::IpAddr) -> Line {
    let id = id_of(&[user, what], time);
    let text = json!({
        "id": guid(id),
        "category": "UserManagement",
        "activityDateTime": iso(time),
        "activityDisplayName": what,
        "loggedByService": "Authentication Methods",
        "result": "success",
        "resultReason": "",
        "initiatedBy": {"user": {"userPrincipalName": format!("{actor}@{DOMAIN}"), "ipAddress": from.to_string()}, "app": null},
        "targetResources": [{"type": "User", "userPrincipalName": format!("{user}@{DOMAIN}"), "displayName": user}],
    });
    Line { family: Family::EntraAudit, time, text: text.to_string() }
}

/// A sign-in at Okta: a password, or with `Out::Denied` and `Out::Mfa` a push.
pub fn okta(act: &SignIn<'_>) -> Line {
    let (event, result, reason) = match act.out {
        Out::Bad => ("user.session.start", "FAILURE", "INVALID_CREDENTIALS"),
        Out::Denied => ("user.mfa.okta_verify.deny_push", "FAILURE", "User rejected Okta push verify"),
        Out::Disabled => ("user.session.start", "FAILURE", "USER_STATUS_INVALID"),
        Out::Locked => ("user.session.start", "FAILURE", "LOCKED_OUT"),
        Out::NoUser => ("user.session.start", "FAILURE", "VERIFICATION_ERROR"),
        Out::Mfa => ("system.push.send_factor_verify_push", "SUCCESS", ""),
        Out::Ok => ("user.session.start", "SUCCESS", ""),
    };
    okta_event(act, event, result, reason)
}

/// Any event of Okta about a user.
pub fn okta_event(act: &SignIn<'_>, event: &str, result: &str, reason: &str) -> Line {
    let id = id_of(&[act.user, event], act.time);
    let net = net_of(act.from);
    let unknown = act.out == Out::NoUser;
    let text = json!({
        "uuid": guid(id),
        "published": iso(act.time),
        "eventType": event,
        "version": "0",
        "severity": if result == "SUCCESS" { "INFO" } else { "WARN" },
        "displayMessage": event,
        "actor": {
            "id": if unknown { "unknown".to_owned() } else { format!("00u{:016x}", id_of(&[act.user], 0)) },
            "type": "User",
            "alternateId": format!("{}@{DOMAIN}", act.user),
            "displayName": if unknown { "unknown" } else { act.user },
        },
        "client": {
            "userAgent": {"rawUserAgent": act.agent, "os": "Windows 10", "browser": "CHROME"},
            "zone": "null",
            "device": if act.device.is_empty() { "Unknown" } else { "Computer" },
            "ipAddress": act.from.to_string(),
            "geographicalContext": {
                "country": net.map(|n| n.country),
                "geolocation": net.map(|n| json!({"lat": n.at.0, "lon": n.at.1})),
            },
        },
        "device": if act.device.is_empty() { serde_json::Value::Null } else { json!({"id": act.device}) },
        "outcome": {"result": result, "reason": if reason.is_empty() { serde_json::Value::Null } else { reason.into() }},
        "authenticationContext": {"externalSessionId": format!("102{:016x}", id_of(&[act.user, act.device], act.time / 86_400_000_000)), "authenticationStep": 0},
        "securityContext": {"asNumber": net.map(|n| n.asn), "asOrg": net.map(|n| n.holder), "isProxy": false},
        "debugContext": {"debugData": {"requestUri": "/api/v1/authn"}},
        "target": [{"id": "0oa1", "type": "AppInstance", "displayName": act.app, "alternateId": act.app}],
    });
    Line { family: Family::Okta, time: act.time, text: text.to_string() }
}
