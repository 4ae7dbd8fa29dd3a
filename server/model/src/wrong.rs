//! What is common to the lists of wrong ways: looking one up. The wrong ways themselves are with their models.

/// What a mutant is called, and what it does in a line.
#[must_use]
pub(crate) fn described<M: PartialEq>(
    rows: &[(M, &'static str, &'static str)],
    mutant: M,
) -> (&'static str, &'static str) {
    rows.iter().find(|row| row.0 == mutant).map_or(("", ""), |row| (row.1, row.2))
}
