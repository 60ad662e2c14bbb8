//! A header field of the configuration stands in the place of the one that an AI would get without it, not beside it.

use crate::harness::{Backend, Botgate};

#[test]
fn a_configured_field_goes_up_once_and_as_configured() {
    let ai =
        Backend::start(|_, connection| connection.answer("200 OK", "", b"{\"content\":\"hello\"}"));
    let botgate = Botgate::start(&format!(
        "[server]\nhttp = [\"127.0.0.1:0\"]\n[upstreams.ai]\nkind = \"custom\"\nurl = \"http://{}/chat\"\n\
         headers = {{ Accept = \"application/json\", User-Agent = \"ours\", X-Team = \"a, b\" }}\n\
         [bots.b]\ndialect = \"aibutler\"\nupstream = \"ai\"\nverify = {{ preset = \"none\" }}\n",
        ai.addr()
    ));
    let body = "{\"user_id\":\"u\",\"message\":\"m\"}";
    let reply = botgate.caller().call(
        format!(
            "POST /webhook/custom HTTP/1.1\r\nHost: h\r\nX-Request-Id: id-1\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    );
    assert_eq!(reply.status, 200, "{}", reply.text());
    let seen = ai.last();
    for (name, value) in [
        ("accept", "application/json"),
        ("user-agent", "ours"),
        ("x-team", "a, b"),
        ("x-request-id", "id-1"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(seen.header(name), [value], "{name}");
    }
}
