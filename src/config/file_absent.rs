//! Stands in for `file.rs` in builds without the feature `config`.

use std::path::Path;

use super::Config;

/// What `--example-config` prints.
pub(crate) const EXAMPLE: Option<&str> = None;

pub(crate) fn read(_: &Path) -> Result<Config, String> {
    Err("this build of encke reads no file (feature config)".to_owned())
}
