// SPDX-License-Identifier: Apache-2.0
//! The side file.

use std::cell::RefCell;
use std::fs;

use store::published::SideFile;
use tempfile::TempDir;

use crate::broken;

thread_local! {
    static FOLDER: RefCell<Option<TempDir>> = const { RefCell::new(None) };
}

pub(crate) fn side_file(data: &[u8]) {
    FOLDER.with_borrow_mut(|folder| {
        let path = match folder {
            Some(folder) => folder.path().join("published"),
            None => {
                let Ok(made) = TempDir::new() else { broken("this machine has no temporary directory") };
                folder.insert(made).path().join("published")
            }
        };
        assert!(fs::write(&path, data).is_ok(), "this machine cannot write {}", path.display());
        match SideFile::new(&path).newest() {
            Ok(Some(checkpoint)) => assert_eq!(checkpoint.print().as_bytes(), data, "it has one spelling"),
            Ok(None) => broken("a file that is there was never written"),
            Err(_) => {}
        }
    });
}
