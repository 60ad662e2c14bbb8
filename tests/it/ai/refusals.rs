//! Refusals as AIs word them, and what the caller is told.

/// A refusal by an AI: status line, headers and body, and what the caller gets for it.
pub(super) struct Refused {
    pub kind: &'static str,
    pub status: &'static str,
    pub headers: &'static str,
    pub body: &'static str,
    pub told: (u16, &'static str),
    pub wait: Option<&'static str>,
    /// How often it is asked in all, with one retry allowed.
    pub asked: usize,
}

const fn refused(
    kind: &'static str,
    status: &'static str,
    headers: &'static str,
    body: &'static str,
    told: (u16, &'static str),
    wait: Option<&'static str>,
    asked: usize,
) -> Refused {
    Refused { kind, status, headers, body, told, wait, asked }
}

const SPENT: &str = r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}}}"#;
const QUOTA: &str = r#"{"error":{"message":"m","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#;
pub(super) const RATE: &str =
    r#"{"error":{"message":"m","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#;

pub(super) const REFUSALS: &[Refused] = &[
    // Our key, not the caller's.
    refused("openai", "401 No", "", "{}", (502, "upstream_error"), None, 1),
    refused("anthropic", "401 No", "", "{}", (502, "upstream_error"), None, 1),
    refused("anthropic", "403 No", "", "{}", (502, "upstream_error"), None, 1),
    refused("custom", "403 No", "", "no", (502, "upstream_error"), None, 1),
    // Money is not patience: not asked again, whatever it says of waiting.
    refused(
        "openai",
        "429 No",
        "Retry-After: 0\r\n",
        QUOTA,
        (503, "upstream_unavailable"),
        None,
        1,
    ),
    refused("anthropic", "429 No", "", SPENT, (503, "upstream_unavailable"), None, 1),
    refused("anthropic", "402 No", "", "{}", (503, "upstream_unavailable"), None, 1),
    // Patience that there is no time for is asked of the caller.
    refused("openai", "429 No", "Retry-After: 60\r\n", RATE, (429, "rate_limit"), Some("60"), 1),
    refused(
        "anthropic",
        "529 Busy",
        "Retry-After: 60\r\n",
        "{}",
        (503, "overloaded"),
        Some("60"),
        1,
    ),
    refused("openai", "429 No", "Retry-After: 59.5\r\n", RATE, (429, "rate_limit"), Some("60"), 1),
    refused("openai", "429 No", "Retry-After: soon\r\n", RATE, (429, "rate_limit"), None, 1),
    // What there is time for is done.
    refused("openai", "429 No", "retry-after-ms: 5\r\n", RATE, (429, "rate_limit"), None, 2),
    // The AI's own fault.
    refused("openai", "500 Oh", "", "<html>", (502, "upstream_error"), None, 1),
    refused("anthropic", "504 Late", "", "{}", (504, "upstream_timeout"), None, 1),
    refused("openai", "418 Teapot", "", "{}", (502, "upstream_error"), None, 1),
    refused(
        "openai",
        "302 There",
        "Location: http://127.0.0.1:9/\r\n",
        "",
        (502, "upstream_error"),
        None,
        1,
    ),
];
