//! Every way in which a network may cut a piece of input.

/// Whole, byte by byte, and cut in two at every position.
pub fn splits(input: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut all = vec![vec![input], input.chunks(1).collect()];
    for at in 1..input.len() {
        let (head, tail) = input.split_at(at);
        all.push(vec![head, tail]);
    }
    all
}
