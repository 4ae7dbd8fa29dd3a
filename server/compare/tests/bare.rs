//! Bare servers over real sockets: every shape answers what a generator calls, in the size it was asked for.

#![expect(clippy::unwrap_used, reason = "a test that cannot call a server has failed")]

use std::process::Stdio;

use futures::{StreamExt, stream};
use hotplate_proto::v1::{
    BatchGetRequest, GetOutcome, GetRequest, PipelineOperation, PipelineRequest, PutOutcome, PutRequest,
    ReadValueRequest, ValueChunk, WriteValueRequest, blob_service_client::BlobServiceClient,
    cache_service_client::CacheServiceClient, entry::Payload, pipeline_operation::Operation,
    read_value_response::Message, write_value_request,
};
use prost::Message as _;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};
use tonic::transport::Channel;

const DEFAULT: (&str, &str) = (env!("CARGO_BIN_EXE_bare-default"), "default");
const TUNED: (&str, &str) = (env!("CARGO_BIN_EXE_bare"), "tuned");
const KEEPING: (&str, &str) = (env!("CARGO_BIN_EXE_bare"), "keeping");
const FRAMES: (&str, &str) = (env!("CARGO_BIN_EXE_bare"), "frames");

async fn start((program, shape): (&str, &str), arguments: &[&str]) -> (Child, Channel) {
    let mut command = Command::new(program);
    command.args(["--shape", shape]).args(arguments).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(said["event"], "listening");
    let address = format!("http://{}", said["grpc"].as_str().unwrap());
    (child, Channel::from_shared(address).unwrap().connect().await.unwrap())
}

#[tokio::test]
async fn every_shape_answers_a_get_in_the_size_asked_for() {
    for shape in [DEFAULT, TUNED, FRAMES] {
        for size in [100, 64 << 10] {
            let (_child, channel) = start(shape, &["--value-bytes", &size.to_string()]).await;
            let mut client = CacheServiceClient::new(channel);
            let found = client.get(GetRequest { key: "any".into(), ..Default::default() }).await.unwrap().into_inner();
            assert_eq!(found.outcome(), GetOutcome::Hit, "{shape:?}");
            let payload = found.entry.unwrap().payload;
            assert!(matches!(payload, Some(Payload::Value(value)) if value.len() == size), "{shape:?} {size}");
        }
    }
}

#[tokio::test]
async fn an_answer_is_as_large_as_that_of_another() {
    let (_child, channel) = start(TUNED, &["--message-bytes", "311"]).await;
    let found = CacheServiceClient::new(channel).get(GetRequest::default()).await.unwrap().into_inner();
    assert_eq!(found.encoded_len(), 311);
    assert!(matches!(found.entry.unwrap().payload, Some(Payload::Value(value)) if value.len() == 100));
}

#[tokio::test]
async fn puts_batches_and_pipelines_are_answered_item_by_item() {
    for shape in [DEFAULT, TUNED, FRAMES] {
        let (_child, channel) = start(shape, &[]).await;
        let mut client = CacheServiceClient::new(channel);
        let put = client.put(PutRequest::default()).await.unwrap().into_inner();
        assert_eq!(put.outcome(), PutOutcome::Stored, "{shape:?}");
        let items = vec![GetRequest::default(); 7];
        let batch = client.batch_get(BatchGetRequest { items, ..Default::default() }).await.unwrap().into_inner();
        assert_eq!(batch.results.len(), 7, "{shape:?}");
        let operation = |call_id| PipelineOperation {
            call_id,
            operation: Some(Operation::Get(GetRequest::default())),
            ..Default::default()
        };
        let message = PipelineRequest { operations: (0..64).map(operation).collect(), ..Default::default() };
        let answers = client.pipeline(stream::iter([message.clone(), message])).await.unwrap().into_inner();
        let answers: Vec<_> = answers.map(|answer| answer.unwrap().results).collect().await;
        let ids: Vec<u64> = answers.concat().iter().map(|result| result.call_id).collect();
        assert_eq!(ids, (0..64).chain(0..64).collect::<Vec<_>>(), "{shape:?}");
    }
}

#[tokio::test]
async fn a_large_value_is_read_in_its_chunks() {
    const BYTES: u64 = (3 << 20) + 5;
    for shape in [DEFAULT, TUNED, FRAMES] {
        let (_child, channel) = start(shape, &["--blob-bytes", &BYTES.to_string()]).await;
        let mut client = BlobServiceClient::new(channel);
        let messages = client.read_value(ReadValueRequest::default()).await.unwrap().into_inner();
        let messages: Vec<Message> = messages.map(|message| message.unwrap().message.unwrap()).collect().await;
        assert!(matches!(&messages[0], Message::Header(header) if header.size_bytes == BYTES), "{shape:?}");
        assert!(matches!(&messages[5], Message::Trailer(trailer) if trailer.size_bytes == BYTES), "{shape:?}");
        let length = |message: &Message| match message {
            Message::Chunk(chunk) => chunk.data.len(),
            _ => 0,
        };
        let lengths: Vec<usize> = messages.iter().map(length).collect();
        assert_eq!(lengths, [0, 1 << 20, 1 << 20, 1 << 20, 5, 0], "{shape:?}");
    }
}

#[tokio::test]
async fn an_upload_is_taken_and_counted() {
    for shape in [DEFAULT, TUNED, KEEPING, FRAMES] {
        let (_child, channel) = start(shape, &[]).await;
        let chunk = ValueChunk { data: vec![7; 1 << 20].into(), ..Default::default() };
        let message = WriteValueRequest { message: Some(write_value_request::Message::Chunk(chunk)) };
        let sent = stream::iter(vec![message; 5]);
        let said = BlobServiceClient::new(channel).write_value(sent).await.unwrap().into_inner();
        assert_eq!((said.received_bytes, said.put.unwrap().outcome()), (5 << 20, PutOutcome::Stored), "{shape:?}");
    }
}

#[tokio::test]
async fn the_default_shape_has_a_program_of_its_own() {
    let refused = Command::new(DEFAULT.0).args(["--shape", "tuned"]).output().await.unwrap();
    assert!(!refused.status.success());
}
