//! A streamed answer as server-sent events: pieces of text as they come, then the whole reply with what it cost.

use super::Reply;
use crate::codec::dialect::reply_parts::write_json;
use crate::codec::dialect::{StreamEncoder, StreamReceipt, default_error};
use crate::codec::message::Answer;
use serde::Serialize;

#[derive(Debug)]
pub(super) struct Events;

impl StreamEncoder for Events {
    fn delta(&self, text: &str, _: &StreamReceipt, out: &mut Vec<u8>) {
        #[derive(Serialize)]
        struct Shape<'a> {
            delta: &'a str,
        }
        out.extend_from_slice(b"data: ");
        write_json(&Shape { delta: text }, out);
        out.extend_from_slice(b"\n\n");
    }

    fn done(&self, answer: &Answer<'_>, _: &StreamReceipt, out: &mut Vec<u8>) {
        #[derive(Serialize)]
        struct Shape<'a> {
            #[serde(flatten)]
            reply: Reply<'a>,
            usage: Usage,
        }
        #[derive(Serialize)]
        struct Usage {
            input_tokens: u64,
            output_tokens: u64,
        }
        out.extend_from_slice(b"event: done\ndata: ");
        write_json(
            &Shape {
                reply: Reply::of(answer),
                usage: Usage {
                    input_tokens: answer.usage.input,
                    output_tokens: answer.usage.output,
                },
            },
            out,
        );
        out.extend_from_slice(b"\n\n");
    }

    fn error(&self, sentence: &str, code: &str, _: &StreamReceipt, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: error\ndata: ");
        default_error(sentence, code, out);
        out.extend_from_slice(b"\n\n");
    }
}
