//! A watcher: follows all changes, goes on from its last token whenever its stream ends, and records every message as it
//! came. What was promised about them is judged later.

use std::time::Duration;

use hotplate_proto::v1::{WatchContent, WatchRequest};
use prost::Message;
use tonic::Streaming;

use super::{Record, Worker, calls::connect, wire};
use crate::{
    clock,
    record::{Follows, Line, Selects, Watched},
};

/// How long a watcher waits before it tries again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// How often the server is to say that nothing was left out.
const PROGRESS: Duration = Duration::from_millis(300);
/// A stream on which nothing comes for so long is given up.
const SILENT: Duration = Duration::from_secs(3);

/// Follows until that moment.
///
/// # Errors
/// The record cannot be written.
pub(super) async fn watch(worker: Worker, record: Record, until: u64) -> std::io::Result<()> {
    let mut client = connect(worker.grpc)?;
    let mut token = prost::bytes::Bytes::new();
    let watcher = worker.name("watcher");
    let selectors = follows(worker.process);
    record.write(&Line::Follows(Follows { watcher: watcher.clone(), selectors: selectors.clone() }))?;
    for stream in 0.. {
        if clock::now() >= until {
            return Ok(());
        }
        let told = |message: Option<String>, failed: Option<String>| {
            let at = clock::now();
            record.write(&Line::Watched(Watched { watcher: watcher.clone(), stream, at, message, failed }))
        };
        let request = WatchRequest {
            selectors: selectors.iter().map(wire::selector).collect(),
            resume_token: token.clone(),
            content: WatchContent::Metadata.into(),
            progress_interval: prost_types::Duration::try_from(PROGRESS).ok(),
            ..Default::default()
        };
        let opened = tokio::time::timeout(SILENT, client.watch(request)).await;
        let mut messages: Streaming<_> = match opened {
            Ok(Ok(opened)) => opened.into_inner(),
            _ => {
                tokio::time::sleep(AGAIN_AFTER).await;
                continue;
            }
        };
        let failed = loop {
            if clock::now() >= until {
                break None;
            }
            match tokio::time::timeout(SILENT, messages.message()).await {
                Ok(Ok(Some(message))) => {
                    told(Some(hex::encode(message.encode_to_vec())), None)?;
                    token = Some(message.resume_token).filter(|new| !new.is_empty()).unwrap_or(token);
                }
                Ok(Ok(None)) => break None,
                Ok(Err(status)) => break Some(format!("{:?}", status.code())),
                Err(_) => break Some("Silent".to_owned()),
            }
        };
        told(None, failed)?;
        tokio::time::sleep(AGAIN_AFTER).await;
    }
    Ok(())
}

/// Every third process follows a group of keys, the others everything.
fn follows(process: u32) -> Vec<Selects> {
    if process % 3 == 1 { vec![Selects::Prefix("g1/".to_owned())] } else { Vec::new() }
}
