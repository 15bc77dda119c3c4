//! The file itself: its tables, its transactions, and how it is opened again after a failure.

use std::cell::Cell;
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{self, Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use redb::{
    Database, ReadableDatabase, ReadableTable, StorageError, Table, TableDefinition, TableError, WriteTransaction,
};

use super::error::RedbError;
use crate::envelope::Envelope;
use crate::host::{Batch, Check, Dict, Write};
use crate::hosts::record::{encode_envelope, encode_meta};

type FileBatch = Batch<Envelope, Arc<[u8]>>;
type Records = TableDefinition<'static, u128, &'static [u8]>;
pub(super) const ENVELOPES: Records = TableDefinition::new("envelope");
pub(super) const MESSAGES: Records = TableDefinition::new("message");
pub(super) const METAS: Records = TableDefinition::new("meta");
const ABOUT: TableDefinition<'static, &str, u64> = TableDefinition::new("about");

/// What `about` says as `format`. As `transactions` it says how many there were, which tells after a
/// failure whether the last one was written.
const FORMAT: u64 = 1;

/// How much of the file is read at once when it is written anew, and how much is written at once.
const BLOCK: usize = 1 << 20;
const PAGE: usize = 1 << 12;

#[derive(Debug)]
pub(super) struct RedbFile {
    path: PathBuf,
    /// None after a failure, until the file can be opened again.
    db: RwLock<Option<Database>>,
}

/// Why something with the database was not done.
pub(super) enum Failure {
    /// Because of an earlier one: the file must be opened anew.
    Earlier,
    /// By itself.
    Now(RedbError),
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        match error.into() {
            redb::Error::PreviousIo => Self::Earlier,
            error => Self::Now(error.into()),
        }
    }
}

impl From<Failure> for RedbError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Earlier => redb::Error::PreviousIo.into(),
            Failure::Now(error) => error,
        }
    }
}

/// A transaction that was about to be committed: its number, and which of its batches it makes.
type Committing = (u64, Vec<bool>);

impl RedbFile {
    pub(super) fn open(path: &Path) -> Result<Self, RedbError> {
        Self::open_at(path).map_err(|error| error.at(path))
    }

    fn open_at(path: &Path) -> Result<Self, RedbError> {
        let path = path::absolute(path).map_err(RedbError::failed)?; // the program may go to another folder
        let is_new = !path.exists();
        let db = caught(|| {
            let db = Database::create(&path)?;
            match format_of(&db)? {
                None if has_tables(&db)? => {
                    let text = "it is a database of another program";
                    return Err(Failure::Now(RedbError::failed(io::Error::new(ErrorKind::InvalidData, text))));
                }
                None => begin(&db)?,
                Some(format) if format > FORMAT => return Err(Failure::Now(RedbError::NewerFormat(format))),
                Some(_) => {}
            }
            Ok(db)
        })?;
        // Also of a file that was there: whoever made it may have ended before this.
        let synced = sync_folder(&path);
        if is_new {
            synced.map_err(RedbError::failed)?;
        }
        Ok(Self { path, db: RwLock::new(Some(db)) })
    }

    /// Does something with the database: once more, with the file opened anew, if an earlier
    /// failure is in the way.
    pub(super) fn with<T>(&self, work: impl Fn(&Database) -> Result<T, Failure>) -> Result<T, RedbError> {
        let attempt = || match &*self.db.read().unwrap_or_else(PoisonError::into_inner) {
            Some(db) => work(db),
            None => Err(Failure::Earlier),
        };
        let done = caught(|| match attempt() {
            Err(Failure::Earlier) => self.reopen().and_then(|()| attempt()),
            done => done,
        });
        if matches!(done, Err(RedbError::Panicked(_))) {
            // It has left locks that nobody can take, and pages that belong to nothing.
            drop(caught(|| Ok(self.close())));
        }
        done.map_err(|error| error.at(&self.path))
    }

    /// Makes those of some batches whose checks hold, as if one after the other, and says which.
    pub(super) fn commit(&self, batches: &[FileBatch]) -> Result<Vec<bool>, RedbError> {
        let committing = Cell::new(None);
        let failed = match self.with(|db| commit(db, batches, &committing)) {
            Ok(made) => return Ok(made),
            Err(failed) => failed,
        };
        let Some((number, made)) = committing.take() else { return Err(failed) };
        match caught(|| self.reopen()).and_then(|()| self.with(transactions)) {
            Ok(last) if last >= number => Ok(made),
            Ok(_) => Err(failed),
            Err(_) => Err(RedbError::UnknownOutcome(Arc::new(failed))),
        }
    }

    fn reopen(&self) -> Result<(), Failure> {
        let mut db = self.close();
        write_anew(&self.path).map_err(|error| Failure::Now(redb::Error::Io(error).into()))?;
        *db = Some(Database::open(&self.path)?);
        Ok(())
    }

    /// Closes the database, which nobody can open before this is dropped.
    fn close(&self) -> RwLockWriteGuard<'_, Option<Database>> {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        drop(db.take());
        db
    }
}

/// Does something that may panic, as redb does where a file is damaged.
fn caught<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, RedbError> {
    let panic = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => return Ok(done?),
        Err(panic) => panic,
    };
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Err(RedbError::Panicked(text.unwrap_or("without words").into()))
}

fn format_of(db: &Database) -> Result<Option<u64>, redb::Error> {
    match db.begin_read()?.open_table(ABOUT) {
        Ok(about) => Ok(about.get("format")?.map(|format| format.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn has_tables(db: &Database) -> Result<bool, redb::Error> {
    Ok(db.begin_read()?.list_tables()?.next().is_some())
}

fn begin(db: &Database) -> Result<(), redb::Error> {
    let transaction = db.begin_write()?;
    for table in [ENVELOPES, MESSAGES, METAS] {
        transaction.open_table(table)?;
    }
    transaction.open_table(ABOUT)?.insert("format", FORMAT)?;
    Ok(transaction.commit()?)
}

/// A file whose name is not on disk is not there after a power cut.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Writes the file over itself, and waits until that is on disk. After a sync that failed, a system may take what it
/// could not write for written: a later sync succeeds, reads still find it, and a power cut takes it.
fn write_anew(path: &Path) -> io::Result<()> {
    let mut file = File::options().read(true).write(true).open(path)?;
    // The lock of redb, which ends with the file: nobody else may write meanwhile.
    file.try_lock().map_err(|error| match error {
        TryLockError::Error(error) => error,
        TryLockError::WouldBlock => io::Error::from(ErrorKind::WouldBlock),
    })?;
    let mut block = vec![0; BLOCK];
    let mut at = 0_u64;
    loop {
        file.seek(SeekFrom::Start(at))?;
        let length = file.read(&mut block)?;
        if length == 0 {
            return file.sync_all();
        }
        for page in block.get(..length).unwrap_or_default().chunks(PAGE) {
            file.seek(SeekFrom::Start(at))?;
            match file.write_all(page) {
                // What takes no room yet is zeros that were never written.
                Err(error) if error.kind() == ErrorKind::StorageFull && page.iter().all(|byte| *byte == 0) => {}
                written => written?,
            }
            at = at.saturating_add(page.len() as u64);
        }
    }
}

fn transactions(db: &Database) -> Result<u64, Failure> {
    Ok(db.begin_read()?.open_table(ABOUT)?.get("transactions")?.map_or(0, |number| number.value()))
}

/// Leaves in `committing` how far it came.
fn commit(db: &Database, batches: &[FileBatch], committing: &Cell<Option<Committing>>) -> Result<Vec<bool>, Failure> {
    let transaction = db.begin_write()?;
    let made = Tables::of(&transaction)?.make_all(batches)?;
    if !made.contains(&true) {
        transaction.abort()?;
        return Ok(made);
    }
    let number = {
        let mut about = transaction.open_table(ABOUT)?;
        let last = about.get("transactions")?.map_or(0, |number| number.value());
        about.insert("transactions", last.saturating_add(1))?;
        last.saturating_add(1)
    };
    committing.set(Some((number, made.clone())));
    match transaction.commit() {
        Ok(()) => Ok(made),
        Err(error) => Err(Failure::Now(redb::Error::from(error).into())),
    }
}

struct Tables<'a> {
    envelopes: Table<'a, u128, &'static [u8]>,
    messages: Table<'a, u128, &'static [u8]>,
    metas: Table<'a, u128, &'static [u8]>,
}

impl<'a> Tables<'a> {
    fn of(transaction: &'a WriteTransaction) -> Result<Self, TableError> {
        let [envelopes, messages, metas] = [ENVELOPES, MESSAGES, METAS].map(|table| transaction.open_table(table));
        Ok(Self { envelopes: envelopes?, messages: messages?, metas: metas? })
    }

    fn make_all(mut self, batches: &[FileBatch]) -> Result<Vec<bool>, StorageError> {
        let mut made = Vec::with_capacity(batches.len());
        for Batch { id, checks, writes } in batches {
            let key = id.as_u128();
            let holds =
                checks.iter().try_fold(true, |holds, check| Ok::<_, StorageError>(holds && self.holds(key, check)?))?;
            if holds {
                writes.iter().try_for_each(|write| self.write(key, write))?;
            }
            made.push(holds);
        }
        Ok(made)
    }

    fn holds(&self, key: u128, check: &Check<Arc<[u8]>>) -> Result<bool, StorageError> {
        Ok(match check {
            Check::Absent(Dict::Envelope) => self.envelopes.get(key)?.is_none(),
            Check::Absent(Dict::Meta) => self.metas.get(key)?.is_none(),
            Check::Unchanged(version) => self.metas.get(key)?.is_some_and(|record| *record.value() == **version),
        })
    }

    fn write(&mut self, key: u128, write: &Write<Envelope>) -> Result<(), StorageError> {
        match write {
            Write::Envelope(envelope) => {
                self.envelopes.insert(key, &*encode_envelope(envelope))?;
                self.messages.insert(key, &*envelope.message)?;
            }
            Write::Meta(meta) => drop(self.metas.insert(key, &*encode_meta(meta))?),
            Write::Delete(Dict::Envelope) => {
                self.envelopes.remove(key)?;
                self.messages.remove(key)?;
            }
            Write::Delete(Dict::Meta) => drop(self.metas.remove(key)?),
        }
        Ok(())
    }
}
