// SPDX-License-Identifier: Apache-2.0
//! Checkpoint text: one spelling for each value, everything else refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use ledger::checkpoint::{Checkpoint, CheckpointError, Origin, OriginError};
use ledger::merkle::{EMPTY_ROOT, TREE_SIZE_MAX};
use proptest::prelude::*;

const MEMBER: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff";
const ROOT: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

fn origin() -> Origin {
    let mut member = std::array::from_fn(|at| at as u8);
    member[31] = 0xff;
    Origin { member, log: 3 }
}

fn parse(size: &str, root: &str) -> Result<Checkpoint, CheckpointError> {
    Checkpoint::parse(&format!("polder/{MEMBER}/3\n{size}\n{root}\n"))
}

#[test]
fn a_checkpoint_is_three_lines() {
    let checkpoint = Checkpoint { origin: origin(), size: 20_852_163, root: [7; 32] };
    let printed = format!("polder/{MEMBER}/3\n20852163\n{ROOT}\n");
    assert_eq!(checkpoint.print(), printed);
    assert_eq!(Checkpoint::parse(&printed), Ok(checkpoint));
}

#[test]
fn an_empty_log_has_the_empty_root() {
    let checkpoint = Checkpoint { origin: origin(), size: 0, root: EMPTY_ROOT };
    assert_eq!(Checkpoint::parse(&checkpoint.print()), Ok(checkpoint));
    assert_eq!(parse("0", ROOT), Err(CheckpointError::EmptyRoot));
}

#[test]
fn sizes_have_one_spelling() {
    for size in ["1", "9", "10", "9223372036854775807"] {
        assert_eq!(parse(size, ROOT).unwrap().size.to_string(), size);
    }
    assert_eq!(parse("9223372036854775807", ROOT).unwrap().size, TREE_SIZE_MAX);
    let wrong = [
        "",
        "01",
        "00",
        "+1",
        "-1",
        " 1",
        "1 ",
        "1.0",
        "0x1",
        "1e3",
        "\u{661}",
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999999",
    ];
    for size in wrong {
        assert_eq!(parse(size, ROOT), Err(CheckpointError::Size), "{size:?}");
    }
}

#[test]
fn roots_have_one_spelling() {
    let unpadded = ROOT.trim_end_matches('=');
    let trailing_bits = ROOT.replace("c=", "d=");
    let short = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBw==";
    let long = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH";
    let spaced = format!(" {ROOT}");
    for root in ["", unpadded, &trailing_bits, short, long, &spaced, &ROOT.replace('w', "_")] {
        assert_eq!(parse("1", root), Err(CheckpointError::Root), "{root:?}");
    }
}

#[test]
fn lines_are_counted() {
    let good = format!("polder/{MEMBER}/3\n1\n{ROOT}\n");
    assert!(Checkpoint::parse(&good).is_ok());
    for cut in ["", "\n", good.trim_end(), &format!("polder/{MEMBER}/3\n1\n"), MEMBER] {
        assert_eq!(Checkpoint::parse(cut), Err(CheckpointError::Lines), "{cut:?}");
    }
    for more in ["\n", "extension\n", "x"] {
        let longer = format!("{good}{more}");
        assert_eq!(Checkpoint::parse(&longer), Err(CheckpointError::Extension), "{more:?}");
    }
    assert!(Checkpoint::parse(&good.replace('\n', "\r\n")).is_err());
    let foreign = Checkpoint::parse(&format!("example.com/log\n1\n{ROOT}\n"));
    assert_eq!(foreign, Err(CheckpointError::Origin { source: OriginError::Form }));
}

#[test]
fn origins_have_one_spelling() {
    assert_eq!(origin().to_string(), format!("polder/{MEMBER}/3"));
    assert_eq!(format!("polder/{MEMBER}/3").parse(), Ok(origin()));
    for (text, error) in [
        (String::new(), OriginError::Form),
        (format!("polder/{MEMBER}"), OriginError::Form),
        (format!("Polder/{MEMBER}/3"), OriginError::Form),
        (format!("/polder/{MEMBER}/3"), OriginError::Form),
        (format!("polder/{}/3", MEMBER.to_uppercase()), OriginError::Member),
        (format!("polder/{}/3", &MEMBER[1..]), OriginError::Member),
        (format!("polder/{MEMBER}00/3"), OriginError::Member),
        (format!("polder/{}/3", "\u{e9}".repeat(32)), OriginError::Member),
        (format!("polder/{MEMBER}/"), OriginError::Log),
        (format!("polder/{MEMBER}/03"), OriginError::Log),
        (format!("polder/{MEMBER}/+3"), OriginError::Log),
        (format!("polder/{MEMBER}/3/"), OriginError::Log),
        (format!("polder/{MEMBER}/3 "), OriginError::Log),
        (format!("polder/{MEMBER}/4294967296"), OriginError::Log),
    ] {
        assert_eq!(text.parse::<Origin>(), Err(error), "{text:?}");
    }
}

proptest! {
    #[test]
    fn parse_after_print_is_the_same(member: [u8; 32], log: u32, size in 1..=TREE_SIZE_MAX, root: [u8; 32]) {
        let checkpoint = Checkpoint { origin: Origin { member, log }, size, root };
        prop_assert_eq!(Checkpoint::parse(&checkpoint.print()), Ok(checkpoint));
    }

    #[test]
    fn print_after_parse_is_the_same(
        size in "[0-9+ ]{0,3}", root in "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHB[a-z][a-z=]{1,2}",
    ) {
        if let Ok(checkpoint) = parse(&size, &root) {
            prop_assert_eq!(checkpoint.print(), format!("polder/{MEMBER}/3\n{size}\n{root}\n"));
        }
    }
}
