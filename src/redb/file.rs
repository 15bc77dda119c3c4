//! The file itself: its tables, its transactions, and how it is opened again after a failure.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use redb::{
    Database, ReadableDatabase, ReadableTable, StorageError, Table, TableDefinition, TableError, WriteTransaction,
};

use super::{RedbError, RedbHost};
use crate::envelope::Envelope;
use crate::host::{Batch, BatchOf, Check, Dict, Write};
use crate::record::{encode_envelope, encode_meta};

type Records = TableDefinition<'static, u128, &'static [u8]>;
pub(super) const ENVELOPES: Records = TableDefinition::new("envelope");
pub(super) const MESSAGES: Records = TableDefinition::new("message");
pub(super) const METAS: Records = TableDefinition::new("meta");
const ABOUT: TableDefinition<'static, &str, u64> = TableDefinition::new("about");

/// What `about` says as `format`. As `transactions` it says how many there were, which tells after a
/// failure whether the last one was written.
const FORMAT: u64 = 1;

#[derive(Debug)]
pub(super) struct RedbFile {
    path: PathBuf,
    /// None after a failure, until the file can be opened again.
    db: RwLock<Option<Database>>,
}

/// Where a transaction failed.
enum Failure {
    /// Nothing of it was written.
    Before(redb::Error),
    /// While it was committed.
    Committing {
        error: redb::Error,
        /// What it had made.
        made: Vec<bool>,
        /// The number of the transaction.
        number: u64,
    },
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Before(error.into())
    }
}

impl RedbFile {
    pub(super) fn open(path: &Path) -> Result<Self, RedbError> {
        let is_new = !path.exists();
        let db = Database::create(path).map_err(redb::Error::from)?;
        match format_of(&db)? {
            None => begin(&db)?,
            Some(format) if format > FORMAT => return Err(RedbError::NewerFormat(format)),
            Some(_) => {}
        }
        if is_new {
            sync_folder(path).map_err(RedbError::failed)?;
        }
        Ok(Self { path: path.into(), db: RwLock::new(Some(db)) })
    }

    pub(super) fn read<T>(&self, work: impl Fn(&Database) -> Result<T, redb::Error>) -> Result<T, RedbError> {
        Ok(self.with(work, |error| matches!(error, redb::Error::PreviousIo))??)
    }

    /// Makes those of some batches whose checks hold, as if one after the other, and says which.
    pub(super) fn commit(&self, batches: &[BatchOf<RedbHost>]) -> Result<Vec<bool>, RedbError> {
        let is_earlier = |failure: &Failure| matches!(failure, Failure::Before(redb::Error::PreviousIo));
        match self.with(|db| commit(db, batches), is_earlier)? {
            Ok(made) => Ok(made),
            Err(Failure::Before(error)) => Err(error.into()),
            Err(Failure::Committing { error, made, number }) => {
                match self.reopen().and_then(|()| self.read(transactions)) {
                    Ok(last) if last >= number => Ok(made),
                    Ok(_) => Err(error.into()),
                    Err(_) => Err(RedbError::UnknownOutcome(Arc::new(error))),
                }
            }
        }
    }

    /// Does something with the database: once more, with the file opened anew, if an earlier
    /// failure is in the way.
    fn with<T, E>(
        &self,
        work: impl Fn(&Database) -> Result<T, E>,
        is_earlier: impl Fn(&E) -> bool,
    ) -> Result<Result<T, E>, RedbError> {
        if let Some(db) = &*self.db.read().unwrap_or_else(PoisonError::into_inner) {
            match work(db) {
                Err(error) if is_earlier(&error) => {}
                done => return Ok(done),
            }
        }
        self.reopen()?;
        match &*self.db.read().unwrap_or_else(PoisonError::into_inner) {
            Some(db) => Ok(work(db)),
            None => Err(RedbError::Closed),
        }
    }

    fn reopen(&self) -> Result<(), RedbError> {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        *db = None; // or the file would be open already
        *db = Some(Database::open(&self.path).map_err(redb::Error::from)?);
        Ok(())
    }
}

fn format_of(db: &Database) -> Result<Option<u64>, redb::Error> {
    match db.begin_read()?.open_table(ABOUT) {
        Ok(about) => Ok(about.get("format")?.map(|format| format.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
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

fn transactions(db: &Database) -> Result<u64, redb::Error> {
    Ok(db.begin_read()?.open_table(ABOUT)?.get("transactions")?.map_or(0, |number| number.value()))
}

fn commit(db: &Database, batches: &[BatchOf<RedbHost>]) -> Result<Vec<bool>, Failure> {
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
    match transaction.commit() {
        Ok(()) => Ok(made),
        Err(error) => Err(Failure::Committing { error: error.into(), made, number }),
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

    fn make_all(mut self, batches: &[BatchOf<RedbHost>]) -> Result<Vec<bool>, StorageError> {
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
            Check::Unchanged(version) => {
                self.metas.get(key)?.is_some_and(|record| *record.value() == **version)
            }
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
