//! The dialects as their callers see them: a bot's table and a right request.

/// One dialect.
pub(super) struct Dialect {
    pub name: &'static str,
    /// `{bot}` stands for the bot's id.
    path: &'static str,
    /// A right body; `{user}` stands for who sends it, with its quotes.
    body: &'static str,
    /// A body that names its bot, where bodies do, and lacks all else.
    bare: &'static str,
    /// Lines of its table beside `dialect` and `verify`.
    lines: &'static str,
    /// Messages bring no history along, so that a conversation is kept here.
    pub keeps: bool,
}

/// All that answer by an AI.
pub(super) const DIALECTS: &[Dialect] = &[
    Dialect {
        name: "aerostack",
        path: "/api/bots/webhook/custom/{bot}",
        body: r#"{"text":"hello","user_id":{user},"channel_id":"c"}"#,
        bare: "{}",
        lines: "",
        keeps: true,
    },
    Dialect {
        name: "aibutler",
        path: "/butler/{bot}",
        body: r#"{"user_id":{user},"message":"hello"}"#,
        bare: "{}",
        lines: "path = \"/butler/{bot}\"",
        keeps: true,
    },
    Dialect {
        name: "fourthchat",
        path: "/api/webhooks/incoming",
        body: r#"{"connectionId":"{bot}","message":"hello","userId":{user}}"#,
        bare: r#"{"connectionId":"{bot}"}"#,
        lines: "reply = { mode = \"sync\" }",
        keeps: true,
    },
    Dialect {
        name: "chatbot-platform",
        path: "/chat/{bot}",
        body: r#"{"messages":[{"role":"user","content":"hello"}],"user":{"id":{user}}}"#,
        bare: "{}",
        lines: "",
        keeps: false,
    },
    Dialect {
        name: "botpass",
        path: "/api/webhook/incoming",
        body: r#"{"botId":"{bot}","messageType":"message","content":"hello","data":{"userId":{user}}}"#,
        bare: r#"{"botId":"{bot}"}"#,
        lines: "",
        keeps: true,
    },
];

impl Dialect {
    /// The table of a bot whose bearer token is `right`.
    pub(super) fn bot(&self, id: &str, more: &str) -> String {
        format!(
            "[bots.{id}]\ndialect = \"{}\"\nverify = {{ preset = \"bearer\", secrets = [\"right\"] }}\n{}\n{more}\n\n",
            self.name,
            self.lines.replace("{bot}", id)
        )
    }

    /// The path of a bot.
    pub(super) fn path(&self, bot: &str) -> String {
        self.path.replace("{bot}", bot)
    }

    /// Whether the body names the bot, and not the path.
    pub(super) fn is_named_in_body(&self) -> bool {
        !self.path.contains("{bot}")
    }

    /// A right body from that user.
    pub(super) fn body(&self, bot: &str, user: &str) -> String {
        let user = serde_json::Value::from(user).to_string();
        self.body.replace("{bot}", bot).replace("{user}", &user)
    }

    /// A body that lacks all but the bot's name.
    pub(super) fn bare(&self, bot: &str) -> String {
        self.bare.replace("{bot}", bot)
    }

    /// A request to a bot with the right token; `headers` are whole lines.
    pub(super) fn request(&self, bot: &str, headers: &str, body: &str) -> Vec<u8> {
        format!(
            "POST {} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nAuthorization: Bearer right\r\n{headers}\
             Content-Length: {}\r\n\r\n{body}",
            self.path(bot),
            body.len()
        )
        .into_bytes()
    }
}
