//! Damage: what networks, broken clients and enemies make of valid input.

use super::random::Random;

/// Bytes that mean something to somebody.
const SPEAKING: &[u8] =
    b"\0\x01\t\n\r \"#%&'*+,-./09:;=?@AZ\\`az{|}\x7f\x80\xbf\xc0\xed\xf4\xfe\xff";

/// Damages a row of a table up to four times; one in four stays whole.
pub fn damaged(rows: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = rows[random.below(rows.len())].clone();
    for _ in 0..random.below(4) {
        match random.below(8) {
            0 => {
                let other = &rows[random.below(rows.len())];
                input.truncate(random.below(input.len() + 1));
                input.extend(&other[random.below(other.len() + 1)..]);
            }
            1 => input.truncate(random.below(input.len() + 1)),
            _ => damage(&mut input, random),
        }
    }
    input
}

/// Changes one place.
pub fn damage(input: &mut Vec<u8>, random: &mut Random) {
    if input.is_empty() {
        return input.push(random.pick(SPEAKING));
    }
    let at = random.below(input.len());
    match random.below(6) {
        0 => input[at] = random.pick(SPEAKING),
        1 => input[at] ^= 1 << random.below(8),
        2 => input[at] = random.next() as u8,
        3 => drop(input.remove(at)),
        4 => input.insert(at, random.pick(SPEAKING)),
        _ => {
            let end = at + random.below(input.len() - at + 1);
            let again = input[at..end].to_vec();
            input.extend(again);
        }
    }
}
