//! A request's message that is looked at before it is decoded: unpacked with an eye on its size, and refused where its
//! caller may not invoke the agent that it names.

use std::{
    io::{self, Read},
    sync::Arc,
};

use bytes::{BufMut as _, Bytes, BytesMut};
use tonic::Status;

use super::auth::Auth;
use crate::{
    calls::{Error, Kind},
    grpc::response::frames::Encoding,
    memory::{self, Held},
    proto,
    telemetry::{Record, Shed},
};

/// The flag and the length before a message.
const PREFIX: usize = 5;
/// How much is unpacked at once, in bytes.
const PIECE: usize = 32 << 10;
/// A packed message of so many bytes may become a large one.
const PACKED: usize = 1 << 10;

/// A message that is being gathered.
pub struct Whole {
    bytes: BytesMut,
    encoding: Option<Encoding>,
    /// How large a message may be, in bytes.
    most: usize,
    /// Who may invoke what, where this caller may not invoke everything.
    rights: Option<(Arc<Auth>, Arc<Record>)>,
}

/// Why a message goes no further: a failure of the call, or one in the words of the library that would have unpacked it.
type Unfit = Result<Status, Error>;

impl Whole {
    /// One that may be packed so, and is of a caller with these rights.
    pub fn new(encoding: Option<Encoding>, most: usize, rights: Option<(Arc<Auth>, Arc<Record>)>) -> Self {
        Self { bytes: BytesMut::new(), encoding, most, rights }
    }

    /// Whether there is no more to wait for.
    pub fn is_complete_with(&mut self, data: Bytes) -> bool {
        if self.bytes.is_empty() {
            self.bytes = BytesMut::from(data);
        } else {
            // As it comes, and not as it was announced.
            memory::make_room(&mut self.bytes, data.len(), PREFIX + self.most);
            self.bytes.extend_from_slice(&data);
        }
        match self.prefix() {
            // It is refused by who decodes it.
            Some((_, length)) if length > self.most => true,
            Some((_, length)) => {
                let missing = (PREFIX + length).saturating_sub(self.bytes.len());
                missing == 0
            }
            None => false,
        }
    }

    fn prefix(&self) -> Option<(u8, usize)> {
        let [flag, length @ ..] = *self.bytes.first_chunk::<PREFIX>()?;
        Some((flag, u32::from_be_bytes(length) as usize))
    }

    /// What has come of it.
    pub fn so_far(self) -> Bytes {
        self.bytes.freeze()
    }

    /// The message, unpacked, with its prefix.
    pub fn message(self, held: &mut Held) -> Result<Bytes, Unfit> {
        let Some((flag, length)) = self.prefix() else { return Ok(self.so_far()) };
        let Some(message) = self.bytes.get(PREFIX..PREFIX + length) else { return Ok(self.so_far()) };
        match (flag, self.encoding) {
            (1, Some(encoding)) => {
                let size = if message.len() < PACKED { message.len() } else { memory::LARGE };
                let bytes = memory::aside(size, || unpack(encoding, message, self.most, held))?;
                self.check(&bytes[PREFIX..]).map_err(Err)?;
                let _ = held.resize(held.bytes() - message.len());
                Ok(bytes.freeze())
            }
            (0, _) => {
                self.check(message).map_err(Err)?;
                Ok(self.so_far())
            }
            _ => Ok(self.so_far()),
        }
    }

    fn check(&self, message: &[u8]) -> Result<(), Error> {
        let Some((auth, record)) = &self.rights else { return Ok(()) };
        match proto::named_agent(record.method().name, message) {
            Some(agent) => auth.check_agent(record, agent),
            None => Ok(()),
        }
    }
}

/// The refusal of a request for which there is no room.
pub fn full() -> Error {
    Error::new(Kind::Overloaded(Shed::Requests))
}

/// A message in place of the packed one, whose bytes it holds as they come.
fn unpack(encoding: Encoding, packed: &[u8], most: usize, held: &mut Held) -> Result<BytesMut, Unfit> {
    let unreadable = |error: io::Error| Ok(Status::internal(format!("Error decompressing: {error}")));
    let mut reader = encoding.unpacking(packed).map_err(unreadable)?;
    let (mut bytes, mut piece, before) = (BytesMut::zeroed(PREFIX), vec![0; PIECE], held.bytes());
    loop {
        let read = reader.read(&mut piece).map_err(unreadable)?;
        if read == 0 {
            break;
        }
        let size = bytes.len() - PREFIX + read;
        if size > most {
            let words =
                format!("Error decompressing: size limit, of {most} bytes, exceeded while decompressing message");
            return Err(Ok(Status::resource_exhausted(words)));
        }
        if !held.resize(before + size) {
            return Err(Err(full()));
        }
        memory::make_room(&mut bytes, read, PREFIX + most);
        bytes.extend_from_slice(&piece[..read]);
    }
    let length = u32::try_from(bytes.len() - PREFIX).map_err(|error| unreadable(io::Error::other(error)))?;
    (&mut bytes[1..PREFIX]).put_u32(length);
    Ok(bytes)
}
