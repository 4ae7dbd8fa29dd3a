//! How many bytes wait to be written, and whether more may. What they are is not known here.

/// Bytes that wait to be written: at most so many, and besides them one entry that is larger than all of that.
#[derive(Debug)]
pub(super) struct Waits {
    bytes: u64,
    large: u64,
    max: u64,
}

impl Waits {
    pub(super) fn new(max: u64) -> Self {
        Self { bytes: 0, large: 0, max }
    }

    /// Whether an entry of so many bytes may wait as well.
    pub(super) fn takes(&self, bytes: u64) -> bool {
        if bytes > self.max { self.large == 0 } else { self.bytes + bytes <= self.max }
    }

    pub(super) fn add(&mut self, bytes: u64) {
        *self.of(bytes) += bytes;
    }

    pub(super) fn sub(&mut self, bytes: u64) {
        *self.of(bytes) -= bytes;
    }

    pub(super) fn clear(&mut self) {
        (self.bytes, self.large) = (0, 0);
    }

    /// Bytes that wait.
    pub(super) fn all(&self) -> u64 {
        self.bytes + self.large
    }

    fn of(&mut self, bytes: u64) -> &mut u64 {
        if bytes > self.max { &mut self.large } else { &mut self.bytes }
    }
}
