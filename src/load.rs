//! Listing what is queued.

use crate::error::Error;
use crate::host::{Dict, Host, Page, Stored};
use crate::meta::Meta;
use crate::rules::{Operation, Outcome};
use crate::storage::{DictStorage, Result};

/// Where a listing stands.
#[derive(Debug)]
pub enum Position<C> {
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
    page: std::vec::IntoIter<(f64, H::Id)>,
}

impl<H: Host> DictStorage<H> {
    /// Lists the messages, a page of the host at a time. Records that cannot be read are left out;
    /// [`DictStorage::check`] names them.
    pub fn load(&self) -> Load<'_, H> {
        Load { storage: self, position: Position::Start, page: Vec::new().into_iter() }
    }

    /// The page of a listing at `position`, which moves on. A page may be empty before the end.
    ///
    /// # Errors
    /// [`Error::Host`](crate::Error::Host), [`Error::Timeout`](crate::Error::Timeout),
    /// [`Error::Closed`](crate::Error::Closed); the listing is at its end then.
    pub async fn load_page(&self, position: &mut Position<H::Cursor>) -> Result<Vec<(f64, H::Id)>, H> {
        let cursor = match core::mem::replace(position, Position::End) {
            Position::Start => None,
            Position::At(cursor) => Some(cursor),
            Position::End => return Ok(Vec::new()),
        };
        let page = self.page(Dict::Meta, cursor).await?;
        if let Some(next) = page.next {
            *position = Position::At(next);
        }
        let good = |(id, meta): (H::Id, Option<Stored<Meta>>)| match meta {
            Some(Stored::Good(meta)) => Some((meta.timestamp, id)),
            _ => None,
        };
        Ok(page.entries.into_iter().filter_map(good).collect())
    }

    pub(crate) async fn page(&self, dict: Dict, cursor: Option<H::Cursor>) -> Result<Page<H::Id, H::Cursor>, H> {
        match self.ask(Operation::Page(dict, cursor)).await? {
            Outcome::Page(page) => Ok(page),
            _ => Err(Error::Timeout),
        }
    }
}

impl<H: Host> Load<'_, H> {
    /// The next message and the time of its next attempt; `None` after the last one.
    ///
    /// # Errors
    /// Those of [`DictStorage::load_page`].
    pub async fn next(&mut self) -> Result<Option<(f64, H::Id)>, H> {
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
