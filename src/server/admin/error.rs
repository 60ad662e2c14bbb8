//! What an operator's request is refused with: a sentence that says what to do, and a code word for programs.

use super::response::{Answer, json};
use crate::state::conversation::ForgetError;
use crate::state::jobs::JobsError;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// Why a request of the API was not done.
#[derive(Debug)]
pub(super) struct Fault {
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

impl Fault {
    fn new(status: StatusCode, code: &'static str, error: impl Into<String>) -> Self {
        Self { status, code, error: error.into(), allow: None }
    }

    /// The request makes no sense.
    pub(super) fn invalid(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", error)
    }

    /// The token is missing or wrong.
    pub(super) fn unauthorized() -> Self {
        let error = "the admin token is missing or wrong: send \"Authorization: Bearer TOKEN\" with the token of [admin]";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", error)
    }

    /// There is no token, so nobody can be told from a web page that posts to loopback.
    pub(super) fn closed() -> Self {
        let error = "the API is closed while [admin] has no token: add the line token = \"${env:BOTGATE_ADMIN_TOKEN}\" and start Botgate again";
        Self::new(StatusCode::FORBIDDEN, "forbidden", error)
    }

    /// There is no such thing.
    pub(super) fn missing(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", error)
    }

    /// There is such a path, but not with this method.
    pub(super) fn method(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                format!("here goes only {allow}"),
            )
        }
    }

    /// It stands in the way of itself; asked again it may go.
    pub(super) fn conflict(error: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", error)
    }

    /// Not now.
    pub(super) fn unavailable(error: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error)
    }

    pub(super) fn internal(error: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error)
    }

    /// As it is sent.
    pub(super) fn answer(&self) -> Answer {
        let body = Body { error: &self.error, code: self.code };
        let mut answer = json(self.status, &body);
        let headers = answer.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        answer
    }
}

impl From<JobsError> for Fault {
    fn from(error: JobsError) -> Self {
        let text = error.to_string();
        match error {
            JobsError::Unknown(id) => {
                Self::missing(format!("there is no delivery {id}, or not any more"))
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

impl From<ForgetError> for Fault {
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
        let order = JobsError::Order { id, step: "taken up again", now: "not dead" };
        let cases: [(Fault, u16, &str); 10] = [
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
        for (fault, status, said) in cases {
            assert_eq!(fault.answer().status(), status, "{fault:?}");
            assert!(fault.error.contains(said), "{fault:?}");
        }
    }
}
