//! MySQL packets made of known values, however they arrive.

use encke::proto::mysql::command::Command;
use encke::proto::mysql::handshake::{Nonce, Plugin, Response, caching_sha2_proof, native_proof};
use encke::proto::mysql::packet::{self, Writer};
use encke::proto::mysql::prepared::Value;
use encke::proto::mysql::value::{Reader, put_lenenc_integer, put_lenenc_string};

use crate::Place;
use crate::support::random::{Random, rounds};

const PAYLOAD_BYTES_MAX: usize = 70_000;

#[test]
fn packets_come_out_as_they_went_in() {
    for seed in 0..rounds(500) {
        let mut random = Random::new(seed);
        let first = random.next() as u8;
        let payloads: Vec<_> = (0..random.below(6)).map(|_| payload(&mut random)).collect();
        let mut stream = Vec::new();
        let mut writer = Writer::new(&mut stream, first);
        payloads.iter().for_each(|payload| writer.packet(|out| out.extend_from_slice(payload)));
        let (mut arrived, mut found, mut due) = (Vec::new(), Vec::new(), first);
        for piece in random.pieces(&stream) {
            arrived.extend_from_slice(piece);
            while let Some(packet) = packet::parse(&arrived, due, PAYLOAD_BYTES_MAX).unwrap() {
                due = packet.sequence.wrapping_add(1);
                let used = packet.bytes_used;
                found.push(packet.payload.into_owned());
                arrived.drain(..used);
            }
        }
        assert_eq!(found, payloads, "seed {seed}");
        assert!(arrived.is_empty(), "seed {seed}");
    }
}

fn payload(random: &mut Random) -> Vec<u8> {
    let len = random.pick(&[0, 1, 10, 250, 251, 65_535, 65_536]);
    random.bytes(len)
}

#[test]
fn integers_and_strings_of_any_length_come_back() {
    for seed in 0..rounds(3_000) {
        let mut random = Random::new(seed);
        let bits = random.below(65) as u32;
        let number = random.next().checked_shr(bits).unwrap_or(0);
        let len = random.pick(&[0, 1, 250, 251, 300]);
        let string = random.bytes(len);
        let mut bytes = Vec::new();
        put_lenenc_integer(&mut bytes, number);
        put_lenenc_string(&mut bytes, &string);
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.lenenc_integer(), Ok(number), "seed {seed}");
        assert_eq!(reader.lenenc_string(), Ok(&string[..]), "seed {seed}");
        assert!(reader.is_empty(), "seed {seed}");
    }
}

/// Every combination of what clients say they can do.
#[test]
fn logins_are_read_as_they_were_made() {
    for seed in 0..rounds(1_000) {
        let mut random = Random::new(seed);
        let nonce = Nonce::from_random(std::array::from_fn(|_| random.next() as u8));
        let plugin = random.pick(&[Plugin::Native, Plugin::CachingSha2]);
        let mut proof = match plugin {
            Plugin::Native => native_proof(b"secret", &nonce).to_vec(),
            Plugin::CachingSha2 => caching_sha2_proof(b"secret", &nonce).to_vec(),
        };
        let is_right = !random.one_in(3);
        if !is_right {
            let at = random.below(proof.len());
            proof[at] ^= 1 << random.below(8);
        }
        let [has_database, has_plugin, has_lenenc] = [(); 3].map(|()| random.one_in(2));
        let capabilities = 0x0000_8200_u32
            | if has_database { 0x8 } else { 0 }
            | if has_plugin { 0x0008_0000 } else { 0 }
            | if has_lenenc { 0x0020_0000 } else { 0 };
        let mut login = [&capabilities.to_le_bytes()[..], &[0; 4 + 1 + 23], b"root\0"].concat();
        put_lenenc_string(&mut login, &proof);
        login.extend(if has_database { &b"CometQL_v1\0"[..] } else { b"" });
        login.extend(if has_plugin { [plugin.name().as_bytes(), b"\0"].concat() } else { vec![] });
        let _place = Place { seed, input: &login };
        let response = Response::parse(&login).expect("a login");
        assert_eq!((response.user, response.proof), (&b"root"[..], &proof[..]));
        assert_eq!(response.database, if has_database { &b"CometQL_v1"[..] } else { b"" });
        assert_eq!(response.plugin, if has_plugin { plugin.name().as_bytes() } else { b"" });
        assert_eq!(plugin.proves(b"secret", &nonce, response.proof), is_right);
        assert!(!plugin.proves(b"Secret", &nonce, response.proof));
    }
}

#[test]
fn values_of_prepared_statements_come_back() {
    for seed in 0..rounds(1_000) {
        let mut random = Random::new(seed);
        let count = 1 + random.below(20);
        let mut nulls = vec![0u8; count.div_ceil(8)];
        let (mut types, mut values, mut expected) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..count {
            let number = random.next();
            let (kind, value) = match random.below(5) {
                0 => {
                    nulls[index / 8] |= 1 << (index % 8);
                    (random.pick(&[0x06, 0xfe, 0x08]), Some(Value::Null))
                }
                1 => {
                    values.extend(number.to_le_bytes());
                    (0x08, Some(Value::Number((number as i64).to_string())))
                }
                2 => {
                    values.push(number as u8);
                    (0x01, Some(Value::Number((number as i8).to_string())))
                }
                3 => {
                    values.extend((number as f64).to_le_bytes());
                    (0x05, None)
                }
                _ => {
                    put_lenenc_string(&mut values, &number.to_be_bytes());
                    (0xfd, None)
                }
            };
            types.extend([kind, 0]);
            let bytes = number.to_be_bytes();
            expected.push((value, number as f64, bytes));
        }
        let execute =
            [&[0x17, 1, 0, 0, 0, 0, 1, 0, 0, 0], &nulls[..], &[1], &types, &values].concat();
        let _place = Place { seed, input: &execute };
        let Ok(Command::Execute(execute)) = Command::parse(&execute) else { panic!("no execute") };
        let found = execute.values(count, &mut Vec::new(), |_| false).expect("values");
        for (found, (value, float, bytes)) in found.iter().zip(&expected) {
            match (found, value) {
                (found, Some(value)) => assert_eq!(found, value),
                (Value::Number(text), None) => assert_eq!(text.parse(), Ok(*float)),
                (found, None) => assert_eq!(found, &Value::Bytes(bytes)),
            }
        }
    }
}
