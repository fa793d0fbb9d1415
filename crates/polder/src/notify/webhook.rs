// SPDX-License-Identifier: Apache-2.0
//! HTTP POST of a notice, signed with a secret that both sides know. One small request, no redirects.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use hunt::report::outbox::Outgoing;
use hunt::report::words::{shortened, visible};
use model::id::hex;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::node::now;

/// Longest URL.
const URL_BYTES_MAX: usize = 2_048;
/// Longest first line of an answer.
const STATUS_BYTES_MAX: usize = 1_024;
/// Time for the connection, and for each read and write.
const STEP_TIME: Duration = Duration::from_secs(10);
/// Time for all of it.
const WHOLE_TIME: Duration = Duration::from_secs(30);

/// Where a webhook is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub is_tls: bool,
    /// Name or address, without the brackets of IPv6.
    pub host: String,
    pub port: u16,
    /// Path and query.
    pub path: String,
}

impl Target {
    /// Reads `https://host[:port]/path?query`.
    pub fn parse(url: &str) -> Result<Target, String> {
        if url.len() > URL_BYTES_MAX {
            return Err(format!("it is longer than {URL_BYTES_MAX} bytes"));
        }
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("it holds a blank, a control character, or letters that are not ASCII".to_owned());
        }
        let (scheme, rest) = url.split_once("://").ok_or("it does not begin with https:// or http://")?;
        let is_tls = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(format!("`{scheme}` is neither https nor http")),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(at).unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err("it holds a user or a password; the signature says who sends it".to_owned());
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(inner) => {
                let (host, port) = inner.split_once(']').ok_or("its address has no closing bracket")?;
                (host, port.strip_prefix(':'))
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        if host.is_empty() {
            return Err("it has no host".to_owned());
        }
        let port = match port {
            None => {
                if is_tls {
                    443
                } else {
                    80
                }
            }
            Some(port) => port.parse().map_err(|_| format!("`{port}` is not a port"))?,
        };
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Target { is_tls, host: host.to_ascii_lowercase(), port, path })
    }

    /// As it stands in the `Host` header.
    fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{host}:{}", self.port)
    }
}

/// A webhook, and the secret that signs for it.
pub struct Webhook {
    pub target: Target,
    /// PEM certificates to trust; those of the system where there is none.
    pub ca_file: Option<PathBuf>,
    pub secret: Zeroizing<String>,
}

impl Webhook {
    /// Sends a notice; on failure says why. An answer of 2xx means that it was taken.
    pub fn send(&self, notice: &Outgoing) -> Result<(), String> {
        let began = Instant::now();
        let request = self.request(notice)?;
        let stream = self.connect()?;
        let status = if self.target.is_tls {
            exchange(self.encrypted(stream)?, &request, began)?
        } else {
            exchange(stream, &request, began)?
        };
        match status {
            200..=299 => Ok(()),
            300..=399 => Err(format!("it answers {status}: redirects are not followed, correct the URL")),
            _ => Err(format!("it answers {status}")),
        }
    }

    fn request(&self, notice: &Outgoing) -> Result<Vec<u8>, String> {
        let time = now().micros() / 1_000_000;
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes())
            .map_err(|_| "its secret cannot be used".to_owned())?;
        mac.update(format!("{time}.").as_bytes());
        mac.update(&notice.body);
        let signature = hex(&mac.finalize().into_bytes());
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: polder/{}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nX-Polder-Notice: {}\r\nX-Polder-Signature: t={time},v1={signature}\r\n\
             Connection: close\r\n\r\n",
            self.target.path,
            self.target.authority(),
            env!("CARGO_PKG_VERSION"),
            notice.body.len(),
            notice.id,
        );
        Ok([head.as_bytes(), &notice.body].concat())
    }

    fn connect(&self) -> Result<TcpStream, String> {
        let Target { host, port, .. } = &self.target;
        let addresses = (host.as_str(), *port).to_socket_addrs();
        let addresses: Vec<_> = addresses.map_err(|e| format!("{host} is not found: {e}"))?.collect();
        let mut last = format!("{host} has no address");
        for address in addresses.iter().take(4) {
            // A name that a resolver sends elsewhere is no loopback.
            if !self.target.is_tls && !address.ip().is_loopback() {
                last = format!("{host} is {}, and plain http is for loopback alone", address.ip());
                continue;
            }
            match TcpStream::connect_timeout(address, STEP_TIME) {
                Ok(stream) => {
                    let set = stream.set_read_timeout(Some(STEP_TIME));
                    set.and_then(|()| stream.set_write_timeout(Some(STEP_TIME)))
                        .map_err(|e| format!("no time limit can be set: {e}"))?;
                    return Ok(stream);
                }
                Err(error) => last = format!("{address} does not answer: {error}"),
            }
        }
        Err(last)
    }

    fn roots(&self) -> Result<RootCertStore, String> {
        let roots = match self.ca_file.as_deref() {
            Some(path) => from_file(path)?,
            None => {
                let mut roots = RootCertStore::empty();
                // One that cannot be used does not keep the others from being trusted.
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                roots
            }
        };
        if roots.is_empty() {
            return Err("there is no certificate to trust; name a ca_file".to_owned());
        }
        Ok(roots)
    }

    fn encrypted(&self, stream: TcpStream) -> Result<StreamOwned<ClientConnection, TcpStream>, String> {
        let roots = self.roots()?;
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| format!("TLS cannot be set up: {e}"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(self.target.host.clone())
            .map_err(|_| format!("`{}` is no name for TLS", self.target.host))?;
        let connection = ClientConnection::new(Arc::new(config), name).map_err(|e| e.to_string())?;
        Ok(StreamOwned::new(connection, stream))
    }
}

fn from_file(path: &Path) -> Result<RootCertStore, String> {
    let unusable = |why: String| format!("the certificates in {} cannot be used: {why}", path.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| unusable(e.to_string()))? {
        let certificate = certificate.map_err(|e| unusable(e.to_string()))?;
        roots.add(certificate).map_err(|e| unusable(e.to_string()))?;
    }
    Ok(roots)
}

/// Writes the request; answers the status.
fn exchange(mut stream: impl Read + Write, request: &[u8], began: Instant) -> Result<u16, String> {
    stream
        .write_all(request)
        .and_then(|()| stream.flush())
        .map_err(|e| format!("it does not take the notice: {e}"))?;
    let (mut line, mut byte) = (Vec::new(), [0_u8; 256]);
    while !line.contains(&b'\n') && line.len() < STATUS_BYTES_MAX {
        if began.elapsed() > WHOLE_TIME {
            return Err(format!("it did not answer within {} s", WHOLE_TIME.as_secs()));
        }
        match stream.read(&mut byte) {
            Ok(0) => break,
            Ok(read) => line.extend_from_slice(byte.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("it does not answer: {error}")),
        }
    }
    let line = String::from_utf8_lossy(&line);
    let first = line.lines().next().unwrap_or_default();
    let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
    status.ok_or_else(|| format!("it does not speak HTTP/1.1 (`{}`)", visible(&shortened(first, 80))))
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn urls_are_read_or_refused() {
        let target = |url: &str| Target::parse(url).map(|t| (t.is_tls, t.host, t.port, t.path));
        assert_eq!(target("https://Hook.example"), Ok((true, "hook.example".into(), 443, "/".into())));
        assert_eq!(target("http://[::1]:8080/a?b=c#d"), Ok((false, "::1".into(), 8080, "/a?b=c".into())));
        assert_eq!(target("https://h.example?x"), Ok((true, "h.example".into(), 443, "/?x".into())));
        for url in [
            "ftp://h.example/",
            "h.example/x",
            "https://user:secret@h.example/",
            "https:///x",
            "https://h.example:99999/",
            "https://h.example/a b",
            "https://h.example/\r\nX: y",
            "https://[::1/",
        ] {
            assert!(target(url).is_err(), "{url}");
        }
    }
}
