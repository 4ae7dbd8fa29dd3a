//! A vector that grows by pieces: nothing moves, nothing is copied, and at most one piece is unused. What the places
//! hold is not known here.

/// Places in a piece.
const PIECE: usize = 256;

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
            self.pieces.push(Vec::with_capacity(PIECE));
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
        self.pieces.len() * PIECE * size_of::<T>() + self.pieces.capacity() * size_of::<Vec<T>>()
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
