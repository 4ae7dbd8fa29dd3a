//! WriteValue: takes a value in chunks, proves it whole, and stores it in one step as a Put would.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt;
use hotplate_engine::{
    Error,
    chunks::{Chunk, charge_in_chunks},
    entry::Payload,
    flow::reserve::ReserveRequest,
    memory::reserved::Reservation,
};
use hotplate_proto::v1;
use tokio::sync::oneshot;
use tonic::body::Body;

use super::{
    blob::{
        digest::Digesting,
        service::{About, Parts},
        upload::{Plan, Upload},
        uploads::{Name, Opened},
        wire::{Begun, ChunkHead, Sent},
        writer::{Closing, Writer, check_offset},
    },
    convert, put, query_write,
    service::{Answer, Call},
    status::Failure,
};

/// Bytes that room is taken for at once at most, and no more than came before: an upload holds twice what came of it, and what a
/// chunk begins with, whatever it says that will come.
const STEP_BYTES: u64 = 1 << 20;
/// Bytes of a chunk that room is taken for before they are here, besides twice what is here of it.
const BEGUN_BYTES: usize = 16 << 10;
/// Bytes of the chunks of an upload that begins with a smaller one, as far as is known then.
const CHUNK_BYTES_USUAL: u64 = 4 << 10;

/// Serves `WriteValue`.
pub(super) async fn write_value(
    parts: &Arc<Parts>,
    call: &Call,
    mut sent: Sent<Body>,
    about: &mut About,
) -> Result<Answer<v1::WriteValueResponse>, Failure> {
    let first = tokio::select! {
        () = parts.draining.cancelled() => return Err(Failure::draining()),
        first = tokio::time::timeout(call.time, sent.next()) => first.map_err(|_elapsed| Failure::deadline())??,
    };
    let Some(Begun::Header(header)) = first else {
        return Err(Failure::argument("message", "the first message is the header"));
    };
    let v1::WriteValueHeader { upload_id, put, size_bytes, write_offset } = *header;
    let put = put.unwrap_or_default();
    put.namespace.clone_into(&mut about.namespace);
    about.key = Some(put.key.clone());
    call.allow(&put.namespace)?;
    let name = query_write::name(&put.namespace, &upload_id, "header.upload_id")?;
    let plan = plan(parts, put, size_bytes).map_err(|failure| failure.within("header"))?;
    let writer = match parts.uploads.open(&name, plan, write_offset)? {
        Opened::Finished(finished) => return Ok(Answer { message: finished.answer, outcome: "repeated" }),
        Opened::Closed(upload) => return repeated(parts, &upload).await,
        Opened::Writing(writer) => writer,
    };
    let finish = tokio::select! {
        () = parts.draining.cancelled() => return Err(Failure::draining()),
        why = writer.ended() => return Err(why),
        finish = take(parts, &writer, &mut sent) => finish,
    };
    match finish.inspect_err(|why| parts.uploads.refuse(&name, &writer, why))? {
        Some(finish) => commit(parts, (name, writer.close()?), finish).await,
        None => {
            let received_bytes = writer.upload().received();
            Ok(Answer { message: v1::WriteValueResponse { received_bytes, put: None }, outcome: "unfinished" })
        }
    }
}

/// Answers a stream of an upload that another has finished meanwhile: as that one is.
async fn repeated(parts: &Parts, upload: &Upload) -> Result<Answer<v1::WriteValueResponse>, Failure> {
    tokio::select! {
        () = parts.draining.cancelled() => Err(Failure::draining()),
        outcome = upload.outcome() => Ok(Answer { message: outcome?, outcome: "repeated" }),
    }
}

fn plan(parts: &Parts, put: v1::PutRequest, size: u64) -> Result<Plan, Failure> {
    if put.payload.is_some() {
        return Err(Failure::argument("put", "the value comes in chunks: the Put of an upload has no payload"));
    }
    check_size(parts, size)?;
    // What the rest of it says is checked with the value, when it is stored.
    let begun = parts.cache.ticket(&put.namespace, &put.key).map_err(|error| Failure::from(error).within("put"))?;
    let lease = convert::lease_token("put.lease_token", &put.lease_token)?;
    let empty = Some(v1::put_request::Payload::Value(bytes::Bytes::new()));
    let put =
        convert::put_request(v1::PutRequest { payload: empty, ..put }).map_err(|failure| failure.within("put"))?;
    Ok(Plan { put, lease, begun, size: (size > 0).then_some(size) })
}

fn check_size(parts: &Parts, size: u64) -> Result<(), Failure> {
    if size <= parts.value_bytes_max {
        return Ok(());
    }
    let rule = format!(
        "a value has at most {} bytes on this server (limits.value_bytes_max, ledger.uploads_bytes_max, memory.bytes_max)",
        parts.value_bytes_max
    );
    Err(Failure::new("VALUE_TOO_LARGE", rule).at("size_bytes"))
}

/// Takes what comes until the finish; `None`: the request ended before.
async fn take(parts: &Parts, writer: &Writer, sent: &mut Sent<Body>) -> Result<Option<v1::WriteValueFinish>, Failure> {
    loop {
        match sent.next().await? {
            None => return Ok(None),
            Some(Begun::Finish(finish)) => return Ok(Some(finish)),
            Some(Begun::Header(_)) => return Err(Failure::argument("message", "a request has one header")),
            Some(Begun::Chunk(head)) => chunk(parts, writer, sent, head).await?,
        }
    }
}

async fn chunk(parts: &Parts, writer: &Writer, sent: &mut Sent<Body>, head: ChunkHead) -> Result<(), Failure> {
    let received = writer.upload().received();
    check_offset(head.offset, received)?;
    let end = received + head.length as u64;
    check_size(parts, end)?;
    if writer.upload().plan.size.is_some_and(|size| end > size) {
        let rule = "more bytes come than the header said";
        return Err(Failure::argument("chunk.data", rule));
    }
    let data = loop {
        // Room for what is here and what may come next: what is only announced holds none.
        let most = head.length.min(BEGUN_BYTES + 2 * sent.here(head.length));
        make_room(parts, writer, (most as u64, head.length)).await?;
        if let Some(data) = sent.data(head.length, most).await? {
            break data;
        }
    };
    let Some(chunk) = Chunk::checked(data, head.crc32c) else {
        let rule = "the bytes of the chunk do not have its checksum: send them again from received_bytes on";
        return Err(Failure::new("CHECKSUM_MISMATCH", rule).at("chunk.crc32c"));
    };
    // What it takes with what belongs to it may be a little more.
    make_room(parts, writer, (chunk.charged_bytes(), head.length)).await?;
    let bytes = chunk.bytes().clone();
    writer.push(head.offset, chunk)?;
    if let Some(digesting) = &writer.upload().digesting {
        digesting.add(bytes, &parts.tasks);
    }
    Ok(())
}

/// Takes room for so many bytes more than there are, of a chunk of this length.
async fn make_room(parts: &Parts, writer: &Writer, (bytes, chunk): (u64, usize)) -> Result<(), Failure> {
    let plan = &writer.upload().plan;
    let came = writer.charged()?;
    let needed = came + bytes;
    let room = match writer.room()? {
        Some(room) => room,
        None => first_room(parts, writer, chunk as u64).await?,
    };
    let more = needed.saturating_sub(room.bytes());
    if more == 0 {
        return Ok(());
    }
    // What was announced is kept for it, and nothing beyond that.
    let step = plan.size.map_or(STEP_BYTES, |_| STEP_BYTES.min(room.ahead())).min(came);
    let _busy = writer.busy();
    let waits = |grown: &Result<(), Error>| grown.as_ref().is_err_and(|error| error.retry_delay().is_some());
    let mut grown = room.grow(more.max(step)).await;
    if waits(&grown) && step > more {
        grown = room.grow(more).await;
    }
    if waits(&grown) && parts.uploads.make_room_for(writer.upload()) {
        grown = room.grow(more).await;
    }
    Ok(grown?)
}

/// The room of an upload whose first chunk has so many bytes: none yet, but all that it will take in such chunks is kept for
/// it, if its header says how much it is. So of two that do not fit together one is told so before it holds anything.
async fn first_room(parts: &Parts, writer: &Writer, chunk: u64) -> Result<Arc<Reservation>, Failure> {
    let plan = &writer.upload().plan;
    // Those that follow may be larger: then it fits where it would not in such ones.
    let all = |size| charge_in_chunks(size, chunk.max(CHUNK_BYTES_USUAL)).min(parts.uploads_bytes_max);
    let request = ReserveRequest {
        namespace: &plan.put.namespace,
        key: &plan.put.key,
        bytes: 0,
        announced: plan.size.map_or(0, all),
        kind: &plan.put.description.kind,
        compute_cost: plan.put.description.compute_cost,
    };
    let room = match parts.cache.reserve(&request).await {
        Err(error) if error.retry_delay().is_some() && parts.uploads.make_room_for(writer.upload()) => {
            parts.cache.reserve(&request).await?
        }
        room => room?,
    };
    writer.keep(room)
}

/// Checks that all is there, and stores it. Goes on when the writer does not wait.
async fn commit(
    parts: &Arc<Parts>,
    (name, closing): (Name, Closing),
    finish: v1::WriteValueFinish,
) -> Result<Answer<v1::WriteValueResponse>, Failure> {
    let (said, answered) = oneshot::channel();
    let own = Arc::clone(parts);
    parts.tasks.spawn(async move {
        let upload = Arc::clone(closing.upload());
        let done = AssertUnwindSafe(store(&own, closing, finish)).catch_unwind().await;
        // Who waits for the outcome must hear of one.
        let done = done.unwrap_or_else(|_panic| Err(Failure::bug("storing an upload met a bug")));
        match &done {
            Ok(answer) => {
                own.uploads.finish(&name, &upload, answer.message.clone());
                let metadata = answer.message.put.as_ref().and_then(|put| put.metadata.as_ref());
                let is_stored = matches!(answer.outcome, "stored" | "refreshed");
                let etag = metadata.filter(|_| is_stored).map(|metadata| Arc::from(metadata.etag.as_str()));
                // What was overtaken, or is not to be in the place of another, is not what who follows wants.
                if is_stored || answer.outcome == "not_admitted" {
                    upload.stored(answer.message.clone(), (etag, &own.readers));
                } else {
                    upload.answered(answer.message.clone());
                }
            }
            Err(failure) => own.uploads.give_up(&name, &upload, failure.clone()),
        }
        // Who wrote it may be gone.
        let _ = said.send(done);
    });
    answered.await.unwrap_or_else(|_gone| Err(Failure::bug("storing an upload ended without an answer")))
}

async fn store(
    parts: &Arc<Parts>,
    closing: Closing,
    finish: v1::WriteValueFinish,
) -> Result<Answer<v1::WriteValueResponse>, Failure> {
    let upload = Arc::clone(closing.upload());
    let plan = &upload.plan;
    let (size, crc32c) = (closing.collected().size(), closing.collected().crc32c());
    if finish.size_bytes != size || plan.size.is_some_and(|said| said != size) {
        let rule = format!("{size} bytes came, which is not what was said: send all of it anew");
        return Err(Failure::argument("finish.size_bytes", rule));
    }
    if finish.crc32c.is_some_and(|said| said != crc32c) {
        let rule = "the value does not have this checksum: send all of it anew";
        return Err(Failure::new("CHECKSUM_MISMATCH", rule).at("finish.crc32c"));
    }
    let said = digest(&finish)?;
    let sha256 = match plan.put.digest.or(said) {
        Some(_) => Some(sum(parts, &closing).await),
        None => None,
    };
    if said.is_some_and(|said| Some(said) != sha256) {
        let rule = "digest is not the SHA-256 of the value that arrived: send all of it anew";
        return Err(Failure::new("DIGEST_MISMATCH", rule).at("finish.digest"));
    }
    let (chunks, room) = closing.complete(sha256);
    let request = hotplate_engine::flow::put::PutRequest { payload: Some(Payload::Chunks(chunks)), ..plan.put.clone() };
    let room: Option<Reservation> = room.and_then(Arc::into_inner);
    let answer = parts.cache.write_begun(request, plan.lease, (plan.begun, room)).await?;
    let Answer { message, outcome } = put::answered(answer);
    Ok(Answer { message: v1::WriteValueResponse { received_bytes: size, put: Some(message) }, outcome })
}

fn digest(finish: &v1::WriteValueFinish) -> Result<Option<[u8; 32]>, Failure> {
    if finish.digest.is_empty() {
        return Ok(None);
    }
    let sum = <[u8; 32]>::try_from(&finish.digest[..]);
    sum.map(Some).map_err(|_length| Failure::argument("finish.digest", "a digest is a SHA-256 sum of 32 bytes"))
}

/// SHA-256 of all that came: worked out while it came when that was asked for in the header, else now.
async fn sum(parts: &Parts, closing: &Closing) -> [u8; 32] {
    if let Some(digesting) = &closing.upload().digesting {
        return digesting.sum(&parts.tasks).await;
    }
    let digesting = Digesting::new();
    for chunk in closing.collected().chunks() {
        digesting.add(chunk.bytes().clone(), &parts.tasks);
    }
    digesting.sum(&parts.tasks).await
}
