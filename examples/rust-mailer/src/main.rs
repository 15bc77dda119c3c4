//! A service that takes mail over HTTP, keeps it in one file, and sends it by SMTP.

use std::env;
use std::process::exit;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use lettre::Message;
use serde::Deserialize;
use slimta_queue_dict::queue::policies::add_message_id_header;
use slimta_queue_dict::queue::{
    BoxError, EnqueueError, EnqueueOptions, Event, Kind, ListOptions, Listed, Options, Queue,
};
use slimta_queue_dict::relays::SmtpRelay;
use slimta_queue_dict::{DictStorage, Envelope, Error, Id, RedbError, RedbHost};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

type Mailer = Arc<Queue<RedbHost, SmtpRelay>>;

/// What is posted.
#[derive(Deserialize)]
struct Mail {
    from: String,
    to: Vec<String>,
    subject: String,
    text: String,
}

impl Mail {
    fn envelope(self) -> Result<Envelope, BoxError> {
        let mut message = Message::builder().from(self.from.parse()?).subject(self.subject);
        for to in &self.to {
            message = message.to(to.parse()?);
        }
        let message = message.body(self.text)?;
        let (sender, recipients) = (message.envelope().from(), message.envelope().to());
        Ok(Envelope {
            sender: sender.map(ToString::to_string),
            recipients: recipients.iter().map(ToString::to_string).collect(),
            ..Envelope::parse(&message.formatted())
        })
    }
}

/// Answers 202 when the message is on the disk.
async fn accept(State(queue): State<Mailer>, headers: HeaderMap, Json(mail): Json<Mail>) -> Response {
    // What one client chooses, another one may choose too: the key begins with the sender.
    let key = match headers.get("Idempotency-Key").map(HeaderValue::to_str).transpose() {
        Ok(None) => None,
        Ok(Some("")) | Err(_) => return (StatusCode::BAD_REQUEST, "Idempotency-Key: expected a text").into_response(),
        Ok(Some(key)) => Some(format!("{} {key}", mail.from)),
    };
    let envelope = match mail.envelope() {
        Ok(envelope) => envelope,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    match queue.enqueue_with(envelope, EnqueueOptions { key, ..EnqueueOptions::default() }).await {
        Ok(stored) => {
            let ids: Vec<Id> = stored.into_iter().map(|(_, id)| id).collect();
            (StatusCode::ACCEPTED, Json(ids)).into_response()
        }
        Err(EnqueueError::Invalid(invalid)) => (StatusCode::BAD_REQUEST, invalid.to_string()).into_response(),
        Err(error) => {
            eprintln!("perhaps stored, and stored once if it comes again with the same key: {error}");
            (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "60")], error.to_string()).into_response()
        }
    }
}

async fn list(State(queue): State<Mailer>) -> Result<Json<Vec<Listed<Envelope>>>, (StatusCode, String)> {
    let failed = |error: Error<RedbError>| (StatusCode::SERVICE_UNAVAILABLE, error.to_string());
    let mut listing = queue.list(ListOptions::default().with_limit(100)).map_err(failed)?;
    let mut all = Vec::new();
    while let Some(message) = listing.next(&queue).await.map_err(failed)? {
        all.push(message);
    }
    Ok(Json(all))
}

fn log(event: &Event<'_, Envelope, RedbError>) {
    let id = event.id.map(|id| id.to_string()).unwrap_or_default();
    if let Kind::Error(cause) = &event.kind {
        eprintln!("{id}: {cause:?}");
    }
    for reply in event.kind.recipients().iter().filter_map(|recipient| recipient.reply.as_ref()) {
        println!("{id}: {}: {reply}", event.kind.name());
    }
}

async fn serve() -> Result<(), BoxError> {
    let setting = |name: &str, usual: &str| env::var(name).unwrap_or_else(|_| usual.to_owned());
    let server = env::var("SMTP_SERVER").map_err(|_| "SMTP_SERVER is missing: a name and a port, as localhost:25")?;
    let address = server.rsplit_once(':').and_then(|(name, port)| Some((name, port.parse::<u16>().ok()?)));
    let address = address.ok_or_else(|| format!("SMTP_SERVER: expected a name and a port, got {server}"))?;
    let host = RedbHost::open(setting("QUEUE", "mail-queue.redb"))?;

    let options = Options::default().with_keep_delivered(Duration::from_secs(3600)).with_listener(log);
    let relay = SmtpRelay::new(address.0, address.1);
    let queue: Mailer = Arc::new(Queue::new(DictStorage::new(host), relay, options)?);
    queue.add_policy(add_message_id_header());
    if !matches!(timeout(Duration::from_secs(5), TcpStream::connect(address)).await, Ok(Ok(_))) {
        eprintln!("There is no SMTP server at {server}. Messages wait until there is one; SMTP_SERVER names another.");
    }
    let work = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { queue.start().await }
    });

    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let listener = TcpListener::bind(format!("127.0.0.1:{}", setting("PORT", "3000"))).await?;
    println!("takes mail at http://{}/mail", listener.local_addr()?);
    let service = Router::new().route("/mail", post(accept).get(list)).with_state(Arc::clone(&queue));
    let told = async move {
        tokio::select! { _ = terminate.recv() => (), _ = interrupt.recv() => () }
    };
    axum::serve(listener, service).with_graceful_shutdown(told).await?;

    queue.stop_within(Duration::from_secs(20)).await; // attempts under way end
    work.await??;
    queue.storage().close().await?;
    Ok(())
}

#[tokio::main]
async fn main() {
    if let Err(error) = serve().await {
        eprintln!("{error}");
        exit(1);
    }
}
