//! Records: written, read, deleted, bounded.

use encke::hub::command::{Change, RecordKind};

use super::*;
use Change::{Delete, Put, PutKnown, PutNew};
use RecordKind::{RevokedToken, UserKey};

pub fn change(
    tenant: TenantId,
    kind: RecordKind,
    change: Change,
    records: &[(&str, &str)],
) -> Command {
    let record = |&(key, value): &(&str, &str)| (key.into(), value.into());
    let records = records.iter().map(record).collect();
    Command::ChangeRecords { tenant, kind, records, change }
}

fn read(tenant: TenantId, kind: RecordKind, keys: Option<&[&str]>) -> Command {
    let keys = keys.map(|keys| keys.iter().map(|&key| key.into()).collect());
    Command::Records { tenant, kind, keys }
}

fn records(records: &[(&str, &str)]) -> Outcome {
    Outcome::Records(records.iter().map(|&(key, value)| (key.into(), value.into())).collect())
}

#[test]
fn each_change_does_what_its_name_says() {
    each(Limits::default(), |bench| {
        let rows = [("1", "one"), ("2", "two")];
        assert_eq!(bench.ask(change(A, UserKey, PutKnown, &rows)), Outcome::Changed(0));
        assert_eq!(bench.ask(change(A, UserKey, Put, &rows)), Outcome::Changed(2));
        let others = [("2", "zwei"), ("3", "drei")];
        assert_eq!(bench.ask(change(A, UserKey, PutNew, &others)), Outcome::Changed(1));
        assert_eq!(bench.ask(change(A, UserKey, PutKnown, &[("1", "uno")])), Outcome::Changed(1));
        let expect = records(&[("3", "drei"), ("1", "uno"), ("2", "two")]);
        assert_eq!(bench.ask(read(A, UserKey, Some(&["3", "1", "9", "2"]))), expect, "as asked");
        let expect = records(&[("1", "uno"), ("2", "two"), ("3", "drei")]);
        assert_eq!(bench.ask(read(A, UserKey, None)), expect, "by key");
        assert_eq!(bench.ask(read(A, RevokedToken, None)), records(&[]), "another kind");
        assert_eq!(bench.ask(read(B, UserKey, None)), records(&[]), "another tenant");
        let gone = change(A, UserKey, Delete, &[("1", ""), ("9", "")]);
        assert_eq!(bench.ask(gone), Outcome::Changed(1));
        assert_eq!(bench.ask(read(A, UserKey, Some(&["1", "2"]))), records(&[("2", "two")]));
    });
}

#[test]
fn what_has_no_room_is_refused_whole() {
    let limits = Limits { records_max: 2, records_bytes_max: 20, ..Limits::default() };
    each(limits, |bench| {
        let refused = Outcome::Refused(Refusal::TooManyRecords);
        let three = [("1", ""), ("2", ""), ("3", "")];
        assert_eq!(bench.ask(change(A, UserKey, Put, &three)), refused);
        assert_eq!(bench.ask(read(A, UserKey, None)), records(&[]), "all or none");
        assert_eq!(bench.ask(change(A, UserKey, Put, &three[..1])), Outcome::Changed(1));
        assert_eq!(bench.ask(change(A, RevokedToken, Put, &three[1..2])), Outcome::Changed(1));
        assert_eq!(bench.ask(change(A, UserKey, Put, &three[2..])), refused, "all kinds count");
        assert_eq!(bench.ask(change(A, UserKey, Put, &[("1", "x")])), Outcome::Changed(1));
        let long = [("1", "more than 20 bytes, all told")];
        assert_eq!(bench.ask(change(A, UserKey, Put, &long)), refused, "bytes");
        assert_eq!(bench.ask(change(B, UserKey, Put, &three[2..])), Outcome::Changed(1));
        assert_eq!(bench.ask(change(A, UserKey, Delete, &three[..1])), Outcome::Changed(1));
        assert_eq!(bench.ask(change(A, UserKey, Put, &three[2..])), Outcome::Changed(1), "room");
    });
}

#[test]
fn a_removed_tenant_leaves_no_record() {
    each(Limits::default(), |bench| {
        bench.ask(change(B, UserKey, Put, &[("1", "one")]));
        let change =
            encke::engines::Change { tenants: 2, removed: &[B], limits: Limits::default() };
        bench.engine.reload(&change, bench.now());
        assert_eq!(bench.ask(read(B, UserKey, None)), records(&[]));
    });
}
