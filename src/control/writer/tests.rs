use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinHandle;

use super::*;
use crate::azure::{self, Declared, Origin, PrivateDnsZone, RecordSet, Resource};
use crate::config::{Files, Memory};
use crate::dns::{Rdatas, RecordType, Ttl};
use crate::state::disk::Disk;

const ZONE: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/default/providers/Microsoft.Network/\
     privateDnsZones/corp.test";

/// What a test starts with.
struct Fixture {
    control: Arc<Control>,
    writer: Writer,
}

fn start(store: Store) -> Fixture {
    let topology = "\
        [[private_dns_zone]]\n\
        name = \"corp.test\"\n\
        [[private_dns_zone.record_set]]\n\
        name = \"www\"\n\
        type = \"A\"\n\
        records = [\"10.0.0.1\"]\n";
    let files = Files::Memory(Arc::new(Memory::new(topology, [])));
    let (control, _) = Control::start(files, |_| {}).unwrap();
    let control = Arc::new(control);
    let writer = Writer::start(control.clone(), Arc::new(store)).unwrap();
    Fixture { control, writer }
}

fn zone() -> ZoneKey {
    ZoneKey::Private(ZONE.parse().unwrap())
}

fn record_set(name: &str, rtype: RecordType, rdata: &[u8]) -> Change {
    let record_set = RecordSet {
        owner: format!("{name}.corp.test").parse().unwrap(),
        rtype,
        ttl: Ttl::from_secs(60).unwrap(),
        rdatas: Rdatas::one(rdata),
        writer: azure::Writer::Person,
        origin: Origin::default(),
    };
    Change::PutRecordSet { zone: zone(), record_set }
}

/// A write of one record set with its document.
fn put(name: &str, rtype: RecordType, rdata: &[u8]) -> Transaction {
    let id = format!("{ZONE}/{rtype}/{name}");
    let edits = vec![Edit::Put { id: id.into(), body: rdata.into() }];
    Transaction { edits, changes: vec![record_set(name, rtype, rdata)] }
}

impl Fixture {
    /// Has a write wait.
    fn write<E: Send + 'static>(
        &self,
        decide: impl FnMut(&View<'_>) -> Result<Transaction, E> + Send + 'static,
    ) -> JoinHandle<Result<Written<()>, WriteError<E>>> {
        let (writer, mut decide) = (self.writer.clone(), decide);
        tokio::spawn(async move { writer.write(move |view| decide(view).map(|transaction| (transaction, ()))).await })
    }

    /// Has writes wait until all are there, in their order, so that they make a group.
    async fn gathered<T>(&self, writes: usize, write: impl Fn(usize) -> T) -> Vec<T> {
        let mut all = Vec::new();
        for number in 0..writes {
            all.push(write(number));
            // A task begins when it likes.
            while self.writer.waiting.capacity() > MAX_WAITING - all.len() {
                tokio::task::yield_now().await;
            }
        }
        all
    }

    fn is_served(&self, name: &str, rtype: RecordType) -> bool {
        let owner: Name = format!("{name}.corp.test").parse().unwrap();
        let snapshot = self.control.published().load_full();
        let mut zones = snapshot.zones().filter(|zone| zone.zone.apex().name().to_string() == "corp.test.");
        zones.any(|zone| zone.zone.rrset(owner.as_ref(), rtype).is_some())
    }

    fn body(&self, name: &str, rtype: RecordType) -> Option<Box<[u8]>> {
        let key = Key::new(&format!("{ZONE}/{rtype}/{name}"));
        Some(self.writer.store().read().unwrap().get(&key).unwrap()?.body)
    }

    /// Keeps the writer from carrying out anything until it is dropped, by a write that waits.
    async fn busy(&self) -> impl Drop {
        struct Gate(Option<std::sync::mpsc::Sender<()>>);
        impl Drop for Gate {
            fn drop(&mut self) {
                self.0.take();
            }
        }
        let (open, closed) = std::sync::mpsc::channel::<()>();
        let (begun, begins) = oneshot::channel();
        let mut begun = Some(begun);
        self.write(move |_| {
            if let Some(begun) = begun.take() {
                let _ = begun.send(());
            }
            let _ = closed.recv();
            Ok::<_, ()>(Transaction::default())
        });
        begins.await.unwrap();
        Gate(Some(open))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_is_on_disk_and_served_and_many_share_a_publication() {
    let fixture = start(Store::in_memory().unwrap());
    let before = fixture.control.published().load().generation().number();
    let gate = fixture.busy().await;
    let write = |n: usize| {
        fixture.write(move |_| Ok::<_, ()>(put(&format!("h{n}"), RecordType::A, &[10, 0, 0, n.to_be_bytes()[7]])))
    };
    let writes = fixture.gathered(100, write).await;
    drop(gate);
    let mut revisions = Vec::new();
    for (n, write) in writes.into_iter().enumerate() {
        let written = write.await.unwrap().unwrap();
        let name = format!("h{n}");
        assert!(fixture.is_served(&name, RecordType::A));
        assert_eq!(&*fixture.body(&name, RecordType::A).unwrap(), [10, 0, 0, n.to_be_bytes()[7]]);
        revisions.push(written.revision.0);
    }
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=100).collect::<Vec<_>>());
    assert_eq!(fixture.control.published().load().generation().number(), before + 1, "they were a group");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_writes_that_race_on_one_etag_exactly_one_wins() {
    let fixture = start(Store::in_memory().unwrap());
    fixture.write(|_| Ok::<_, ()>(put("web", RecordType::A, &[10, 0, 0, 1]))).await.unwrap().unwrap();
    let key = Key::new(&format!("{ZONE}/a/web"));
    let seen = fixture.writer.store().read().unwrap().get(&key).unwrap().unwrap().modified;
    let gate = fixture.busy().await;
    let write = |n: usize| {
        let key = key.clone();
        fixture.write(move |view| match view.get(&key).unwrap().unwrap().modified == seen {
            true => Ok(put("web", RecordType::A, &[10, 0, 1, n.to_be_bytes()[7]])),
            false => Err("412"),
        })
    };
    let writes = fixture.gathered(40, write).await;
    drop(gate);
    let mut won = Vec::new();
    for (n, write) in writes.into_iter().enumerate() {
        match write.await.unwrap() {
            Ok(_) => won.push(n),
            Err(error) => assert!(matches!(error, WriteError::Rejected("412")), "{error:?}"),
        }
    }
    assert_eq!(won.len(), 1);
    assert_eq!(&*fixture.body("web", RecordType::A).unwrap(), [10, 0, 1, won[0].to_be_bytes()[7]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_group_only_those_are_refused_that_the_world_does_not_take() {
    let fixture = start(Store::in_memory().unwrap());
    let gate = fixture.busy().await;
    // Beside an alias there is nothing else.
    let write = |n: usize| {
        let transaction = move || match n % 10 {
            3 => put("www", RecordType::CNAME, b"\x01x\0"),
            _ => put(&format!("h{n}"), RecordType::A, &[10, 0, 0, 1]),
        };
        fixture.write(move |_| Ok::<_, ()>(transaction()))
    };
    let writes = fixture.gathered(20, write).await;
    drop(gate);
    for (n, write) in writes.into_iter().enumerate() {
        let written = write.await.unwrap();
        if n % 10 == 3 {
            assert!(matches!(written, Err(WriteError::Refused(_))), "{written:?}");
        } else {
            written.unwrap();
            assert!(fixture.is_served(&format!("h{n}"), RecordType::A));
        }
    }
    assert_eq!(fixture.body("www", RecordType::CNAME), None);
    assert_eq!(fixture.writer.store().head(), Revision(18));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_sees_what_those_before_it_have_come_to() {
    let fixture = start(Store::in_memory().unwrap());
    let gate = fixture.busy().await;
    let seen = Arc::new(AtomicUsize::new(0));
    let write = |n: usize| {
        let seen = seen.clone();
        fixture.write(move |view| {
            let other: ResourceId = ZONE.replace("corp", "other").parse().unwrap();
            if n == 0 {
                let zone = PrivateDnsZone {
                    name: Declared::new("other.test".parse().unwrap(), Origin::default()),
                    id: other,
                    virtual_network_links: Vec::new().into(),
                    record_sets: Vec::new(),
                    locked: false,
                    soa: azure::SoaEdit::default(),
                };
                return Ok(Transaction {
                    edits: Vec::new(),
                    changes: vec![Change::Put(Resource::PrivateDnsZone(zone))],
                });
            }
            let count = view.world().declaration().private_dns_zones.len();
            seen.store(count, Ordering::Relaxed);
            Ok::<_, ()>(put(&format!("h{n}"), RecordType::A, &[10, 0, 0, 1]))
        })
    };
    let writes = fixture.gathered(2, write).await;
    drop(gate);
    for write in writes {
        write.await.unwrap().unwrap();
    }
    assert_eq!(seen.load(Ordering::Relaxed), 2, "a zone begins a group, and nothing follows in it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_refuses_writes_and_changes_nothing_until_it_is_mended() {
    let disk = Disk::default();
    let fixture = start(disk.open().unwrap());
    let write = || fixture.write(|_| Ok::<_, ()>(put("web", RecordType::A, &[10, 0, 0, 1])));
    disk.refuse_from(Some(0));
    let error = write().await.unwrap().unwrap_err();
    assert!(matches!(error, WriteError::Store(_)), "{error:?}");
    assert!(!fixture.is_served("web", RecordType::A));
    let conditions = fixture.control.metrics().health().conditions();
    assert_eq!(conditions.len(), 1, "{conditions:?}");
    assert!(matches!(&conditions[0].condition, Condition::Degraded(why) if why.contains("refused")), "{conditions:?}");
    disk.refuse_from(None);
    assert_eq!(fixture.body("web", RecordType::A), None);
    write().await.unwrap().unwrap();
    assert!(fixture.is_served("web", RecordType::A));
    assert_eq!(fixture.control.metrics().health().conditions(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_panics_is_lost_alone() {
    let fixture = start(Store::in_memory().unwrap());
    let gate = fixture.busy().await;
    let write = |n: usize| {
        fixture.write(move |_| {
            assert!(n != 1, "as it is to");
            Ok::<_, ()>(put(&format!("h{n}"), RecordType::A, &[10, 0, 0, 1]))
        })
    };
    let writes = fixture.gathered(3, write).await;
    drop(gate);
    let mut written = Vec::new();
    for write in writes {
        written.push(write.await.unwrap().is_ok());
    }
    assert_eq!(written, [true, false, true]);
}
