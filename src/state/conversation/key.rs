//! What a conversation is found by.

use crate::state::store::Group;
use ring::digest::{Context, SHA256};

/// Bot and user in one half, the channel in the other: what is known of a user lies together in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Group);

impl Key {
    /// The conversation of a bot's user, in a channel where the platform has channels.
    pub fn of_user(bot: &str, user: &str, channel: Option<&str>) -> Self {
        let mut key = [0; 32];
        key[..16].copy_from_slice(&Self::half_of_user(bot, user));
        if let Some(channel) = channel {
            key[16..].copy_from_slice(&half(b"channel", &[channel]));
        }
        Self(key)
    }

    /// The conversation that the platform calls so.
    pub fn of_conversation(bot: &str, id: &str) -> Self {
        let mut key = [0; 32];
        key[..16].copy_from_slice(&half(b"conversation", &[bot, id]));
        Self(key)
    }

    /// A number that is the same for the same conversation, in every process.
    pub fn hash(&self) -> u64 {
        let word = |at: usize| {
            let bytes = self.0[at..].first_chunk().copied();
            u64::from_le_bytes(bytes.unwrap_or_default())
        };
        word(0) ^ word(16)
    }

    /// What all conversations of a bot's user begin with.
    pub(super) fn half_of_user(bot: &str, user: &str) -> [u8; 16] {
        half(b"user", &[bot, user])
    }

    pub(super) fn from_group(group: Group) -> Self {
        Self(group)
    }

    pub(super) fn group(&self) -> &Group {
        &self.0
    }
}

fn half(sort: &[u8], parts: &[&str]) -> [u8; 16] {
    let mut hash = Context::new(&SHA256);
    hash.update(sort);
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let mut half = [0; 16];
    half.copy_from_slice(&hash.finish().as_ref()[..16]);
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_not_equal_shares_a_key() {
        let keys = [
            Key::of_user("b", "u", None),
            Key::of_user("b", "u", Some("")),
            Key::of_user("b", "u", Some("c")),
            Key::of_user("bu", "", None),
            Key::of_user("", "bu", None),
            Key::of_conversation("b", "u"),
            Key::of_user("b", "uc", None),
        ];
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key), "{index}");
        }
        assert_eq!(keys[0].group()[..16], keys[2].group()[..16]);
        assert_eq!(keys[2], Key::of_user("b", "u", Some("c")));
    }
}
