//! `pipes`: how many listen to each pipe, on all nodes. Read only.

use super::{Column, Found, Place, Table, keys, number, text};
use crate::cometql::Error;
use crate::hub::command::{Command, Outcome};

const NAME: &str = "pipes";
const COLUMNS: &[Column] = &[text("name", "varchar(64)"), number("users")];

/// The table.
pub static TABLE: Table = Table::read_only(NAME, COLUMNS, select);

/// A row for every name asked, whether anybody listens or not.
fn select(names: Option<Vec<String>>, place: &Place<'_>) -> Result<Found, Error> {
    let (tenant, channels) = (place.tenant, keys::pipes(names.unwrap_or_default()));
    if channels.is_empty() {
        return Ok(Found::Now(Vec::new()));
    }
    let command = Command::Counts { tenant, channels: channels.clone() };
    Ok(Found::Ask(
        command,
        Box::new(move |outcome, view| match outcome {
            Outcome::Counts(elsewhere) => {
                let row = |(name, elsewhere): (&_, u64)| {
                    let name: &str = name;
                    let users = view.subscribers(tenant, name).saturating_add(elsewhere);
                    vec![name.to_owned(), users.to_string()]
                };
                Ok(channels.iter().map(|name| &**name).zip(elsewhere).map(row).collect())
            }
            Outcome::Refused(refusal) => Err(refusal.into()),
            other => unreachable!("not counts: {other:?}"),
        }),
    ))
}
