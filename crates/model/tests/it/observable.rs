// SPDX-License-Identifier: Apache-2.0
//! Observables: each form in, canonical, and back.

use model::observable::{
    Network, OBSERVABLE_BYTES_MAX, Observable, ObservableKind, is_external, is_ja4, parse_address, refang,
};
use proptest::prelude::*;

fn canonical(kind: ObservableKind, text: &str) -> String {
    let observable = Observable::parse(kind, text).unwrap();
    String::from_utf8_lossy(observable.canonical()).into_owned()
}

#[test]
fn canonical_bytes_are_those_of_the_table() {
    use ObservableKind::*;
    assert_eq!(canonical(Domain, "VPN.NXP.nl."), "nl.nxp.vpn");
    assert_eq!(canonical(Domain, "müller.DE"), "de.xn--mller-kva");
    assert_eq!(canonical(Email, "Jan.Jansen@Mail.NXP.nl"), "nl.nxp.mail.@jan.jansen");
    assert_eq!(canonical(Url, "HTTPS://user:x@VPN.nxp.nl:443/a%62%2F?q=%C3%BC#f"), "nl.nxp.vpn/ab/?q=ü");
    assert_eq!(canonical(Url, "http://nxp.nl"), "nl.nxp/");
    assert_eq!(canonical(Url, "nxp.nl?x"), "nl.nxp/?x");
    assert_eq!(canonical(Url, "ftp://nxp.nl:2121/x"), "nl.nxp:2121/x");
    assert_eq!(canonical(Url, "http://1.2.3.4/x"), "1.2.3.4/x");
    assert_eq!(canonical(Url, "http://[2001:DB8::7]:8080/x"), "[2001:db8::7]:8080/x");
    assert_eq!(canonical(UserAgent, " curl/8 "), "curl/8");
    let address = Observable::parse(Ip, "1.2.3.4").unwrap();
    assert_eq!(address.canonical(), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4]);
    assert_eq!(Observable::parse(Md5, "D41D8CD98F00B204E9800998ECF8427E").unwrap().canonical().len(), 16);
    let network = Observable::parse(Cidr, "203.0.113.9/24").unwrap();
    assert_eq!((network.display(), network.canonical()[16]), ("203.0.113.0/24".to_owned(), 120));
}

#[test]
fn the_order_of_addresses_and_names_is_useful() {
    use ObservableKind::*;
    let of = |kind, text| Observable::parse(kind, text).unwrap().canonical().to_vec();
    assert!(of(Ip, "9.255.255.255") < of(Ip, "10.0.0.0") && of(Ip, "10.0.0.0") < of(Ip, "2001:db8::1"));
    assert!(of(Domain, "a.nxp.nl").starts_with(b"nl.nxp."));
    assert!(!of(Domain, "a.nxp-x.nl").starts_with(b"nl.nxp."));
}

#[test]
fn what_is_ambiguous_or_wrong_is_refused() {
    use ObservableKind::*;
    for (kind, text) in [
        (Ip, "010.1.2.3"),
        (Ip, "1.2.3"),
        (Ip, "1.2.3.256"),
        (Ip, "0x7f.1.1.1"),
        (Ip, "2001:db8::%"),
        (Ip, ""),
        (Cidr, "1.2.3.4"),
        (Cidr, "1.2.3.0/33"),
        (Cidr, "1.2.3.0/+8"),
        (Cidr, "::/129"),
        (Cidr, "010.0.0.0/8"),
        (Domain, "localhost"),
        (Domain, "1.2.3.4"),
        (Domain, "a..b"),
        (Domain, "-a.example"),
        (Domain, "a b.example"),
        (Domain, "a.1x"),
        (Domain, ""),
        (Domain, "."),
        (Email, "a@b"),
        (Email, "@b.example"),
        (Email, "a b@c.example"),
        (Url, "mailto:a@b.example"),
        (Url, "http://"),
        (Url, "http://localhost/"),
        (Url, "http://a.example:99999/"),
        (Url, "http://2001:db8::7/"),
        (Md5, "d41d"),
        (Sha1, "zz39a3ee5e6b4b0d3255bfef95601890afd80709"),
        (Ja3, "x"),
        (Ja4, "t13d1516h2_8daaf6152771"),
        (Account, "  "),
    ] {
        assert!(Observable::parse(kind, text).is_err(), "{kind} {text}");
    }
    let label = "a".repeat(63);
    assert!(Observable::parse(Domain, &format!("{label}.example")).is_ok());
    assert!(Observable::parse(Domain, &format!("{label}a.example")).is_err());
    assert!(Observable::parse(Domain, &format!("{}.nl", vec!["abcde"; 41].join("."))).is_ok());
    assert!(Observable::parse(Domain, &format!("{}.nl", vec!["abcde"; 43].join("."))).is_err());
    assert!(Observable::parse(Account, &"a".repeat(OBSERVABLE_BYTES_MAX)).is_ok());
    assert!(Observable::parse(Account, &"a".repeat(OBSERVABLE_BYTES_MAX + 1)).is_err());
}

#[test]
fn a_guess_goes_by_the_shape() {
    let guess = |text: &str| Observable::guess(text).map(|o| format!("{} {o}", o.kind()));
    for (text, expected) in [
        ("1.2.3.4", "ip 1.2.3.4"),
        ("::ffff:1.2.3.4", "ip 1.2.3.4"),
        ("[2001:DB8::7]", "ip 2001:db8::7"),
        ("10.0.0.0/8", "cidr 10.0.0.0/8"),
        ("1.2.3.4/32", "ip 1.2.3.4"),
        ("evil.example", "domain evil.example"),
        ("evil.example/a", "url evil.example/a"),
        ("http://1.2.3.4:8080", "url 1.2.3.4:8080/"),
        ("eve@evil.example", "email eve@evil.example"),
        ("D41D8CD98F00B204E9800998ECF8427E", "md5 d41d8cd98f00b204e9800998ecf8427e"),
        ("t13d1516h2_8daaf6152771_e5627efa2ab1", "ja4 t13d1516h2_8daaf6152771_e5627efa2ab1"),
    ] {
        assert_eq!(guess(text).as_deref(), Some(expected));
    }
    for text in ["", "x", "1.2.3.4:80", "evil.example:80", "010.1.2.3", "two words", "a.example b.example"] {
        assert_eq!(guess(text), None, "{text}");
    }
}

#[test]
fn refanging_undoes_what_analysts_do() {
    for (written, meant) in [
        ("hxxps://evil[.]example/a", "https://evil.example/a"),
        ("hXXp[://]evil(.)example", "http://evil.example"),
        ("hxxp[:]//evil{.}example", "http://evil.example"),
        ("evil[dot]example(DOT)org", "evil.example.org"),
        ("eve[at]evil[.]example", "eve@evil.example"),
        ("eve[@]evil\\.example", "eve@evil.example"),
        ("evil.example", "evil.example"),
        ("[2001:db8::7]", "[2001:db8::7]"),
        ("é[.]é(x", "é.é(x"),
    ] {
        assert_eq!(refang(written), meant);
    }
}

#[test]
fn external_is_what_may_be_on_the_internet() {
    for text in [
        "8.8.8.8",
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
        "2001:db8::1",
        "2606:4700::1",
        "172.32.0.1",
        "11.0.0.0",
        "::ffff:8.8.8.8",
    ] {
        assert!(is_external(parse_address(text).unwrap()), "{text}");
    }
    for text in [
        "10.0.0.1",
        "127.0.0.1",
        "169.254.1.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "0.0.0.0",
        "::",
        "::1",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "198.18.0.1",
    ] {
        assert!(!is_external(parse_address(text).unwrap()), "{text}");
    }
    assert!(!Observable::parse(ObservableKind::Cidr, "10.0.0.0/8").unwrap().is_external());
    assert!(Observable::parse(ObservableKind::Domain, "a.example").unwrap().is_external());
}

#[test]
fn codes_and_names_are_stable() {
    let told: Vec<String> = ObservableKind::all().map(|k| format!("{}={}", k.code(), k.name())).collect();
    assert_eq!(
        told.join(" "),
        "1=ip 2=cidr 3=domain 4=url 5=email 6=md5 7=sha1 8=sha256 9=sha384 10=sha512 11=ja3 12=ja4 13=user-agent 14=account"
    );
    for kind in ObservableKind::all() {
        assert_eq!(ObservableKind::from_code(kind.code()), Some(kind));
        assert_eq!(ObservableKind::from_name(kind.name()), Some(kind));
    }
}

#[test]
fn stix_paths_lead_back() {
    use ObservableKind::*;
    for (kind, text, path) in [
        (Ip, "1.2.3.4", "ipv4-addr:value"),
        (Ip, "2001:db8::7", "ipv6-addr:value"),
        (Cidr, "1.2.3.0/24", "ipv4-addr:value"),
        (Cidr, "2001:db8::/32", "ipv6-addr:value"),
        (Domain, "evil.example", "domain-name:value"),
        (Url, "evil.example/a", "url:value"),
        (Email, "eve@evil.example", "email-addr:value"),
        (Md5, "d41d8cd98f00b204e9800998ecf8427e", "file:hashes.MD5"),
        (Sha1, "da39a3ee5e6b4b0d3255bfef95601890afd80709", "file:hashes.'SHA-1'"),
        (UserAgent, "x", "network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'"),
        (Account, "x", "user-account:account_login"),
        (Ja3, "d41d8cd98f00b204e9800998ecf8427e", "network-traffic:x_ja3"),
    ] {
        let observable = Observable::parse(kind, text).unwrap();
        assert_eq!(observable.stix_path(), path);
        assert_eq!(Observable::from_stix(path, text), Some(Ok(observable)));
    }
    assert_eq!(Observable::from_stix("file:name", "x"), None);
    assert!(Observable::from_stix("file:hashes.\"SHA-256\"", "x").unwrap().is_err());
    assert_eq!(
        Observable::from_stix("network-traffic:dst_ref.value", "evil.example").unwrap().unwrap().kind(),
        Domain
    );
}

#[test]
fn networks_have_edges() {
    let network = Network::parse("203.0.113.0/24").unwrap();
    let at = |text| parse_address(text).unwrap();
    assert!(network.contains(at("203.0.113.0")) && network.contains(at("203.0.113.255")));
    assert!(!network.contains(at("203.0.112.255")) && !network.contains(at("203.0.114.0")));
    assert_eq!((network.first(), network.last()), (at("203.0.113.0"), at("203.0.113.255")));
    assert_eq!(Network::parse("::/0").unwrap().last(), u128::MAX);
    assert_eq!(Network::parse("0.0.0.0/0").unwrap().to_string(), "0.0.0.0/0");
    assert_eq!(Network::parse("::/90").unwrap().to_string(), "::/90");
}

#[test]
fn ja4_has_a_shape() {
    assert!(is_ja4(b"q13i0310h3_55b375c5d22e_06cda9e17597"));
    assert!(!is_ja4(b"x13i0310h3_55b375c5d22e_06cda9e17597"));
    assert!(!is_ja4(b"q13i0310h3_55b375c5d22e_06cda9e17597_"));
}

#[test]
fn an_email_address_that_grows_in_lower_case_is_measured_there() {
    let address = |letters: usize| format!("{}@b.example", "İ".repeat(letters));
    assert!(Observable::parse(ObservableKind::Email, &address(21)).is_ok());
    assert!(Observable::parse(ObservableKind::Email, &address(22)).is_err(), "66 bytes in lower case");
}

#[test]
fn mailto_is_taken_away_once_and_never_again() {
    for text in ["mailto:mailto:a@b.example", "MAILTO:a@b.example"] {
        assert!(Observable::parse(ObservableKind::Email, text).is_err(), "{text}");
    }
}

#[test]
fn a_url_that_its_escapes_make_too_long_is_refused() {
    let url = |letters: usize| format!("http://host.example/{}", "é".repeat(letters));
    let longest = Observable::parse(ObservableKind::Url, &url(1_361)).unwrap();
    let written = format!("https://{}", longest.display());
    assert_eq!(Observable::parse(ObservableKind::Url, &written), Ok(longest));
    assert!(Observable::parse(ObservableKind::Url, &url(1_362)).is_err());
}

fn texts() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "1.2.3.4",
        "2001:db8::7",
        "evil",
        "example",
        ".",
        "/",
        ":",
        "@",
        "%",
        "%20",
        "?",
        "#",
        "ü",
        "http://",
        "443",
        "[",
        "]",
        " ",
        "-",
        "_",
        "\\",
        "'",
        "xn--",
    ]);
    prop::collection::vec(prop_oneof![part.prop_map(str::to_owned), "\\PC{0,3}"], 0..10)
        .prop_map(|p| p.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parse_of_display_is_the_same(text in texts()) {
        for kind in ObservableKind::all() {
            if let Ok(observable) = Observable::parse(kind, &text) {
                let again = Observable::parse(kind, &observable.display());
                prop_assert_eq!(again.as_ref(), Ok(&observable), "{} {:?}", kind, text);
            }
        }
        let _ = Observable::guess(&refang(&text));
    }
}
