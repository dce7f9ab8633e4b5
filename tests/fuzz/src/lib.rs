//! What the fuzz targets share with the random tests.

#[path = "../../oracles/mod.rs"]
pub mod oracles;
#[path = "../../support/mod.rs"]
mod support;
