//! The lengths of containers, in the order in which these begin: a byte for each, since there may be one in every other
//! byte of a text, and more for the large ones.

/// In the place of a length that stands among the large ones.
const LARGE: u8 = u8::MAX;

/// Lengths as they are found.
#[derive(Clone, PartialEq, Default)]
pub struct Lengths {
    small: Vec<u8>,
    /// Those of [`LARGE`] and more, with their place; in the order in which their containers end, then by place.
    large: Vec<(usize, usize)>,
}

/// Lengths as they are needed.
pub struct Known<'a> {
    lengths: &'a Lengths,
    at: usize,
    large: usize,
}

impl Lengths {
    /// The place of a container that begins, and how many large ones ended before it.
    pub fn begin(&mut self) -> (usize, usize) {
        self.small.push(0);
        (self.small.len() - 1, self.large.len())
    }

    /// The container that began there has this length.
    pub fn end(&mut self, (at, _): (usize, usize), length: usize) {
        match u8::try_from(length) {
            Ok(length) if length < LARGE => self.small[at] = length,
            _ => {
                self.small[at] = LARGE;
                self.large.push((at, length));
            }
        }
    }

    /// The same; what is in it does not count.
    pub fn end_empty(&mut self, begun: (usize, usize), length: usize) {
        self.small.truncate(begun.0 + 1);
        self.large.truncate(begun.1);
        self.end(begun, length);
    }

    /// All of them are found.
    pub fn known(mut self) -> Self {
        self.large.sort_unstable();
        self
    }

    pub fn iter(&self) -> Known<'_> {
        Known { lengths: self, at: 0, large: 0 }
    }
}

impl Iterator for Known<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let small = *self.lengths.small.get(self.at)?;
        self.at += 1;
        if small < LARGE {
            return Some(small.into());
        }
        self.large += 1;
        self.lengths.large.get(self.large - 1).map(|(_, length)| *length)
    }
}
