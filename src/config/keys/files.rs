//! Settings that are files of their own: read at the start, and again when they change. The problems never repeat what
//! a file holds. Not when they are read again: `app` knows that.

use std::{
    collections::BTreeMap,
    fs,
    io::{ErrorKind, Read as _},
    path::Path,
};

use super::lists;
use crate::config::{
    read::{self, Problem},
    secret::{Secret, TokenHash},
};

/// More than any key has; keeps a wrong path (a device, a disk image) from being read whole.
const LARGEST_SECRET_FILE: u64 = 64 << 10;
/// Ten thousand callers and more.
const LARGEST_TOKENS_FILE: u64 = 4 << 20;

/// The secret that a file holds, without the line break that editors put at its end.
///
/// # Errors
/// When there is none, or the file cannot be read. Repeats neither the content nor the path, for which a key may have
/// been given by mistake.
pub fn secret_from(path: &Path) -> Result<Secret, String> {
    let text = content(path, LARGEST_SECRET_FILE)?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err("the file is empty".to_owned());
    }
    read::secret(text)
}

/// The URL of a store that a file holds.
///
/// # Errors
/// As for [`secret_from`], and when it is none.
pub fn store_from(path: &Path) -> Result<Secret, String> {
    read::store(secret_from(path)?.expose())
}

/// The token hashes that a file holds, by the caller's name: lines `name=hash`, several hashes of a line with spaces in
/// between, blank lines and lines that start with `#` left out.
///
/// # Errors
/// When a line is wrong, told by its number, or the file cannot be read. A file without any hash is refused, comments or
/// not: it may be one that is still being written. To let nobody in, have it hold the hash of a token that nobody has.
pub fn tokens_from(path: &Path) -> Result<BTreeMap<String, Vec<TokenHash>>, String> {
    let text = content(path, LARGEST_TOKENS_FILE)?;
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let entries = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).map(|(number, line)| {
        let (name, hashes) = line.split_once('=').ok_or_else(|| format!("line {number} is not name=hash"))?;
        Ok((format!("line {number}"), name.trim(), hashes.split_whitespace().collect()))
    });
    let tokens = lists::tokens(entries)?;
    if tokens.is_empty() { Err("the file holds no hash".to_owned()) } else { Ok(tokens) }
}

/// That a file can be read; its content is for somebody else.
pub fn readable(path: &str) -> Result<&Path, Problem> {
    // Reading the first byte finds out about folders too, which open well.
    fs::File::open(path).and_then(|mut file| file.read(&mut [0])).map(|_| Path::new(path)).map_err(|error| match error
        .kind()
    {
        ErrorKind::IsADirectory => format!("{path} is a folder; a file is needed"),
        _ => format!("the file {path} cannot be read: {error}"),
    })
}

fn content(path: &Path, largest: u64) -> Result<String, Problem> {
    let mut text = String::new();
    fs::File::open(path).and_then(|file| file.take(largest + 1).read_to_string(&mut text)).map_err(
        |error| match error.kind() {
            ErrorKind::IsADirectory => "it is a folder; a file is needed".to_owned(),
            _ => format!("the file cannot be read: {error}"),
        },
    )?;
    if text.len() as u64 > largest {
        return Err(format!("the file has more than {largest} bytes"));
    }
    Ok(text)
}
