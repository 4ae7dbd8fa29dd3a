//! Reading what an earlier process left. The file may hold anything: nothing is allocated that it only claims to need.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    sync::Arc,
};

use bytes::Bytes;

use crate::codec::{Codec, CodecError, Decoded, Gathering, PREFIX_BYTES};

/// The entries of a file, in the order in which they were written.
#[derive(Debug)]
pub struct Reader {
    file: BufReader<File>,
    codec: Arc<Codec>,
    damaged: u64,
    ended: bool,
}

impl Reader {
    /// Of a file whose head was read.
    pub(super) fn new(file: File, codec: Arc<Codec>) -> Self {
        Self { file: BufReader::with_capacity(1 << 20, file), codec, damaged: 0, ended: false }
    }

    /// Records that were not what was written, so far: dropped. Behind one whose head is damaged nothing can be read.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    fn record(&mut self) -> io::Result<Option<Result<Decoded, CodecError>>> {
        let mut head = vec![0; PREFIX_BYTES];
        let first = self.file.read(&mut head)?;
        if first == 0 {
            self.ended = true;
            return Ok(None);
        }
        self.file.read_exact(&mut head[first..])?;
        let facts = match self.codec.facts(&head) {
            Err(CodecError::Truncated { needs }) => {
                // At most as long as a head may be.
                head.resize(usize::try_from(needs).unwrap_or(PREFIX_BYTES), 0);
                self.file.read_exact(&mut head[PREFIX_BYTES..])?;
                self.codec.facts(&head)
            }
            other => other,
        };
        Ok(Some(match facts {
            Ok(facts) => match Gathering::of(facts) {
                Ok(pieces) => self.gather(pieces)?,
                Err(facts) => {
                    let body = self.bytes(facts.stored_bytes)?;
                    self.codec.decode_body(facts, body)
                }
            },
            Err(error) => {
                self.ended = true;
                Err(error)
            }
        }))
    }

    /// Grows with what is there: a file that ends early costs no more than it holds.
    fn bytes(&mut self, bytes: u64) -> io::Result<Bytes> {
        let mut read = Vec::new();
        (&mut self.file).take(bytes).read_to_end(&mut read)?;
        Ok(read.into())
    }

    /// A value in its chunks. All of it is read, also when it is not what was written: behind it is the next one.
    fn gather(&mut self, mut pieces: Gathering) -> io::Result<Result<Decoded, CodecError>> {
        let mut damage = None;
        while let Some(bytes) = pieces.next_bytes() {
            let piece = self.bytes(bytes as u64)?;
            if let Err(error) = pieces.push(piece) {
                damage = Some(error);
                break;
            }
        }
        io::copy(&mut (&mut self.file).take(pieces.behind()), &mut io::sink())?;
        Ok(damage.map_or_else(|| pieces.finish(), Err))
    }
}

impl Iterator for Reader {
    type Item = Decoded;

    fn next(&mut self) -> Option<Decoded> {
        while !self.ended {
            match self.record() {
                Ok(None) => return None,
                Ok(Some(Ok(decoded))) => return Some(decoded),
                Ok(Some(Err(_))) => self.damaged += 1,
                Err(_) => {
                    self.damaged += 1;
                    self.ended = true;
                }
            }
        }
        None
    }
}
