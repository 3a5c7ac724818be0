//! The whole path: for every case, from the head that was read until the answer is taken to its
//! end; for some, from the bytes that arrive to those that leave, the upstream's among them.

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group};

use crate::world::cases::{Ready, World};

fn warm(name: &str) -> (World, Ready) {
    let world = World::new();
    let ready = world.warm(name);
    (world, ready)
}

#[library_benchmark(setup = warm)]
#[bench::modern_json("modern_json")]
#[bench::modern_json_noted("modern_json_noted")]
#[bench::modern_json_4k("modern_json_4k")]
#[bench::modern_json_limited("modern_json_limited")]
#[bench::modern_sse("modern_sse")]
#[bench::modern_discover("modern_discover")]
#[bench::modern_api_key("modern_api_key")]
#[bench::legacy_json("legacy_json")]
#[bench::legacy_session_json("legacy_session_json")]
#[bench::legacy_session_sse("legacy_session_sse")]
#[bench::legacy_initialize("legacy_initialize")]
#[bench::missing_key("missing_key")]
#[bench::invalid_key_malformed("invalid_key_malformed")]
#[bench::invalid_key_unknown("invalid_key_unknown")]
#[bench::invalid_key_wrong_secret("invalid_key_wrong_secret")]
#[bench::expired_key("expired_key")]
#[bench::revoked_key("revoked_key")]
#[bench::conflicting_keys("conflicting_keys")]
#[bench::origin_denied("origin_denied")]
#[bench::host_denied("host_denied")]
#[bench::scope_missing("scope_missing")]
#[bench::method_denied("method_denied")]
#[bench::not_configured("not_configured")]
#[bench::rate_limited("rate_limited")]
#[bench::session_unknown_forged("session_unknown_forged")]
#[bench::session_unknown_of_another("session_unknown_of_another")]
#[bench::route_unknown("route_unknown")]
#[bench::method_not_allowed("method_not_allowed")]
#[bench::method_not_allowed_old_transport("method_not_allowed_old_transport")]
#[bench::request_timeout("request_timeout")]
#[bench::body_too_large("body_too_large")]
#[bench::headers_too_large("headers_too_large")]
#[bench::malformed_request_head("malformed_request_head")]
#[bench::malformed_request_forwarded_key("malformed_request_forwarded_key")]
#[bench::unsupported_media_type("unsupported_media_type")]
#[bench::upstream_unreachable("upstream_unreachable")]
#[bench::upstream_unreachable_broken("upstream_unreachable_broken")]
#[bench::upstream_timeout("upstream_timeout")]
#[bench::upstream_denied("upstream_denied")]
#[bench::result_withheld("result_withheld")]
#[bench::overloaded("overloaded")]
#[bench::overloaded_connections("overloaded_connections")]
#[bench::parse_error("parse_error")]
#[bench::invalid_request_batch("invalid_request_batch")]
#[bench::invalid_request_ambiguous("invalid_request_ambiguous")]
#[bench::method_unknown_modern("method_unknown_modern")]
#[bench::method_unknown_legacy("method_unknown_legacy")]
#[bench::invalid_params("invalid_params")]
#[bench::header_mismatch("header_mismatch")]
#[bench::version_unsupported("version_unsupported")]
fn path((world, mut ready): (World, Ready)) -> (World, Ready) {
    black_box(world.run(&mut ready));
    // It goes back, so that taking it down is not counted.
    (world, ready)
}

fn warm_bytes(name: &str) -> (World, Vec<u8>) {
    let world = World::new();
    let arrived = world.warm_bytes(name);
    (world, arrived)
}

#[library_benchmark(setup = warm_bytes)]
#[bench::modern_json("modern_json")]
#[bench::modern_json_4k("modern_json_4k")]
#[bench::legacy_session_json("legacy_session_json")]
#[bench::invalid_key_unknown("invalid_key_unknown")]
#[bench::malformed_request_head("malformed_request_head")]
fn bytes_to_bytes((world, arrived): (World, Vec<u8>)) -> (World, Vec<u8>) {
    black_box(world.run_bytes(black_box(&arrived)));
    (world, arrived)
}

library_benchmark_group!(
    name = requests;
    benchmarks = path, bytes_to_bytes
);
