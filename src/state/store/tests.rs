use std::collections::BTreeMap;

use super::super::history::MAX_OCTETS;
use super::*;
use crate::state::disk::Disk;

fn put(id: &str, body: &str) -> Edit {
    Edit::Put { id: id.into(), body: body.as_bytes().into() }
}

fn content(store: &Store) -> (Revision, BTreeMap<Key, String>) {
    let reader = store.read().unwrap();
    let mut documents = BTreeMap::new();
    reader
        .each(|document| {
            documents.insert(document.key(), String::from_utf8(document.body.into()).unwrap());
        })
        .unwrap();
    (reader.head(), documents)
}

/// Commits of which each puts, changes and deletes.
fn script() -> Vec<Vec<Vec<Edit>>> {
    let commit = |n: usize| {
        let transaction = |m: usize| {
            let id = |k: usize| format!("/Zones/z/A/host{:02}", (n * 3 + m + k) % 17);
            vec![
                put(&id(0), &format!("{n}.{m}").repeat(60)),
                put(&id(5), &format!("{m}.{n}")),
                Edit::Delete(Key::new(&id(9))),
            ]
        };
        (0..1 + n % 3).map(transaction).collect()
    };
    (0..4).map(commit).collect()
}

/// What the script comes to, by how many of its transactions have taken place.
fn expected() -> Vec<BTreeMap<Key, String>> {
    let mut documents = BTreeMap::new();
    let mut all = vec![documents.clone()];
    for edit in script().into_iter().flatten() {
        for edit in edit {
            match edit {
                Edit::Put { id, body } => {
                    documents.insert(Key::new(&id), String::from_utf8(body.into()).unwrap());
                }
                Edit::Delete(key) => {
                    documents.remove(&key);
                }
            }
        }
        all.push(documents.clone());
    }
    all
}

#[test]
fn what_has_changed_since_a_revision_leads_from_how_it_was_to_how_it_is() {
    let store = Store::in_memory().unwrap();
    let mut was = vec![content(&store)];
    for transactions in script() {
        store.commit(store.head(), &transactions).unwrap();
        was.push(content(&store));
    }
    let (now, reader) = (content(&store).1, store.read().unwrap());
    for (revision, mut documents) in was {
        let changed = reader.changed_since(revision).unwrap().expect("the history knows it");
        assert_eq!(changed.is_empty(), revision == store.head());
        for (key, document) in changed {
            match document {
                Some(document) => documents.insert(key, String::from_utf8(document.body.into()).unwrap()),
                None => documents.remove(&key),
            };
        }
        assert_eq!(documents, now, "{revision}");
    }
    assert!(reader.changed_since(store.head().next()).unwrap().is_none(), "it has not come yet");
    // What is too large for the history ends it.
    let known = store.head();
    let large = (0..=MAX_OCTETS >> 20).map(|n| put(&format!("/large/{n}"), &"x".repeat(1 << 20))).collect::<Vec<_>>();
    store.commit(store.head(), &[large]).unwrap();
    let all_again = (0..=MAX_OCTETS >> 20).map(|n| put(&format!("/large/{n}"), "x")).collect();
    store.commit(store.head(), &[all_again]).unwrap();
    assert!(store.read().unwrap().changed_since(known).unwrap().is_none());
}

#[test]
fn a_power_cut_at_any_write_loses_nothing_that_was_acknowledged_and_leaves_nothing_half_done() {
    let (script, expected) = (script(), expected());
    let mut cuts = 0;
    for cut in 0.. {
        let disk = Disk::default();
        let store = disk.open().unwrap();
        disk.refuse_from(Some(cut));
        let (mut acknowledged, mut attempted, mut is_cut) = (Revision(0), Revision(0), false);
        for transactions in &script {
            attempted = Revision(acknowledged.0 + transactions.len() as u64);
            match store.commit(acknowledged, transactions) {
                Ok(head) => acknowledged = head,
                Err(error) => {
                    assert!(matches!(error, StoreError::Disk(_)), "{error:?}");
                    is_cut = true;
                    break;
                }
            }
        }
        for pattern in [0, u64::MAX, 0x5555_5555_5555_5555, 0xAAAA_AAAA_AAAA_AAAA, 0x0F0F_0F0F_0F0F_0F0F, 1] {
            let disk = disk.after_power_cut(|at| pattern >> (at % 64) & 1 != 0);
            let (head, documents) = content(&disk.open().unwrap());
            assert!(head == acknowledged || head == attempted, "{head} after {acknowledged}, cut at {cut}");
            assert_eq!(documents, expected[usize::try_from(head.0).unwrap()], "cut at {cut}");
        }
        if !is_cut {
            cuts = cut;
            break;
        }
    }
    assert!(cuts > 30, "a commit is more than one write: {cuts}");
}

#[test]
fn a_commit_that_the_disk_refuses_leaves_all_as_it_was_until_the_disk_works_again() {
    let (script, expected) = (script(), expected());
    for from in 0..40 {
        let disk = Disk::default();
        let store = disk.open().unwrap();
        let (mut head, mut refused) = (Revision(0), 0);
        for transactions in &script {
            disk.refuse_from(Some(from));
            let tried = store.commit(head, transactions);
            disk.refuse_from(None);
            head = match tried {
                Ok(head) => head,
                Err(error) => {
                    refused += 1;
                    assert!(matches!(error, StoreError::Disk(_)), "{error:?}");
                    assert_eq!(store.head(), head);
                    assert_eq!(content(&store), (head, expected[usize::try_from(head.0).unwrap()].clone()));
                    store.commit(head, transactions).unwrap()
                }
            };
        }
        assert_eq!(content(&store), (head, expected.last().unwrap().clone()));
        assert!(refused > 0 || from > 8, "operations from {from} on were refused, and no commit failed");
    }
}

#[test]
fn each_transaction_of_a_commit_has_its_own_revision() {
    let store = Store::in_memory().unwrap();
    let head = store.commit(Revision(0), &[vec![put("/A", "1")], vec![put("/a", "2"), put("/b", "1")]]).unwrap();
    assert_eq!(head, Revision(2));
    let found = store.read().unwrap().get(&Key::new("/A")).unwrap().unwrap();
    assert_eq!((&*found.id, &*found.body), ("/a", b"2".as_slice()));
    assert_eq!((found.created, found.modified), (Revision(1), Revision(2)));
    let error = store.commit(Revision(1), &[vec![put("/c", "1")]]).unwrap_err();
    assert!(matches!(error, StoreError::Conflict { expected: Revision(1), head: Revision(2) }), "{error:?}");
}

#[test]
fn a_reader_sees_one_revision() {
    let store = Store::in_memory().unwrap();
    store.commit(Revision(0), &[vec![put("/a", "1")]]).unwrap();
    let before = store.read().unwrap();
    store.commit(Revision(1), &[vec![Edit::Delete(Key::new("/a"))]]).unwrap();
    assert!(before.get(&Key::new("/a")).unwrap().is_some());
    assert!(store.read().unwrap().get(&Key::new("/a")).unwrap().is_none());
}

#[test]
fn lists_are_pages_of_what_is_below_a_prefix() {
    let store = Store::in_memory().unwrap();
    let ids = ["/z/y", "/z/x/A/b", "/Z/X/a/A", "/z/xa", "/z/x/a/C"];
    store.commit(Revision(0), &[ids.iter().map(|id| put(id, "")).collect()]).unwrap();
    let reader = store.read().unwrap();
    let list = |after: Option<&str>, limit| {
        let listed = reader.list(&Key::new("/z/X/"), after.map(Key::new).as_ref(), limit).unwrap();
        listed.into_iter().map(|document| document.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(list(None, 9), ["/Z/X/a/A", "/z/x/A/b", "/z/x/a/C"]);
    assert_eq!(list(None, 2), ["/Z/X/a/A", "/z/x/A/b"]);
    assert_eq!(list(Some("/z/x/a/b"), 2), ["/z/x/a/C"]);
    assert_eq!(list(Some("/a"), 1), ["/Z/X/a/A"]);
}

#[test]
fn the_history_tells_what_changed_and_leads_back() {
    let store = Store::in_memory().unwrap();
    let (script, expected) = (script(), expected());
    let mut head = Revision(0);
    for transactions in &script {
        head = store.commit(head, transactions).unwrap();
    }
    let past = store.read().unwrap().history(2).unwrap();
    assert_eq!(past.iter().map(|past| past.revision).collect::<Vec<_>>(), [head, Revision(head.0 - 1)]);
    let steps = past[0].made.len() + past[0].changed.len() + past[0].deleted.len();
    assert!((2..=3).contains(&steps), "{past:?}");
    for wanted in (0..=head.0).rev() {
        let edits = store.read().unwrap().back_to(Revision(wanted)).unwrap();
        let now = store.commit(store.head(), &[edits]).unwrap();
        assert_eq!(content(&store), (now, expected[usize::try_from(wanted).unwrap()].clone()));
    }
    let error = store.read().unwrap().back_to(Revision(1000)).unwrap_err();
    assert!(matches!(error, RestoreError::Future { .. }), "{error:?}");
}

#[test]
fn the_history_is_bounded_and_says_where_it_begins() {
    let store = Store::in_memory().unwrap();
    let body = "x".repeat(usize::try_from(MAX_OCTETS / 3).unwrap());
    for n in 0..6 {
        store.commit(Revision(n), &[vec![put("/a", &body)]]).unwrap();
    }
    let reader = store.read().unwrap();
    let oldest = reader.history(100).unwrap().last().unwrap().revision;
    assert!(reader.back_to(oldest).is_ok());
    let error = reader.back_to(Revision(oldest.0 - 2)).unwrap_err();
    assert!(matches!(error, RestoreError::Forgotten { oldest: found, .. } if found.0 == oldest.0 - 1), "{error}");
    drop(reader);
    // One that is too large by itself.
    let many = (0..4).map(|n| put(&format!("/{n}"), &body)).collect();
    let head = store.commit(Revision(6), &[many]).unwrap();
    let head = store.commit(head, &[(0..4).map(|n| put(&format!("/{n}"), "")).collect()]).unwrap();
    let reader = store.read().unwrap();
    assert_eq!(reader.history(100).unwrap(), []);
    assert!(matches!(reader.back_to(Revision(head.0 - 1)), Err(RestoreError::Forgotten { .. })));
}

#[test]
fn a_folder_has_one_owner_and_what_it_holds_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/state");
    assert!(Store::open_existing(&path).unwrap().is_none());
    let store = Store::open(&path).unwrap();
    let id = store.id();
    store.commit(Revision(0), &[vec![put("/a", "1")]]).unwrap();
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)), "{error:?}");
    drop(store);
    let store = Store::open_existing(&path).unwrap().unwrap();
    assert_eq!((store.id(), store.head()), (id, Revision(1)));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join(FILE))), (0o700, 0o600));
    }
}

#[test]
fn a_file_that_is_none_of_ours_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(FILE);
    fs::write(&file, "[server]\n".repeat(1000)).unwrap();
    let error = Store::open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::Foreign(_)), "{error:?}");

    fs::remove_file(&file).unwrap();
    let other: TableDefinition<'_, u64, u64> = TableDefinition::new("other");
    let database = Database::create(&file).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(other).unwrap().insert(1, 1).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = Store::open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::Foreign(_)), "{error:?}");
}

#[test]
fn a_format_of_another_version_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    write(store.opened().unwrap().database.as_ref().unwrap(), |draft| draft.set("format", 7)).unwrap();
    drop(store);
    let error = Store::open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::Format { found: 7, .. }), "{error:?}");
    assert!(error.to_string().contains("export it with the version that wrote it"), "{error}");
}

#[test]
fn damage_is_noticed_when_the_file_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let edits = (0..2000).map(|n| put(&format!("/zones/z/a/{n}"), &"x".repeat(100))).collect();
    store.commit(Revision(0), &[edits]).unwrap();
    drop(store);
    let file = folder.path().join(FILE);
    let whole = fs::read(&file).unwrap();
    let mut at = whole.windows(20).position(|octets| octets == b"xxxxxxxxxxxxxxxxxxxx").unwrap();
    for (damage, length) in [(0_u8, whole.len()), (b'y', whole.len()), (b'x', whole.len() / 3), (b'x', 100)] {
        let mut octets = whole.clone();
        octets[at..at + 20].fill(damage);
        octets.truncate(length);
        fs::write(&file, octets).unwrap();
        let error = Store::open(folder.path()).unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. } | OpenError::Foreign(_)), "{damage} {length}: {error:?}");
        at += 40;
    }
}

/// What another process needs of this one while it takes its place.
#[test]
fn a_released_file_is_anothers_until_it_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    store.commit(Revision(0), &[vec![put("/a", "1")]]).unwrap();
    assert!(matches!(Store::open(folder.path()), Err(OpenError::InUse(_))));
    store.release();
    for refused in [store.read().map(|_| ()), store.commit(Revision(1), &[vec![put("/b", "2")]]).map(|_| ())] {
        assert!(matches!(refused, Err(StoreError::Paused)), "{refused:?}");
    }
    let other = Store::open(folder.path()).unwrap();
    assert_eq!(other.head(), Revision(1));
    // One that does not write yet has all the same what it needs to start.
    other.pause();
    assert!(matches!(other.commit(Revision(1), &[vec![put("/b", "2")]]), Err(StoreError::Paused)));
    // While the other has it, it cannot be had back; then nothing is lost.
    store.resume();
    assert!(matches!(store.read(), Err(StoreError::Disk(_))));
    drop(other);
    store.commit(Revision(1), &[vec![put("/b", "2")]]).unwrap();
    assert_eq!(content(&store).1.len(), 2);
}
