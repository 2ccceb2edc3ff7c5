//! Frame Streams: the framing of dnstap in a file or on a connection.
//!
//! A frame is its length and its octets; a length of 0 escapes a control frame, which announces the content type, the start or
//! the end. On a connection both sides send control frames. The format is that of libfstrm's `fstrm/control.h`; no maintained
//! Rust library writes it.

use std::io::{self, Read};

/// The content type of the frames.
const CONTENT_TYPE: &[u8] = b"protobuf:dnstap.Dnstap";
/// The field of a control frame with the content type.
const FIELD_CONTENT_TYPE: u32 = 1;
/// Maximum octets of a control frame.
const MOST_CONTROL: usize = 512;

/// The type of a control frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    /// The reader accepts the content type.
    Accept = 1,
    /// Frames follow.
    Start = 2,
    /// No more frames follow.
    Stop = 3,
    /// The writer offers the content type.
    Ready = 4,
    /// The reader has received the end.
    Finish = 5,
}

impl Control {
    /// Appends the control frame; those at the end have no fields.
    pub(super) fn push(self, octets: &mut Vec<u8>) {
        let mut fields = Vec::new();
        if !matches!(self, Self::Stop | Self::Finish) {
            push_number(&mut fields, FIELD_CONTENT_TYPE);
            push_number(&mut fields, CONTENT_TYPE.len() as u32);
            fields.extend_from_slice(CONTENT_TYPE);
        }
        push_number(octets, 0);
        push_number(octets, 4 + fields.len() as u32);
        push_number(octets, self as u32);
        octets.extend_from_slice(&fields);
    }

    /// Waits for this control frame from the other side.
    ///
    /// # Errors
    /// The stream fails, another frame arrives, or the other side accepts other content types only.
    pub(super) fn expect(self, stream: &mut impl Read) -> io::Result<()> {
        let malformed = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
        if read_number(stream)? != 0 {
            return Err(malformed("the reader sends data"));
        }
        let len = read_number(stream)? as usize;
        if !(4..=MOST_CONTROL).contains(&len) {
            return Err(malformed("the reader sends a control frame of an impossible length"));
        }
        let mut frame = vec![0; len];
        stream.read_exact(&mut frame)?;
        let mut rest = &frame[..];
        if read_number(&mut rest)? != self as u32 {
            return Err(malformed("the reader sends another control frame than was expected"));
        }
        let (mut names_types, mut is_ours) = (false, false);
        while !rest.is_empty() {
            let field = read_number(&mut rest)?;
            let len = read_number(&mut rest)? as usize;
            let (value, after) = rest.split_at_checked(len).ok_or_else(|| malformed("a control frame is cut off"))?;
            names_types |= field == FIELD_CONTENT_TYPE;
            is_ours |= field == FIELD_CONTENT_TYPE && value == CONTENT_TYPE;
            rest = after;
        }
        if names_types && !is_ours {
            return Err(malformed("the reader takes other frames than those of dnstap"));
        }
        Ok(())
    }
}

/// Appends a frame whose octets `write` appends.
pub(super) fn push_frame(octets: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = octets.len();
    push_number(octets, 0);
    write(octets);
    let len = (octets.len() - start - 4) as u32;
    octets[start..start + 4].copy_from_slice(&len.to_be_bytes());
}

fn push_number(octets: &mut Vec<u8>, number: u32) {
    octets.extend_from_slice(&number.to_be_bytes());
}

fn read_number(stream: &mut impl Read) -> io::Result<u32> {
    let mut number = [0; 4];
    stream.read_exact(&mut number)?;
    Ok(u32::from_be_bytes(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(content_type: &[u8]) -> Vec<u8> {
        let mut octets = vec![0, 0, 0, 0, 0, 0, 0, 12 + content_type.len() as u8, 0, 0, 0, 1, 0, 0, 0, 1];
        octets.extend_from_slice(&[0, 0, 0, content_type.len() as u8]);
        octets.extend_from_slice(content_type);
        octets
    }

    #[test]
    fn what_a_reader_may_say() {
        let expect = |octets: &[u8]| Control::Accept.expect(&mut &octets[..]).map_err(|error| error.kind());
        assert_eq!(expect(&accept(b"protobuf:dnstap.Dnstap")), Ok(()));
        assert_eq!(expect(&[0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1]), Ok(()));
        let malformed = Err(io::ErrorKind::InvalidData);
        assert_eq!(expect(&accept(b"protobuf:other")), malformed);
        assert_eq!(expect(&[0, 0, 0, 1, 0]), malformed);
        assert_eq!(expect(&[0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 5]), malformed);
        assert_eq!(expect(&[0, 0, 0, 0, 255, 255, 255, 255]), malformed);
        let mut cut_off = accept(b"protobuf:dnstap.Dnstap");
        cut_off.truncate(20);
        cut_off[7] = 12;
        assert_eq!(expect(&cut_off), malformed);
    }
}
