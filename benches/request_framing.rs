//! What checking a request's framing costs: heads short and long, a body that is only counted, chunks that are followed byte by byte.

use botgate::net::request_framing::{Checked, RequestFraming};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;

/// A POST with `fields` fields besides Host, each `width` bytes long, the last one for the framing.
fn head(fields: usize, width: usize, framing: &str) -> Vec<u8> {
    let mut head = "POST /hooks/support HTTP/1.1\r\nHost: bots.example:8443\r\n".to_owned();
    for number in 0..fields.saturating_sub(1) {
        head += &format!("X-Field-{number:02}: {}\r\n", "v".repeat(width));
    }
    (head + framing + "\r\n\r\n").into_bytes()
}

/// 16 KiB in chunks of `size` bytes.
fn chunks(size: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for piece in [b'x'; 16 * 1024].chunks(size) {
        body.extend(format!("{:x}\r\n", piece.len()).bytes());
        body.extend(piece);
        body.extend(b"\r\n");
    }
    body.extend(b"0\r\n\r\n");
    body
}

fn bench(criterion: &mut Criterion) {
    let chunked = "Transfer-Encoding: chunked";
    let cases = [
        ("head, 8 fields", head(7, 24, "Content-Length: 0")),
        ("head, 60 fields", head(59, 120, "Content-Length: 0")),
        ("16 KiB", [head(7, 24, "Content-Length: 16384"), vec![b'x'; 16384]].concat()),
        ("16 KiB in chunks of 4 KiB", [head(7, 24, chunked), chunks(4096)].concat()),
        ("16 KiB in chunks of 16 B", [head(7, 24, chunked), chunks(16)].concat()),
    ];
    let mut group = criterion.benchmark_group("request_framing");
    for (name, message) in cases {
        group.throughput(Throughput::Bytes(message.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &message, |bencher, message| {
            let mut framing = RequestFraming::default();
            bencher.iter(|| {
                let checked = framing.check(black_box(message));
                assert_eq!(checked, Checked { bytes: message.len(), error: None });
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().without_plots().warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(400)).sample_size(20);
    targets = bench
}
criterion_main!(benches);
