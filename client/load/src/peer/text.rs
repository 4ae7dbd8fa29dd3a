//! Peers that speak a text protocol: a lane is a connection of its own, the commands of a message go out in one write, answers
//! come in their order. What commands and answers look like is each peer's.

use bytes::BytesMut;

use crate::{
    content::Checker,
    failure::Failure,
    link::{
        Common, Driver, Fault, Link, Share,
        codec::{DIGITS, digits},
    },
    peer::socket::Socket,
    task::Tasks,
    work::{Act, Op, Outcome},
};

/// A peer's protocol.
pub(crate) trait Protocol: Clone + Send + 'static {
    /// What lanes have in common.
    fn common(&self) -> &Common;

    /// A connection that is ready for commands.
    fn connect(&self) -> impl Future<Output = Result<Socket, Failure>>;

    /// The command that reads a key, which comes last in it, and then the end of the line.
    fn get(&self, key: &str) -> Vec<u8>;

    /// Gathers a command that writes or drops; what is large may go out at once.
    fn change(&self, op: &Op, socket: &mut Socket) -> impl Future<Output = Result<(), Fault>>;

    /// Takes the answer to a read.
    fn found(
        &self,
        op: &Op,
        socket: &mut Socket,
        checker: &mut Checker,
    ) -> impl Future<Output = Result<Outcome, Fault>>;

    /// Takes the answer to any other command.
    fn done(&self, op: &Op, socket: &mut Socket) -> impl Future<Output = Result<Outcome, Fault>>;
}

/// One lane.
pub(crate) struct TextLink<P> {
    protocol: P,
    socket: Socket,
    checker: Checker,
    /// The command that reads, into which the key's number is written.
    get: Vec<u8>,
}

impl<P: Protocol> Driver for P {
    type Link = TextLink<P>;

    async fn open(&self, share: Share, _tasks: &Tasks) -> Result<Vec<TextLink<P>>, Failure> {
        let mut links = Vec::new();
        for _lane in 0..share.lanes {
            let (socket, checker) = (self.connect().await?, self.common().checker());
            let get = self.get(&self.common().key(0));
            links.push(TextLink { protocol: self.clone(), socket, checker, get });
        }
        Ok(links)
    }
}

impl<P: Protocol> Link for TextLink<P> {
    async fn call(&mut self, ops: &[Op], outcomes: &mut Vec<Outcome>) -> Result<(), Fault> {
        for op in ops {
            match op.act {
                Act::Read => read(&self.get, op.key, &mut self.socket.out),
                Act::Write | Act::Drop => self.protocol.change(op, &mut self.socket).await?,
            }
        }
        self.socket.send().await?;
        for op in ops {
            outcomes.push(match op.act {
                Act::Read => self.protocol.found(op, &mut self.socket, &mut self.checker).await?,
                Act::Write | Act::Drop => self.protocol.done(op, &mut self.socket).await?,
            });
        }
        Ok(())
    }

    async fn mend(&mut self) {
        if let Ok(socket) = self.protocol.connect().await {
            self.socket = socket;
        }
    }
}

/// The command that reads this key: its digits come last, before the end of the line.
fn read(get: &[u8], key: u64, out: &mut BytesMut) {
    out.extend_from_slice(get);
    let end = out.len() - b"\r\n".len();
    digits(key, &mut out[end - DIGITS..end]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_key_is_written_before_the_end_of_the_line() {
        let mut out = BytesMut::from("before ");
        read(b"get bench/000000000000\r\n", 0xbeef, &mut out);
        assert_eq!(&out[..], b"before get bench/00000000beef\r\n");
    }
}
