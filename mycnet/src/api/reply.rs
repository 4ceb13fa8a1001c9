//! Replies: JSON with a status, or a failure with the status of its kind.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::failure::{Failure, Kind};

/// The status that says what kind of failure it is.
pub(crate) fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        Kind::Usage => StatusCode::BAD_REQUEST,
        Kind::Refused => StatusCode::CONFLICT,
        Kind::Undecided => StatusCode::GATEWAY_TIMEOUT,
        Kind::BadData => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Denied => StatusCode::FORBIDDEN,
        Kind::Busy => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// A reply that counts as being answered until its connection has taken it. From then on only the connection is counted, so that programs
/// that do not read keep no other from being answered.
struct Held {
    bytes: Full<Bytes>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.bytes).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.bytes.size_hint()
    }
}

/// An answer as JSON.
pub(crate) fn reply(
    answer: &Result<impl Serialize, Failure>,
    permit: Option<OwnedSemaphorePermit>,
) -> Response<Body> {
    let (status, json) = match answer {
        Ok(answer) => (StatusCode::OK, serde_json::to_vec(answer)),
        Err(failure) => (status(failure.kind), serde_json::to_vec(failure)),
    };
    match json {
        Ok(mut json) => {
            json.push(b'\n');
            let body = Body::new(Held {
                bytes: Full::new(json.into()),
                _permit: permit,
            });
            with_headers(status, "application/json", body)
        }
        Err(error) => {
            let body = Body::from(error.to_string());
            with_headers(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", body)
        }
    }
}

/// A reply that is of now, and that no browser takes for something else.
pub(crate) fn with_headers(
    status: StatusCode,
    content_type: &'static str,
    body: Body,
) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers: &mut HeaderMap = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, content_type),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
