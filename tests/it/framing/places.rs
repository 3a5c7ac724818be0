//! Places of limits on HTTP/2: a stream that its client resets gives back what it held, and so does a
//! connection that ends.

use super::h2::{Client, DATA, Outcome, RST_STREAM, frame, request};
use super::http2::borrowed;
use super::{Ground, wait_until};
use crate::world::call;

#[test]
fn a_stream_that_is_reset_gives_its_place_back() {
    let ground = Ground::tls("[keys]\ndefault_plan = \"one\"\n[plans.one]\nconcurrent = 1\n");
    let zero = "tollgate_under_way{server=\"crm\",kind=\"calls\"} 0\n";
    let ask = |client: &mut Client| {
        client.request(&borrowed(&ground.fields("crm.read_x")), &call("crm.read_x")).reason()
    };
    let mut client = Client::open(ground.gateway.address);
    // While the answer is awaited, in the middle of it, and with all of the connection.
    for (script, by_reset) in [("silence", true), ("event", true), ("silence", false), ("event", false)] {
        let before = ground.seen();
        let stream = client.stream();
        let tool = format!("crm.read_{script}");
        assert!(client.send(&request(stream, &borrowed(&ground.fields(&tool)), &call(&tool))));
        wait_until("it is under way", 5, || ground.seen() > before);
        if script == "event" {
            while client.frame().is_some_and(|(kind, _, of, _)| (kind, of) != (DATA, stream)) {}
        }
        let mut other = Client::open(ground.gateway.address);
        assert_eq!(ask(&mut other), (429, "concurrency_limited".into()), "{script}");
        if by_reset {
            // CANCEL (RFC 9113 §7).
            assert!(client.send(&frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())));
        } else {
            client = Client::open(ground.gateway.address);
        }
        wait_until("there is a place again", 2, || {
            let (outcome, headers) = (call("crm.read_x"), ground.fields("crm.read_x"));
            matches!(other.request(&borrowed(&headers), &outcome), Outcome::Answered(200, _))
        });
        wait_until("nothing is under way", 5, || {
            crate::admin::get(&ground.gateway, "/metrics").text().contains(zero)
        });
    }
}
