//! How messages are read and written: as prost does, behind a look at the lists of what is read. Named in `build.rs`.

use std::{marker::PhantomData, sync::Arc};

use bytes::Buf as _;
use prost::{Message, Name};
use tonic::{
    Status,
    codec::{BufferSettings, DecodeBuf, Decoder, EncodeBuf, Encoder},
};
use tonic_prost::{ProstCodec, ProstDecoder};

use super::lists;
use crate::memory;

/// How large a call's buffers are at first, and how much is written at once, in bytes. Most messages are small, and a
/// stream on which nothing happens holds its buffer too; tonic would begin with 8 KiB.
fn buffers() -> BufferSettings {
    BufferSettings::new(1 << 10, 32 << 10)
}

/// The codec of all calls.
pub struct Codec<T, U>(ProstCodec<T, U>);

/// Writes a message into a buffer that is as large as it needs.
pub struct Fitting<T>(PhantomData<T>);

/// Reads a message whose lists are not too long.
pub struct Bounded<U>(ProstDecoder<U>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(ProstCodec::new())
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Name + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = Fitting<T>;
    type Decoder = Bounded<U>;

    fn encoder(&mut self) -> Self::Encoder {
        Fitting(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        Bounded(self.0.decoder())
    }
}

impl<T: Message> Encoder for Fitting<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, message: T, buf: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buf.reserve(message.encoded_len());
        // Not prost's `encode`, which would compute the length again to see whether there is room.
        message.encode_raw(buf);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffers()
    }
}

impl<U: Name + Default> Decoder for Bounded<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        memory::aside(buf.remaining(), || {
            // A message is handed over in one piece.
            lists::check::<U>(buf.chunk()).map_err(|list| {
                let mut status = Status::invalid_argument(format!("{} {list}", list.field));
                status.set_source(Arc::new(list));
                status
            })?;
            self.0.decode(buf)
        })
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffers()
    }
}
