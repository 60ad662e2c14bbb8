//! What a request's line costs: on the worker the hand-over, on the logger's thread the formatting.

#![expect(clippy::unwrap_used, reason = "a bench has nobody to tell")]

use botgate::telemetry::access_log::format::Formatter;
use botgate::telemetry::access_log::{AccessLog, Destination, Format, Record, TruncatedText};
use criterion::{Criterion, criterion_group, criterion_main};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

fn record(bot: &Arc<str>) -> Record {
    Record {
        at_ms: 1_795_252_620_045,
        id: TruncatedText::new(b"00f1e2d3c4b5a697"),
        method: TruncatedText::new(b"POST"),
        path: TruncatedText::new(b"/slack/events"),
        peer: Some(IpAddr::from([203, 0, 113, 7])),
        bot: Some(Arc::clone(bot)),
        status: 200,
        bytes_in: 256,
        bytes_out: 1_234,
        duration_ns: 1_234_567,
        ..Record::default()
    }
}

fn bench(criterion: &mut Criterion) {
    let bot: Arc<str> = "bt_0123456789abcdef".into();
    let mut group = criterion.benchmark_group("access_log");
    for (name, format) in [("json", Format::Json), ("human", Format::Human)] {
        let (mut writer, record, mut out) =
            (Formatter::new(format), record(&bot), Vec::with_capacity(1024));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                writer.write(&record, &mut out);
                out.len()
            });
        });
    }
    let destination = Destination::Writer(Box::new(std::io::sink()));
    let (log, producers) = AccessLog::start(destination, Format::Json, 1).unwrap();
    group.bench_function("push", |bencher| bencher.iter(|| producers[0].push(record(&bot))));
    drop(log);
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(30);
    targets = bench
}
criterion_main!(benches);
