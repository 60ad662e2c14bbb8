//! An answer on its way piece by piece: an AI's stream in, our own server-sent events out, text as it comes.
//!
//! Out goes `data: {"delta":"…"}` for each piece of text, at the end `event: done` with the whole (`content`, `metadata`, `usage`),
//! or `event: error` with an error body where the stream breaks.

use crate::budget::Reservation;
use crate::client::Received;
use crate::message::{Answer, Attachment, Fault, Usage};
use crate::money::{MicroCents, Price};
use crate::reject::Reject;
use crate::upstream::sse::Events;
use crate::upstream::{Codec, Deltas};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

/// The longest text of a streamed answer, in bytes.
const TEXT_MAX: usize = 4 * 1024 * 1024;

/// A streamed answer that has begun: its first words are there.
pub struct Speech {
    body: Received,
    events: Events,
    deltas: Box<dyn Deltas>,
    /// All text so far, and how much of it has gone out.
    text: String,
    told: usize,
    price: Option<Price>,
    reservation: Option<Reservation>,
    /// How it ended: with what usage, or why not.
    fate: Option<Result<Usage, Reject>>,
    /// The last event, still to go out.
    last: Option<Bytes>,
}

impl fmt::Debug for Speech {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Speech").field("told", &self.told).finish()
    }
}

impl Speech {
    /// Waits for the first words: until they are there another AI can still be asked instead.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn open(
        body: Received,
        codec: &dyn Codec,
        price: Option<Price>,
        reservation: Option<Reservation>,
    ) -> Result<Box<Self>, Reject> {
        let mut speech = Box::new(Self {
            body,
            events: Events::default(),
            deltas: codec.stream(),
            text: String::new(),
            told: 0,
            price,
            reservation,
            fate: None,
            last: None,
        });
        poll_fn(|cx| {
            while speech.text.is_empty() && speech.fate.is_none() {
                ready!(speech.poll_more(cx));
            }
            Poll::Ready(())
        })
        .await;
        match speech.fate.take() {
            Some(Err(reject)) if speech.text.is_empty() => {
                speech.settle();
                Err(reject)
            }
            fate => {
                speech.fate = fate;
                Ok(speech)
            }
        }
    }

    /// The next events for the caller, `None` at the end.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if self.told < self.text.len() {
                let piece = delta(self.text.get(self.told..).unwrap_or_default());
                self.told = self.text.len();
                return Poll::Ready(Some(piece));
            }
            if self.fate.is_some() {
                return Poll::Ready(self.last.take());
            }
            ready!(self.poll_more(cx));
        }
    }

    /// Whether the last event has gone out.
    pub fn is_over(&self) -> bool {
        self.fate.is_some() && self.told == self.text.len() && self.last.is_none()
    }

    /// How it ended: what it cost in tokens and money, or the word for why it broke off.
    pub fn fate(&self) -> Result<(Usage, MicroCents), &'static str> {
        match &self.fate {
            Some(Ok(usage)) => Ok((*usage, self.cost(*usage))),
            Some(Err(reject)) => Err(reject.face().reason),
            None => Err("caller_gone"),
        }
    }

    /// Reads one more piece from the AI and takes the events in it.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let polled = match &mut self.body {
            Received::Whole(bytes) if bytes.is_empty() => None,
            Received::Whole(bytes) => Some(Ok(std::mem::take(bytes))),
            Received::Streaming(body) => ready!(body.poll_data(cx)),
        };
        let piece = match polled {
            Some(Ok(piece)) => piece,
            Some(Err(error)) => return Poll::Ready(self.end(Err(Reject::Upstream(error)))),
            None => {
                let ended = self.deltas.end().map_err(Reject::Answer);
                return Poll::Ready(self.end(ended));
            }
        };
        let (deltas, text) = (&mut self.deltas, &mut self.text);
        let taken = self.events.feed(&piece, |name, data| {
            deltas.event(name, data, text)?;
            if text.len() > TEXT_MAX {
                return Err(Fault::Senseless("it is too long"));
            }
            Ok(())
        });
        if let Err(fault) = taken {
            self.end(Err(Reject::Answer(fault)));
        }
        Poll::Ready(())
    }

    fn end(&mut self, ended: Result<Answer<'static>, Reject>) {
        self.last = Some(match &ended {
            Ok(answer) => done(&self.text, answer),
            Err(reject) => broke_off(reject),
        });
        self.fate = Some(ended.map(|answer| answer.usage));
        self.settle();
    }

    fn cost(&self, usage: Usage) -> MicroCents {
        self.price.map_or(0, |price| price.of(usage))
    }

    /// Pays for what has come, or as far as that is known, what it must have cost at least.
    fn settle(&mut self) {
        let cost = self.cost(self.deltas.usage());
        if let Some(reservation) = self.reservation.take() {
            reservation.settle(cost);
        }
    }
}

impl Drop for Speech {
    /// A caller that leaves pays for what it has heard.
    fn drop(&mut self) {
        self.settle();
    }
}

/// A whole answer as the events of a stream, for an AI that did not stream.
pub fn at_once(answer: &Answer<'_>) -> Bytes {
    [delta(&answer.text), done(&answer.text, answer)]
        .concat()
        .into()
}

fn delta(text: &str) -> Bytes {
    #[derive(Serialize)]
    struct Delta<'a> {
        delta: &'a str,
    }
    event("", &Delta { delta: text })
}

fn done(text: &str, answer: &Answer<'_>) -> Bytes {
    #[derive(Serialize)]
    struct Done<'a> {
        content: &'a str,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        attachments: &'a [Attachment<'a>],
        #[serde(skip_serializing_if = "Option::is_none")]
        metadata: Option<&'a RawValue>,
        usage: Tokens,
    }
    #[derive(Serialize)]
    struct Tokens {
        input_tokens: u64,
        output_tokens: u64,
    }
    let done = Done {
        content: text,
        attachments: &answer.attachments,
        metadata: answer.metadata.as_deref(),
        usage: Tokens {
            input_tokens: answer.usage.input,
            output_tokens: answer.usage.output,
        },
    };
    event("done", &done)
}

fn broke_off(reject: &Reject) -> Bytes {
    let mut body = Vec::from(&b"event: error\ndata: "[..]);
    crate::dialect::default_error(&reject.sentence(), reject.face().code, &mut body);
    body.extend_from_slice(b"\n\n");
    body.into()
}

fn event(name: &str, data: &impl Serialize) -> Bytes {
    let mut out = Vec::new();
    if !name.is_empty() {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    // Writing into a Vec does not fail, and JSON has no line feeds of its own.
    let _ = serde_json::to_writer(&mut out, data);
    out.extend_from_slice(b"\n\n");
    out.into()
}
