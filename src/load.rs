//! Listing what is queued.

use std::vec;

use crate::host::{Dict, Host, Page, Stored};
use crate::id::Id;
use crate::meta::Meta;
use crate::storage::{DictStorage, Result};

/// Ids and what stands there.
pub(crate) type Entries = Vec<(Id, Option<Stored<Meta>>)>;

/// Where a listing stands.
#[derive(Debug)]
pub(crate) enum Position<C> {
    /// Before the first page.
    Start,
    /// Before the page that the host finds by this.
    At(C),
    /// After the last page.
    End,
}

/// All messages that are there from the first call of [`Load::next`] to the last, each once, with
/// the time of its next attempt; of those that come or go meanwhile, any. Made by
/// [`DictStorage::load`].
#[derive(Debug)]
pub struct Load<'a, H: Host> {
    storage: &'a DictStorage<H>,
    position: Position<H::Cursor>,
    page: vec::IntoIter<(f64, Id)>,
}

impl<H: Host> DictStorage<H> {
    /// Lists the messages, a page of the host at a time. Records that cannot be read are left out;
    /// [`DictStorage::check`] names them.
    pub fn load(&self) -> Load<'_, H> {
        Load { storage: self, position: Position::Start, page: Vec::new().into_iter() }
    }

    /// The page of a listing at `position`, which moves on; after a failure it is at its end. A page may be empty
    /// before the end.
    pub(crate) async fn load_page(&self, position: &mut Position<H::Cursor>) -> Result<Vec<(f64, Id)>, H> {
        let records = self.load_records(position).await?;
        Ok(records.into_iter().map(|(id, meta)| (meta.timestamp, id)).collect())
    }

    /// The same with all that the records say.
    pub(crate) async fn load_records(&self, position: &mut Position<H::Cursor>) -> Result<Vec<(Id, Meta)>, H> {
        let good = |(id, meta): (Id, Option<Stored<Meta>>)| match meta {
            Some(Stored::Good(meta)) => Some((id, meta)),
            _ => None,
        };
        Ok(self.load_entries(position).await?.into_iter().filter_map(good).collect())
    }

    /// The same, and the ids of records that cannot be read.
    pub(crate) async fn load_entries(&self, position: &mut Position<H::Cursor>) -> Result<Entries, H> {
        let cursor = match &*position {
            Position::Start => None,
            Position::At(cursor) => Some(cursor),
            Position::End => return Ok(Vec::new()),
        };
        // Who gives this call up stays where it is.
        let page = self.page(Dict::Meta, cursor).await;
        *position = Position::End;
        let Page { entries, next, .. } = page?;
        if let Some(next) = next {
            *position = Position::At(next);
        }
        Ok(entries)
    }
}

impl<H: Host> Load<'_, H> {
    /// The next message and the time of its next attempt; `None` after the last one. A call that is given up
    /// takes no message with it.
    ///
    /// # Errors
    /// [`Error::Host`](crate::Error::Host), [`Error::Timeout`](crate::Error::Timeout),
    /// [`Error::Closed`](crate::Error::Closed); the listing is at its end then.
    pub async fn next(&mut self) -> Result<Option<(f64, Id)>, H> {
        loop {
            if let Some(message) = self.page.next() {
                return Ok(Some(message));
            }
            if matches!(self.position, Position::End) {
                return Ok(None);
            }
            self.page = self.storage.load_page(&mut self.position).await?.into_iter();
        }
    }
}
