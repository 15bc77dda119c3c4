//! What natively goes between threads. In WebAssembly everything has one thread.

#[cfg(not(target_family = "wasm"))]
mod kinds {
    /// `Send`; in WebAssembly, where everything has one thread, whatever there is.
    pub trait MaybeSend: Send {}
    impl<T: Send + ?Sized> MaybeSend for T {}

    /// `Sync`; in WebAssembly, where everything has one thread, whatever there is.
    pub trait MaybeSync: Sync {}
    impl<T: Sync + ?Sized> MaybeSync for T {}
}

#[cfg(target_family = "wasm")]
mod kinds {
    /// Natively `Send`; here, where everything has one thread, whatever there is.
    pub trait MaybeSend {}
    impl<T: ?Sized> MaybeSend for T {}

    /// Natively `Sync`; here, where everything has one thread, whatever there is.
    pub trait MaybeSync {}
    impl<T: ?Sized> MaybeSync for T {}
}

pub use kinds::{MaybeSend, MaybeSync};
