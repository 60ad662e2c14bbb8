//! A streamed answer: an AI's stream in, the dialect's own events out, text as it comes.

use crate::clock;
use crate::codec::dialect::{StreamEncoder, StreamReceipt};
use crate::codec::message::{Answer, AnswerError, Usage};
use crate::codec::price::{MicroCents, Price};
use crate::codec::provider::sse::EventReader;
use crate::codec::provider::{Codec, StreamDecoder};
use crate::net::client::UpstreamBody;
use crate::net::client::breaker::{Breaker, Health};
use crate::proxy::reject::Reject;
use crate::state::budget::Reservation;
use bytes::Bytes;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// The longest text of a streamed answer, in bytes.
const MAX_TEXT: usize = 4 * 1024 * 1024;

type OnComplete = Box<dyn FnOnce(&str)>;

/// A streamed answer that has begun: its first words are there.
pub struct StreamingAnswer {
    body: UpstreamBody,
    events: EventReader,
    deltas: Box<dyn StreamDecoder>,
    stream: &'static dyn StreamEncoder,
    receipt: StreamReceipt,
    /// All text so far, and how much of it has gone out.
    text: String,
    sent: usize,
    price: Option<Price>,
    reservation: Option<Reservation>,
    /// How it ended: with what usage, or why not.
    outcome: Option<Result<Usage, Reject>>,
    /// The last event, still to go out.
    last: Option<Bytes>,
    /// Learns of the AI's health at the end.
    breaker: Option<Arc<Breaker>>,
    /// Gets the whole text at the end, unless the answer broke off.
    on_complete: Option<OnComplete>,
}

impl fmt::Debug for StreamingAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamingAnswer").field("sent", &self.sent).finish()
    }
}

impl StreamingAnswer {
    /// Waits for the first words: until they are there another AI can still be asked instead.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn open(
        body: UpstreamBody,
        codec: &dyn Codec,
        stream: &'static dyn StreamEncoder,
        receipt: StreamReceipt,
        price: Option<Price>,
        reservation: Option<Reservation>,
    ) -> Result<Box<Self>, Reject> {
        let mut answer = Box::new(Self {
            body,
            events: EventReader::default(),
            deltas: codec.stream_decoder(),
            stream,
            receipt,
            text: String::new(),
            sent: 0,
            price,
            reservation,
            outcome: None,
            last: None,
            breaker: None,
            on_complete: None,
        });
        poll_fn(|cx| {
            while answer.text.is_empty() && answer.outcome.is_none() {
                ready!(answer.poll_more(cx));
            }
            Poll::Ready(())
        })
        .await;
        match answer.outcome.take() {
            Some(Err(reject)) if answer.text.is_empty() => Err(reject),
            outcome => {
                answer.outcome = outcome;
                Ok(answer)
            }
        }
    }

    /// Has the AI's breaker learn how it ends.
    pub fn report_health_to(&mut self, breaker: Arc<Breaker>) {
        self.breaker = Some(breaker);
        self.record_health();
    }

    /// Has `remember` get the whole text once the AI has said all of it. Where the answer breaks off, or its caller leaves before
    /// that, it is dropped.
    pub fn on_complete(&mut self, remember: OnComplete) {
        self.on_complete = Some(remember);
        self.complete();
    }

    fn complete(&mut self) {
        if let Some(Ok(_)) = &self.outcome
            && let Some(remember) = self.on_complete.take()
        {
            remember(&self.text);
        }
    }

    fn record_health(&mut self) {
        let health = match &self.outcome {
            Some(Ok(_)) => Health::Success,
            Some(Err(reject)) => reject.health(),
            None => return,
        };
        if let Some(breaker) = self.breaker.take() {
            breaker.record(health, clock::now());
        }
    }

    /// The next events for the caller, `None` at the end.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if self.sent < self.text.len() {
                let mut piece = Vec::new();
                let text = self.text.get(self.sent..).unwrap_or_default();
                if self.sent == 0 {
                    self.stream.begin(&self.receipt, &mut piece);
                }
                self.stream.delta(text, &self.receipt, &mut piece);
                self.sent = self.text.len();
                return Poll::Ready(Some(piece.into()));
            }
            if self.outcome.is_some() {
                return Poll::Ready(self.last.take());
            }
            ready!(self.poll_more(cx));
        }
    }

    /// Whether the last event has gone out.
    pub fn is_over(&self) -> bool {
        self.outcome.is_some() && self.sent == self.text.len() && self.last.is_none()
    }

    /// How it ended: what it cost in tokens and money, or the word for why it broke off.
    pub fn outcome(&self) -> Result<(Usage, MicroCents), &'static str> {
        match &self.outcome {
            Some(Ok(usage)) => Ok((*usage, self.cost(*usage))),
            Some(Err(reject)) => Err(reject.describe().reason),
            None => Err("caller_gone"),
        }
    }

    /// Reads one more piece from the AI and takes the events in it.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let polled = match &mut self.body {
            UpstreamBody::Whole(bytes) if bytes.is_empty() => None,
            UpstreamBody::Whole(bytes) => Some(Ok(std::mem::take(bytes))),
            UpstreamBody::Streaming(body) => ready!(body.poll_data(cx)),
        };
        let piece = match polled {
            Some(Ok(piece)) => piece,
            Some(Err(error)) => {
                self.end(Err(Reject::Upstream(error)));
                return Poll::Ready(());
            }
            None => {
                let ended = self.deltas.end().map_err(Reject::Answer);
                self.end(ended);
                return Poll::Ready(());
            }
        };
        let (deltas, text) = (&mut self.deltas, &mut self.text);
        let taken = self.events.feed(&piece, |name, data| {
            deltas.event(name, data, text)?;
            if text.len() > MAX_TEXT {
                return Err(AnswerError::Invalid("it is too long"));
            }
            Ok(())
        });
        if let Err(fault) = taken {
            self.end(Err(Reject::Answer(fault)));
        }
        Poll::Ready(())
    }

    fn end(&mut self, ended: Result<Answer<'static>, Reject>) {
        let mut last = Vec::new();
        if self.text.is_empty() {
            self.stream.begin(&self.receipt, &mut last);
        }
        self.outcome = Some(match ended {
            Ok(mut answer) => {
                answer.text = self.text.clone().into();
                self.stream.done(&answer, &self.receipt, &mut last);
                Ok(answer.usage)
            }
            Err(reject) => {
                let code = reject.describe().code;
                self.stream.error(&reject.sentence(), code, &self.receipt, &mut last);
                Err(reject)
            }
        });
        self.last = Some(last.into());
        self.record_health();
        self.complete();
        self.settle();
    }

    fn cost(&self, usage: Usage) -> MicroCents {
        self.price.map_or(0, |price| price.of(usage))
    }

    /// Settles the reservation with the usage that the AI told at the end. Without an end the usage is unknown and the reservation
    /// stays spent: the text broke off, the AI may still be at work, or the caller has gone.
    fn settle(&mut self) {
        let cost = self.cost(self.deltas.usage());
        let begun = !self.text.is_empty();
        let unknown = match &self.outcome {
            Some(Err(Reject::Upstream(error))) => begun || error.timed_out_after_send(),
            Some(Err(Reject::Answer(AnswerError::Interrupted | AnswerError::Invalid(_)))) => begun,
            _ => false,
        };
        if let Some(reservation) = self.reservation.take()
            && !unknown
        {
            reservation.settle(cost);
        }
    }
}

/// A whole answer as the events of a stream, for an AI that did not stream.
pub fn whole_as_stream(
    answer: &Answer<'_>,
    encoder: &dyn StreamEncoder,
    receipt: &StreamReceipt,
) -> Bytes {
    let mut out = Vec::new();
    encoder.begin(receipt, &mut out);
    if !answer.text.is_empty() {
        encoder.delta(&answer.text, receipt, &mut out);
    }
    encoder.done(answer, receipt, &mut out);
    out.into()
}
