//! The directions in which the house may be walked: who may import whom, where unsafe code and mio may
//! stand, and which packages the spine is made of. The load tool, in `src/bin`, is no part of the house: it
//! may use protocols and mio, and nobody knows it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// From the bottom up. A module imports from lower ranks only; siblings do not know each other.
const RANKS: [&[&str]; 5] = [
    &["proto", "hub"],
    &["transports", "dialects", "engines", "cometql"],
    &["server"],
    &["reactor"],
    &["cli", "config", "check", "run", "main", "lib"],
];

/// The top of the house is one floor: its files may know each other.
const TOP: usize = RANKS.len() - 1;

/// The spine's packages; everything else is optional.
const SPINE: [&str; 7] = ["base64", "env_logger", "httparse", "libc", "log", "mio", "sha1"];

/// What the load tool may use of the house.
const OF_THE_TOOL: [&str; 3] = ["encke::proto::", "encke::cli::nearest", "encke::reactor::sys::"];

/// Everything but the load tool.
fn source_files() -> Vec<(String, PathBuf, String)> {
    all_source_files().into_iter().filter(|(module, ..)| module != "bin").collect()
}

fn all_source_files() -> Vec<(String, PathBuf, String)> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    let with_module = |path: PathBuf| {
        let module = path.strip_prefix(&root).unwrap().components().next().unwrap();
        let module = module.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&path).unwrap();
        (module, path, text)
    };
    files.into_iter().map(with_module).collect()
}

fn rank(module: &str) -> usize {
    RANKS
        .iter()
        .position(|floor| floor.contains(&module))
        .unwrap_or_else(|| panic!("{module} has no place in RANKS"))
}

#[test]
fn imports_go_down() {
    for (module, path, text) in source_files() {
        for (number, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for after in line.split("crate::").skip(1) {
                let name: String =
                    after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let (own, other) = (rank(&module), rank(&name));
                let is_fine = module == name || other < own || own == TOP && other == TOP;
                assert!(is_fine, "{}:{}: {module} imports {name}", path.display(), number + 1);
            }
        }
    }
}

#[test]
fn only_the_reactor_knows_mio_and_only_two_of_its_files_are_unsafe() {
    for (module, path, text) in source_files() {
        let code = |line: &&str| !line.trim_start().starts_with("//");
        let mentions = |word: &str| text.lines().filter(code).any(|line| line.contains(word));
        assert!(module == "reactor" || !mentions("mio::"), "{}", path.display());
        let is_unsafe = path.ends_with("reactor/sys.rs") || path.ends_with("reactor/heap.rs");
        assert!(is_unsafe || !mentions("unsafe {"), "{}", path.display());
        assert!(path.ends_with("reactor/sys.rs") || !mentions("libc::"), "{}", path.display());
    }
}

#[test]
fn the_load_tool_stays_outside() {
    let all = all_source_files();
    let tool: Vec<_> = all.iter().filter(|(module, ..)| module == "bin").collect();
    assert!(!tool.is_empty());
    for (_, path, text) in tool {
        assert!(!text.contains("unsafe {"), "{}", path.display());
        for (at, _) in text.match_indices("encke::") {
            let is_fine = OF_THE_TOOL.iter().any(|part| text[at..].starts_with(part));
            assert!(is_fine, "{}: {}", path.display(), &text[at..at + 30]);
        }
    }
}

#[test]
fn features_switch_whole_modules() {
    for (_, path, text) in source_files() {
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            if line.trim_start().starts_with("#[cfg(") && line.contains("feature") {
                let follows = lines[number + 1..].iter().find(|line| !line.starts_with("#["));
                let switched = follows.is_some_and(|line| line.contains("mod "));
                assert!(switched, "{}:{}", path.display(), number + 1);
            }
        }
    }
}

#[test]
fn the_spine_stands_on_six_packages_and_libc() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = fs::read_to_string(manifest).unwrap();
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap();
    let section = section.split("\n[").next().unwrap();
    let required: BTreeSet<&str> = section
        .lines()
        .filter(|line| !line.starts_with('#') && !line.contains("optional = true"))
        .filter_map(|line| line.split_once(" = ").map(|(name, _)| name))
        .collect();
    assert_eq!(required, BTreeSet::from(SPINE));
}

#[test]
fn every_dependency_says_why() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = fs::read_to_string(manifest).unwrap();
    let mut is_in_dependencies = false;
    let mut previous = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_in_dependencies = line.contains("dependencies]");
        }
        if is_in_dependencies && line.contains(" = ") && !line.starts_with('#') {
            assert!(previous.starts_with('#'), "no reason above: {line}");
        }
        previous = line;
    }
}
