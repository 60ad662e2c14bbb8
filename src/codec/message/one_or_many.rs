//! A list that nearly always holds one thing, and then allocates nothing.
//!
//! `SmallVec` would do but for its lifetimes: what it holds can never be taken to live shorter than it does.

use std::ops::{Deref, DerefMut};

/// None, one or more.
#[derive(Clone, Debug)]
pub enum OneOrMany<T> {
    /// One.
    One(T),
    /// Any other number.
    Other(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// None.
    pub fn new() -> Self {
        Self::Other(Vec::new())
    }

    /// None yet, with room for so many.
    pub fn with_capacity(count: usize) -> Self {
        Self::Other(Vec::with_capacity(if count > 1 { count } else { 0 }))
    }

    /// One more.
    pub fn push(&mut self, more: T) {
        match self {
            Self::Other(list) if list.capacity() == 0 => *self = Self::One(more),
            Self::Other(list) => list.push(more),
            Self::One(_) => {
                if let Self::One(first) = std::mem::take(self) {
                    *self = Self::Other(vec![first, more]);
                }
            }
        }
    }
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for OneOrMany<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Other(list) => list,
        }
    }
}

impl<T> DerefMut for OneOrMany<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Self::One(one) => std::slice::from_mut(one),
            Self::Other(list) => list,
        }
    }
}

impl<T> Extend<T> for OneOrMany<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, more: I) {
        more.into_iter().for_each(|one| self.push(one));
    }
}

impl<T> FromIterator<T> for OneOrMany<T> {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        let mut few = Self::new();
        few.extend(all);
        few
    }
}

impl<'f, T> IntoIterator for &'f OneOrMany<T> {
    type Item = &'f T;
    type IntoIter = std::slice::Iter<'f, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: PartialEq> PartialEq for OneOrMany<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for OneOrMany<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_list_whatever_its_length() {
        let mut few = OneOrMany::new();
        for count in 0..4 {
            assert_eq!(*few, (0..count).collect::<Vec<_>>());
            assert_eq!(few, (0..count).collect());
            few.push(count);
        }
        assert!(matches!(OneOrMany::from_iter([1]), OneOrMany::One(1)));
        assert!(matches!(
            OneOrMany::<u8>::with_capacity(1),
            OneOrMany::Other(list) if list.capacity() == 0
        ));
    }
}
