//! Reads a file of a log line by line, compressed or not, in bounded memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader};

use super::chain::LINE_BYTES;
use super::folder::LogFile;

/// Bytes that are read at once.
const CHUNK: usize = 256 * 1024;

/// What comes next in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A line with its end, which the buffer holds without it.
    Line,
    /// What stands behind the last line's end; the buffer holds it.
    Unfinished,
    /// More than [`LINE_BYTES`] without an end; the buffer holds the first of them.
    TooLong,
    /// Nothing.
    End,
}

/// The lines of a file.
pub(super) struct Lines {
    reader: Box<dyn BufRead + Send>,
    /// Bytes that were read, as they were before compressing.
    pub(super) offset: u64,
    /// Lines that were read.
    pub(super) count: u64,
}

impl Lines {
    pub(super) fn open(file: &LogFile) -> io::Result<Self> {
        let (opened, is_compressed) = match File::open(&file.path) {
            // It may have been compressed since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !file.is_compressed => {
                (File::open(file.path.with_extension("jsonl.zst"))?, true)
            }
            opened => (opened?, file.is_compressed),
        };
        let reader = BufReader::with_capacity(CHUNK, opened);
        let reader: Box<dyn BufRead + Send> = if is_compressed {
            Box::new(BufReader::with_capacity(CHUNK, zstd::stream::read::Decoder::with_buffer(reader)?))
        } else {
            Box::new(reader)
        };
        Ok(Self { reader, offset: 0, count: 0 })
    }

    /// Reads what comes next.
    pub(super) fn next(&mut self, buffer: &mut Vec<u8>) -> io::Result<Piece> {
        buffer.clear();
        loop {
            let ready = match self.reader.fill_buf() {
                Ok(ready) => ready,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if ready.is_empty() {
                return Ok(if buffer.is_empty() { Piece::End } else { Piece::Unfinished });
            }
            let end = memchr::memchr(b'\n', ready);
            let taken = end.map_or(ready.len(), |end| end + 1);
            buffer.extend_from_slice(ready.get(..taken).unwrap_or_default());
            self.reader.consume(taken);
            self.offset += taken as u64;
            if buffer.len() > LINE_BYTES {
                return Ok(Piece::TooLong);
            }
            if end.is_some() {
                buffer.pop();
                self.count += 1;
                return Ok(Piece::Line);
            }
        }
    }

    /// Reads to the end, and says how many bytes there were.
    pub(super) fn rest(&mut self) -> io::Result<u64> {
        let before = self.offset;
        loop {
            let taken = self.reader.fill_buf()?.len();
            if taken == 0 {
                return Ok(self.offset - before);
            }
            self.reader.consume(taken);
            self.offset += taken as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, Piece};
    use crate::telemetry::audit::chain::LINE_BYTES;
    use crate::telemetry::audit::folder::LogFile;

    fn pieces(content: &[u8], is_compressed: bool) -> Vec<(Piece, usize)> {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("a-00000000000000000001.jsonl");
        let bytes = if is_compressed { zstd::encode_all(content, 1).unwrap() } else { content.to_vec() };
        std::fs::write(&path, bytes).unwrap();
        let file = LogFile { is_compressed, ..LogFile::at(&path).unwrap() };
        let (mut lines, mut buffer, mut found) = (Lines::open(&file).unwrap(), Vec::new(), Vec::new());
        loop {
            match lines.next(&mut buffer).unwrap() {
                Piece::End => return found,
                Piece::TooLong => {
                    found.push((Piece::TooLong, 0));
                    return found;
                }
                piece => found.push((piece, buffer.len())),
            }
        }
    }

    #[test]
    fn lines_are_read_whole_and_no_longer_than_they_may_be() {
        let long = [vec![b'x'; LINE_BYTES - 1], b"\nend".to_vec()].concat();
        let endless = vec![b'x'; LINE_BYTES + 1];
        for is_compressed in [false, true] {
            assert_eq!(pieces(b"", is_compressed), []);
            assert_eq!(pieces(b"ab\n\nc\n", is_compressed), [2, 0, 1].map(|n| (Piece::Line, n)));
            assert_eq!(pieces(&long, is_compressed), [(Piece::Line, LINE_BYTES - 1), (Piece::Unfinished, 3)]);
            assert_eq!(pieces(&endless, is_compressed), [(Piece::TooLong, 0)]);
        }
    }
}
