//! Clients that abuse what HTTP/2 gives them: streams, windows, resets, pings, header blocks.

use std::io;
use std::time::Duration;

use super::Kind;
use super::frames::{
    CONTINUATION, Client, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RESET, SETTINGS, WINDOW,
    block, call_block, frame, line,
};
use super::town::Town;
use crate::world::call;

pub(super) const KINDS: [Kind; 15] = [
    ("h2: zero window, short answers", 1, zero_window_short),
    ("h2: zero window, streams", 1, zero_window_streams),
    ("h2: rapid resets", 2, rapid_resets),
    ("h2: made to reset", 2, made_to_reset),
    ("h2: flood of pings", 2, pings),
    ("h2: flood of settings", 2, settings),
    ("h2: flood of priorities", 2, priorities),
    ("h2: flood of window updates", 2, windows),
    ("h2: flood of empty data", 2, empty_data),
    ("h2: more streams than allowed", 2, many_streams),
    ("h2: endless header block", 2, endless_block),
    ("h2: huge header list", 2, huge_list),
    ("h2: half a header block", 1, half_block),
    ("h2: half bodies", 1, half_bodies),
    ("h2: no preface", 1, no_preface),
];

/// Streams that one connection may have open.
const STREAMS: u32 = 100;
const MOMENT: Duration = Duration::from_millis(1);

fn whole_call(town: &Town, stream: u32, tool: &str) -> Vec<u8> {
    let head = frame(HEADERS, END_HEADERS, stream, &call_block(&town.bad_key, "/bad/mcp", tool));
    [head, frame(DATA, END_STREAM, stream, call(tool).as_bytes())].concat()
}

/// Odd numbers from 1: a client's streams.
fn numbers() -> impl Iterator<Item = u32> {
    (0..1 << 30).map(|n| 2 * n + 1)
}

fn zero_window(town: &Town, tool: &str) {
    let begin = || {
        let mut client = town.h2()?;
        client.settings(&[(4, 0)])?;
        for stream in numbers().take(STREAMS as usize) {
            client.raw(&whole_call(town, stream, tool))?;
        }
        Ok(client)
    };
    town.hold(5, begin, |client| client.discard(MOMENT));
}

fn zero_window_short(town: &Town) {
    zero_window(town, "whole");
}

fn zero_window_streams(town: &Town) {
    zero_window(town, "then_silent");
}

/// Sends what `make` makes for each stream, as fast as it is taken.
fn each_stream(town: &Town, make: impl Fn(u32) -> Vec<u8>) {
    town.again(|| {
        let mut client = town.h2()?;
        for stream in numbers() {
            client.raw(&make(stream))?;
            if stream % 64 == 1 {
                client.discard(MOMENT)?;
            }
            if town.over() {
                break;
            }
        }
        Ok(())
    });
}

fn rapid_resets(town: &Town) {
    each_stream(town, |stream| {
        [whole_call(town, stream, "whole"), frame(RESET, 0, stream, &8_u32.to_be_bytes())].concat()
    });
}

fn made_to_reset(town: &Town) {
    // An increment of zero on an open stream is an error of that stream.
    each_stream(town, |stream| {
        [whole_call(town, stream, "silent"), frame(WINDOW, 0, stream, &0_u32.to_be_bytes())].concat()
    });
}

/// Sends the same frames again and again and reads nothing.
fn without_reading(town: &Town, frames: &[u8]) {
    let many = frames.repeat(100);
    town.again(|| {
        let mut client = town.h2()?;
        loop {
            match client.raw(&many) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => other?,
            }
            if town.over() {
                return Ok(());
            }
        }
    });
}

fn pings(town: &Town) {
    without_reading(town, &frame(PING, 0, 0, &[0; 8]));
}

fn settings(town: &Town) {
    without_reading(town, &frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]));
}

fn priorities(town: &Town) {
    without_reading(town, &frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 16]));
}

fn windows(town: &Town) {
    without_reading(town, &frame(WINDOW, 0, 0, &1_u32.to_be_bytes()));
}

fn empty_data(town: &Town) {
    let head = frame(HEADERS, END_HEADERS, 1, &call_block(&town.bad_key, "/bad/mcp", "whole"));
    let empty = frame(DATA, 0, 1, &[]).repeat(100);
    town.again(|| {
        let mut client = town.h2()?;
        client.raw(&head)?;
        while !town.over() {
            client.raw(&empty)?;
        }
        Ok(())
    });
}

fn many_streams(town: &Town) {
    town.again(|| {
        let mut client = town.h2()?;
        for stream in numbers().take(10 * STREAMS as usize) {
            client.raw(&whole_call(town, stream, "whole"))?;
        }
        client.discard(MOMENT)
    });
}

fn endless_block(town: &Town) {
    let piece: Vec<u8> = (0..100).flat_map(|n| line(&format!("x-{n}"), &"x".repeat(100))).collect();
    town.again(|| {
        let mut client = town.h2()?;
        client.frame(HEADERS, 0, 1, &call_block(&town.bad_key, "/bad/mcp", "whole"))?;
        while !town.over() {
            client.frame(CONTINUATION, 0, 1, &piece)?;
        }
        Ok(())
    });
}

fn huge_list(town: &Town) {
    let value = "x".repeat(7_500);
    let piece = block(&[("x-a", &value), ("x-b", &value)]);
    each_stream(town, |stream| {
        let mut frames = frame(HEADERS, 0, stream, &call_block(&town.bad_key, "/bad/mcp", "whole"));
        for _ in 0..6 {
            frames.extend(frame(CONTINUATION, 0, stream, &piece));
        }
        frames.extend(frame(CONTINUATION, END_HEADERS, stream, &[]));
        frames
    });
}

fn half_block(town: &Town) {
    let begin = || {
        let mut client = town.h2()?;
        client.frame(HEADERS, 0, 1, &call_block(&town.bad_key, "/bad/mcp", "whole"))?;
        Ok(client)
    };
    town.hold(100, begin, |_| Ok(()));
}

fn half_bodies(town: &Town) {
    let begin = || {
        let mut client = town.h2()?;
        for stream in numbers().take(STREAMS as usize) {
            client.frame(HEADERS, END_HEADERS, stream, &call_block(&town.bad_key, "/bad/mcp", "whole"))?;
            client.frame(DATA, 0, stream, &[b' '; 2_000])?;
        }
        Ok(client)
    };
    town.hold(10, begin, |client: &mut Client| client.discard(MOMENT));
}

fn no_preface(town: &Town) {
    let begin = || town.trusting.connect(town.address(), true, Duration::from_millis(100));
    town.hold(100, begin, |_| Ok(()));
}
