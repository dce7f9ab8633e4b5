//! How much memory what users make grow may take: `--memory`.

use super::Config;

/// Of what there is for this process, the share that is taken where nobody says how much.
const DEFAULT_SHARE: u64 = 2;
/// The least ceiling. Below it there is no room beside the program and what one turn of the loop needs for a
/// moment: a buffer to read into, messages of 4 MB on their way, one of them in all forms in use.
const BYTES_MIN: u64 = 8 * 1024 * 1024;

/// What was said of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Memory {
    /// Nothing: half of what there is.
    #[default]
    Half,
    /// No ceiling.
    Off,
    /// So many bytes.
    Bytes(u64),
}

impl Memory {
    /// The ceiling where there are so many bytes for this process, as far as that is known.
    pub fn ceiling(self, there_are: Option<u64>) -> Option<u64> {
        match self {
            Memory::Half => there_are.map(|bytes| (bytes / DEFAULT_SHARE).max(BYTES_MIN)),
            Memory::Off => None,
            Memory::Bytes(bytes) => Some(bytes),
        }
    }
}

pub(super) fn set(config: &mut Config, value: &str) -> Result<(), String> {
    config.memory = parse(value)?;
    Ok(())
}

fn parse(value: &str) -> Result<Memory, String> {
    if value == "off" {
        return Ok(Memory::Off);
    }
    let Some(bytes) = bytes(value) else {
        return Err(format!(
            "{value:?} is neither off nor a number of bytes like 268435456 or 256M"
        ));
    };
    match bytes {
        BYTES_MIN.. => Ok(Memory::Bytes(bytes)),
        _ => Err(format!(
            "{value} is too little: the program and one turn of its loop need {}M (or say off)",
            BYTES_MIN >> 20
        )),
    }
}

/// A number, which a K, M or G of either case makes one of powers of 1,024; `256MB` and `256MiB` are the same.
fn bytes(text: &str) -> Option<u64> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let power = match unit.to_ascii_lowercase().as_str() {
        "" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1024_u64.pow(power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_with_and_without_a_unit() {
        for (text, expect) in [
            ("8388608", 8 << 20),
            ("8192K", 8 << 20),
            ("16m", 16 << 20),
            ("256M", 256 << 20),
            ("256MB", 256 << 20),
            ("256MiB", 256 << 20),
            ("2g", 2 << 30),
            ("2GiB", 2 << 30),
        ] {
            assert_eq!(parse(text), Ok(Memory::Bytes(expect)), "{text}");
        }
        assert_eq!(parse("off"), Ok(Memory::Off));
    }

    #[test]
    fn anything_else_is_told_what_to_write() {
        for text in ["", "M", "-1", "1.5G", "256 M", "256T", "on", "Off", "99999999999999G", "+9M"]
        {
            let line = parse(text).unwrap_err();
            assert!(line.contains("neither off nor a number of bytes like 268435456"), "{line}");
        }
        for text in ["0", "8388607", "7M"] {
            let line = parse(text).unwrap_err();
            assert!(line.starts_with(text) && line.contains("need 8M (or say off)"), "{line}");
        }
    }

    #[test]
    fn half_of_what_there_is_where_nobody_says() {
        let there_are = Some(1 << 30);
        assert_eq!(Memory::Half.ceiling(there_are), Some(512 << 20));
        assert_eq!(Memory::Half.ceiling(Some(1 << 20)), Some(8 << 20), "never below the least");
        assert_eq!(Memory::Half.ceiling(None), None);
        assert_eq!(Memory::Off.ceiling(there_are), None);
        assert_eq!(Memory::Bytes(9 << 30).ceiling(there_are), Some(9 << 30));
    }
}
