//! Whom the admin listener answers: who names it by a loopback name or address.
//!
//! Against DNS rebinding: a page whose name is made to point to loopback could read all of it otherwise,
//! and its browser sends that name. Without a name only HTTP/1.0 is answered, as some probes of health send
//! it and no browser does. It must never repeat what was sent.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::{StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;

use crate::wire::http::host_without_port;

/// Lets a request to this listener through to its page, and refuses any other.
pub(super) async fn check(request: Request, next: Next) -> Response {
    if names_loopback(&request) {
        return next.run(request).await;
    }
    let told = "the Host of the request is not one of this listener's; accepted: localhost or a loopback address, with or without a port, e.g. 127.0.0.1:9443";
    (StatusCode::MISDIRECTED_REQUEST, Json(json!({ "error": told }))).into_response()
}

/// Whether every name that the request gives the listener is a loopback one.
fn names_loopback(request: &Request) -> bool {
    let target = request.uri().authority().map(|authority| Some(authority.as_str()));
    let lines = request.headers().get_all(HOST).iter().map(|line| line.to_str().ok());
    let mut names = target.into_iter().chain(lines).peekable();
    if names.peek().is_none() {
        return request.version() == Version::HTTP_10;
    }
    names.all(|name| name.and_then(host_without_port).is_some_and(is_loopback))
}

fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if let Some(address) = bare {
        return address.parse().is_ok_and(|address: Ipv6Addr| address.is_loopback());
    }
    let address = host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback());
    address || host.eq_ignore_ascii_case("localhost")
}
