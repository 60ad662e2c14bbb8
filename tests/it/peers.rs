//! The seeds' own programs against the real binary, with nothing changed but the address; behind it the seed's own Flask backend.

use crate::harness::{Backend, Botgate, peer};
use serde_json::{Value, json};

/// Flask behind one bot of each dialect, each under the authentication that its programs know of.
fn served(flask: &peer::Server, more: &str) -> Botgate {
    Botgate::start(&format!(
        r#"
[server]
http = ["127.0.0.1:0"]
workers = 2

[upstreams.flask]
kind = "custom"
url = "{}/chat"

[bots.bt_abc123]
dialect = "aerostack"
upstream = "flask"
verify = {{ preset = "none" }}

[bots.butler]
dialect = "aibutler"
upstream = "flask"
verify = {{ secrets = ["the-vaults-secret"] }}

[bots.your-connection-id]
dialect = "fourthchat"
upstream = "flask"
verify = {{ secrets = ["YOUR_API_KEY"] }}
reply = {{ mode = "sync" }}

[bots.bot_456]
dialect = "chatbot-platform"
upstream = "flask"
verify = {{ secrets = ["YOUR_TOKEN"] }}

[bots.9U8JhxaBe8Fv8OtLq4KN]
dialect = "botpass"
verify = {{ preset = "none" }}
{more}
"#,
        flask.url
    ))
}

fn address(botgate: &Botgate) -> String {
    format!("http://{}", botgate.http())
}

#[test]
fn the_chat_clients_of_aerostack_work() {
    let flask = peer::Server::start("flask_backend.py");
    let botgate = served(&flask, "");
    let address = address(&botgate);
    for program in ["aerostack.ts", "aerostack.py"] {
        let args = [address.as_str(), "bt_abc123", "Hello! ü 😀", "user_1"];
        assert_eq!(peer::lines(program, &args), ["user_1 said: Hello! ü 😀"], "{program}");
    }
}

#[test]
fn a_client_of_ai_butler_works() {
    let flask = peer::Server::start("flask_backend.py");
    let botgate = served(&flask, "");
    let args = [&address(&botgate), "the-vaults-secret", "What's the weather?", "user-123"];
    let [first, second, refused] = &peer::values("aibutler.py", &args)[..] else {
        panic!("not three answers")
    };
    assert_eq!(first[0], 200);
    assert_eq!(first[1]["reply"], "user-123 said: What's the weather?");
    assert_eq!(first[1]["tool_calls"], json!([]));
    let session = first[1]["session_id"].as_str().unwrap();
    assert!(session.starts_with("sess-"), "{session}");
    assert_eq!(second[1]["session_id"], session, "of one conversation");
    assert_eq!(refused[0], 401);
    assert_eq!(refused[1]["code"], "unauthorized");
}

#[test]
fn the_worker_between_twilio_and_ai_butler_works() {
    let flask = peer::Server::start("flask_backend.py");
    let botgate = served(&flask, "");
    let args = [&address(&botgate), "the-vaults-secret", "Is it raining?", "+15551234567"];
    let answers = peer::values("worker.mjs", &args);
    assert_eq!(answers[0][0], 200);
    assert_eq!(answers[0][1]["reply"], "+15551234567 said: Is it raining?");
}

#[test]
fn twilio_needs_no_worker() {
    let flask = peer::Server::start("flask_backend.py");
    let botgate = Botgate::start(&format!(
        r#"
[server]
http = ["127.0.0.1:0"]
public_url = "https://bots.example"

[upstreams.flask]
kind = "custom"
url = "{}/chat"

[bots.sms]
dialect = "aibutler"
upstream = "flask"
verify = {{ preset = "twilio", secrets = ["the account's token"] }}
twiml = true
"#,
        flask.url
    ));
    let args = [
        &address(&botgate),
        "https://bots.example",
        "the account's token",
        "Tom & Jerry <3",
        "+15551234567",
    ];
    let answers = peer::values("twilio_form.py", &args);
    assert_eq!(answers[0][0], 200, "{answers:?}");
    assert_eq!(answers[0][2], json!(["+15551234567 said: Tom & Jerry <3 image_url"]));
    assert_eq!(answers[1], 401);
}

#[test]
fn a_caller_of_fourthchat_works() {
    let flask = peer::Server::start("flask_backend.py");
    let botgate = served(&flask, "");
    let args = [
        &address(&botgate),
        "YOUR_API_KEY",
        "your-connection-id",
        "Hello, I need help!",
        "user-123",
    ];
    let answers = peer::values("fourthchat.mjs", &args);
    let [status, body, same] = answers[0].as_array().unwrap().as_slice() else {
        panic!("{answers:?}")
    };
    assert_eq!(status, 200, "{body}");
    assert_eq!(same, true, "the receiver would sign other bytes: {body}");
    assert_eq!(body["connectionId"], "your-connection-id");
    assert_eq!(body["message"]["content"], "user-123 said: Hello, I need help!");
    assert_eq!(body["message"]["role"], "assistant");
    assert!(body["message"]["id"].is_string());
    assert!(body["conversationId"].as_str().unwrap().starts_with("conv-"));
    assert_eq!(body["userId"], "user-123");
    assert_eq!(body["metadata"]["email"], "john@example.com");
    assert!(body["timestamp"].as_str().unwrap().ends_with('Z'), "{}", body["timestamp"]);
}

#[test]
fn the_chatbot_platform_and_its_flask_backend_work() {
    let flask = peer::Server::start("flask_backend.py");
    let botgate = served(&flask, "");
    let args = [&address(&botgate), "YOUR_TOKEN", "bot_456", "What's in this image?"];
    let [text, image, refused] = &peer::values("chatbot_platform.py", &args)[..] else {
        panic!("not three answers")
    };
    assert_eq!(text[0], 200, "{text}");
    assert_eq!(text[1]["content"], "user_123 said: What's in this image?");
    // What the platform sent reaches the backend whole, and nothing else does.
    let asked = &text[1]["metadata"]["asked"];
    assert_eq!(asked["messages"].as_array().unwrap().len(), 3);
    assert_eq!(asked["conversation_id"], "conv_abc123");
    assert_eq!(
        asked["user"],
        json!({"id": "user_123", "platform": "telegram", "name": "John Doe", "username": "johndoe"})
    );
    assert_eq!(asked["bot"], json!({"id": "bot_456", "name": "Support Bot"}));
    assert_eq!(asked["metadata"]["chat_id"], "123456789");
    assert_eq!(image[1]["content"], "user_123 said: What's in this image? image_url");
    assert_eq!(refused[0], 401);
    assert_eq!(refused[1]["code"], "unauthorized");
}

#[test]
fn a_bot_of_botpass_works() {
    let flask = peer::Server::start("flask_backend.py");
    let botgate = served(&flask, "");
    let done = json!([200, {"success": true, "message": "Webhook processed successfully"}]);
    let missing = json!([400, {"success": false, "message": "Missing botId in webhook payload"}]);
    let args = [&address(&botgate), "9U8JhxaBe8Fv8OtLq4KN"];
    assert_eq!(peer::values("botpass.py", &args), [done.clone(), done, missing]);
}

/// What a page of its own origin says after it has asked a bot whose `cors` is as given.
fn page(cors: &str, origin: &Backend) -> Vec<Value> {
    let ai = Backend::start(|_, connection| {
        connection.answer(
            "200 OK",
            "Content-Type: application/json\r\n",
            br#"{"content":"Hello, page!"}"#,
        )
    });
    let botgate = Botgate::start(&format!(
        r#"
[server]
http = ["127.0.0.1:0"]

[upstreams.ai]
kind = "custom"
url = "http://{}"

[bots.web]
dialect = "aerostack"
upstream = "ai"
verify = {{ preset = "bearer", secrets = ["page-token"] }}
{cors}
"#,
        ai.addr()
    ));
    let browser = peer::installed("browser");
    let args = [
        browser.to_str().unwrap(),
        &format!("http://{}/", origin.addr()),
        &address(&botgate),
        "web",
        "page-token",
    ];
    let said = peer::values("browser.mjs", &args);
    assert_eq!(
        ai.count(),
        usize::from(!cors.is_empty() && !cors.contains("other")),
        "what a browser keeps from a page must not have been asked either"
    );
    said
}

#[test]
fn a_page_of_another_origin_chats_with_cors_and_is_refused_without() {
    let origin = Backend::start(|_, connection| {
        let page = std::fs::read(peer::file("page.html")).unwrap();
        connection.answer("200 OK", "Content-Type: text/html; charset=utf-8\r\n", &page)
    });
    let own = format!("http://{}", origin.addr());
    let answered = json!(["200 Hello, page!", own]);
    let kept = json!(["kept from it: TypeError", own]);
    assert_eq!(page(&format!("cors = [\"{own}\"]"), &origin), [answered]);
    assert_eq!(page("cors = [\"https://other.example\"]", &origin), std::slice::from_ref(&kept));
    assert_eq!(page("", &origin), [kept]);
}
