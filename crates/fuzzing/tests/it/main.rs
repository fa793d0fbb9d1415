// SPDX-License-Identifier: Apache-2.0
//! The corpora of all fuzz targets, and mutations of them, on stable.

mod replay;
