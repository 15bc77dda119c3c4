//! A commit: one script, which the hosts of the npm package run too.

use std::sync::{Arc, LazyLock};

use redis::{Cmd, ErrorKind, Script, ServerErrorKind, Value, cmd};

use super::buckets::{bucket_of, place_of};
use super::connection::Connection;
use super::error::RedisError;
use crate::envelope::Envelope;
use crate::host::{Batch, Check, Dict, Write};
use crate::hosts::record::{encode_envelope, encode_meta};

/// Checks and writes some batches, each by itself, in one step. KEYS, three a batch: the ids of envelopes, those of
/// meta records, the records. ARGV: the channel; then, six a batch, its id, what the envelope and the meta record
/// are now, and what the envelope, the meta record and the message beside it become. `-` is nothing and `.`
/// whatever it is, neither of which begins a record. Answers with 1, 0 or an error for each.
///
/// What fails after a write would leave that write, so keys of the wrong kind show before. What was there is among
/// the ids. A server that is full refuses what may take room unless the script has written before, so a change that
/// it refuses deletes first: a message that is there is delivered and marked all the same.
///
/// A server that is killed while it writes its append-only file may keep the first commands of a script, and makes
/// them at the start after the next one (seen in Redis 7.0.15). So none leaves what others take for a message: a
/// record is there before its id, a meta record goes before its envelope, and a change is one command.
const TEXT: &str = include_str!("commit.lua");
static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(TEXT));

/// What one string of Redis may hold.
const LARGEST: usize = 1 << 29;
/// What a record is, or becomes, of which a batch says nothing; and what it is or becomes that is not there.
const ANY: &[u8] = b".";
const NOTHING: &[u8] = b"-";

/// Makes a batch in one step; whether its checks held.
pub(super) async fn run(
    connection: &Connection,
    prefix: &str,
    batch: Batch<Envelope, Arc<[u8]>>,
) -> Result<bool, RedisError> {
    let place = place_of(prefix, bucket_of(batch.id));
    let arguments = arguments_of(batch);
    let bytes = arguments.iter().map(Vec::len).fold(0_usize, usize::saturating_add);
    if bytes > LARGEST {
        return Err(RedisError::TooLarge(bytes));
    }
    let command = |name: &str, script: &str| -> Cmd {
        let mut command = cmd(name);
        command.arg(script).arg(3);
        for key in ["envelopes", "metas", "records"] {
            command.arg(format!("{place}{key}"));
        }
        command.arg(prefix).arg(&arguments);
        command
    };
    let answer = match connection.run_script(&command("EVALSHA", SCRIPT.get_hash())).await {
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
            connection.run_script(&command("EVAL", TEXT)).await
        }
        answer => answer,
    };
    made(answer.map_err(RedisError::of_commit)?)
}

/// What the script answers to a batch: 1, 0 or an error, after which nothing was written.
fn made(answer: Value) -> Result<bool, RedisError> {
    let result = match answer {
        Value::Array(results) => results.into_iter().next().unwrap_or(Value::Nil),
        other => other,
    };
    match result.extract_error()? {
        Value::Int(made) => Ok(made == 1),
        Value::SimpleString(error) => Err(refused(error)),
        Value::BulkString(error) => Err(refused(String::from_utf8_lossy(&error).into_owned())),
        other => Err(refused(format!("the script answered {other:?}"))),
    }
}

/// What went wrong in the script.
fn refused(error: String) -> RedisError {
    redis::RedisError::from((ErrorKind::Extension, "the script failed", error)).into()
}

/// What the script takes for a batch.
fn arguments_of(Batch { id, checks, writes }: Batch<Envelope, Arc<[u8]>>) -> [Vec<u8>; 6] {
    let [mut was, mut had, mut envelope, mut meta] = [ANY; 4].map(Vec::from);
    let mut message = Vec::new();
    for check in checks {
        match check {
            Check::Absent(Dict::Envelope) => was = NOTHING.into(),
            Check::Absent(Dict::Meta) => had = NOTHING.into(),
            Check::Unchanged(version) => had = version.to_vec(),
        }
    }
    for write in writes {
        match write {
            Write::Envelope(written) => {
                envelope = encode_envelope(&written);
                message = written.message;
            }
            Write::Meta(written) => meta = encode_meta(&written),
            Write::Delete(Dict::Envelope) => envelope = NOTHING.into(),
            Write::Delete(Dict::Meta) => meta = NOTHING.into(),
        }
    }
    [id.to_string().into_bytes(), was, had, envelope, meta, message]
}
