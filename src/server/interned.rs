//! Texts that many connections have in common, kept once: what browsers call themselves, the pages they
//! show, the languages of their readers.

use std::collections::HashMap;
use std::rc::Rc;

/// As many as have a number, whatever is configured.
pub(crate) const TEXTS_MAX: usize = u16::MAX as usize - 1;

/// A text in the table, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct TextId(u16);

/// The table. Above its bound a text is not kept, and shown as if it had not been said.
#[derive(Default)]
pub(crate) struct Interned {
    numbers: HashMap<Rc<str>, u16>,
    /// Each with the number of its users; without users it is free for another.
    texts: Vec<(Rc<str>, u32)>,
    free: Vec<u16>,
}

impl Interned {
    /// One user more of a text.
    pub fn take(&mut self, text: &str, texts_max: usize) -> TextId {
        if text.is_empty() {
            return TextId(0);
        }
        if let Some(&number) = self.numbers.get(text) {
            self.texts[usize::from(number)].1 += 1;
            return TextId(number + 1);
        }
        if self.numbers.len() >= texts_max.min(TEXTS_MAX) {
            return TextId(0);
        }
        let text: Rc<str> = text.into();
        let number = self.free.pop().unwrap_or_else(|| {
            self.texts.push((Rc::clone(&text), 0));
            self.texts.len() as u16 - 1
        });
        self.texts[usize::from(number)] = (Rc::clone(&text), 1);
        self.numbers.insert(text, number);
        TextId(number + 1)
    }

    /// One user less.
    pub fn give_back(&mut self, id: TextId) {
        let Some(number) = id.0.checked_sub(1) else { return };
        let (text, users) = &mut self.texts[usize::from(number)];
        *users -= 1;
        if *users > 0 {
            return;
        }
        let text = std::mem::replace(text, "".into());
        self.numbers.remove(&text);
        self.free.push(number);
        if self.numbers.is_empty() {
            *self = Interned::default();
        }
    }

    /// The text; empty if there is none.
    #[cfg_attr(not(feature = "cometql"), allow(dead_code, reason = "only statements show it"))]
    pub fn text(&self, id: TextId) -> &str {
        match id.0.checked_sub(1) {
            Some(number) => &self.texts[usize::from(number)].0,
            None => "",
        }
    }

    /// How many texts are kept.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once_and_as_long_as_it_has_users() {
        let mut table = Interned::default();
        let (one, same, other) = (table.take("a", 2), table.take("a", 2), table.take("b", 2));
        assert_eq!((one, table.text(one), table.text(other)), (same, "a", "b"));
        let (many, none) = (table.take("c", 2), table.take("", 2));
        assert_eq!(table.text(many), "", "beyond the bound");
        table.give_back(many);
        table.give_back(none);
        table.give_back(one);
        assert_eq!(table.text(same), "a");
        table.give_back(same);
        let third = table.take("c", 2);
        assert_eq!((table.text(third), table.text(other), table.len()), ("c", "b", 2));
        table.give_back(third);
        table.give_back(other);
        assert_eq!(table.len(), 0);
    }
}
