//! What must hold when all is at rest.

use super::page::Page;
use super::{Inhabited, Owner, World, ledger};

impl World {
    pub(super) fn check_pages(&mut self) {
        for index in 0..self.pages.len() {
            let is_there = self.wired.iter().any(|wired| {
                let talk = self.pages[index].talk.as_ref();
                talk.is_some_and(|talk| talk.line == wired.id) && !wired.line.wants_fin
            });
            if is_there {
                self.with_page(index, |page, _, context| page.check_at_rest(context));
            }
        }
    }

    /// Everybody is there, and nobody twice.
    pub(super) fn gather(&mut self) {
        for _ in 0..20 {
            self.come_to_rest();
            let away: Vec<usize> =
                (0..self.pages.len()).filter(|&index| self.pages[index].talk.is_none()).collect();
            let current: Vec<u64> =
                self.pages.iter().filter_map(|page| Some(page.talk.as_ref()?.line)).collect();
            let mut is_done = away.is_empty();
            for wired in &mut self.wired {
                if matches!(wired.owner, Owner::Page(_)) && !current.contains(&wired.id) {
                    wired.line.wants_fin = true;
                    is_done = false;
                }
            }
            if is_done {
                return self.check_pages();
            }
            for index in away {
                self.open(index);
            }
        }
        panic!("somebody never gets in");
    }

    /// At rest and with no session left over: idle costs nothing, and what is held is known.
    pub(super) fn check_idle(&mut self) {
        while self.machine.server.holdings().detached > 0 {
            self.pass(1_000);
            self.gather();
        }
        self.gather();
        let held = self.machine.server.holdings();
        assert_eq!(
            (held.outboxes, held.outbox_bytes, held.inputs),
            (0, 0, 0),
            "idle costs nothing"
        );
        assert_eq!((held.asks, held.feed, held.detached), (0, 0, 0), "idle costs nothing");
        let all: Option<Vec<usize>> = self.pages.iter().map(Page::holds).collect();
        if let Some(all) = all {
            let pages: Vec<String> = self.pages.iter().map(Page::explain).collect();
            assert_eq!(held.memberships, all.iter().sum::<usize>(), "channels of {pages:#?}");
            assert_eq!(held.furthers, all.iter().filter(|count| **count > 1).count());
        }
        let back_ends = usize::from(self.back_end.line.is_some());
        assert_eq!(held.extras, self.pages.len() + back_ends, "one for each page");
    }

    /// Once more, when all is quiet: everybody gets everything.
    pub(super) fn say_something_to_all(&mut self) {
        for _ in 0..6 {
            self.publish();
            self.publish_from_outside();
            self.send_to_user();
        }
        self.come_to_rest();
        self.check_pages();
    }

    /// Of every page others saw that it came and went, in turn.
    pub(super) fn check_tracks(&self) {
        let mut there: Vec<(String, i32)> = Vec::new();
        for message in &self.machine.truth.borrow().messages {
            if &*message.channel != "track_t" {
                continue;
            }
            let text = ledger::text_of(message);
            let uuid = text.split("\"uuid\":\"").nth(1).expect("a browser's id").to_owned();
            if !there.iter().any(|known| known.0 == uuid) {
                there.push((uuid.clone(), 0));
            }
            let known = there.iter_mut().find(|known| known.0 == uuid).expect("it is there");
            known.1 += if &*message.event == "subscription" { 1 } else { -1 };
            // Late, what is told without waiting for an answer may overtake itself.
            assert!(self.is_late || (0..=1).contains(&known.1), "{} {text}", &*message.event);
        }
        for (uuid, count) in there {
            assert_eq!(count, 0, "{uuid} has gone");
        }
    }

    /// The server stops.
    pub(super) fn shut_down(&mut self) {
        self.drain();
        self.rest_for(5);
        self.check_empty();
    }
}
