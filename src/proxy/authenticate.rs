//! Whether a request may reach its bot: its origin, its address and its signature, and the limits that its head is charged to.

use crate::proxy::body::{ReceivedBody, receive};
use crate::proxy::bot::{BotMatch, Handler};
use crate::proxy::caller::Caller;
use crate::proxy::context::RequestContext;
use crate::proxy::cors;
use crate::proxy::rate_limit::charge_head;
use crate::proxy::reject::Reject;
use crate::proxy::worker::{ConfigSnapshot, Worker};
use crate::signature::{Proof, RequestHead, UnixTime};
use hyper::body::Incoming;
use std::net::IpAddr;
use std::rc::Rc;

/// A request as far as its head tells.
pub struct Authenticator<'a> {
    pub worker: &'a Worker,
    pub snapshot: &'a Rc<ConfigSnapshot>,
    pub caller: &'a Caller,
    /// The address behind trusted proxies.
    pub client: IpAddr,
    pub head: RequestHead<'a>,
}

/// The body that is to be verified.
pub enum Body<'a> {
    Unread(&'a mut Incoming),
    /// Read before, since it names the bot.
    Read(ReceivedBody),
}

impl Authenticator<'_> {
    /// Checks what a bot's settings say of origins and addresses, before anything is verified.
    ///
    /// # Errors
    /// [`Reject::Origin`], [`Reject::Address`].
    pub fn admit(&self, ctx: &mut RequestContext, found: &BotMatch<'_, '_>) -> Result<(), Reject> {
        let bot = found.bot;
        ctx.matched(self.snapshot, found);
        let forwards = matches!(bot.way, Handler::Forward(_));
        cors::check(bot.cors.as_ref(), forwards, self.head.headers)?;
        let allowed = &bot.allow_from;
        if allowed.is_empty() || allowed.iter().any(|net| net.contains(&self.client)) {
            Ok(())
        } else {
            Err(Reject::Address)
        }
    }

    /// Verifies the signature over the body, which is read meanwhile, and charges the limits of the head: before the body is read
    /// where the head alone proves the sender, otherwise once it is verified.
    ///
    /// A future of its own, so that the hash takes no room while the upstream is waited for.
    ///
    /// # Errors
    /// [`Reject::Unverified`], [`Reject::Limited`], and why the body could not be read.
    pub async fn verify(
        &self,
        ctx: &mut RequestContext,
        found: &BotMatch<'_, '_>,
        body: Body<'_>,
    ) -> Result<(ReceivedBody, Proof), Reject> {
        let now = UnixTime::from_millis(ctx.start_ms.cast_signed());
        let verifier = &found.bot.verifier;
        let mut check = verifier.begin(&self.head, now, found.id()).map_err(Reject::Unverified)?;
        let by_head = verifier.decided_by_head();
        if by_head {
            ctx.set_authenticated();
            self.charge_head(ctx, found)?;
        }
        let body = match body {
            Body::Unread(incoming) => {
                let registry = &self.snapshot.registry;
                let timer = &self.caller.timer;
                let update = |frame: &[u8]| check.update(frame);
                let body = receive(self.worker, timer, registry, incoming, update).await?;
                ctx.body_received(&body.frames);
                body
            }
            Body::Read(body) => {
                body.frames.iter().for_each(|frame| check.update(frame));
                body
            }
        };
        let proof = check.finish(&self.head, &body.frames).map_err(Reject::Unverified)?;
        ctx.verified(&proof, now.seconds());
        if !by_head {
            self.charge_head(ctx, found)?;
        }
        Ok((body, proof))
    }

    fn charge_head(
        &self,
        ctx: &mut RequestContext,
        found: &BotMatch<'_, '_>,
    ) -> Result<(), Reject> {
        charge_head(self.worker, found, ctx, self.client, self.head.headers)
    }
}
