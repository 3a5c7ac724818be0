//! The cases of HTTP/1.1 that are about the end of a body: lengths, codings, chunks.

use super::http1::Case;
use super::http1::Want::{Closed, Refused, Served};
use super::http1_cases::{MALFORMED, NO_JSON, Parts};
use crate::world::call_bytes;

/// A body in chunks of one byte, without the last.
pub(super) fn one_by_one(body: &str) -> String {
    body.chars().flat_map(|letter| ["1\r\n".to_owned(), letter.to_string(), "\r\n".to_owned()]).collect()
}

pub(super) fn lengths(parts: &Parts) -> Vec<Case> {
    let n = parts.length;
    let mut cases = Vec::new();
    for good in [
        format!("content-length:{n}\r\n"),
        format!("Content-Length: \t {n} \t\r\n"),
        format!("Content-Length: 000{n}\r\n"),
    ] {
        cases.push(Case::new(&good, parts.post(&good, &parts.body), &[Served]));
    }
    for faulty in [
        format!("Content-Length: {n}\r\nContent-Length: {n}\r\n"),
        format!("Content-Length: {n}\r\nContent-Length: 5\r\n"),
        format!("Content-Length: 5\r\ncontent-length: {n}\r\n"),
        format!("Content-Length: {n}, {n}\r\n"),
        format!("Content-Length: {n},\r\n"),
        format!("Content-Length: +{n}\r\n"),
        format!("Content-Length: -{n}\r\n"),
        format!("Content-Length: 0x{n:x}\r\n"),
        format!("Content-Length: {n}.0\r\n"),
        format!("Content-Length: {n} {n}\r\n"),
        format!("Content-Length: {n};x\r\n"),
        format!("Content-Length: \"{n}\"\r\n"),
        format!("Content-Length: {n}\0\r\n"),
        format!("Content-Length: \x0b{n}\r\n"),
        format!("Content-Length : {n}\r\n"),
        format!("Content-Length\t: {n}\r\n"),
        format!("Content-Length:\r\n {n}\r\n"),
        format!(" Content-Length: {n}\r\n"),
        format!("\tContent-Length: {n}\r\n"),
        format!("Content_Length: 5\r\nContent-Length: {n}\r\n"),
        format!("X: y\nContent-Length: {n}\r\n"),
        format!("X: y\rContent-Length: {n}\r\n"),
        format!("Content-Length: {n}\n"),
        "Content-Length:\r\n".into(),
        "Content-Length: \u{ff15}\r\n".into(),
        "Content-Length: 18446744073709551616\r\n".into(),
        "Content-Length: 99999999999999999999999999\r\n".into(),
    ] {
        cases.push(Case::new(&faulty, parts.post(&faulty, &parts.body), &[MALFORMED]));
    }
    let large = Refused(413, "body_too_large");
    for length in ["4194305", "18446744073709551615"] {
        let lines = format!("Content-Length: {length}\r\n");
        cases.push(Case::new(&lines, parts.post(&lines, ""), &[large]));
    }
    // What stands behind a request without a body is the next one, and this is none.
    cases.push(Case::new("no length", parts.post("", &parts.body), &[NO_JSON, Closed]).finished());
    let short = parts.post(&format!("Content-Length: {}\r\n", n + 5), &parts.body);
    cases.push(Case::new("a body that breaks off", short, &[MALFORMED]).finished());
    cases
}

pub(super) fn codings(parts: &Parts) -> Vec<Case> {
    let (n, rest) = (parts.length, format!("{:x}\r\n{}\r\n0\r\n\r\n", parts.length, parts.body));
    let mut cases = Vec::new();
    for good in [
        "Transfer-Encoding: chunked\r\n",
        "transfer-encoding:CHUNKED\r\n",
        "Transfer-Encoding: \tchunked\t\r\n",
    ] {
        cases.push(Case::new(good, parts.post(good, &rest), &[Served]));
    }
    for faulty in [
        format!("Content-Length: {n}\r\nTransfer-Encoding: chunked\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {n}\r\n"),
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n".into(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n".into(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".into(),
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n".into(),
        "Transfer-Encoding: chunked, chunked\r\n".into(),
        "Transfer-Encoding: gzip, chunked\r\n".into(),
        "Transfer-Encoding: chunked, gzip\r\n".into(),
        "Transfer-Encoding: ,chunked\r\n".into(),
        "Transfer-Encoding: chunked,\r\n".into(),
        "Transfer-Encoding: identity\r\n".into(),
        "Transfer-Encoding: xchunked\r\n".into(),
        "Transfer-Encoding: chunkedx\r\n".into(),
        "Transfer-Encoding: chunked;q=1\r\n".into(),
        "Transfer-Encoding: \"chunked\"\r\n".into(),
        "Transfer-Encoding: c\u{212a}unked\r\n".into(),
        "Transfer-Encoding:\r\n".into(),
        "Transfer-Encoding : chunked\r\n".into(),
        "Transfer-Encoding\t: chunked\r\n".into(),
        " Transfer-Encoding: chunked\r\n".into(),
        "Transfer-Encoding:\r\n chunked\r\n".into(),
        "Transfer-Encoding: chunked\r\n \r\n".into(),
        "Transfer-Encoding: \x0bchunked\r\n".into(),
        "Transfer-Encoding: chunked\x0c\r\n".into(),
        "Transfer-Encoding: chunked\0\r\n".into(),
        "Transfer-Encoding\0: chunked\r\n".into(),
        "\0Transfer-Encoding: chunked\r\n".into(),
        "Transfer-Encoding: chunked\n".into(),
        format!("Transfer_Encoding: chunked\r\nContent-Length: {n}\r\n"),
        format!("X: y\nTransfer-Encoding: chunked\r\nContent-Length: {n}\r\n"),
        format!("X: y\rTransfer-Encoding: chunked\r\nContent-Length: {n}\r\n"),
    ] {
        cases.push(Case::new(&faulty, parts.post(&faulty, &rest), &[MALFORMED]));
    }
    cases
}

pub(super) fn chunked(parts: &Parts) -> Vec<Case> {
    let (n, body) = (parts.length, &parts.body);
    let single = one_by_one(body);
    let mut cases = Vec::new();
    for good in [
        format!("{n:X}\r\n{body}\r\n0\r\n\r\n"),
        format!("000{n:x}\r\n{body}\r\n000\r\n\r\n"),
        format!("{n:x};a=b\r\n{body}\r\n0;c\r\n\r\n"),
        format!("{n:x} ; a=\"b\"\r\n{body}\r\n0\r\n\r\n"),
        format!("{n:x}\r\n{body}\r\n0\r\nX: y\r\n\r\n"),
        format!(
            "{n:x}\r\n{body}\r\n0\r\nContent-Length: 5\r\nHost: evil\r\nAuthorization: Bearer x\r\nMcp-Name: y\r\n\r\n"
        ),
        format!("{single}0\r\n\r\n"),
    ] {
        cases.push(Case::new(&good, parts.chunks(&good), &[Served]));
    }
    let smuggled = call_bytes(&parts.key, "crm.read_smuggled");
    for faulty in [
        format!("+{n:x}\r\n{body}\r\n0\r\n\r\n"),
        format!("-{n:x}\r\n{body}\r\n0\r\n\r\n"),
        format!("0x{n:x}\r\n{body}\r\n0\r\n\r\n"),
        format!(" {n:x}\r\n{body}\r\n0\r\n\r\n"),
        format!("{n:x} \r\n{body}\r\n0\r\n\r\n"),
        format!("{n:x}\x0c\r\n{body}\r\n0\r\n\r\n"),
        format!("{n:x}\r\r\n{body}\r\n0\r\n\r\n"),
        format!("{n:x}\n{body}\r\n0\r\n\r\n"),
        format!("{n:x}\r\n{body}\n0\r\n\r\n"),
        format!("{n:x}\r\n{body}\r\r0\r\n\r\n"),
        format!("{n:x}\r\n{body}0\r\n\r\n"),
        format!("{n:x}\r\n{body}\r\n0\n\r\n"),
        format!("{n:x}\r\n{body}\r\n0\r\n\n"),
        format!("{n:x};a\nb\r\n{body}\r\n0\r\n\r\n"),
        format!("{n:x};a\rb\r\n{body}\r\n0\r\n\r\n"),
        format!("{n:x};\0\r\n{body}\r\n0\r\n\r\n"),
        format!("{n:x};{}\r\n{body}\r\n0\r\n\r\n", "e".repeat(5_000)),
        format!("{n:x}\r\n{body}\r\n0\r\nX: y\nZ: a\r\n\r\n"),
        format!("{n:x}\r\n{body}\r\n0\r\nX: y\r\n z\r\n\r\n"),
        format!("{n:x}\r\n{body}\r\n0\r\nno trailer\r\n\r\n"),
        format!("{n:x}\r\n{body}\r\n0\r\n{}\r\n", "X: y\r\n".repeat(5_000)),
        format!("{:x}\r\n{body}\r\n0\r\n\r\n", n - 1),
        format!("{:x}\r\n{body}\r\n0\r\n\r\n", n + 1),
        format!("5\r\n{smuggled}\r\n0\r\n\r\n"),
        format!("zz\r\n{body}\r\n0\r\n\r\n"),
        format!("\r\n{body}\r\n0\r\n\r\n"),
        format!("0000000000000000{n:x}\r\n{body}\r\n0\r\n\r\n"),
        format!("10000000000000000\r\n{body}\r\n0\r\n\r\n"),
    ] {
        cases.push(Case::new(&faulty, parts.chunks(&faulty), &[MALFORMED]));
    }
    for cut in [
        format!("{n:x}\r\n{body}\r\n"),
        format!("{n:x}\r\n{{"),
        format!("ffffffffffffffff\r\n{body}"),
        format!("{n:x}\r\n{body}\r\n0\r\n"),
    ] {
        cases.push(Case::new(&cut, parts.chunks(&cut), &[MALFORMED]).finished());
    }
    cases
}
