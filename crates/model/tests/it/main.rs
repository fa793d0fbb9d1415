//! Tests of the shared words.

mod object;
mod split;
mod words;
