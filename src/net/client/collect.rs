//! A response body gathered whole, within a bound, for those who must read it before they can answer.

use super::{Cause, Incoming, Sent, UpstreamBody, UpstreamError};
use std::future::poll_fn;

/// Appends the body to `into`: at most `max` bytes of it, under the deadlines of its exchange. A longer one closes its
/// connection. What had come before an error stays in `into`.
pub async fn collect(
    body: UpstreamBody,
    max: usize,
    into: &mut Vec<u8>,
) -> Result<(), UpstreamError> {
    let mut body = match body {
        UpstreamBody::Whole(bytes) if bytes.len() > max => return Err(too_large()),
        UpstreamBody::Whole(bytes) => {
            into.extend_from_slice(&bytes);
            return Ok(());
        }
        UpstreamBody::Streaming(body) => body,
    };
    let mut left = max;
    if let Some(announced) = body.size_hint().exact() {
        let announced = usize::try_from(announced).unwrap_or(usize::MAX);
        if announced > max {
            return Err(too_large());
        }
        into.reserve_exact(announced);
    }
    while let Some(piece) = next(&mut body).await {
        let piece = piece?;
        left = left.checked_sub(piece.len()).ok_or_else(too_large)?;
        into.extend_from_slice(&piece);
    }
    Ok(())
}

async fn next(body: &mut Incoming) -> Option<Result<bytes::Bytes, UpstreamError>> {
    poll_fn(|cx| body.poll_data(cx)).await
}

/// The upstream has answered, so it may have seen all.
fn too_large() -> UpstreamError {
    UpstreamError { cause: Cause::Invalid("its body is too large"), sent: Sent::Sent }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[tokio::test]
    async fn a_body_that_came_whole_is_appended_up_to_the_bound() {
        let mut into = b"a".to_vec();
        let body = || UpstreamBody::Whole(Bytes::from_static(b"bcd"));
        collect(body(), 3, &mut into).await.unwrap();
        assert_eq!(into, b"abcd");
        let error = collect(body(), 2, &mut into).await.unwrap_err();
        assert_eq!(error.cause.word(), "senseless");
        assert_eq!(into, b"abcd");
    }
}
