//! The errors of the API: a sentence that says what to do, and a code for programs.

use super::response::{AdminResponse, json};
use crate::state::conversation::ForgetError;
use crate::state::jobs::JobsError;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// Why an API request failed.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    error: String,
    allow: Option<&'static str>,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    code: &'a str,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, error: impl Into<String>) -> Self {
        Self { status, code, error: error.into(), allow: None }
    }

    pub(super) fn invalid(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", error)
    }

    pub(super) fn unauthorized() -> Self {
        let error = "the admin token is missing or wrong: send \"Authorization: Bearer TOKEN\" with the token of [admin]";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", error)
    }

    /// Without a token an operator looks like any web page that posts to loopback.
    pub(super) fn forbidden() -> Self {
        let error = "the API is closed while [admin] has no token: add the line token = \"${env:BOTGATE_ADMIN_TOKEN}\" and start Botgate again";
        Self::new(StatusCode::FORBIDDEN, "forbidden", error)
    }

    pub(super) fn not_found(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", error)
    }

    pub(super) fn method_not_allowed(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                format!("here goes only {allow}"),
            )
        }
    }

    /// The request conflicts with the current state; a retry may succeed.
    pub(super) fn conflict(error: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", error)
    }

    pub(super) fn unavailable(error: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error)
    }

    pub(super) fn internal(error: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error)
    }

    pub(super) fn response(&self) -> AdminResponse {
        let body = Body { error: &self.error, code: self.code };
        let mut response = json(self.status, &body);
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

impl From<JobsError> for ApiError {
    fn from(error: JobsError) -> Self {
        let text = error.to_string();
        match error {
            JobsError::Unknown(id) => {
                Self::not_found(format!("there is no delivery {id}, or not any more"))
            }
            JobsError::Order { id, step, now } => {
                Self::conflict(format!("the delivery {id} cannot be {step}: it is {now}"))
            }
            JobsError::Full { .. } | JobsError::Share { .. } => {
                Self::unavailable(format!("{text}; ask again when some have ended"))
            }
            JobsError::Unwritten(_) => {
                Self::unavailable(format!("{text}; ask again, it has not happened"))
            }
            JobsError::TooLarge { .. } => Self::invalid(text),
            JobsError::Store(_) | JobsError::Version { .. } | JobsError::Broken { .. } => {
                Self::internal(text)
            }
        }
    }
}

impl From<ForgetError> for ApiError {
    fn from(error: ForgetError) -> Self {
        match error {
            ForgetError::Busy => Self::conflict(format!("{error}; ask again")),
            ForgetError::Full(_) => Self::unavailable(format!("{error}; ask again")),
            ForgetError::Unwritten(_) => Self::unavailable(format!(
                "forgotten, but not on disk yet: {error}; ask again until this says 200"
            )),
            ForgetError::Store(_) => Self::internal(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::jobs::Id;
    use crate::state::store::{Full, StoreError, Unwritten};

    #[test]
    fn what_has_not_happened_may_be_asked_again_and_says_so() {
        let id = Id::new(1);
        let order = JobsError::Order { id, step: "retried", now: "not dead" };
        let cases: [(ApiError, u16, &str); 10] = [
            (
                JobsError::Unknown(id).into(),
                404,
                &format!("there is no delivery {id}, or not any more"),
            ),
            (order.into(), 409, &format!("the delivery {id} cannot")),
            (JobsError::Full { jobs: 1, bytes: 2 }.into(), 503, "ask again"),
            (
                JobsError::Share { receiver: "bots.gone.callback".to_owned(), jobs: 1, bytes: 2 }
                    .into(),
                503,
                "bots.gone.callback has no more room in the journal: 1 jobs of 2 bytes wait for it; ask again",
            ),
            (JobsError::Unwritten(Unwritten::Disk).into(), 503, "ask again"),
            (JobsError::Store(StoreError::Closed).into(), 500, "not open"),
            (ForgetError::Busy.into(), 409, "ask again"),
            (ForgetError::Full(Full).into(), 503, "ask again"),
            (ForgetError::Unwritten(Unwritten::Disk).into(), 503, "not on disk yet"),
            (ForgetError::Store(StoreError::Closed).into(), 500, "not open"),
        ];
        for (error, status, said) in cases {
            assert_eq!(error.response().status(), status, "{error:?}");
            assert!(error.error.contains(said), "{error:?}");
        }
    }
}
