// SPDX-License-Identifier: Apache-2.0
//! `polder export`: one STIX 2.1 bundle to stdout, with the effective markings beside the objects.

use std::io::{BufWriter, Write};

use exchange::export::{Exported, bodies, select};
use ledger::sql::{EngineError, Flow};
use model::stix::{runs, version20};
use uuid::Uuid;

use crate::cli::{Export, ExportFormat};
use crate::failure::{Exit, Failure};
use crate::node::{Node, random};

/// Runs the command.
pub fn run(args: &Export) -> Result<Exit, Failure> {
    let ExportFormat::Stix = args.format;
    let node = Node::open(&args.data)?;
    let reader = node.operator(args.max_tlp)?;
    let mut out = BufWriter::with_capacity(256 * 1024, std::io::stdout().lock());
    let mut lost = 0u64;
    let written = node.store.read(|read| {
        // What has no form in STIX 2.1 is told on stderr, not dropped in silence.
        let chosen = select(read, &reader)?;
        let (chosen, without_form) = convertible(read, chosen)?;
        lost = without_form;
        write_bundle(&mut out, read, &chosen)
    });
    written?.map_err(|e| Failure::machine(format!("cannot write to stdout: {e}")))?;
    if lost > 0 {
        eprintln!(
            "{lost} STIX 2.0 objects have no form in STIX 2.1 and were left out; TAXII serves them as received"
        );
        return Ok(Exit::Partial);
    }
    Ok(Exit::Done)
}

type Written = Result<std::io::Result<()>, EngineError>;

fn convertible(
    read: &mut dyn ledger::sql::Read,
    chosen: Vec<Exported>,
) -> Result<(Vec<Exported>, u64), EngineError> {
    let old: Vec<Exported> = chosen.iter().copied().filter(|e| e.is_20).collect();
    let mut without = std::collections::HashSet::new();
    bodies(read, &old, &mut |exported, body| {
        if version20::to_21(body).is_none() {
            without.insert(exported.seq);
        }
        Ok(Flow::Continue)
    })?;
    let kept = chosen.into_iter().filter(|e| !without.contains(&e.seq)).collect();
    Ok((kept, without.len() as u64))
}

fn write_bundle(out: &mut impl Write, read: &mut dyn ledger::sql::Read, chosen: &[Exported]) -> Written {
    let id = uuid::Builder::from_random_bytes(random()).into_uuid();
    if let Err(error) = write_head(out, id, chosen) {
        return Ok(Err(error));
    }
    let mut result = Ok(());
    let mut first = true;
    bodies(read, chosen, &mut |exported, body| {
        let converted = if exported.is_20 { version20::to_21(body) } else { None };
        let separator: &[u8] = if first { b"\n" } else { b",\n" };
        first = false;
        result = out.write_all(separator).and_then(|()| out.write_all(converted.as_deref().unwrap_or(body)));
        Ok(if result.is_ok() { Flow::Continue } else { Flow::Stop })
    })?;
    let tail: &[u8] = if chosen.is_empty() { b"}\n" } else { b"\n]}\n" };
    Ok(result.and_then(|()| out.write_all(tail)).and_then(|()| out.flush()))
}

/// The markings stand before the objects, so that a reader of the stream knows them in time.
fn write_head(out: &mut impl Write, id: Uuid, chosen: &[Exported]) -> std::io::Result<()> {
    write!(out, r#"{{"type":"bundle","id":"bundle--{id}""#)?;
    if chosen.is_empty() {
        return Ok(());
    }
    let runs = runs::print(&runs::collect(chosen.iter().map(|exported| exported.marking)));
    write!(out, r#","{}":{runs},"objects":["#, runs::MEMBER)
}
