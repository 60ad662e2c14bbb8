//! `raw`: any method, any body, forwarded byte for byte to a backend that already speaks the sender's format.

use super::{Dialect, Names, Sample};

pub(super) static RAW: Dialect = Dialect {
    name: "raw",
    path: None,
    names: Names::Path,
    preset: None,
    per_minute: None,
    sample: Sample {
        method: "POST",
        content_type: "application/json",
        body: r#"{"user_id":"u_1","message":"Hello from Botgate"}"#,
    },
    chat: None,
};
