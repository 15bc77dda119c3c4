//! The host in one file: who may open it, what shares a transaction, and what a kill, a full disk
//! or damage leaves.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use crate::support::disk::SmallDisk;
use crate::support::envelope;
use crate::support::scenario::id;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use slimta_queue_dict::host::{Batch, Host};
use slimta_queue_dict::{
    Attempts, Change, DictStorage, Envelope, Error, Expect, Id, Lease, Meta, RedbError, RedbHost, Repair, Result,
};
use tempfile::TempDir;
use tokio::task::JoinSet;

type Storage = DictStorage<RedbHost>;

const METAS: TableDefinition<u128, &[u8]> = TableDefinition::new("meta");
const ABOUT: TableDefinition<&str, u64> = TableDefinition::new("about");

struct File {
    path: PathBuf,
    _folder: TempDir,
}

impl File {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { path: folder.path().join("queue"), _folder: folder }
    }

    fn open(&self) -> Storage {
        open(&self.path)
    }

    fn about(&self, what: &str) -> u64 {
        let about = Database::open(&self.path).unwrap().begin_read().unwrap().open_table(ABOUT).unwrap();
        about.get(what).unwrap().unwrap().value()
    }

    /// Changes the tables behind the back of every storage.
    fn edit(&self, edit: impl FnOnce(&redb::WriteTransaction)) {
        let db = Database::open(&self.path).unwrap();
        let transaction = db.begin_write().unwrap();
        edit(&transaction);
        transaction.commit().unwrap();
    }
}

fn open(path: &Path) -> Storage {
    DictStorage::new(RedbHost::open(path).unwrap())
}

#[test]
fn an_error_of_opening_names_the_path() {
    let file = File::new();
    let _open = file.open();
    let folder = file.path.parent().unwrap();
    for path in [&*file.path, folder] {
        let error = RedbHost::open(path).unwrap_err();
        let name = path.display().to_string();
        assert!(error.to_string().contains(&name), "{error}");
        assert!(format!("{error:?}").contains(&name), "{error:?}");
    }
}

async fn ids(storage: &Storage) -> Vec<Id> {
    let (mut load, mut ids) = (storage.load(), Vec::new());
    while let Some((_, id)) = load.next().await.unwrap() {
        ids.push(id);
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_can_be_spawned_as_tasks_and_all_take_effect() {
    let file = File::new();
    let storage = Arc::new(file.open());
    storage.write(envelope(1, "text"), 5.0, Some(id(0))).await.unwrap();
    let mut tasks = JoinSet::new();
    for number in 1..=200 {
        let storage = Arc::clone(&storage);
        tasks.spawn(async move {
            storage.write(envelope(1, "text"), 5.0, Some(id(number))).await.unwrap();
            storage.increment_attempts(&id(0)).await.unwrap()
        });
    }
    let mut counts = tasks.join_all().await;
    counts.sort_unstable();
    assert!(counts.into_iter().eq(1..=200));
    assert_eq!(ids(&storage).await.len(), 201);
}

#[tokio::test]
async fn a_hundred_writes_made_at_once_are_a_few_transactions() {
    let file = File::new();
    let storage = Arc::new(file.open());
    let mut tasks = JoinSet::new();
    for number in 0..100 {
        let storage = Arc::clone(&storage);
        tasks.spawn(async move { storage.write(envelope(1, "text"), 5.0, Some(id(number))).await.unwrap() });
    }
    assert_eq!(tasks.join_all().await.len(), 100);
    drop(storage);
    let transactions = file.about("transactions");
    assert!(transactions <= 10, "{transactions}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_read_while_others_change_them() {
    let file = File::new();
    let storage = Arc::new(file.open());
    for number in 0..100 {
        // Many marks make a record that takes a while to read.
        let meta = Meta { delivered: (0..30_000).collect(), ..Meta::new(5.0) };
        storage.host().commit(Batch::write(id(number), envelope(1, "text"), meta)).await.unwrap();
    }
    let (changed, mut tasks) = (Arc::new(AtomicU32::new(0)), JoinSet::new());
    for first in [0, 25, 50, 75] {
        let (storage, changed) = (Arc::clone(&storage), Arc::clone(&changed));
        tasks.spawn(async move {
            for number in (first..first + 25).cycle().take(500) {
                storage.increment_attempts(&id(number)).await.unwrap();
                changed.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for first in [0, 25, 50, 75] {
        let (storage, changed) = (Arc::clone(&storage), Arc::clone(&changed));
        tasks.spawn(async move {
            for number in (0..100).cycle().skip(first) {
                assert!(storage.host().read_meta(id(number)).await.unwrap().is_some());
                if changed.load(Ordering::Relaxed) == 2000 {
                    break;
                }
            }
        });
    }
    tasks.join_all().await;
    for number in 0..100 {
        assert_eq!(storage.get(&id(number)).await.unwrap().attempts, 20);
    }
}

#[tokio::test]
async fn a_file_that_is_open_is_blocked_until_its_last_host_is_closed_or_dropped() {
    let file = File::new();
    let first = RedbHost::open(&file.path).unwrap();
    let second = DictStorage::new(first.clone());
    let blocked = || assert!(matches!(RedbHost::open(&file.path), Err(RedbError::Blocked(_))));
    blocked();
    first.close().await.unwrap();
    blocked();
    assert!(matches!(first.sizes().await, Err(RedbError::Closed)));
    second.write(envelope(1, "text"), 5.0, None).await.unwrap();
    second.close().await.unwrap();
    drop(RedbHost::open(&file.path).unwrap());
    assert_eq!(ids(&file.open()).await.len(), 1);
}

#[tokio::test]
async fn commits_that_wait_when_the_host_is_closed_are_made() {
    let file = File::new();
    let host = RedbHost::open(&file.path).unwrap();
    let mut tasks = JoinSet::new();
    for number in 0..50 {
        let host = host.clone();
        tasks.spawn(async move { host.commit(Batch::write(id(number), envelope(1, "text"), Meta::new(5.0))).await });
    }
    tokio::task::yield_now().await;
    host.close().await.unwrap();
    let made = tasks.join_all().await.into_iter().filter(|made| matches!(made, Ok(true))).count();
    assert_eq!(ids(&file.open()).await.len(), made);
    assert_eq!(made, 50);
}

#[test]
fn a_file_of_a_later_format_is_left_alone_and_one_that_is_no_queue_is_refused() {
    let file = File::new();
    drop(file.open());
    assert_eq!(file.about("format"), 1);
    file.edit(|to| drop(to.open_table(ABOUT).unwrap().insert("format", 2).unwrap()));
    assert!(matches!(RedbHost::open(&file.path), Err(RedbError::NewerFormat(2))));
    assert_eq!(file.about("format"), 2);
    fs::write(&file.path, "no database at all").unwrap();
    assert!(matches!(RedbHost::open(&file.path), Err(RedbError::Failed(_))));
    assert_eq!(fs::read(&file.path).unwrap(), b"no database at all");
    assert!(matches!(RedbHost::open(file.path.join("below")), Err(RedbError::Failed(_))));
}

#[test]
fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    const OTHERS: redb::TableDefinition<'static, u64, u64> = redb::TableDefinition::new("theirs");
    let file = File::new();
    drop(Database::create(&file.path).unwrap());
    file.edit(|to| drop(to.open_table(OTHERS).unwrap().insert(1, 2).unwrap()));
    let Err(RedbError::Failed(source)) = RedbHost::open(&file.path) else { panic!("it was taken") };
    assert!(source.to_string().ends_with("it is a database of another program"), "{source}");
    file.edit(|to| assert_eq!(to.list_tables().unwrap().count(), 1));
}

#[test]
fn a_file_that_was_begun_and_not_finished_is_taken() {
    let file = File::new();
    drop(Database::create(&file.path).unwrap());
    drop(file.open());
    assert_eq!(file.about("format"), 1);
}

#[tokio::test]
async fn records_that_cannot_be_read_are_named_left_and_replaced_when_it_is_asked_for() {
    let file = File::new();
    let storage = file.open();
    for number in 1..=3 {
        storage.write(envelope(1, "text"), 5.0, Some(id(number))).await.unwrap();
    }
    drop(storage);
    file.edit(|to| {
        let mut metas = to.open_table(METAS).unwrap();
        metas.insert(1, &b"no record"[..]).unwrap();
        metas.insert(2, &b"\x03\x00"[..]).unwrap();
    });
    let storage = file.open();
    assert_eq!(ids(&storage).await, [id(3)]);
    assert_eq!(storage.increment_attempts(&id(1)).await.unwrap_err().code(), "corrupt");
    assert_eq!(storage.increment_attempts(&id(2)).await.unwrap_err().code(), "newer-format");
    assert_eq!(storage.check().await.unwrap().corrupt, [id(1), id(2)].map(|id| id.to_string()));
    storage.repair(Repair { requeue: vec![id(1), id(2)], ..Repair::default() }).await.unwrap();
    assert_eq!(ids(&storage).await, [id(1), id(3)]);
}

#[tokio::test]
async fn a_change_keeps_the_fields_of_a_record_that_only_another_version_knows() {
    let file = File::new();
    let storage = file.open();
    storage.write(envelope(1, "text"), 5.0, Some(id(1))).await.unwrap();
    drop(storage);
    let more = b"\x64more\xa1\x01\x82\xf6\xc1\x00\x64less\xf7";
    let record = [&b"\x01\xa4\x69timestamp\x05"[..], more, b"\x68attempts\x00"].concat();
    file.edit(|to| drop(to.open_table(METAS).unwrap().insert(1, &*record).unwrap()));
    let storage = file.open();
    assert_eq!(storage.increment_attempts(&id(1)).await.unwrap(), 1);
    storage.set_timestamp(&id(1), 6.0).await.unwrap();
    assert_eq!(storage.get(&id(1)).await.unwrap().attempts, 1);
    drop(storage);
    file.edit(|to| {
        let metas = to.open_table(METAS).unwrap();
        let record = metas.get(1).unwrap().unwrap();
        assert!(record.value().starts_with(b"\x01\xa4") && record.value().ends_with(more), "{:x?}", record.value());
    });
}

/// A file whose pages with a text can be damaged, and made whole again, while it is open.
struct Damage {
    path: PathBuf,
    whole: Vec<u8>,
    pages: Vec<usize>,
}

impl Damage {
    fn of_pages_with(path: &Path, text: &str) -> Self {
        let whole = fs::read(path).unwrap();
        let pages = whole.chunks(4096).enumerate();
        let pages = pages.filter(|(_, page)| page.windows(text.len()).any(|found| found == text.as_bytes()));
        Self { path: path.into(), pages: pages.map(|(page, _)| page * 4096).collect(), whole }
    }

    /// The first byte of a page says of what kind it is.
    fn set(&self, first: impl Fn(usize) -> u8) {
        let mut file = fs::OpenOptions::new().write(true).open(&self.path).unwrap();
        for page in &self.pages {
            file.seek(SeekFrom::Start(*page as u64)).unwrap();
            file.write_all(&[first(*page)]).unwrap();
        }
    }

    fn damage(&self) {
        self.set(|_| 0xff);
    }

    fn mend(&self) {
        self.set(|page| self.whole[page]);
    }
}

#[tokio::test]
async fn a_read_or_commit_that_makes_redb_panic_says_so_and_later_ones_go_on_where_the_damage_is_mended() {
    let lease = Some(Lease { until: 60.0, owner: "a text of this page alone".into() });
    let meta = Meta { lease, ..Meta::new(5.0) };
    let (file, killed) = (File::new(), File::new());
    let first = RedbHost::open(&file.path).unwrap();
    assert!(first.commit(Batch::write(id(1), envelope(1, "text"), meta.clone())).await.unwrap());
    // A file that nobody has closed is looked through when it is opened, and nothing of it is remembered.
    fs::copy(&file.path, &killed.path).unwrap();
    let host = RedbHost::open(&killed.path).unwrap();
    let damage = Damage::of_pages_with(&killed.path, "a text of this page alone");

    damage.damage();
    let read = host.read_meta(id(1)).await.unwrap_err();
    assert!(matches!(&read, RedbError::Panicked(words) if !words.is_empty()), "{read:?}");
    damage.mend();
    let version = host.read_meta(id(1)).await.unwrap().unwrap().version;

    host.close().await.unwrap();
    fs::copy(&file.path, &killed.path).unwrap();
    let host = RedbHost::open(&killed.path).unwrap();
    let change = || Batch::change(id(1), version.clone(), Meta { attempts: 1, ..meta.clone() });
    damage.damage();
    let commit = host.commit(change()).await.unwrap_err();
    assert!(matches!(&commit, RedbError::Panicked(words) if !words.is_empty()), "{commit:?}");
    damage.mend();
    assert!(host.commit(change()).await.unwrap());
}

#[tokio::test]
async fn a_message_of_more_than_three_gibibytes_is_too_large_and_not_kept() {
    let file = File::new();
    let storage = file.open();
    // Never touched, it takes no memory.
    let message = Envelope { message: vec![0; (3 << 30) + 1], ..envelope(1, "text") };
    let batch = Batch::write(id(1), message, Meta::new(5.0));
    let refused = storage.host().commit(batch).await;
    assert!(matches!(refused, Err(RedbError::TooLarge(3_221_225_473))), "{refused:?}");
    assert_eq!(storage.get_info().await.unwrap().size, 0);
}

#[test]
fn an_error_says_what_happened_and_why() {
    let file = File::new();
    fs::create_dir(&file.path).unwrap();
    let failed = RedbHost::open(&file.path).unwrap_err();
    let source = std::error::Error::source(&failed).unwrap().to_string();
    assert!(failed.to_string().contains(&source), "{failed}");
    assert!(RedbError::NewerFormat(7).to_string().contains('7'));
    assert!(std::error::Error::source(&RedbError::Blocked(PathBuf::new())).is_none());
}

/// What is done with a message, one after the other; two of three are never removed.
const STEPS: usize = 5;
const REMOVED: usize = STEPS - 1;

fn body(number: u128) -> Vec<u8> {
    let length = 200 + usize::try_from(number % 7).unwrap() * 700;
    (0..length).map(|at| (number as usize * 31 + at).to_le_bytes()[0]).collect()
}

async fn step(storage: &Storage, number: u128, step: usize) -> Result<(), RedbHost> {
    let id = id(number);
    match step {
        0 => {
            let written = Envelope { message: body(number), ..envelope(3, "text") };
            storage.write(written, number as f64, Some(id)).await.map(drop)
        }
        1 => storage.increment_attempts(&id).await.map(drop),
        2 => storage.set_recipients_delivered(&id, &[1]).await,
        3 => {
            let expect = Expect { attempts: Some(1), ..Expect::default() };
            let attempts = Some(Attempts::Increment);
            let change = Change { expect, attempts, delivered: vec![0], ..Change::default() };
            assert!(storage.change(&id, change).await?);
            Ok(())
        }
        _ => storage.remove(&id).await,
    }
}

/// What a storage shows of a message after each step: attempts, and who is left.
fn state(step: usize) -> Option<(u32, Vec<u32>)> {
    match step {
        0 => Some((0, vec![0, 1, 2])),
        1 => Some((1, vec![0, 1, 2])),
        2 => Some((1, vec![0, 2])),
        3 => Some((2, vec![2])),
        _ => None,
    }
}

async fn shown(storage: &Storage, number: u128) -> Option<(u32, Vec<u32>)> {
    match storage.get(&id(number)).await {
        Ok(queued) => {
            assert_eq!(queued.envelope.message, body(number), "message {number} is torn");
            Some((queued.attempts, queued.indexes))
        }
        Err(Error::NoSuchMessage(_)) => None,
        Err(error) => panic!("message {number}: {error}"),
    }
}

/// Not a test of its own: the program that the kills end. It says each step that was acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn program() {
    let Some(path) = std::env::var_os("QUEUE") else { return };
    let first: u128 = std::env::var("FIRST").unwrap().parse().unwrap();
    let storage = Arc::new(open(Path::new(&path)));
    for round in (first..).step_by(20) {
        let mut tasks = JoinSet::new();
        for number in round..round + 20 {
            let storage = Arc::clone(&storage);
            tasks.spawn(async move {
                for at in 0..if number % 3 == 0 { STEPS } else { REMOVED } {
                    step(&storage, number, at).await.unwrap();
                    writeln!(std::io::stdout(), "made {number} {at}").unwrap();
                }
            });
        }
        tasks.join_all().await;
    }
}

fn start(path: &Path, first: u128) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "redb::program", "--nocapture"])
        .env("QUEUE", path)
        .env("FIRST", first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn of_programs_that_are_killed_while_they_write_none_loses_or_tears_what_was_acknowledged() {
    let file = File::new();
    let kills = if std::env::var_os("LONG").is_some() { 50 } else { 3 };
    let mut acknowledged = BTreeMap::new();
    for kill in 0..kills {
        let mut program = start(&file.path, kill * 100_000);
        let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
        let mut left = 50 + nanos / 1000 % 800;
        for line in BufReader::new(program.stdout.take().unwrap()).lines().map_while(std::result::Result::ok) {
            let mut words = line.split(' ').skip_while(|word| !word.ends_with("made")).skip(1);
            let (Some(number), Some(step)) = (words.next(), words.next()) else { continue };
            acknowledged.insert(number.parse::<u128>().unwrap(), step.parse::<usize>().unwrap());
            left = left.saturating_sub(1);
            if left == 0 {
                program.kill().unwrap();
            }
        }
        assert!(!program.wait().unwrap().success());
    }
    let storage = file.open();
    let mut lost = Vec::new();
    for (number, step) in &acknowledged {
        let now = shown(&storage, *number).await;
        let next = if *step == REMOVED || (*step == REMOVED - 1 && number % 3 != 0) { *step } else { step + 1 };
        if now != state(*step) && now != state(next) {
            lost.push(format!("message {number} after step {step}: {now:?}"));
        }
    }
    assert_eq!(lost, [""; 0]);
    for id in ids(&storage).await {
        assert!(shown(&storage, id.as_u128()).await.is_some());
    }
    let found = storage.check().await.unwrap();
    assert_eq!([found.orphan_envelopes, found.orphan_meta, found.corrupt], [const { Vec::<String>::new() }; 3]);
    println!("{} messages acknowledged, {kills} kills: 0 lost, 0 torn", acknowledged.len());
    assert!(acknowledged.len() >= 50);
}

#[tokio::test]
async fn another_program_at_the_same_file_is_blocked_and_nothing_is_damaged() {
    let file = File::new();
    let mut program = start(&file.path, 0);
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines().map_while(std::result::Result::ok);
    assert!(lines.any(|line| line.contains("made ")));
    assert!(matches!(RedbHost::open(&file.path), Err(RedbError::Blocked(_))));
    assert!(lines.any(|line| line.contains("made ")));
    program.kill().unwrap();
    program.wait().unwrap();
    assert!(!ids(&file.open()).await.is_empty());
}

#[tokio::test]
async fn what_is_acknowledged_at_a_full_disk_is_there_and_what_is_refused_as_full_is_not() {
    let Some(disk) = SmallDisk::new() else { return };
    let (path, ballast) = (disk.path().join("queue"), disk.path().join("ballast"));
    let storage = open(&path);
    let (mut written, mut refused, mut number) = (Vec::new(), Vec::new(), 0);
    for round in 0..3 {
        fs::write(&ballast, vec![0; (8 - round) << 20]).unwrap();
        let mut failures = 0;
        while failures < 3 {
            number += 1;
            let message = vec![number as u8; 40_000];
            let made = storage.write(Envelope { message, ..envelope(1, "text") }, 5.0, Some(id(number))).await;
            match made {
                Ok(_) => written.push(number),
                Err(Error::Host(RedbError::Full(_))) => refused.push(number),
                // Nothing more can be said while the file cannot be opened.
                Err(Error::UnknownOutcome { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
            failures += u32::from(written.last() != Some(&number));
        }
        fs::remove_file(&ballast).unwrap();
        // Nobody has to open anything again: there is room now.
        for _ in 0..5 {
            number += 1;
            let message = vec![number as u8; 500];
            storage.write(Envelope { message, ..envelope(1, "text") }, 5.0, Some(id(number))).await.unwrap();
            written.push(number);
        }
        storage.remove(&id(written.remove(0))).await.unwrap();
    }
    storage.close().await.unwrap();
    let later = open(&path);
    for number in written {
        let message = later.get(&id(number)).await.unwrap().envelope.message;
        assert!(message.iter().all(|byte| *byte == number as u8), "message {number}");
    }
    for number in &refused {
        assert_eq!(later.get(&id(*number)).await.unwrap_err().code(), "no-such-message");
    }
    assert!(!refused.is_empty());
    assert_eq!(later.check().await.unwrap().corrupt, [""; 0]);
    later.close().await.unwrap();
    drop(later);
}
