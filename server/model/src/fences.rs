//! Fences as the server and a near cache keep them: per key, for the tag, and a floor for what was forgotten.
//!
//! Pure: nothing about who raises them or who asks. Every key of the model carries the one tag.

/// How many keys there are.
pub const KEYS: usize = 2;

/// Numbers of the two logs: that of the keys, which share one, and that of selectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Numbers {
    /// Of the keys' log.
    pub key: u8,
    /// Of the selector log.
    pub selector: u8,
}

impl Numbers {
    /// The number of this log.
    #[must_use]
    pub fn of(self, log: Log) -> u8 {
        match log {
            Log::Keys => self.key,
            Log::Selectors => self.selector,
        }
    }

    /// The number of this log, to change it.
    pub fn of_mut(&mut self, log: Log) -> &mut u8 {
        match log {
            Log::Keys => &mut self.key,
            Log::Selectors => &mut self.selector,
        }
    }

    /// Whether both logs are at least as far.
    #[must_use]
    pub fn reached(self, other: Self) -> bool {
        self.key >= other.key && self.selector >= other.selector
    }
}

/// Which log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Log {
    /// Changes of keys.
    Keys,
    /// Invalidations of the tag.
    Selectors,
}

/// What a change concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// This key.
    Key(usize),
    /// All that carry the tag: both keys.
    Tag,
    /// What both keys are made from, which is not stored itself.
    Source,
}

impl Target {
    /// The log it is recorded in.
    #[must_use]
    pub fn log(self) -> Log {
        match self {
            Self::Key(_) | Self::Source => Log::Keys,
            Self::Tag => Log::Selectors,
        }
    }

    /// Whether it concerns this key.
    #[must_use]
    pub fn selects(self, key: usize) -> bool {
        matches!(self, Self::Tag | Self::Source) || self == Self::Key(key)
    }
}

/// The last change of each key and of the tag, as far as they are remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fences {
    keys: [Option<u8>; KEYS],
    tag: Option<u8>,
    floors: Numbers,
    /// When what is made from the source, and from each key, was last dropped.
    dependents: [u8; 1 + KEYS],
}

impl Fences {
    /// Knows nothing of what happened up to here, so nothing older passes.
    #[must_use]
    pub fn from_here(floors: Numbers) -> Self {
        Self { floors, ..Self::default() }
    }

    fn known_mut(&mut self, target: Target) -> &mut Option<u8> {
        match target {
            Target::Key(key) => &mut self.keys[key],
            Target::Tag | Target::Source => &mut self.tag,
        }
    }

    /// Notes that what is made from this is dropped. The number stands for the place in the order of all uses, which
    /// compares between keys.
    pub fn raise_dependents(&mut self, target: Target, number: u8) {
        self.dependents[place(target)] = number;
    }

    /// Whether what was made from this, and began here, is untouched.
    #[must_use]
    pub fn dependents_allow(&self, target: Target, stamp: Numbers) -> bool {
        stamp.key >= self.dependents[place(target)]
    }

    /// Notes a change.
    pub fn raise(&mut self, target: Target, number: u8) {
        let known = self.known_mut(target);
        *known = (*known).max(Some(number));
    }

    /// The targets that are remembered.
    pub fn remembered(&self) -> impl Iterator<Item = Target> + '_ {
        let keys = (0..KEYS).filter(|key| self.keys[*key].is_some()).map(Target::Key);
        keys.chain(self.tag.map(|_| Target::Tag))
    }

    /// Forgets a fence. With `floor` what is older than it never passes again; without, it is as if it had never been.
    pub fn forget(&mut self, target: Target, floor: bool) {
        let forgotten = self.known_mut(target).take().unwrap_or_default();
        let below = self.floors.of_mut(target.log());
        if floor {
            *below = forgotten.max(*below);
        }
    }

    /// Whether what was computed or vouched for here is untouched by what is known of its key.
    #[must_use]
    pub fn key_allows(&self, key: usize, stamp: Numbers) -> bool {
        stamp.key >= self.keys[key].unwrap_or(self.floors.key)
    }

    /// Whether it is untouched by what is known of the tag.
    #[must_use]
    pub fn tag_allows(&self, stamp: Numbers) -> bool {
        stamp.selector >= self.tag.unwrap_or_default().max(self.floors.selector)
    }

    /// Both.
    #[must_use]
    pub fn allow(&self, key: usize, stamp: Numbers) -> bool {
        self.key_allows(key, stamp) && self.tag_allows(stamp)
    }
}

fn place(target: Target) -> usize {
    match target {
        Target::Source | Target::Tag => 0,
        Target::Key(key) => 1 + key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(key: u8, selector: u8) -> Numbers {
        Numbers { key, selector }
    }

    #[test]
    fn a_fence_refuses_what_began_before_it_and_no_other_key() {
        let mut fences = Fences::default();
        fences.raise(Target::Key(0), 2);
        assert!(!fences.allow(0, at(1, 9)));
        assert!(fences.allow(0, at(2, 0)));
        assert!(fences.allow(1, at(0, 0)));
    }

    #[test]
    fn the_fence_of_the_tag_refuses_every_key() {
        let mut fences = Fences::default();
        fences.raise(Target::Tag, 3);
        assert!(!fences.allow(0, at(9, 2)) && !fences.allow(1, at(9, 2)));
        assert!(fences.allow(0, at(0, 3)));
    }

    #[test]
    fn forgetting_refuses_more_never_less() {
        let mut fences = Fences::default();
        fences.raise(Target::Key(0), 2);
        fences.forget(Target::Key(0), true);
        assert!(!fences.allow(0, at(1, 0)));
        assert!(!fences.allow(1, at(1, 0)), "the floor is the log's");
        assert!(fences.allow(1, at(2, 0)));
    }

    #[test]
    fn forgetting_without_a_floor_lets_everything_pass() {
        let mut fences = Fences::default();
        fences.raise(Target::Tag, 2);
        fences.forget(Target::Tag, false);
        assert!(fences.allow(0, at(0, 0)));
    }
}
