// SPDX-License-Identifier: Apache-2.0
//! Rows in the binary form of COPY (PostgreSQL manual, COPY, "Binary Format").

use ::postgres::types::Type;
use ledger::sql::{EngineError, Value};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// Rows on their way to the server.
pub(super) struct Rows {
    pub(super) bytes: Vec<u8>,
}

impl Rows {
    /// With the header: no flags, no extension.
    pub(super) fn new() -> Rows {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend_from_slice(&[0; 8]);
        Rows { bytes }
    }

    /// Adds a row; its values must be of the columns' types.
    pub(super) fn push(&mut self, columns: &[Type], values: &[Value<'_>]) -> Result<(), EngineError> {
        if values.len() != columns.len() {
            let text = format!("{} values for {} columns", values.len(), columns.len());
            return Err(EngineError::shape(text));
        }
        // No table of ours has more columns than fit.
        self.bytes.extend_from_slice(&(values.len() as i16).to_be_bytes());
        for (nth, (value, column)) in values.iter().zip(columns).enumerate() {
            match (value, column) {
                (Value::Null, _) => self.bytes.extend_from_slice(&(-1i32).to_be_bytes()),
                (Value::Int(int), &Type::INT8) => self.field(&int.to_be_bytes())?,
                (Value::Text(text), &Type::TEXT) => {
                    without_nul(text)?;
                    self.field(text.as_bytes())?;
                }
                (Value::Blob(blob), &Type::BYTEA) => self.field(blob)?,
                _ => {
                    return Err(EngineError::shape(format!("value {nth} does not fit a column of {column}")));
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        let length = i32::try_from(bytes.len())
            .map_err(|_| EngineError::shape(format!("{} bytes in one column", bytes.len())))?;
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// The mark behind the last row.
    pub(super) fn end(&mut self) {
        self.bytes.extend_from_slice(&(-1i16).to_be_bytes());
    }
}

/// PostgreSQL has no text with NUL.
pub(crate) fn without_nul(text: &str) -> Result<(), EngineError> {
    match text.bytes().any(|byte| byte == 0) {
        true => Err(EngineError::shape("text with NUL")),
        false => Ok(()),
    }
}
