//! Streams as AIs send them, right and wrong.

/// How a stream ends for the caller.
#[derive(Clone, Copy)]
pub(super) enum End {
    /// With this text, whole.
    Done(&'static str),
    /// With an error event, after this text.
    Broken(&'static str),
    /// The same, where the AI says that it has too much to do.
    Overloaded(&'static str),
    /// Before its first word, with this status and code.
    Refused(u16, &'static str),
}

/// A stream.
pub(super) struct Case {
    pub name: &'static str,
    pub kind: &'static str,
    pub bytes: &'static str,
    pub end: End,
}

const fn case(name: &'static str, kind: &'static str, bytes: &'static str, end: End) -> Case {
    Case { name, kind, bytes, end }
}

pub(super) const CASES: &[Case] = &[
    case(
        "OpenAI, CRLF, comments, characters of four bytes, choices empty",
        "openai",
        ": keep-alive\r\n\r\ndata: {\"choices\":[],\"prompt_filter_results\":[]}\r\n\r\n\
         data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\r\n\r\n\
         data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grüße \"},\"finish_reason\":null}],\"usage\":null}\r\n\r\n\
         : ping\r\n\
         data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"😀\\n\"},\"finish_reason\":null}]}\r\n\r\n\
         data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\r\n\r\n\
         data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\r\n\r\n\
         data: [DONE]\r\n\r\n",
        End::Done("Grüße 😀\n"),
    ),
    case(
        "OpenAI without a finish reason",
        "openai",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grü\"},\"finish_reason\":null}]}\n\n",
        End::Broken("Grü"),
    ),
    case(
        "OpenAI done without a finish reason",
        "openai",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grü\"},\"finish_reason\":null}]}\n\ndata: [DONE]\n\n",
        End::Broken("Grü"),
    ),
    case(
        "OpenAI with an error after the 200",
        "openai",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grü\"},\"finish_reason\":null}]}\n\n\
         data: {\"error\":{\"message\":\"The server had an error\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n",
        End::Broken("Grü"),
    ),
    case(
        "OpenAI cut at its tokens",
        "openai",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grü\"},\"finish_reason\":null}]}\n\n\
         data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n",
        End::Broken("Grü"),
    ),
    case(
        "OpenAI with an error for its first word",
        "openai",
        "data: {\"error\":{\"message\":\"The server had an error\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n",
        End::Refused(502, "upstream_error"),
    ),
    case("OpenAI with nothing", "openai", "data: [DONE]\n\n", End::Refused(502, "upstream_error")),
    case(
        "OpenAI with nonsense",
        "openai",
        "data: {\"choices\"\n\n",
        End::Refused(502, "upstream_error"),
    ),
    case(
        "Anthropic with pings, unknown events and blocks",
        "anthropic",
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\
         \"content\":[],\"model\":\"m\",\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":12,\"output_tokens\":1}}}\n\n\
         event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
         event: ping\ndata: {\"type\":\"ping\"}\n\n\
         event: weather\ndata: {\"type\":\"weather\",\"is\":\"fine\"}\n\n\
         event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Grüße \"}}\n\n\
         event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"😀\"}}\n\n\
         event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
         event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":3}}\n\n\
         event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        End::Done("Grüße 😀"),
    ),
    case(
        "Anthropic with an error after the 200",
        "anthropic",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Grü\"}}\n\n\
         event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
        End::Overloaded("Grü"),
    ),
    case(
        "Anthropic with an error for its first word",
        "anthropic",
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
        End::Refused(503, "overloaded"),
    ),
    case(
        "Anthropic that ends early",
        "anthropic",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Grü\"}}\n\n\
         event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        End::Broken("Grü"),
    ),
    case(
        "Anthropic that refuses",
        "anthropic",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"refusal\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":0}}\n\n\
         event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        End::Refused(502, "upstream_error"),
    ),
    case(
        "a custom backend in our own events",
        "custom",
        "data: {\"delta\":\"Grüße \"}\n\ndata: {\"delta\":\"😀\"}\n\nevent: done\n\
         data: {\"content\":\"Grüße 😀\",\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}\n\n",
        End::Done("Grüße 😀"),
    ),
    case(
        "a custom backend without its end",
        "custom",
        "data: {\"delta\":\"Grü\"}\n\n",
        End::Broken("Grü"),
    ),
    case(
        "a custom backend with an error",
        "custom",
        "data: {\"delta\":\"Grü\"}\n\nevent: error\ndata: {\"error\":\"oh\",\"code\":\"internal\"}\n\n",
        End::Broken("Grü"),
    ),
];
