//! Tests of the room over a store in memory.

mod communities;
mod law;
mod model_of_pages;
mod node;
mod pages;
mod tokens;
mod view;
