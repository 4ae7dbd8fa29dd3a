//! QueryWrite: how much of an upload there is, to whom it may be told.

use hotplate_proto::v1::{self, write_value_request::Message};
use tonic::Code;

use crate::{blob::*, harness::Local, wire::Failure};

#[tokio::test]
async fn an_upload_is_known_by_its_namespace_and_id() {
    let server = Local::start().await;
    let mut blobs = blobs(server.grpc).await;
    send(&mut blobs, vec![said(Message::Header(header(&id(1), "k"))), said(chunk(0, b"abc"))]).await.unwrap();
    let asked = |namespace: &str, id: String| v1::QueryWriteRequest { namespace: namespace.to_owned(), upload_id: id };
    for namespace in ["", "default"] {
        let found = blobs.query_write(asked(namespace, id(1))).await.unwrap().into_inner();
        assert_eq!((found.received_bytes, found.put), (3, None));
    }
    for (namespace, number) in [("other", 1), ("", 2)] {
        let unknown = blobs.query_write(asked(namespace, id(number))).await.unwrap_err();
        Failure::of(&unknown).is(Code::NotFound, "UPLOAD_UNKNOWN");
    }
    let bad = blobs.query_write(asked("", "?".to_owned())).await.unwrap_err();
    Failure::of(&bad).is(Code::InvalidArgument, "BAD_ARGUMENT");
}
