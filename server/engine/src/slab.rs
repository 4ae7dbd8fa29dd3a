//! A vector that grows by pieces: at most one piece is unused, and nothing moves or is copied but the few places of the
//! first piece, which grows as it is filled: there are many slabs that hold little. What the places hold is not known here.

/// Places in a piece.
const PIECE: usize = 256;
/// Places that the first piece has room for at first.
const FIRST: usize = 4;

/// Places numbered from zero.
#[derive(Debug)]
pub struct Slab<T> {
    pieces: Vec<Vec<T>>,
    length: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { pieces: Vec::new(), length: 0 }
    }
}

impl<T> Slab<T> {
    /// Adds a place at the end and returns its number.
    ///
    /// # Panics
    /// Never in practice: a table of 2^32 entries would need more than 256 GiB for its places alone.
    pub fn push(&mut self, value: T) -> u32 {
        if self.length.is_multiple_of(PIECE) {
            self.pieces.push(Vec::with_capacity(if self.length == 0 { FIRST } else { PIECE }));
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.push(value);
        }
        self.length += 1;
        u32::try_from(self.length - 1).expect("a table never has 2^32 places")
    }

    /// Number of places.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let places: usize = self.pieces.iter().map(Vec::capacity).sum();
        places * size_of::<T>() + self.pieces.capacity() * size_of::<Vec<T>>()
    }

    /// All places, by number.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }
}

impl<T> std::ops::Index<u32> for Slab<T> {
    type Output = T;

    #[inline]
    fn index(&self, place: u32) -> &T {
        &self.pieces[place as usize / PIECE][place as usize % PIECE]
    }
}

impl<T> std::ops::IndexMut<u32> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, place: u32) -> &mut T {
        &mut self.pieces[place as usize / PIECE][place as usize % PIECE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slab_that_holds_little_takes_little() {
        let mut slab = Slab::default();
        for number in 0..3 * PIECE as u64 {
            let place = slab.push(number);
            assert_eq!((slab[place], slab[0], slab.len() as u64), (number, 0, number + 1));
            let needed = slab.len() * size_of::<u64>();
            let spare = slab.len().clamp(FIRST, PIECE) * size_of::<u64>() + 8 * size_of::<Vec<u64>>();
            assert!(slab.bytes() <= needed + spare, "{} bytes for {} places", slab.bytes(), slab.len());
        }
        assert!(slab.iter().copied().eq(0..3 * PIECE as u64));
    }
}
