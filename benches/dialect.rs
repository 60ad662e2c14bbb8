//! What a dialect costs: each one's own sample read, an answer written, and the id found in a body that nothing is known of.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a bench that would measure the wrong thing must stop"
)]

use botgate::codec::dialect::{BotIdLocation, Chat, DIALECTS, Format, Receipt, body_id};
use botgate::codec::message::{Answer, Event, Usage};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;

/// Decodes a copy of `body`, as the line does, and hands the message on.
fn decode<T>(
    chat: &dyn Chat,
    body: &str,
    scratch: &mut Vec<u8>,
    see: impl FnOnce(&Event<'_>) -> T,
) -> T {
    scratch.clear();
    scratch.extend_from_slice(body.as_bytes());
    see(&chat.decode(Format::Json, scratch).unwrap())
}

fn reply(chat: &dyn Chat, event: &Event<'_>, answer: &Answer<'_>, out: &mut Vec<u8>) {
    out.clear();
    let receipt = Receipt {
        bot: "bt_support",
        event,
        conversation: "0123456789abcdef0123456789abcdef",
        message_id: "0123456789abcdef",
        now_ms: 1_760_000_000_000,
        model: None,
        latency_ms: 2340,
        micro_cents: 163_250,
        xml: false,
    };
    chat.encode(black_box(answer), &receipt, out);
}

fn bench(criterion: &mut Criterion) {
    let answer = Answer {
        text: "Order #12345 is currently being shipped. The estimated delivery is March 17th."
            .into(),
        usage: Usage { input: 485, output: 42 },
        ..Answer::default()
    };
    let (mut scratch, mut out) = (Vec::new(), Vec::new());
    let mut counted = Vec::new();
    let mut group = criterion.benchmark_group("dialect");
    for dialect in DIALECTS {
        let Some(chat) = dialect.chat else {
            continue;
        };
        let body = dialect.test_message.body_for("bt_support", Some("Support Bot"));
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("{}/decode", dialect.name), |bencher| {
            bencher.iter(|| {
                decode(chat, black_box(&body), &mut scratch, |event| black_box(event.turns.len()))
            });
        });
        decode(chat, &body, &mut scratch, |event| {
            group.throughput(Throughput::Elements(1));
            group.bench_function(format!("{}/encode", dialect.name), |bencher| {
                bencher.iter(|| reply(chat, event, &answer, &mut out));
            });
        });
        if let BotIdLocation::Body(field) = dialect.bot_id {
            let frames = [Bytes::from(body.clone())];
            group.throughput(Throughput::Bytes(body.len() as u64));
            group.bench_function(format!("{}/id", dialect.name), |bencher| {
                bencher.iter(|| black_box(body_id(field, black_box(&frames)).unwrap().len()));
            });
        }
        let info = allocation_counter::measure(|| {
            decode(chat, &body, &mut scratch, |event| {
                reply(chat, event, &answer, &mut out);
            });
        });
        counted.push((dialect.name, info.count_total, info.bytes_total));
    }
    group.finish();
    for (name, count, bytes) in counted {
        eprintln!("dialect/{name}: {count} allocations, {bytes} bytes a message and its answer");
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().without_plots().warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(400)).sample_size(10);
    targets = bench
}
criterion_main!(benches);
