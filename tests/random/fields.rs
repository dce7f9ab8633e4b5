//! Header fields and tokens made of known parts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use encke::proto::accept;
use encke::proto::forwarded::{address, nodes};
use encke::proto::http1::{HeaderSpace, Limits, parse_head};
use encke::proto::permessage_deflate::{Agreed, agree};

use crate::Place;
use crate::oracles::fields::check;
use crate::support::random::{Random, rounds};

/// The first offer that can be honoured wins, however the list is written.
#[test]
fn the_first_good_offer_wins() {
    let offers: [(&str, Option<u8>); 10] = [
        ("permessage-deflate", Some(15)),
        ("permessage-deflate; server_max_window_bits=10", Some(10)),
        ("permessage-deflate;server_max_window_bits=\"1\\2\" ; client_max_window_bits", Some(12)),
        ("permessage-deflate; client_no_context_takeover; server_no_context_takeover", Some(15)),
        ("permessage-deflate; server_max_window_bits=8", None),
        ("permessage-deflate; server_max_window_bits=16", None),
        ("permessage-deflate; server_max_window_bits", None),
        ("permessage-deflate; client_max_window_bits; client_max_window_bits", None),
        ("permessage-deflate; unknown", None),
        ("x-webkit-deflate-frame; a=\"b\"", None),
    ];
    for seed in 0..rounds(2_000) {
        let mut random = Random::new(seed);
        let chosen: Vec<_> = (0..random.below(5)).map(|_| random.pick(&offers)).collect();
        let mut text = String::new();
        for (offer, _) in &chosen {
            text += offer;
            text += random.pick(&[",", ", ", " ,\t", ",,"]);
        }
        let _place = Place { seed, input: text.as_bytes() };
        check(text.as_bytes());
        let expected = chosen.iter().find_map(|(_, bits)| *bits);
        assert_eq!(
            agree([text.as_bytes()]).map(|agreed| agreed.map(Agreed::window_bits)),
            Ok(expected)
        );
    }
}

#[test]
fn media_types_are_wanted_unless_their_weight_is_nothing() {
    for seed in 0..rounds(2_000) {
        let mut random = Random::new(seed);
        let mut is_wanted = false;
        let mut members = Vec::new();
        for _ in 0..random.below(5) {
            let range =
                random.pick(&["text/event-stream", "TEXT/Event-Stream", "text/html", "*/*"]);
            let weight =
                random.pick(&["", ";q=1", "; Q=0.001", ";q=0", " ; q=0.000", ";level=1;q=0."]);
            let is_nothing =
                weight.ends_with("q=0") || weight.ends_with("0.000") || weight.ends_with("0.");
            is_wanted |= range.len() == 17 && !is_nothing;
            members.push(format!("{range}{weight}"));
        }
        let value = members.join(random.pick(&[",", " , "]));
        let _place = Place { seed, input: value.as_bytes() };
        check(value.as_bytes());
        assert_eq!(accept::names(value.as_bytes(), "text/event-stream"), is_wanted);
    }
}

fn some_address(random: &mut Random) -> IpAddr {
    match random.one_in(2) {
        true => Ipv4Addr::from_bits(random.next() as u32).into(),
        false => Ipv6Addr::from_bits(u128::from(random.next()) << 64 | 1).into(),
    }
}

/// Proxies append to what they get, each in its own way of writing.
#[test]
fn chains_of_proxies_are_read_in_their_order() {
    let limits = Limits { head_bytes_max: 16_384, target_bytes_max: 1_024 };
    for seed in 0..rounds(1_000) {
        let mut random = Random::new(seed);
        let addresses: Vec<_> =
            (0..1 + random.below(5)).map(|_| some_address(&mut random)).collect();
        let is_standard = random.one_in(2);
        let node = |address: &IpAddr| match (address, random.below(3)) {
            (IpAddr::V6(_), 0) if !is_standard => address.to_string(),
            (IpAddr::V6(_), 1) if is_standard => format!("For=\"[{address}]:4711\";proto=https"),
            (IpAddr::V6(_), _) if is_standard => format!("by=_x;for=\"[{address}]\""),
            (IpAddr::V6(_), _) => format!("[{address}]:80"),
            (IpAddr::V4(_), 0) if is_standard => format!("for=\"{address}:80\" ; host=\"a,b;c\""),
            (IpAddr::V4(_), _) if is_standard => format!("for={address}"),
            (IpAddr::V4(_), 0) => format!("{address}:80"),
            (IpAddr::V4(_), _) => address.to_string(),
        };
        let written: Vec<_> = addresses.iter().map(node).collect();
        let name = if is_standard { "Forwarded" } else { "X-Forwarded-For" };
        let (first, rest) = written.split_at(random.below(written.len() + 1));
        let lines: Vec<_> = [first, rest]
            .iter()
            .filter(|part| !part.is_empty())
            .map(|part| format!("{name}: {}\r\n", part.join(", ")))
            .collect();
        let input = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", lines.concat());
        let _place = Place { seed, input: input.as_bytes() };
        let mut space = HeaderSpace::new();
        let (head, _) = parse_head(input.as_bytes(), &mut space, &limits).unwrap().unwrap();
        let found: Vec<_> = nodes(&head).into_iter().map(address).collect();
        assert_eq!(
            found,
            addresses.into_iter().map(|one| Some(one.to_canonical())).collect::<Vec<_>>()
        );
    }
}

#[cfg(feature = "jwt")]
#[test]
fn tokens_are_believed_only_as_they_were_signed() {
    use encke::proto::jwt::{sign, verify};
    for seed in 0..rounds(1_000) {
        let mut random = Random::new(seed);
        let (user, exp) = (random.next(), random.next() >> 20);
        let channels: Vec<_> = (0..random.below(4)).map(|n| format!("c{n}.*")).collect();
        let claims = serde_json::json!({
            "sub": user.to_string(), "user_id": user, "exp": exp, "channels": channels, "x": [1.5],
        });
        let secret = random.bytes(1 + seed as usize % 40);
        let token = sign(&claims.to_string(), &secret);
        let _place = Place { seed, input: token.as_bytes() };
        let read = verify(token.as_bytes(), &secret).expect("it is as it was signed");
        assert_eq!((read.sub, read.user_id), (Some(user.to_string()), Some(user)));
        assert_eq!((read.exp, read.nbf), (Some(exp), None));
        assert_eq!((read.channels, read.publish), (channels, Vec::<String>::new()));
        let mut damaged = token.clone().into_bytes();
        let at = random.below(damaged.len());
        damaged[at] = random.pick(b"AZaz09-_.=");
        assert_eq!(verify(&damaged, &secret).is_ok(), damaged == token.as_bytes());
    }
}
