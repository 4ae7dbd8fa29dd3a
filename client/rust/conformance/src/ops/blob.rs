//! Values as streams.

use bytes::BytesMut;
use serde_json::{Value, json};

use crate::{
    answer::{Outcome, Refusal},
    arguments::Arguments,
    options::{self, key_of},
    value,
    world::World,
};

use super::{
    read::found,
    write::{writing, written},
};

pub(super) async fn read_stream(world: &World, mut arguments: Arguments) -> Outcome {
    let space = world.space(&mut arguments)?;
    let key = key_of(&mut arguments)?;
    let mut given = arguments.inner("options")?;
    let (reading, _) = options::reading(&mut given)?;
    given.end()?;
    let follow = arguments.flag("follow")?;
    arguments.end()?;
    let mut stream = match follow {
        true => Box::pin(space.follow(key)).await?,
        false => Box::pin(space.read_stream_with(key, &reading)).await?,
    };
    let lookup = stream.found.clone();
    let (mut whole, mut pieces) = (BytesMut::new(), 0_u64);
    while let Some(piece) = stream.next().await? {
        whole.extend_from_slice(&piece);
        pieces += 1;
    }
    let there = lookup.is_hit() || pieces > 0;
    let mut fields = found(lookup, |_size| Value::Null);
    if there {
        fields["value"] = value::of_bytes(&whole);
    }
    fields["pieces"] = json!(pieces);
    Ok(fields)
}

pub(super) async fn write_stream(world: &World, mut arguments: Arguments) -> Outcome {
    let space = world.space(&mut arguments)?;
    let key = key_of(&mut arguments)?;
    let pieces: Vec<Value> = arguments.need("pieces")?;
    let writing = writing(&mut arguments)?;
    arguments.end()?;
    let piece =
        |piece: &Value| value::bytes(piece)?.ok_or_else(|| Refusal::fault(format!("the piece {piece} is no bytes")));
    let pieces = pieces.iter().map(piece).collect::<Outcome<Vec<_>>>()?;
    let mut stream = Box::pin(space.write_stream(key, &writing)).await?;
    for piece in pieces {
        stream.send(piece).await?;
    }
    Ok(written(Box::pin(stream.finish()).await?))
}
