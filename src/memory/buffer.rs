//! How buffers grow that may become large.

use bytes::BytesMut;

/// Up to here a buffer doubles; beyond, it gets all the room that it may take: pages that nothing is written to cost
/// nothing, and nothing is copied from one buffer to the next.
const SMALL: usize = 1 << 20;

/// Makes room for `more` bytes in a buffer that may hold `most`.
pub fn make_room(buffer: &mut BytesMut, more: usize, most: usize) {
    let needed = buffer.len() + more;
    if needed > SMALL && needed > buffer.capacity() {
        buffer.reserve(needed.max(most) - buffer.len());
    }
}
