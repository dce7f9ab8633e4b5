//! How much memory is in use: as much as the world says, and less when something of it was forgotten.

use std::cell::Cell;

use crate::support::random::Random;

/// What the server may use.
pub const CEILING: usize = 1 << 20;
/// From where on something is given up, and how much is left then.
const NEAR: usize = CEILING / 8 * 7;
const ENOUGH: usize = CEILING / 8 * 6;
/// As if every message were large.
const MESSAGE_BYTES: usize = CEILING / 64;

thread_local! {
    static USED: Cell<usize> = const { Cell::new(0) };
}

pub fn used() -> usize {
    USED.get()
}

/// There is enough again, whatever there was.
pub fn end_shortage() {
    USED.set(0);
}

/// So many messages are no longer in it.
pub fn forget(messages: usize) {
    USED.set(used().saturating_sub(messages * MESSAGE_BYTES));
}

/// What the server must make of it.
#[derive(Default)]
pub struct Shortage {
    is_refusing: bool,
    /// It was near the ceiling once.
    pub was_there: bool,
}

impl Shortage {
    /// Others come and go.
    pub fn draw(&mut self, random: &mut Random) {
        USED.set(random.pick(&[0, 0, ENOUGH + 1, NEAR + 1, CEILING, CEILING + 1, 2 * CEILING]));
        self.was_there |= used() > NEAR;
    }

    /// The server has had its turn.
    pub fn turned(&mut self) {
        self.is_refusing = used() > if self.is_refusing { ENOUGH } else { NEAR };
    }

    /// Another ceiling, or the same, is in force.
    pub fn reloaded(&mut self) {
        self.is_refusing = false;
    }

    /// Whether nobody may come.
    pub fn is_short(&self) -> bool {
        used() > CEILING || self.is_refusing
    }
}
