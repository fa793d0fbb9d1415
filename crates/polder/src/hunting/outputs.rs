// SPDX-License-Identifier: Apache-2.0
//! Printing and writing a report.

use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use hunt::report::{self, Summary};

use crate::cli::{self, HuntFormat};
use crate::failure::Failure;

/// Columns of a report where there is no terminal.
const COLUMNS: usize = 120;

/// Prints the report as it was asked for, and writes its files.
pub fn write(args: &cli::Hunt, summary: &Summary) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    let printed = match (args.json, args.format) {
        (true, _) => report::json_lines(summary, &mut out),
        (_, Some(HuntFormat::Csv)) => report::csv(summary, &mut out),
        (_, Some(HuntFormat::Ocsf)) => report::ocsf(summary, &mut out),
        (_, Some(HuntFormat::Timesketch)) => report::timesketch(summary, &mut out).map(|timeless| {
            if timeless > 0 {
                eprintln!("{timeless} findings and detections tell no time and are not in a timeline");
            }
        }),
        (false, None) => out.write_all(report::table(summary, columns()).as_bytes()),
    };
    match printed.and_then(|()| out.flush()) {
        // Whoever reads has had enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => return Err(Failure::machine(format!("cannot write to stdout: {error}"))),
        Ok(()) => {}
    }
    if let Some(path) = &args.html {
        file(path, &report::html(summary))?;
    }
    Ok(())
}

fn file(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|e| Failure::io("write", path, &e))?;
    eprintln!("{} written", path.display());
    Ok(())
}

/// Characters of a line of the terminal.
fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stdout());
    size.map_or(COLUMNS, |size| usize::from(size.ws_col)).max(40)
}
