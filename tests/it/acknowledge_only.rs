//! What is only acknowledged: it asks no AI and waits for none.

use crate::harness::{After, Backend, Botgate, Monitor};

const BOT: &str = "dialect = \"botpass\"\nverify = { preset = \"none\" }";

fn report(kind: &str) -> Vec<u8> {
    let body = format!(
        "{{\"botId\":\"b\",\"messageType\":\"{kind}\",\"content\":\"c\",\"data\":{{\"userId\":\"u\"}}}}"
    );
    format!(
        "POST /api/webhook/incoming HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[test]
fn a_status_does_not_wait_for_the_answer_to_a_message() {
    let open = Monitor::new(false);
    let gate = open.clone();
    let ai = Backend::start(move |_, connection| {
        gate.wait("the status is acknowledged", |open| *open);
        connection.answer("200 OK", "", b"{\"content\":\"at last\"}");
        After::Keep
    });
    let botgate = Botgate::start(&format!(
        "[server]\nhttp = [\"127.0.0.1:0\"]\n[upstreams.ai]\nkind = \"custom\"\nurl = \"http://{}/chat\"\n\
         [bots.b]\n{BOT}\nupstream = \"ai\"\n",
        ai.addr()
    ));
    let mut caller = botgate.caller();
    caller.send(&report("message"));
    ai.witnessed().wait("the message", |ai| ai.seen.len() == 1);
    for kind in ["status", "error", "event"] {
        assert_eq!(botgate.caller().call(&report(kind)).status, 200, "{kind}");
    }
    open.change(|open| *open = true);
    assert_eq!(caller.reply().status, 200);
    assert_eq!(ai.count(), 1);
}
