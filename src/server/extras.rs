//! What only some phases have, beyond the slot: one pool for what few have, and one for clients of
//! CometServerApi, as these may be all that there are.

use std::num::NonZeroU32;
use std::rc::Rc;

use super::Listener;
use super::comet::Comet;
use super::mysql::MySql;
use super::pool::{Pool, PoolIndex};
use crate::hub::access::Claims;

/// What only some phases have.
pub(crate) enum Extra {
    /// Of a parked poll.
    Poll(Box<PollExtra>),
    /// A session without a connection: its name, and whose it is.
    Session(Box<(Box<str>, Option<Rc<Claims>>)>),
    /// What a subscriber's token says.
    Token(Rc<Claims>),
    /// What a connection is for, once a proxy has said whose it is.
    Proxied(Listener),
    /// A back end's session; `None` while it acts.
    #[cfg_attr(not(feature = "cometql"), expect(dead_code, reason = "nobody speaks MySQL"))]
    MySql(Option<Box<MySql>>),
}

const _: () = assert!(size_of::<Option<Extra>>() <= 16);

/// What must be known to answer a parked poll, beyond the slot.
#[derive(Default, PartialEq, Eq)]
pub(crate) struct PollExtra {
    pub callback: Option<Box<str>>,
    pub origin: Option<Box<str>>,
    pub session: Option<Box<str>>,
    pub claims: Option<Rc<Claims>>,
}

/// A place in one of the two pools. `Option<ExtraIndex>` is 4 bytes.
#[derive(Clone, Copy)]
pub(crate) struct ExtraIndex(NonZeroU32);

/// Set in the indexes of clients of CometServerApi. No pool has so many places that it means anything else.
const OF_COMET: u32 = 1 << 31;

/// Both pools. Asked for what lies in the other one, they have nothing.
pub(crate) struct Extras {
    few: Pool<Extra>,
    comets: Pool<Comet>,
}

impl Extras {
    pub fn new() -> Extras {
        Extras { few: Pool::new(), comets: Pool::new() }
    }

    pub fn put(&mut self, extra: Extra) -> ExtraIndex {
        ExtraIndex(self.few.put(extra))
    }

    pub fn put_comet(&mut self, comet: Comet) -> ExtraIndex {
        ExtraIndex(self.comets.put(comet) | OF_COMET)
    }

    pub fn get(&self, index: ExtraIndex) -> Option<&Extra> {
        Some(self.few.get(index.few()?))
    }

    pub fn get_mut(&mut self, index: ExtraIndex) -> Option<&mut Extra> {
        Some(self.few.get_mut(index.few()?))
    }

    pub fn take(&mut self, index: ExtraIndex) -> Option<Extra> {
        Some(self.few.take(index.few()?))
    }

    pub fn comet(&self, index: ExtraIndex) -> Option<&Comet> {
        Some(self.comets.get(index.comet()?))
    }

    pub fn comet_mut(&mut self, index: ExtraIndex) -> Option<&mut Comet> {
        Some(self.comets.get_mut(index.comet()?))
    }

    pub fn take_comet(&mut self, index: ExtraIndex) -> Option<Comet> {
        Some(self.comets.take(index.comet()?))
    }

    pub fn len(&self) -> usize {
        self.few.len() + self.comets.len()
    }

    /// What they occupy, without what they point to.
    pub fn bytes(&self) -> usize {
        self.few.len() * size_of::<Extra>() + self.comets.len() * size_of::<Comet>()
    }
}

impl ExtraIndex {
    fn few(self) -> Option<PoolIndex> {
        Some(self.0).filter(|index| index.get() & OF_COMET == 0)
    }

    fn comet(self) -> Option<PoolIndex> {
        let is_comet = self.0.get() & OF_COMET != 0;
        NonZeroU32::new(self.0.get() & !OF_COMET).filter(|_| is_comet)
    }
}
