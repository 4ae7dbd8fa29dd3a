//! Rules of single parts of the disk tier. The tier as a whole is tested in `tests/disk`.
