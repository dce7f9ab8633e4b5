//! What is agreed on of the offers in a handshake: RFC 7692 §7.1.

use encke::proto::permessage_deflate::{Malformed, agree};

const NAME: &str = "permessage-deflate";
const ALWAYS: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// Header lines, one after the other, separated by `|`; the answer.
fn answer(lines: &str) -> Result<Option<String>, Malformed> {
    let agreed = agree(lines.split('|').map(str::as_bytes))?;
    Ok(agreed.map(|agreed| {
        let mut out = Vec::new();
        agreed.write(&mut out);
        let text = String::from_utf8(out).unwrap();
        let bits = text.split_once("server_max_window_bits=").map_or("15", |(_, bits)| bits);
        assert_eq!(bits, agreed.window_bits().to_string(), "it is what it says");
        text
    }))
}

/// Name, section, offers (`%` stands for the extension's name), and the window that is answered: 0 says
/// nothing of it.
const ACCEPTED: &[(&str, &str, &str, u8)] = &[
    ("the simplest offer", "§7.1", "%", 0),
    ("Chromium and Safari", "§7.1.2.2", "%; client_max_window_bits", 0),
    ("Firefox, without a bound", "§7.1", "%", 0),
    ("a client's window", "§7.1.2.2", "%; client_max_window_bits=10", 0),
    ("a client's window that we could not write", "§7.1.2.2", "%; client_max_window_bits=8", 0),
    ("no takeover by the server", "§7.1.1.1", "%; server_no_context_takeover", 0),
    ("no takeover by the client", "§7.1.1.2", "%; client_no_context_takeover", 0),
    ("the smallest window of zlib", "§7.1.2.1", "%; server_max_window_bits=9", 9),
    ("a window", "§7.1.2.1", "%; server_max_window_bits=12", 12),
    ("the greatest window", "§7.1.2.1", "%; server_max_window_bits=15", 15),
    (
        "all of them, in another order",
        "§7.1",
        "%; client_max_window_bits=15; server_max_window_bits=10; client_no_context_takeover; \
         server_no_context_takeover",
        10,
    ),
    ("no spaces", "§9.1", "%;server_max_window_bits=11;client_max_window_bits", 11),
    ("more spaces", "§9.1", " %\t;  server_max_window_bits = 11 ", 11),
    ("a quoted value", "§5.1", "%; server_max_window_bits=\"10\"", 10),
    ("a quoted value with an escape", "§5.1", "%; server_max_window_bits=\"\\1\\0\"", 10),
    ("the first of two", "§7.1", "%; server_max_window_bits=10, %", 10),
    ("the second, where the first is declined", "§7.1", "%; server_max_window_bits=8, %", 0),
    ("the third, after an unknown parameter", "§7.1", "%; x, %; server_max_window_bits=1, %", 0),
    ("behind another extension", "§9.1", "x-webkit-deflate-frame, %", 0),
    ("before another extension", "§9.1", "%, x-other; server_max_window_bits=\"7\"", 0),
    ("in the second line", "§5", "foo; bar=1|%; server_max_window_bits=13", 13),
    ("empty members of the list", "§9.1", ", ,%,,", 0),
];

/// Offers that are not taken, while the WebSocket is.
const DECLINED: &[(&str, &str, &str)] = &[
    ("nothing", "§9.1", ""),
    ("nothing but commas", "§9.1", ",,|,"),
    ("another extension", "§5", "permessage-bzip2"),
    ("another letter case", "§7", "Permessage-Deflate"),
    ("a longer name", "§7", "permessage-deflate2"),
    ("a window of 8 bits, which zlib cannot write", "§7.1.2.1", "%; server_max_window_bits=8"),
    ("a window of 7 bits", "§7.1.2.1", "%; server_max_window_bits=7"),
    ("a window of 16 bits", "§7.1.2.1", "%; server_max_window_bits=16"),
    ("a window of 100 bits", "§7.1.2.1", "%; server_max_window_bits=100"),
    ("a window of 0 bits", "§7.1.2.1", "%; server_max_window_bits=0"),
    ("a leading zero", "§7.1.2.1", "%; server_max_window_bits=09"),
    ("a sign", "§7.1.2.1", "%; server_max_window_bits=+9"),
    ("a fraction", "§7.1.2.1", "%; server_max_window_bits=9.0"),
    ("no window", "§7.1.2.1", "%; server_max_window_bits"),
    ("a word", "§7.1.2.1", "%; server_max_window_bits=ten"),
    ("a client's window of 16 bits", "§7.1.2.2", "%; client_max_window_bits=16"),
    ("a client's window of 7 bits", "§7.1.2.2", "%; client_max_window_bits=7"),
    ("a client's window with a zero", "§7.1.2.2", "%; client_max_window_bits=010"),
    (
        "a client's window that is quoted and no number",
        "§7.1.2.2",
        "%; client_max_window_bits=\"a\"",
    ),
    ("a value where there is none", "§7.1.1.1", "%; server_no_context_takeover=1"),
    ("a value where there is none", "§7.1.1.2", "%; client_no_context_takeover=\"true\""),
    ("an unknown parameter", "§7.1", "%; level=9"),
    ("an unknown parameter among good ones", "§7.1", "%; client_max_window_bits; mux; %"),
    ("another letter case of a parameter", "§7.1", "%; Client_Max_Window_Bits"),
    ("twice", "§7.1", "%; server_no_context_takeover; server_no_context_takeover"),
    ("twice", "§7.1", "%; client_no_context_takeover; client_no_context_takeover"),
    ("twice", "§7.1", "%; client_max_window_bits; client_max_window_bits=15"),
    ("twice", "§7.1", "%; server_max_window_bits=10; server_max_window_bits=10"),
    (
        "a bad value, then a good one",
        "§7.1",
        "%; server_max_window_bits=8; server_max_window_bits=9",
    ),
    ("two offers, both bad", "§7.1", "%; a, %; b|%; c"),
];

/// What is no list of extensions at all.
const MALFORMED: &[(&str, &str)] = &[
    ("only a semicolon", ";"),
    ("no parameter", "%;"),
    ("no parameter between", "%;; client_max_window_bits"),
    ("no value", "%; server_max_window_bits="),
    ("an empty quoted value", "%; server_max_window_bits=\"\""),
    ("a quoted value without an end", "%; server_max_window_bits=\"10"),
    ("a quoted value that ends in a backslash", "%; server_max_window_bits=\"10\\"),
    ("a quoted value that is no token", "%; server_max_window_bits=\"1 0\""),
    ("something behind a quoted value", "%; server_max_window_bits=\"10\"0"),
    ("no name of the parameter", "%; =10"),
    ("two values", "%; server_max_window_bits=10=10"),
    ("no comma", "% %"),
    ("no semicolon", "% client_max_window_bits"),
    ("a byte that is in no token", "permessage/deflate"),
    ("a quoted name", "\"%\""),
    ("behind a good offer", "%, ="),
    ("in the second line", "%|;"),
];

#[test]
fn offers_that_are_accepted() {
    for &(name, spec, offers, bits) in ACCEPTED {
        let mut expect = ALWAYS.to_owned();
        if bits > 0 {
            expect.push_str(&format!("; server_max_window_bits={bits}"));
        }
        assert_eq!(answer(&offers.replace('%', NAME)), Ok(Some(expect)), "{name}, {spec}");
    }
}

#[test]
fn offers_that_are_declined() {
    for &(name, spec, offers) in DECLINED {
        assert_eq!(answer(&offers.replace('%', NAME)), Ok(None), "{name}, {spec}");
    }
}

#[test]
fn what_is_no_list_of_extensions_fails_the_handshake() {
    for &(name, offers) in MALFORMED {
        assert_eq!(answer(&offers.replace('%', NAME)), Err(Malformed), "{name}, RFC 6455 §9.1");
    }
}

#[test]
fn there_are_more_refusals_than_acceptances() {
    assert!(DECLINED.len() + MALFORMED.len() > ACCEPTED.len());
}

/// Every combination of what may stand in an offer and what may not, each parameter in two or more forms.
#[test]
fn every_combination_of_parameters() {
    let of_server = [("", Some(0)), ("=9", Some(9)), ("=15", Some(15)), ("=8", None), ("=", None)];
    let of_client = ["", "; client_max_window_bits", "; client_max_window_bits=\"8\""];
    let mut seen = 0;
    for (value, bits) in of_server {
        for client in of_client {
            for flags in 0..4 {
                let mut offer = NAME.to_owned();
                if flags & 1 != 0 {
                    offer.push_str("; client_no_context_takeover");
                }
                if !value.is_empty() {
                    offer.push_str(&format!("; server_max_window_bits{value}"));
                }
                offer.push_str(client);
                if flags & 2 != 0 {
                    offer.push_str("; server_no_context_takeover");
                }
                let expect = bits.map(|bits: u8| match bits {
                    0 => ALWAYS.to_owned(),
                    _ => format!("{ALWAYS}; server_max_window_bits={bits}"),
                });
                let expect = if value == "=" { Err(Malformed) } else { Ok(expect) };
                assert_eq!(answer(&offer), expect, "{offer}");
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 60);
}
