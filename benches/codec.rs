//! What a codec costs: a short question asked and its answer read, a question with a window of 20, and a stream. The allocations of
//! each are counted first.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a bench that would measure the wrong thing must stop"
)]

use botgate::codec::message::{Event, ProviderRequest, Role, Turn, User};
use botgate::codec::provider::sse::EventReader;
use botgate::codec::provider::{CODECS, Codec};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use std::hint::black_box;

const TEXT: &str = "What is the status of order #12345? I have been waiting for it since Monday.";

/// An answer of 200 or so bytes, in each codec's own words.
fn answer(codec: &str) -> String {
    let text = "Order #12345 is currently being shipped. It was dispatched on March 14th and the estimated delivery is March 17th.";
    match codec {
        "openai" => format!(
            r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1795230743,"model":"gpt-x","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15,"prompt_tokens_details":{{"cached_tokens":0}}}},"service_tier":"default","system_fingerprint":null}}"#
        ),
        "anthropic" => format!(
            r#"{{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":12,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":3}}}}"#
        ),
        _ => format!(r#"{{"content":"{text}","usage":{{"input_tokens":12,"output_tokens":3}}}}"#),
    }
}

fn event() -> Event<'static> {
    Event {
        user: User { id: Some("user_abc123".into()), name: Some("Jane".into()), ..User::default() },
        channel: Some("channel_main".into()),
        turns: [Turn::text(Role::User, TEXT)].into_iter().collect(),
        ..Event::default()
    }
}

fn ask<'a>(event: &'a Event<'a>, history: &'a [Turn<'a>]) -> ProviderRequest<'a> {
    ProviderRequest {
        bot: "bt_support",
        bot_name: Some("Support Bot"),
        conversation: Some("6f1c0e9a6f1c0e9a6f1c0e9a6f1c0e9a"),
        model: Some("gpt-4o"),
        max_tokens: 4096,
        version: None,
        system: &["You are Acme's support bot."],
        history,
        event,
        stream: false,
    }
}

fn allocations(of: impl FnMut()) -> u64 {
    allocation_counter::measure(of).count_total
}

fn decode(codec: &dyn Codec, body: &mut [u8]) {
    assert!(!codec.decode(body).unwrap().text.is_empty());
}

fn codecs(criterion: &mut Criterion) {
    let event = event();
    let history: Vec<_> = [Role::User, Role::Assistant]
        .into_iter()
        .cycle()
        .map(|role| Turn::text(role, TEXT))
        .take(20)
        .collect();
    let mut out = Vec::with_capacity(64 * 1024);
    for codec in CODECS {
        let name = codec.name();
        let answer = answer(name).into_bytes();
        let mut body = answer.clone();
        decode(*codec, &mut body); // the thread's own buffers are there from the second time on
        body.copy_from_slice(&answer);
        out.clear();
        let asked = allocations(|| codec.encode(&ask(&event, &[]), &mut out).unwrap());
        let read = allocations(|| decode(*codec, &mut body));
        eprintln!("{name}: {asked} allocations to ask, {read} to read the answer");
        for (what, history) in [("ask", &[][..]), ("ask with 20 before", &history)] {
            criterion.bench_function(&format!("codec/{name}/{what}"), |bench| {
                bench.iter(|| {
                    out.clear();
                    codec.encode(black_box(&ask(&event, history)), &mut out).unwrap();
                });
            });
        }
        criterion.bench_function(&format!("codec/{name}/answer"), |bench| {
            bench.iter_batched_ref(
                || answer.clone(),
                |body| decode(*codec, body),
                BatchSize::SmallInput,
            );
        });
    }
}

fn stream(criterion: &mut Criterion) {
    let chunk = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-x","choices":[{"index":0,"delta":{"content":"A cat "},"finish_reason":null}],"usage":null}"#;
    let bytes = format!("{chunk}\n\n").repeat(100);
    let codec = botgate::codec::provider::find("openai").unwrap();
    criterion.bench_function("codec/openai/100 events", |bench| {
        bench.iter(|| {
            let (mut events, mut deltas) = (EventReader::default(), codec.stream_decoder());
            let mut text = String::new();
            events
                .feed(black_box(bytes.as_bytes()), |name, data| deltas.event(name, data, &mut text))
                .unwrap();
            assert_eq!(text.len(), 600);
        });
    });
}

criterion_group!(benches, codecs, stream);
criterion_main!(benches);
