//! A collector that is away, slow, or refuses: nobody waits for it, and what is lost is counted.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::receiver::Got;
use super::{Exporting, Receiver, Reply, all, params};

#[test]
fn who_tells_never_waits_for_a_collector_that_is_away_and_what_waits_is_bounded() {
    // Nobody takes this port before the collector does.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut exporting = Exporting::start(params(address, false), None);
    let begun = Instant::now();
    exporting.tell(20_000);
    let took = begun.elapsed();
    // A debug build writes a span in some ten microseconds.
    assert!(took < Duration::from_secs(5), "{took:?}");
    let [sent, rejected, full, undelivered] = exporting.spans();
    assert!(sent + rejected + undelivered == 0 && full > 30_000, "{:?}", exporting.spans());
    let receiver = Receiver::over(TcpListener::bind(address).unwrap(), false, None);
    exporting.await_spans("what waited arrives", |[sent, ..]| sent + full == 40_000);
    let arrived = all(&receiver.got(), Got::spans).len() as u64;
    assert_eq!(arrived + full, 40_000);
    let largest = receiver.got().iter().map(|got| got.spans().len()).max();
    assert_eq!(largest, Some(512), "in batches");
    exporting.stop();
}

#[test]
fn what_is_refused_is_not_sent_again_and_what_is_put_off_is() {
    for grpc in [false, true] {
        let receiver = Receiver::start(grpc, None);
        let exporting = Exporting::start(params(receiver.address, grpc), None);
        // INVALID_ARGUMENT, RESOURCE_EXHAUSTED without a time.
        let refusals = if grpc {
            [Reply::Grpc(3), Reply::Grpc(8)]
        } else {
            [Reply::Status(400, Some(1)), Reply::Status(413, None)]
        };
        for (number, refusal) in (1..).zip(refusals) {
            receiver.answer([refusal]);
            exporting.tell(1);
            exporting.await_spans("counted", |[.., undelivered]| undelivered == 2 * number);
        }
        assert_eq!(receiver.got().len(), 2, "once each");
        let later = if grpc { Reply::Grpc(14) } else { Reply::Status(503, Some(1)) };
        receiver.answer([later, Reply::Rejects(1)]);
        exporting.tell(1);
        exporting.await_spans("sent again", |[sent, ..]| sent == 1);
        assert_eq!(exporting.spans(), [1, 1, 0, 4], "one of two was rejected");
        let got = receiver.got();
        let [_, _, first, second] = got.as_slice() else { panic!("{got:?}") };
        let pause = second.at - first.at;
        let least = if grpc { 250 } else { 1_000 };
        assert!(pause >= Duration::from_millis(least) && pause < Duration::from_secs(5), "{pause:?}");
        assert_eq!(first.spans(), second.spans());
    }
}

#[test]
fn an_answer_that_does_not_come_is_not_waited_for() {
    for grpc in [false, true] {
        let receiver = Receiver::start(grpc, None);
        let mut params = params(receiver.address, grpc);
        params.timeout = Duration::from_millis(300);
        let mut exporting = Exporting::start(params, None);
        receiver.answer([Reply::Silence(Duration::from_secs(60))]);
        exporting.tell(1);
        exporting.await_spans("sent again", |[sent, ..]| sent == 2);
        assert_eq!(receiver.got().len(), 2);
        // Neither does a stop wait for long, and what is not taken then is counted.
        receiver.answer((0..20).map(|_| Reply::Silence(Duration::from_secs(60))));
        exporting.tell(1);
        let begun = Instant::now();
        exporting.stop();
        assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", begun.elapsed());
        assert_eq!(exporting.spans(), [2, 0, 0, 2]);
    }
}

#[test]
fn a_collector_that_came_back_on_the_same_port_gets_what_comes_next() {
    for grpc in [false, true] {
        let receiver = Receiver::start(grpc, None);
        let address = receiver.address;
        let exporting = Exporting::start(params(address, grpc), None);
        exporting.tell(1);
        exporting.await_spans("sent", |[sent, ..]| sent == 2);
        drop(receiver);
        let receiver = Receiver::over(TcpListener::bind(address).unwrap(), grpc, None);
        exporting.tell(1);
        exporting.await_spans("sent over a new connection", |[sent, ..]| sent == 4);
        assert_eq!(all(&receiver.got(), Got::spans).len(), 2);
    }
}
