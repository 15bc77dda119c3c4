//! A bounce that is being made.

/// What a bounce is made of, then the bounce.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) reply: u32,
    pub(super) date: String,
    pub(super) sender: String,
    pub(super) recipients: Vec<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) header: String,
    pub(super) body: String,
}
