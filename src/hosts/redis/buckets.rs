//! Where the messages of a queue are: in 256 buckets by the first two digits of their ids. All keys of a
//! bucket have one hash tag, and with it one server.

use std::sync::Arc;

use futures_util::future::try_join_all;
use redis::{Value, cmd};

use super::connection::Connection;
use super::error::RedisError;
use crate::host::{Dict, Page, Sizes, Stored};
use crate::hosts::record::decode_meta;
use crate::id::Id;
use crate::meta::Meta;

const LAST_BUCKET: u8 = 255;

/// Where the keys of a bucket begin.
pub(super) fn place_of(prefix: &str, bucket: u8) -> String {
    format!("{{{prefix}:{bucket:02x}}}:")
}

pub(super) fn bucket_of(id: Id) -> u8 {
    id.as_u128().to_be_bytes()[0]
}

pub(super) fn name_of(dict: Dict) -> &'static str {
    match dict {
        Dict::Envelope => "envelope",
        Dict::Meta => "meta",
    }
}

/// Where a page begins: after an id, or at the begin of a bucket.
#[derive(Clone, Debug)]
pub struct RedisCursor {
    bucket: u8,
    /// As it stands there, be it an id or not.
    after: Option<Vec<u8>>,
    /// How many ids each bucket had when the listing began.
    counts: Option<Arc<[u64]>>,
}

impl RedisCursor {
    pub(super) fn after(id: Id) -> Self {
        Self { bucket: bucket_of(id), after: Some(id.to_string().into_bytes()), counts: None }
    }
}

/// What a part of a page has: each id as it stands there, with its record.
type Part = Vec<(Vec<u8>, Option<Stored<Meta>>)>;

#[derive(Debug)]
pub(super) struct Buckets<'a> {
    pub(super) connection: &'a Connection,
    pub(super) prefix: &'a str,
}

impl Buckets<'_> {
    pub(super) async fn page(
        &self,
        dict: Dict,
        cursor: Option<RedisCursor>,
        limit: u32,
    ) -> Result<Page<RedisCursor>, RedisError> {
        let mut page = Page { entries: Vec::new(), foreign_keys: Vec::new(), next: None };
        let start = cursor.unwrap_or(RedisCursor { bucket: 0, after: None, counts: None });
        let counts = match start.counts {
            Some(counts) => counts,
            None => self.counts(dict).await?.into(),
        };
        let mut at = Some((start.bucket, start.after));
        while let Some((first, after)) = at.take_if(|_| page.entries.is_empty() && page.foreign_keys.is_empty()) {
            // As many buckets together as fit. What has more than it had, because others write, is looked at again.
            let (mut parts, mut left) = (Vec::new(), u64::from(limit));
            for bucket in first..=LAST_BUCKET {
                if left == 0 {
                    at = Some((bucket, None));
                    break;
                }
                let count = counts.get(usize::from(bucket)).copied().unwrap_or_default();
                if count > 0 {
                    let quota = count.saturating_add(1).min(left);
                    left = left.saturating_sub(quota);
                    parts.push((bucket, after.as_deref().filter(|_| bucket == first), quota));
                }
            }
            let found = parts.iter().map(|(bucket, after, quota)| self.part(dict, *bucket, *after, *quota));
            for ((bucket, _, quota), part) in parts.iter().zip(try_join_all(found).await?) {
                let is_whole = u64::try_from(part.len()).unwrap_or(u64::MAX) < *quota;
                let last = part.last().map(|(name, _)| name.clone());
                for (name, record) in part {
                    match Id::read(&name) {
                        Some(id) => {
                            // A record that is gone by now is that of a message which was removed.
                            if dict == Dict::Envelope || record.is_some() {
                                page.entries.push((id, record));
                            }
                        }
                        None => page.foreign_keys.push(String::from_utf8_lossy(&name).into_owned()),
                    }
                }
                if let Some(last) = last.filter(|_| !is_whole) {
                    at = Some((*bucket, Some(last)));
                    break;
                }
            }
        }
        page.next = at.map(|(bucket, after)| RedisCursor { bucket, after, counts: Some(counts) });
        Ok(page)
    }

    pub(super) async fn sizes(&self) -> Result<Sizes, RedisError> {
        let (size, meta_size) = (self.counts(Dict::Envelope).await?, self.counts(Dict::Meta).await?);
        Ok(Sizes { size: size.into_iter().sum(), meta_size: meta_size.into_iter().sum() })
    }

    /// How many ids each bucket has.
    async fn counts(&self, dict: Dict) -> Result<Vec<u64>, RedisError> {
        let count = |bucket| async move {
            let mut command = cmd("ZCARD");
            command.arg(format!("{}{}s", place_of(self.prefix, bucket), name_of(dict)));
            let answer = self.connection.ask(&command).await?;
            Ok::<_, RedisError>(redis::from_redis_value::<u64>(answer).map_err(redis::RedisError::from)?)
        };
        try_join_all((0..=LAST_BUCKET).map(count)).await
    }

    async fn part(&self, dict: Dict, bucket: u8, after: Option<&[u8]>, limit: u64) -> Result<Part, RedisError> {
        let place = place_of(self.prefix, bucket);
        let from = after.map_or_else(|| b"-".to_vec(), |name| [b"(", name].concat());
        let mut command = cmd("ZRANGEBYLEX");
        command.arg(format!("{place}{}s", name_of(dict))).arg(from).arg("+").arg("LIMIT").arg(0).arg(limit);
        let ids = bytes_of(self.connection.ask(&command).await?).into_iter().flatten().collect::<Vec<_>>();
        if dict == Dict::Envelope || ids.is_empty() {
            return Ok(ids.into_iter().map(|id| (id, None)).collect());
        }
        let mut command = cmd("HMGET");
        command.arg(format!("{place}records"));
        for id in &ids {
            command.arg([b"meta:", id.as_slice()].concat());
        }
        let records = bytes_of(self.connection.ask(&command).await?);
        let records = records.into_iter().map(|record| record.map(|bytes| decode_meta(&bytes)));
        Ok(ids.into_iter().zip(records).collect())
    }
}

/// The strings of an answer; none where there is nothing.
pub(super) fn bytes_of(answer: Value) -> Vec<Option<Vec<u8>>> {
    let Value::Array(all) = answer else { return Vec::new() };
    let bytes = |each| match each {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    };
    all.into_iter().map(bytes).collect()
}
