//! Several values of a namespace at once: which of them share a message, and what came of each. One value lives in
//! `namespace`.

use prost::Message;

use crate::{
    AsKey, Error, ErrorKind, Lookup, MissReason, Namespace, ReadOptions, Result, WriteOptions, Written,
    blob::{SURE_BYTES, is_large},
    clock,
    codec::{Codec, Decode, Encode},
    gate::Attempt,
    near::{self, Set},
    v1,
};

/// Encoded bytes of the items of a message. A server takes 4 MiB for the whole message where it is not set otherwise; the
/// rest is for the namespace and what a later version adds.
const MESSAGE_BYTES: usize = 3_670_016;
/// What an item takes in a message beside itself, at most: a tag, and its length.
const ITEM_HEAD_BYTES: usize = 6;

/// What is asked, by its place among the answers.
type Asked<Q> = Vec<(usize, Q)>;
/// What came of each, once it is known.
type Answers<A> = Vec<Option<Result<A>>>;

impl<C: Codec> Namespace<C> {
    /// Finds several values; the answers come in the order of the keys, each on its own. They are asked for with as few
    /// messages as there may be; what one of them fails with is the failure of its keys.
    ///
    /// # Errors
    /// That the client was closed.
    pub async fn get_many<T, K: AsKey>(&self, keys: impl IntoIterator<Item = K>) -> Result<Vec<Result<Lookup<T>>>>
    where
        C: Decode<T>,
    {
        let (options, mut asked, mut found) = (ReadOptions::new(), Asked::new(), Answers::new());
        for (place, key) in keys.into_iter().enumerate() {
            let request = key.as_key().and_then(|key| self.get_request(key, &options));
            let near = |request: &v1::GetRequest| self.near_hit(&request.key, &options);
            found.push(match request {
                Err(error) => Some(Err(error)),
                Ok(request) => match near(&request) {
                    Some(kept) => Some(kept.lookup(&self.codec, clock::since_boot())),
                    None => {
                        asked.push((place, request));
                        None
                    }
                },
            });
        }
        let mut rest = asked.as_slice();
        while !rest.is_empty() {
            let message = &rest[..rest.len().min(self.client.raw().batch_items())];
            match self.get_batch(message, &mut found).await {
                Err(error) if self.client.raw().takes_fewer(message.len(), &error).await => continue,
                done => self.fail(done, message, &mut found)?,
            }
            rest = &rest[message.len()..];
        }
        Ok(found.into_iter().map(|found| found.unwrap_or_else(|| Err(unanswered()))).collect())
    }

    async fn get_batch<T>(&self, message: &[(usize, v1::GetRequest)], found: &mut Answers<Lookup<T>>) -> Result<()>
    where
        C: Decode<T>,
    {
        use v1::batch_get_result::Result as Item;
        let items = message.iter().map(|(_, item)| item.clone()).collect();
        let request = v1::BatchGetRequest { namespace: self.name.to_string(), items };
        let fill = self.near_fill(&ReadOptions::new());
        let response = match self.client.gate().read(Box::pin(self.client.raw().batch_get(request))).await? {
            Attempt::Answer(response) => response,
            Attempt::Away(reason) => {
                message.iter().for_each(|(place, _)| found[*place] = Some(Ok(Lookup::Miss(reason))));
                return Ok(());
            }
        };
        same_length(response.results.len(), message.len())?;
        for (result, (place, item)) in response.results.into_iter().zip(message) {
            found[*place] = Some(match result.result {
                Some(Item::Response(mut response)) if !is_large(&response) => {
                    fill.iter().for_each(|fill| fill.offer(&item.key, &response));
                    crate::lookup::lookup(&self.codec, &mut response)
                }
                Some(Item::Error(error)) => Err(Error::from_item(&error)),
                // What the answer has no room for.
                Some(Item::Response(_) | Item::Deferred(_)) | None => self.get(item.key.as_str()).await,
            });
        }
        Ok(())
    }

    /// Stores several values with the same options; the answers come in order, each on its own. They go with as few
    /// messages as there may be; what one of them fails with is the failure of its values. One that is too large for a message
    /// goes by itself.
    ///
    /// # Errors
    /// That the client was closed.
    pub async fn put_many<'a, K: AsKey, T: ?Sized + 'a>(
        &self,
        items: impl IntoIterator<Item = (K, &'a T)>,
        options: &WriteOptions,
    ) -> Result<Vec<Result<Written>>>
    where
        C: Encode<T>,
    {
        let (mut asked, mut written) = (Asked::new(), Answers::new());
        for (place, (key, value)) in items.into_iter().enumerate() {
            written.push(match key.as_key().and_then(|key| self.put_request(key, value, options)) {
                Err(error) => Some(Err(error)),
                Ok(request) => {
                    asked.push((place, request));
                    None
                }
            });
        }
        let mut rest = asked.as_slice();
        while let Some((place, first)) = rest.first() {
            let calls = self.client.raw();
            let message = &rest[..as_many_as_fit(rest, (calls.batch_items(), calls.call_bytes()))];
            let done = match goes_alone(first, calls.call_bytes()) {
                true => self.send(first.clone()).await.map(|done| written[*place] = Some(Ok(done))),
                false => self.put_batch(message, &mut written).await,
            };
            match done {
                Err(error) if calls.takes_fewer(message.len(), &error).await => continue,
                done => self.fail(done, message, &mut written)?,
            }
            rest = &rest[message.len()..];
        }
        Ok(written.into_iter().map(|written| written.unwrap_or_else(|| Err(unanswered()))).collect())
    }

    async fn put_batch(&self, message: &[(usize, v1::PutRequest)], written: &mut Answers<Written>) -> Result<()> {
        use v1::batch_put_result::Result as Item;
        let items = message.iter().map(|(_, item)| item.clone()).collect();
        let request = v1::BatchPutRequest { namespace: self.name.to_string(), items };
        let keys = || message.iter().map(|(_, item)| item.key.clone());
        let write = self.own_write(|| keys().map(|key| Set::Key(key.into())).collect());
        let outdated = self.outdating(keys().collect());
        let attempt = self.client.gate().write(Box::pin(self.put_message(request))).await?;
        near::settle(write, &attempt);
        drop(outdated);
        let response = match attempt {
            Attempt::Answer(response) => response?,
            Attempt::Away(reason) => {
                message.iter().for_each(|(place, _)| written[*place] = Some(Ok(Written::Dropped(reason))));
                return Ok(());
            }
        };
        same_length(response.results.len(), message.len())?;
        for (result, (place, item)) in response.results.into_iter().zip(message) {
            written[*place] = Some(match result.result {
                Some(Item::Response(response)) => Ok(Written::from_wire(response)),
                // A server that takes less than most.
                Some(Item::Error(error)) if error.reason == "VALUE_TOO_LARGE" => self.send(item.clone()).await,
                Some(Item::Error(error)) => Err(Error::from_item(&error)),
                None => Ok(Written::Dropped(MissReason::Other)),
            });
        }
        Ok(())
    }

    /// Sends a message. That it is too large is an answer: it is so at any time, and the cache is not away.
    async fn put_message(&self, request: v1::BatchPutRequest) -> Result<Result<v1::BatchPutResponse>> {
        match self.client.raw().batch_put(request).await {
            Err(error) if error.reason.as_deref() == Some("MESSAGE_TOO_LARGE") => Ok(Err(error)),
            answered => answered.map(Ok),
        }
    }

    /// Makes the failure of a message that of its items; what others did stays. A client that is closed does nothing more.
    fn fail<Q, A>(&self, done: Result<()>, message: &[(usize, Q)], answers: &mut Answers<A>) -> Result<()> {
        match done {
            Err(error) if self.client.gate().is_closed() => Err(error),
            Err(error) => {
                message.iter().for_each(|(place, _)| answers[*place] = Some(Err(error.clone())));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

impl crate::Calls {
    /// Bytes of a value that go with a call, as far as is known.
    fn call_bytes(&self) -> usize {
        let known = self.wire.limits.get().map(|limits| limits.unary_value_bytes_max).filter(|most| *most > 0);
        known.map_or(SURE_BYTES, |most| usize::try_from(most).unwrap_or(usize::MAX)).min(MESSAGE_BYTES)
    }
}

/// Bytes that an item takes of its message.
fn bytes_of(request: &v1::PutRequest) -> usize {
    request.encoded_len().saturating_add(ITEM_HEAD_BYTES)
}

/// Whether an item is too large to be in a message with others: in its value, or in all of it.
fn goes_alone(request: &v1::PutRequest, value_bytes_max: usize) -> bool {
    let value_bytes = match &request.payload {
        Some(v1::put_request::Payload::Value(value)) => value.len(),
        _ => 0,
    };
    value_bytes > value_bytes_max || bytes_of(request) > MESSAGE_BYTES
}

/// How many of the next fit one message: at least one, and none that goes by itself beside others.
fn as_many_as_fit(rest: &[(usize, v1::PutRequest)], (items_max, value_bytes_max): (usize, usize)) -> usize {
    let items = rest.iter().take(items_max).map(|(_, request)| request);
    let sums = items.take_while(|request| !goes_alone(request, value_bytes_max)).scan(0_usize, |sum, request| {
        *sum = sum.saturating_add(bytes_of(request));
        Some(*sum)
    });
    sums.take_while(|sum| *sum <= MESSAGE_BYTES).count().max(1)
}

fn same_length(answers: usize, items: usize) -> Result<()> {
    match answers == items {
        true => Ok(()),
        false => {
            Err(Error::new(ErrorKind::Internal, format!("the server answered {answers} of {items} items of a batch")))
        }
    }
}

fn unanswered() -> Error {
    Error::new(ErrorKind::Internal, "an item of a batch was not answered")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: usize) -> (usize, v1::PutRequest) {
        let payload = Some(v1::put_request::Payload::Value(vec![0; bytes].into()));
        (0, v1::PutRequest { payload, ..v1::PutRequest::default() })
    }

    #[test]
    fn messages_are_bounded_by_items_and_by_bytes() {
        // With what is around a value.
        let (third, half) = (MESSAGE_BYTES / 3 - 100, MESSAGE_BYTES / 2);
        let rest = [of(third), of(third), of(third), of(third), of(1), of(1)];
        assert_eq!(as_many_as_fit(&rest, (100, MESSAGE_BYTES)), 3);
        assert_eq!(as_many_as_fit(&rest, (1, MESSAGE_BYTES)), 1);
        assert_eq!(as_many_as_fit(&rest[3..], (100, MESSAGE_BYTES)), 3);
        assert_eq!(as_many_as_fit(&[of(half), of(half)], (100, MESSAGE_BYTES)), 1, "all of an item counts");
        let large = [of(1), of(half + 1), of(1)];
        assert_eq!(as_many_as_fit(&large, (100, half)), 1, "the large one goes by itself");
        assert_eq!(as_many_as_fit(&large[1..], (100, half)), 1);
    }

    #[test]
    fn a_message_of_full_ones_is_below_what_a_server_takes() {
        let items: Vec<_> = (0..100).map(|_| of(MESSAGE_BYTES / 50)).collect();
        let fit = as_many_as_fit(&items, (100, MESSAGE_BYTES));
        let items = items.into_iter().take(fit).map(|(_, item)| item).collect();
        let request = v1::BatchPutRequest { namespace: String::new(), items };
        assert!(fit == 49 && request.encoded_len() <= MESSAGE_BYTES, "{fit}");
    }
}
