//! Futures and errors on the heap: natively they go between threads, in wasm everything has one.

#[cfg(not(target_family = "wasm"))]
mod kinds {
    /// A future on the heap.
    pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
    /// What a function of the caller fails with.
    pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
}

#[cfg(target_family = "wasm")]
mod kinds {
    /// A future on the heap.
    pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + 'a>>;
    /// What a function of the caller fails with.
    pub type BoxError = Box<dyn std::error::Error>;
}

pub use kinds::{BoxError, BoxFuture};
