// SPDX-License-Identifier: Apache-2.0
//! `polder warninglists`.

use std::path::{Path, PathBuf};

use hunt::confirm::warning::{self, WarningList, read_warning_list};
use hunt::limits::{WARNING_LIST_BYTES_MAX, WARNING_LISTS_MAX};
use model::diagnostic::{Severity, shown};
use serde_json::json;

use crate::cli::{Data, WarninglistsCommand};
use crate::failure::{Exit, Failure};
use crate::hunting::counted;
use crate::input::read_small;
use crate::node::{Node, now};
use crate::out::say;

/// Runs `warninglists`.
pub fn run(command: &WarninglistsCommand) -> Result<Exit, Failure> {
    match command {
        WarninglistsCommand::Import { data, path, json } => import(data, path, *json),
        WarninglistsCommand::List { data, json } => list(data, *json),
        WarninglistsCommand::Remove { data, name } => {
            let removed = Node::open(data)?.store.local(|tx| warning::remove(tx, name))?;
            if !removed {
                return Err(Failure::not_found(format!(
                    "there is no warning list `{name}`; `polder warninglists list` names them"
                )));
            }
            Ok(Exit::Done)
        }
    }
}

fn import(data: &Data, path: &Path, as_json: bool) -> Result<Exit, Failure> {
    let node = Node::open(data)?;
    let files = files(path)?;
    if files.is_empty() {
        return Err(Failure::usage(format!(
            "{} holds no NAME/list.json; name the folder `lists` of the warning lists",
            path.display()
        )));
    }
    let (mut taken, mut entries, mut partial) = (0, 0, false);
    for (name, file) in files {
        let bytes = read_small(&file, WARNING_LIST_BYTES_MAX as u64)?;
        let (list, diagnostics) = read_warning_list(&bytes, &name);
        diagnostics.iter().for_each(|d| eprintln!("{d}"));
        partial |= diagnostics.iter().any(|d| d.severity == Severity::Error);
        let Some(list) = list else { continue };
        if !node.store.local(|tx| warning::store(tx, &list, &bytes, now()))? {
            eprintln!(
                "{name}: not taken in: {WARNING_LISTS_MAX} lists are kept already; remove one that nobody needs with \
                 `polder warninglists remove NAME`"
            );
            partial = true;
            continue;
        }
        taken += 1;
        entries += list.entries as u64;
        if as_json {
            say!("{}", list_json(&list));
        }
    }
    eprintln!("{} with {entries} entries taken in", counted(taken, "warning list"));
    Ok(if partial { Exit::Partial } else { Exit::Done })
}

/// Lists below a path, by name: a file has the name of its folder, so that a newer one takes its place.
fn files(path: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let name_of = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    if !path.is_dir() {
        let full = std::fs::canonicalize(path).map_err(|e| Failure::io("read", path, &e))?;
        let name = match name_of(path).as_deref() {
            Some("list.json") => full.parent().and_then(name_of),
            _ => full.file_stem().map(|stem| stem.to_string_lossy().into_owned()),
        };
        return Ok(vec![(name.unwrap_or_default(), path.to_owned())]);
    }
    let mut files = Vec::new();
    let own = path.join("list.json");
    if own.is_file() {
        let full = std::fs::canonicalize(path).map_err(|e| Failure::io("read", path, &e))?;
        files.push((name_of(&full).unwrap_or_default(), own));
    }
    for entry in std::fs::read_dir(path).map_err(|e| Failure::io("list", path, &e))? {
        let folder = entry.map_err(|e| Failure::io("list", path, &e))?.path();
        // The whole repository has its lists one folder below.
        let inner =
            if name_of(&folder).as_deref() == Some("lists") { self::files(&folder)? } else { Vec::new() };
        files.extend(inner);
        let list = folder.join("list.json");
        if let Some(name) = name_of(&folder).filter(|_| list.is_file()) {
            files.push((name, list));
        }
    }
    files.sort();
    Ok(files)
}

fn list(data: &Data, as_json: bool) -> Result<Exit, Failure> {
    let node = Node::open(data)?;
    let (lists, diagnostics) = node.store.read(warning::load)?;
    diagnostics.iter().for_each(|d| eprintln!("{d}"));
    for list in lists.lists() {
        if as_json {
            say!("{}", list_json(list));
        } else {
            let kinds: Vec<&str> = list.kinds.iter().map(|kind| kind.name()).collect();
            let kinds = if kinds.is_empty() { "for conditions alone".to_owned() } else { kinds.join(", ") };
            say!(
                "{}  {}  {kinds}  {}",
                shown(&list.name),
                if list.entries == 1 { "1 entry".to_owned() } else { format!("{} entries", list.entries) },
                shown(&list.title)
            );
        }
    }
    Ok(if lists.is_empty() { Exit::NotFound } else { Exit::Done })
}

fn list_json(list: &WarningList) -> serde_json::Value {
    let kinds: Vec<&str> = list.kinds.iter().map(|kind| kind.name()).collect();
    json!({
        "name": list.name, "title": list.title, "version": list.version, "entries": list.entries, "kinds": kinds,
    })
}
