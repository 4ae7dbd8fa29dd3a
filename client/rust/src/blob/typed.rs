//! Values as streams, of a namespace.

use bytes::Bytes;
use futures::Stream;

use super::{ValueReader, ValueWriter};
use crate::{
    AsKey, Lookup, MissReason, Namespace, ReadOptions, Result, WriteOptions, Written,
    codec::Codec,
    near::{OwnWrite, Set},
    v1,
};

/// A value that is read in pieces; see [`Namespace::read_stream`].
#[derive(Debug)]
pub struct ReadStream {
    /// What is known of the value before its bytes: its size in bytes as the hit's value, zero while it is written.
    pub found: Lookup<u64>,
    reader: ValueReader,
}

impl ReadStream {
    /// The next piece; `None` at the end, or when there is no value.
    ///
    /// # Errors
    /// As [`ValueReader::next`].
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        self.reader.next().await
    }

    /// The pieces as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes>> + Send {
        self.reader.into_stream()
    }

    /// The reader underneath.
    #[must_use]
    pub fn reader(&self) -> &ValueReader {
        &self.reader
    }
}

/// A value that is written in pieces; see [`Namespace::write_stream`].
#[derive(Debug)]
pub struct WriteStream<C: Codec> {
    space: Namespace<C>,
    key: String,
    /// None: the cache is turned off, and what comes is dropped.
    writer: Option<ValueWriter>,
    write: Option<OwnWrite>,
}

impl<C: Codec> WriteStream<C> {
    /// Sends a piece; who follows gets it as it is.
    ///
    /// # Errors
    /// As [`ValueWriter::send`].
    pub async fn send(&mut self, bytes: impl Into<Bytes>) -> Result<()> {
        match &mut self.writer {
            Some(writer) => writer.send(bytes.into()).await,
            None => Ok(()),
        }
    }

    /// Stores what was sent, under its key, in one step.
    ///
    /// # Errors
    /// As [`ValueWriter::finish`].
    pub async fn finish(self) -> Result<Written> {
        let Some(writer) = self.writer else { return Ok(Written::Dropped(MissReason::Disabled)) };
        let _outdated = self.space.outdating(vec![self.key]);
        let response = Box::pin(writer.finish()).await?;
        if let Some(write) = self.write {
            write.answered();
        }
        Ok(Written::from_wire(response))
    }
}

impl<C: Codec> Namespace<C> {
    /// Reads a value in pieces, from the server, of any size and whatever its codec. Streams have no fallback: a cache
    /// that is away is an error.
    ///
    /// # Errors
    /// What the server refused, or that it could not be reached in time.
    pub async fn read_stream(&self, key: impl AsKey) -> Result<ReadStream> {
        self.read_stream_with(key, &ReadOptions::new()).await
    }

    /// The same with options; `peek` is not among what a stream can do.
    ///
    /// # Errors
    /// As [`Namespace::read_stream`].
    pub async fn read_stream_with(&self, key: impl AsKey, options: &ReadOptions) -> Result<ReadStream> {
        let request = self.read_request(key.as_key()?, options)?;
        self.opened(request).await
    }

    /// Reads a value, or, when it is just being written, what comes in of it, from its first byte, as it comes.
    ///
    /// # Errors
    /// As [`Namespace::read_stream`]; reason `VERSION_GONE` when the writer gave up.
    pub async fn follow(&self, key: impl AsKey) -> Result<ReadStream> {
        let request = self.read_request(key.as_key()?, &ReadOptions::new())?;
        self.opened(v1::ReadValueRequest { follow: true, ..request }).await
    }

    /// Begins to write a value in pieces. Nothing of it can be read before it is finished, except by who follows it.
    ///
    /// # Errors
    /// As [`Namespace::read_stream`].
    pub async fn write_stream(&self, key: impl AsKey, options: &WriteOptions) -> Result<WriteStream<C>> {
        let key = key.as_key()?;
        let put = v1::PutRequest {
            key: key.clone(),
            content_type: self.codec.content_type().to_owned(),
            ..self.addressed(options.request()?)
        };
        if self.client.gate().disabled() {
            return Ok(WriteStream { space: self.clone(), key, writer: None, write: None });
        }
        let write = self.own_write(|| vec![Set::Key(key.as_str().into())]);
        let writer = Some(Box::pin(self.client.raw().value_writer(put)).await?);
        Ok(WriteStream { space: self.clone(), key, writer, write })
    }

    fn read_request(&self, key: String, options: &ReadOptions) -> Result<v1::ReadValueRequest> {
        let get = self.get_request(key, options)?;
        Ok(v1::ReadValueRequest {
            namespace: get.namespace,
            key: get.key,
            stale_policy: get.stale_policy,
            max_age: get.max_age,
            slowest_tier: get.slowest_tier,
            ..v1::ReadValueRequest::default()
        })
    }

    async fn opened(&self, request: v1::ReadValueRequest) -> Result<ReadStream> {
        if self.client.gate().disabled() {
            let reader = ValueReader::of_nothing(self.client.calls(), request);
            return Ok(ReadStream { found: Lookup::Miss(MissReason::Disabled), reader });
        }
        let reader = self.client.raw().read_value(request).await?;
        let found = crate::lookup::of_stream(reader.header());
        Ok(ReadStream { found, reader })
    }
}
