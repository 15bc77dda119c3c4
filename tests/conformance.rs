//! What every host keeps, whatever is behind it: the same suite on each host there is.

#[cfg(feature = "redb")]
use crate::documents::host::LockedHost;
use crate::support::{FaultHost, Traits};
use slimta_queue_dict::conformance::Place;
use slimta_queue_dict::{MemoryHost, host_conforms};

struct InMemory(MemoryHost);

impl Place for InMemory {
    type Host = MemoryHost;

    async fn new() -> Self {
        Self(MemoryHost::new())
    }

    async fn open(&self) -> MemoryHost {
        self.0.clone()
    }
}

/// The suite's own host, which makes the writes of a batch one by one.
struct OneByOne(FaultHost);

impl Place for OneByOne {
    type Host = FaultHost;

    async fn new() -> Self {
        Self(FaultHost::new(Traits { atomic: false, page: 700, ..Traits::default() }))
    }

    async fn open(&self) -> FaultHost {
        self.0.clone()
    }

    async fn restart(&mut self) {
        self.0 = self.0.restart();
    }
}

/// The host of the documents.
#[cfg(feature = "redb")]
struct Locked(LockedHost);

#[cfg(feature = "redb")]
impl Place for Locked {
    type Host = LockedHost;

    async fn new() -> Self {
        Self(LockedHost::new())
    }

    async fn open(&self) -> LockedHost {
        self.0.clone()
    }
}

#[cfg(feature = "redb")]
struct InFile {
    folder: tempfile::TempDir,
    host: Option<slimta_queue_dict::RedbHost>,
}

#[cfg(feature = "redb")]
impl Place for InFile {
    type Host = slimta_queue_dict::RedbHost;

    async fn new() -> Self {
        let mut place = Self { folder: tempfile::tempdir().unwrap(), host: None };
        place.restart().await;
        place
    }

    async fn open(&self) -> Self::Host {
        self.host.clone().unwrap()
    }

    async fn restart(&mut self) {
        self.host = None;
        self.host = Some(Self::Host::open(self.folder.path().join("queue")).unwrap());
    }
}

host_conforms!(memory, InMemory);
host_conforms!(one_by_one, OneByOne);
#[cfg(feature = "redb")]
host_conforms!(redb, InFile);
#[cfg(feature = "redb")]
host_conforms!(of_the_documents, Locked);
