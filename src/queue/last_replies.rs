//! What a record keeps of the replies to its recipients.

use super::outcome::Outcome;
use super::reply::Reply;
use crate::meta::{LastReply, ascending};

/// How much of one text is kept, in bytes,
const LONGEST: usize = 200;
/// and of all of them.
const ALL: usize = 1_024;

/// The replies of an attempt to the recipients at these original positions, and those of earlier ones to
/// others.
pub(super) fn last_replies(outcome: &Outcome, indexes: &[u32], before: &[LastReply]) -> Vec<LastReply> {
    let now = outcome.replies().into_iter().map(|(reply, places)| LastReply {
        code: reply.code,
        message: cut(&reply.message).to_owned(),
        indexes: places.iter().filter_map(|place| indexes.get(*place).copied()).collect(),
    });
    let is_attempted = |index: &u32| indexes.binary_search(index).is_ok();
    let earlier = before.iter().map(|last| LastReply {
        indexes: last.indexes.iter().copied().filter(|index| !is_attempted(index)).collect(),
        ..last.clone()
    });
    let mut size = 0_usize;
    let mut kept: Vec<LastReply> = Vec::new();
    for last in now.chain(earlier).filter(|last| !last.indexes.is_empty()) {
        let same = kept.iter_mut().find(|kept| kept.code == last.code && kept.message == last.message);
        if let Some(same) = same {
            same.indexes.extend(last.indexes);
        } else {
            size = size.saturating_add(last.message.len());
            if size > ALL {
                break;
            }
            kept.push(last);
        }
    }
    kept.into_iter().map(|last| LastReply { indexes: ascending(last.indexes), ..last }).collect()
}

/// The same of a list of recipients, by their positions in it.
pub(super) fn replies_of<'a>(replies: impl Iterator<Item = Option<&'a Reply>>) -> Vec<LastReply> {
    let of = |(index, reply): (u32, Option<&Reply>)| {
        let Reply { code, message, .. } = reply?;
        Some(LastReply { code: *code, message: cut(message).to_owned(), indexes: vec![index] })
    };
    let all: Vec<LastReply> = (0..).zip(replies).filter_map(of).collect();
    last_replies(&Outcome::default(), &[], &all)
}

fn cut(text: &str) -> &str {
    (0..=LONGEST.min(text.len())).rev().find_map(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::answer::{Answer, Verdict};
    use crate::queue::reply::Reply;

    fn outcome(texts: &[&str]) -> Outcome {
        let verdicts = texts.iter().map(|text| Verdict::from(Reply::new(450, *text))).collect();
        Outcome::of(Answer::Each(verdicts), texts.len(), Vec::new)
    }

    fn last(message: &str, indexes: &[u32]) -> LastReply {
        LastReply { code: 450, message: message.into(), indexes: indexes.into() }
    }

    #[test]
    fn the_last_reply_of_each_recipient_is_kept_and_equal_ones_once() {
        let before = [last("a", &[0, 1, 5]), last("b", &[2])];
        let kept = last_replies(&outcome(&["a", "c", "c"]), &[1, 2, 3], &before);
        assert_eq!(kept, [last("a", &[0, 1, 5]), last("c", &[2, 3])]);
    }

    #[test]
    fn a_text_is_cut_at_200_octets_and_all_of_them_take_a_kibibyte_at_most() {
        let texts: Vec<String> = (0..9).map(|number| format!("{number}{}", "é".repeat(300))).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let kept = last_replies(&outcome(&texts), &(0..9).collect::<Vec<_>>(), &[]);
        assert_eq!(kept.iter().map(|last| last.message.len()).collect::<Vec<_>>(), [199; 5]);
    }
}
