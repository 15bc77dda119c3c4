//! How a notice finds out whether it is to be sent.
//!
//! Its original says so: while that has `untold` with the very attempt, nobody was told. The decision is
//! kept in the record of the notice first; then the original hears that it was told, which lets it go;
//! then the notice is sent. Whoever ends in between, the next one goes on from there.

use super::{AttemptState, Stage};
use crate::envelope::NoticeOf;
use crate::meta::{Change, Meta, Notice};
use crate::queue::command::Command;

impl AttemptState {
    pub(super) fn notice(&mut self, of: NoticeOf, decided: Option<Notice>) -> Command {
        match decided {
            Some(Notice::Confirmed) => self.go(Stage::LetGo, Command::LetGo(of)),
            Some(Notice::Void) => self.go(Stage::Remove, Command::Remove),
            None | Some(Notice::Open) => self.go(Stage::GetOriginal, Command::GetOriginal(of)),
        }
    }

    pub(super) fn decide(&mut self, original: Option<Meta>) -> Command {
        let untold = original.and_then(|original| original.untold);
        let is_confirmed = untold.is_some() && untold == self.notice_of.map(|of| of.attempt);
        self.confirmed = is_confirmed;
        let notice = Some(if is_confirmed { Notice::Confirmed } else { Notice::Void });
        self.go(Stage::Decide, Command::Change(Box::new(Change { notice, ..self.fenced() })))
    }

    pub(super) fn decided(&mut self) -> Command {
        match self.notice_of {
            Some(of) if self.confirmed => self.go(Stage::LetGo, Command::LetGo(of)),
            _ => self.go(Stage::Remove, Command::Remove),
        }
    }
}
