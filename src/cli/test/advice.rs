//! What helps against a failure, by its reason in logs and metrics.

/// Reasons and what helps; `NAME` stands for the upstream.
const ADVICE: &[(&str, &str)] = &[
    (
        "unresolved",
        "the host in `url` under [upstreams.NAME] has no address here: correct the name, or the name server's view of it",
    ),
    (
        "unreachable",
        "nobody listens there: start the backend, or correct host and port in `url` under [upstreams.NAME]",
    ),
    (
        "address_refused",
        "the host has an address that is not public: if that is meant, list it in `allow` as the error shows",
    ),
    (
        "connect",
        "no connection within `timeout.connect`: a firewall on the way, a wrong address in `url` under [upstreams.NAME], or a slow name server",
    ),
    (
        "first_byte",
        "it took the request and did not begin to answer in time: see its own log, or raise `timeout` under [upstreams.NAME]",
    ),
    (
        "idle",
        "it paused for too long within its answer: see its own log, or raise `timeout` under [upstreams.NAME]",
    ),
    (
        "total",
        "it was not done in time: see its own log, or raise `timeout` under [upstreams.NAME]",
    ),
    (
        "tls_name",
        "the certificate is for another host: write that host in `url` under [upstreams.NAME], or give the server a certificate for this one",
    ),
    ("tls_expired", "renew the server's certificate, or set this machine's clock"),
    (
        "tls_issuer",
        "the certificate's issuer is not known here: name a file with the issuer's own certificate in `ca` under [upstreams.NAME]",
    ),
    (
        "tls",
        "does it speak TLS at that port? Where it does not, `url` under [upstreams.NAME] begins with http://",
    ),
    (
        "broken",
        "it closed the connection instead of answering: see its own log; is there an HTTP server at that port?",
    ),
    (
        "senseless",
        "what it sent is no answer of an HTTP/1.1 server: does `url` under [upstreams.NAME] lead to the right port?",
    ),
    ("upstream_broke_off", "it began its answer and did not finish it: see its own log"),
    (
        "ai_key_refused",
        "the key is Botgate's own, not the caller's: put one that is valid there into `key` under [upstreams.NAME]",
    ),
    ("ai_limited", "the rate limit of the account there is reached: wait, or have it raised"),
    ("ai_exhausted", "the account there has no money or quota left: top it up"),
    ("ai_overloaded", "it has too much to do: try again later"),
    (
        "ai_rejected",
        "it did not like the request: are `kind`, `url` and `model` under [upstreams.NAME] what it knows?",
    ),
    (
        "ai_slow",
        "it gave up by itself after a while: try again later, or a faster `model` under [upstreams.NAME]",
    ),
    (
        "ai_failed",
        "its own fault: see its log or status page; is `url` under [upstreams.NAME] right?",
    ),
    (
        "answer_senseless",
        "it answered 200 and not in the format of its kind: are `kind` and `url` under [upstreams.NAME] right?",
    ),
    ("answer_cut", "the answer needs more tokens than `max_tokens` under [upstreams.NAME] allows"),
    ("answer_refused", "the model does not want to answer this: send another text with --data"),
    ("answer_filtered", "a filter there withheld the answer: send another text with --data"),
    ("answer_empty", "it answered without a word, tool call or file: see its own log"),
    ("answer_broken", "its stream ended before the end of the answer: see its own log"),
    (
        "signature",
        "the bot's `verify` does not take what its own first secret has signed: has that secret ended (`not_after`)?",
    ),
    ("budget", "one message costs more than `budget.cap` of the bot allows"),
];

/// What helps against a failure of this upstream, if anything is known.
pub(super) fn advice(word: &str, upstream: &str) -> Option<String> {
    let (_, advice) = ADVICE.iter().find(|(known, _)| *known == word)?;
    // A receiver's name is its table's already.
    let table = match upstream.starts_with("bots.") {
        true => upstream.to_owned(),
        false => format!("upstreams.{upstream}"),
    };
    let advice = advice.replace("upstreams.NAME", &table);
    Some(advice.replace("NAME", upstream))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::client;
    use crate::proxy::reject;

    /// One message alone never waits for a connection.
    const NEVER: &str = "queue";

    #[test]
    fn there_is_advice_for_all_that_an_upstream_can_fail_at() {
        let reasons = reject::REASONS.iter();
        let of_ais =
            reasons.filter(|reason| reason.starts_with("ai_") || reason.starts_with("answer_"));
        for word in client::ERROR_WORDS.iter().chain(of_ais) {
            assert_eq!(advice(word, "x").is_none(), *word == NEVER, "{word}");
        }
    }

    #[test]
    fn there_is_no_advice_for_what_cannot_happen() {
        for (word, _) in ADVICE {
            let real = client::ERROR_WORDS.contains(word) || reject::REASONS.contains(word);
            assert!(real || ["unresolved", "upstream_broke_off"].contains(word), "{word}");
        }
    }
}
