//! Rows of all tables, whole and damaged, through every oracle.

use crate::Place;
use crate::oracles::{self, rows};
use crate::support::mutate::damaged;
use crate::support::random::{Random, rounds};
use crate::support::tables::of_source;

/// Every row as it is, then so many damaged ones.
fn run(rows: &[Vec<u8>], default: u64, check: impl Fn(&[u8])) {
    for (index, input) in rows.iter().enumerate() {
        let _place = Place { seed: index as u64, input };
        check(input);
    }
    for seed in 0..rounds(default) {
        let input = damaged(rows, &mut Random::new(seed));
        let _place = Place { seed, input: &input };
        check(&input);
    }
}

#[test]
fn request_heads() {
    run(&rows::http_head(), 1_000, oracles::http_head::check);
}

#[test]
fn chunked_bodies() {
    run(&rows::http_body(), 5_000, oracles::http_body::check);
}

#[test]
fn websocket_frames() {
    run(&rows::websocket(), 2_000, oracles::websocket::check);
}

#[cfg(feature = "deflate")]
#[test]
fn compressed_messages() {
    run(&rows::deflate(), 200, oracles::deflate::check);
}

#[cfg(feature = "cometql")]
#[test]
fn mysql_packets() {
    run(&rows::mysql(), 3_000, oracles::mysql::check);
}

#[cfg(feature = "cometql")]
#[test]
fn sql_statements() {
    run(&rows::sql(), 2_000, oracles::sql::check);
}

#[test]
fn words_of_the_dialects() {
    run(&rows::dialects(), 1_000, oracles::dialects::check);
}

#[test]
fn names_cursors_and_escapes() {
    run(&rows::names(), 3_000, oracles::names::check);
}

#[test]
fn json_texts() {
    run(&rows::json(), 5_000, oracles::json::check);
}

#[test]
fn header_fields_and_tokens() {
    run(&rows::fields(), 3_000, oracles::fields::check);
}

#[test]
fn proxy_headers() {
    run(&rows::proxy(), 5_000, oracles::proxy::check);
}

#[cfg(feature = "config")]
#[test]
fn configuration_files() {
    let folder = std::env::temp_dir().join(format!("encke-random-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("encke.toml");
    run(&rows::config(), 1_000, |input| oracles::config::check(input, &file));
    std::fs::remove_dir_all(&folder).expect("it was ours");
}

/// Several clients over every listener.
#[test]
fn scripts_for_the_whole_server() {
    run(&oracles::scripts::all(), 1_000, oracles::server::check);
}

#[test]
fn literals_are_found_as_the_compiler_reads_them() {
    let source = br##"
        // "not this"
        let a: &'static str = "one\r\n\x00\xff\u{e9}\"\\"; let b = '"'; let c = '\'';
        f(b"two", r"th\ree", br#"fo"ur"#, "fi\
           ve", r#type, "");
    "##;
    let expect: [&[u8]; 6] =
        [b"one\r\n\x00\xff\xc3\xa9\"\\", b"two", br"th\ree", br#"fo"ur"#, b"five", b""];
    assert_eq!(of_source(source), expect);
}

/// For `tests/fuzz/run`: each row of each oracle in a file of its own, in the folder that FUZZ_SEEDS names.
#[test]
#[ignore = "writes files, for fuzzers alone"]
fn seeds_for_fuzzers() {
    let folder = std::env::var("FUZZ_SEEDS").expect("FUZZ_SEEDS names a folder");
    for (name, rows) in rows::all() {
        let folder = std::path::Path::new(&folder).join(name);
        // Those of other sources would stay.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        for (index, row) in rows.iter().enumerate() {
            std::fs::write(folder.join(format!("{index:04}")), row).expect("room for a file");
        }
    }
}
