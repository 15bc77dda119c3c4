//! Hearing of what others change.

use std::time::Duration;

use futures_util::StreamExt;
use redis::{Client, RedisResult};

use crate::clock;
use crate::host::ChangeListener;

/// How long after a connection was lost the next one is made.
const PAUSE: Duration = Duration::from_millis(500);

/// Tells of every change that is told of on a channel, over a connection of its own, for as long as
/// somebody listens. In a cluster every server passes on what one of them is told.
pub(super) async fn hear(clients: Vec<Client>, channel: String, listener: ChangeListener) {
    for client in clients.iter().cycle() {
        // Whoever looks through everything finds what is not heard of.
        let _ = hear_from(client, &channel, &listener).await;
        if listener.is_gone() {
            return;
        }
        clock::sleep(PAUSE).await;
    }
}

async fn hear_from(client: &Client, channel: &str, listener: &ChangeListener) -> RedisResult<()> {
    let mut connection = client.get_async_pubsub().await?;
    connection.subscribe(channel).await?;
    listener.rescan(); // what was said before may have been missed
    let mut messages = connection.into_on_message();
    while let Some(message) = messages.next().await {
        if listener.is_gone() {
            return Ok(());
        }
        for id in String::from_utf8_lossy(message.get_payload_bytes()).split(' ') {
            match id.parse() {
                Ok(id) => listener.notify(id),
                Err(_) => listener.rescan(),
            }
        }
    }
    Ok(())
}
