//! The dialects as their callers see them: a bot's table and a right request.

/// One dialect.
pub(super) struct Dialect {
    pub name: &'static str,
    /// `{bot}` stands for the bot's id.
    path: &'static str,
    /// A right body.
    body: &'static str,
    /// A body that names its bot, where bodies do, and lacks all else.
    bare: &'static str,
    /// Lines of its table beside `dialect` and `verify`.
    lines: &'static str,
}

/// All that answer by an AI.
pub(super) const DIALECTS: &[Dialect] = &[
    Dialect {
        name: "aerostack",
        path: "/api/bots/webhook/custom/{bot}",
        body: r#"{"text":"hello","user_id":"u","channel_id":"c"}"#,
        bare: "{}",
        lines: "",
    },
    Dialect {
        name: "aibutler",
        path: "/butler/{bot}",
        body: r#"{"user_id":"u","message":"hello"}"#,
        bare: "{}",
        lines: "path = \"/butler/{bot}\"",
    },
    Dialect {
        name: "fourthchat",
        path: "/api/webhooks/incoming",
        body: r#"{"connectionId":"{bot}","message":"hello","userId":"u"}"#,
        bare: r#"{"connectionId":"{bot}"}"#,
        lines: "reply = { mode = \"sync\" }",
    },
    Dialect {
        name: "chatbot-platform",
        path: "/chat/{bot}",
        body: r#"{"messages":[{"role":"user","content":"hello"}]}"#,
        bare: "{}",
        lines: "",
    },
    Dialect {
        name: "botpass",
        path: "/api/webhook/incoming",
        body: r#"{"botId":"{bot}","messageType":"message","content":"hello"}"#,
        bare: r#"{"botId":"{bot}"}"#,
        lines: "",
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

    pub(super) fn path(&self, bot: &str) -> String {
        self.path.replace("{bot}", bot)
    }

    /// A request to a bot; in a body that is given, `{BOT}` stands for one that names the bot and nothing else.
    pub(super) fn request(&self, bot: &str, headers: &str, body: Option<&str>) -> Vec<u8> {
        let body = body
            .map_or(self.body.to_owned(), |body| {
                // A body that names no bot is refused for that alone, where bodies name it.
                body.replace("{BOT}", self.bare)
            })
            .replace("{bot}", bot);
        format!(
            "POST {} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nAuthorization: Bearer right\r\n{headers}\
             Content-Length: {}\r\n\r\n{body}",
            self.path(bot),
            body.len()
        )
        .into_bytes()
    }
}
