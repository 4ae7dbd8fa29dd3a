//! BatchGet: several look-ups, each for itself, as many as fit the response. Those that wait do so together.

use hotplate_engine::flow::{
    get::GetRequest,
    lease::{LeasedAnswer, OnMiss, Release},
};
use hotplate_proto::v1::{self, Permission, batch_get_result::Result as Found};
use prost::Message;

use super::{
    convert,
    get::{self, Wish},
    service::{Answer, Call, Parts},
    status::Failure,
};

/// Bytes around a result in the response, and of a result that only says "deferred".
const AROUND: usize = 24;

/// Serves `BatchGet`.
pub(crate) async fn batch_get(
    parts: &Parts,
    call: &Call,
    request: v1::BatchGetRequest,
) -> Result<Answer<v1::BatchGetResponse>, Failure> {
    call.allow(&request.namespace)?;
    convert::check_batch(request.items.len(), parts.batch_items_max)?;
    let mut room = parts.message_bytes_max.saturating_sub(request.items.len() * AROUND);
    let (mut asked, mut wishes) = (Vec::new(), Vec::with_capacity(request.items.len()));
    for mut item in request.items {
        let wish = convert::batch_namespace(&request.namespace, &mut item.namespace)
            .and_then(|()| Wish::new(parts, call, item));
        wishes.push(wish.map(|wish| {
            asked.push((wish.request, wish.on_miss));
            wish.view
        }));
    }
    if asked.iter().any(|(_, on_miss)| *on_miss != OnMiss::Report) {
        call.allow_also(Permission::Write, &request.namespace)?;
    }
    let found = parts.cache.read_many(&asked).await;
    for (answer, (request, _)) in found.iter().zip(&asked) {
        answer.iter().for_each(|answer| call.granted.add((&parts.cache, &parts.tasks), request, answer));
    }
    let mut found = found.into_iter().zip(&asked);
    let degraded = parts.cache.is_degraded(&request.namespace);
    let mut results: Vec<v1::BatchGetResult> = Vec::with_capacity(wishes.len());
    for (number, wish) in wishes.into_iter().enumerate() {
        let Item { result, lease } = Item::new(parts, (wish, degraded), &mut found, number);
        let whole = v1::BatchGetResult { result: Some(result) };
        let length = whole.encoded_len();
        // The first always goes out, so that every call brings its caller further.
        if number == 0 || length <= room {
            room = room.saturating_sub(length);
            results.push(whole);
            continue;
        }
        if let Some((request, token)) = lease {
            // Its caller does not hear of it.
            parts.cache.give_back((&request.namespace, &request.key), token, Release::Next).await?;
        }
        let deferred = v1::DeferredItem { size_bytes: convert::value_bytes(&whole) };
        results.push(v1::BatchGetResult { result: Some(Found::Deferred(deferred)) });
    }
    Ok(Answer::plain(v1::BatchGetResponse { results }))
}

/// What is known of an item at the end.
struct Item<'a> {
    result: Found,
    /// The lease it was given, by key and token.
    lease: Option<(&'a GetRequest, u128)>,
}

/// What the engine says of an item, with what was asked.
type Said<'a> = (hotplate_engine::error::Result<LeasedAnswer>, &'a (GetRequest, OnMiss));

impl<'a> Item<'a> {
    /// The item with this number; `found` are the answers to those that could be asked, `wish` says whether this one could
    /// and how much of it is wanted.
    fn new(
        parts: &Parts,
        (wish, degraded): (Result<convert::View, Failure>, bool),
        found: &mut impl Iterator<Item = Said<'a>>,
        number: usize,
    ) -> Self {
        let said = wish.and_then(|view| {
            let (answer, (request, _)) = found.next().ok_or_else(|| Failure::bug("an item has no answer"))?;
            Ok((answer?, request, view))
        });
        match said {
            Ok((answer, request, view)) => {
                let lease = match &answer {
                    LeasedAnswer::Found(_, Some(grant)) => Some((request, grant.token)),
                    LeasedAnswer::Found(..) | LeasedAnswer::Pending(..) => None,
                };
                let mut found = get::answer(answer, (view, degraded)).message;
                get::leave_large(parts, &mut found);
                Self { result: Found::Response(found), lease }
            }
            Err(failure) => {
                Self { result: Found::Error(failure.within(&format!("items[{number}]")).item()), lease: None }
            }
        }
    }
}
