//! A streamed answer as server-sent events: pieces of text as they come, then the whole reply with what it cost.

use super::Reply;
use crate::codec::dialect::common_parts::write;
use crate::codec::dialect::{Stream, default_error};
use crate::codec::message::Answer;
use serde::Serialize;

#[derive(Debug)]
pub(super) struct Events;

impl Stream for Events {
    fn delta(&self, text: &str, out: &mut Vec<u8>) {
        #[derive(Serialize)]
        struct Shape<'a> {
            delta: &'a str,
        }
        out.extend_from_slice(b"data: ");
        write(&Shape { delta: text }, out);
        out.extend_from_slice(b"\n\n");
    }

    fn done(&self, answer: &Answer<'_>, out: &mut Vec<u8>) {
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
        write(
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

    fn broken(&self, sentence: &str, code: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: error\ndata: ");
        default_error(sentence, code, out);
        out.extend_from_slice(b"\n\n");
    }
}
