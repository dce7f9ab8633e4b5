//! Numbers that look random and repeat from their seed, for tests that try very many inputs.

/// SplitMix64 (Steele, Lea, Flood 2014): one addition and three mixing steps for each number.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// 0 to `end` - 1.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// `input` in pieces, many of them short.
    pub fn pieces<'a>(&mut self, mut input: &'a [u8]) -> Vec<&'a [u8]> {
        let mut pieces = Vec::new();
        while !input.is_empty() {
            let most = self.pick(&[1, 3, 16, 200]).min(input.len());
            let (piece, rest) = input.split_at(1 + self.below(most));
            pieces.push(piece);
            input = rest;
        }
        pieces
    }
}

/// How many rounds a random test runs: `RANDOM_ROUNDS`, or a number that takes a moment.
pub fn rounds(default: u64) -> u64 {
    match std::env::var("RANDOM_ROUNDS") {
        Ok(rounds) => rounds.parse().expect("RANDOM_ROUNDS is a number"),
        Err(_) => default,
    }
}
