// SPDX-License-Identifier: Apache-2.0
//! Printing a report and writing its files.

use std::path::Path;

use hunt::report::Summary;

use crate::cli::{Output, ReportFormat};
use crate::contacts;
use crate::failure::Failure;
use crate::finding::{Form, write_report};
use crate::node::Node;

/// Prints the report as it was asked for, and writes its files.
pub fn write(args: &Output, node: Option<&Node>, summary: &Summary) -> Result<(), Failure> {
    let contacts = args.contacts.as_deref().map(contacts::read).transpose()?.unwrap_or_default();
    let form =
        |format| Form { format, language: args.language, contacts: &contacts, anonymous: args.anonymous };
    let usual = if args.json { ReportFormat::Json } else { ReportFormat::Table };
    write_report(node, summary, &form(args.format.unwrap_or(usual)), None)?;
    let file = |format, path: &Path| {
        write_report(node, summary, &form(format), Some(path))?;
        eprintln!("{} written", path.display());
        Ok::<_, Failure>(())
    };
    if let Some(path) = &args.html {
        file(ReportFormat::Html, path)?;
    }
    if let Some(path) = &args.page {
        file(ReportFormat::Page, path)?;
    }
    Ok(())
}
