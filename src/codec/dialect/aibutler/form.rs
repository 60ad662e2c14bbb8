//! The form that Twilio posts (<https://www.twilio.com/docs/messaging/guides/webhook-request>), decoded where it lies.

use super::{MAX_ATTACHMENTS, part, turns};
use crate::codec::dialect::Malformed;
use crate::codec::dialect::field::{FieldError, Problem};
use crate::codec::message::{Event, User};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The longest number, id or media type, in bytes.
const MAX_WORD: usize = 256;

/// What a form holds for us.
#[derive(Default)]
struct Form<'b> {
    from: Option<&'b str>,
    body: Option<&'b str>,
    message_id: Option<&'b str>,
    urls: [Option<&'b str>; MAX_ATTACHMENTS],
    types: [Option<&'b str>; MAX_ATTACHMENTS],
}

/// Reads one form. `From` is the user, `Body` the message, `MediaUrl0` and so on are its attachments.
pub(super) fn decode(body: &mut [u8]) -> Result<Event<'_>, Malformed> {
    let mut form = Form::default();
    for pair in body.split_mut(|&byte| byte == b'&') {
        let equals = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        let (name, value) = pair.split_at_mut(equals);
        let name = decoded(name)?;
        let value = decoded(value.get_mut(1..).unwrap_or_default())?;
        if let Some(place) = form.place(name)? {
            if place.is_some() {
                return Err(FieldError::new(name, Problem::Repeated).into());
            }
            *place = Some(value);
        }
    }
    Ok(event(&form)?)
}

impl<'b> Form<'b> {
    /// Where the value of the field of that name belongs; `None`: nobody asks for it.
    fn place(&mut self, name: &str) -> Result<Option<&mut Option<&'b str>>, FieldError> {
        Ok(match name {
            "From" => Some(&mut self.from),
            "Body" => Some(&mut self.body),
            "MessageSid" => Some(&mut self.message_id),
            _ => {
                let (front, places) = match name.starts_with("MediaUrl") {
                    true => ("MediaUrl", &mut self.urls),
                    false => ("MediaContentType", &mut self.types),
                };
                let number = name.strip_prefix(front).filter(|rest| plain(rest));
                let Some(number) = number else {
                    return Ok(None);
                };
                let place = number.parse().ok().and_then(|at: usize| places.get_mut(at));
                Some(
                    place
                        .ok_or_else(|| FieldError::new(front, Problem::TooMany(MAX_ATTACHMENTS)))?,
                )
            }
        })
    }
}

/// Digits without a zero in front.
fn plain(number: &str) -> bool {
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits && (number == "0" || !number.starts_with('0'))
}

fn event<'b>(form: &Form<'b>) -> Result<Event<'b>, FieldError> {
    let from = word("From", form.from)?.ok_or_else(|| FieldError::new("From", Problem::Missing))?;
    if from.is_empty() {
        return Err(FieldError::new("From", Problem::Empty));
    }
    // No media may be lost on the way: what has a type or a later neighbour has a URL too.
    let mut there = form.urls.iter().zip(&form.types);
    let count = there.rposition(|(url, kind)| url.or(*kind).is_some());
    let media = (0..count.map_or(0, |last| last + 1)).map(|at| {
        let url = form.urls[at].filter(|url| !url.is_empty());
        let url = url.ok_or_else(|| FieldError::new(&format!("MediaUrl{at}"), Problem::Missing))?;
        let kind = word("MediaContentType", form.types[at])?;
        // Where Twilio does not say what it is, it is what people send most.
        let kind = kind.filter(|kind| !kind.is_empty()).unwrap_or("image/*");
        Ok(part(Cow::Borrowed(url), Some(Cow::Borrowed(kind)), None))
    });
    Ok(Event {
        user: User {
            id: Some(Cow::Borrowed(from)),
            platform: Some(Cow::Borrowed("twilio-sms")),
            ..User::default()
        },
        message_id: word("MessageSid", form.message_id)?.map(Cow::Borrowed),
        turns: turns(form.body, "Body", media)?,
        metadata: RawValue::from_string(r#"{"platform":"twilio-sms"}"#.to_owned()).ok(),
        ..Event::default()
    })
}

fn word<'b>(name: &str, text: Option<&'b str>) -> Result<Option<&'b str>, FieldError> {
    match text.filter(|text| text.len() > MAX_WORD) {
        Some(_) => Err(FieldError::new(name, Problem::TooLong(MAX_WORD))),
        None => Ok(text),
    }
}

/// Undoes the encoding of `application/x-www-form-urlencoded` in place; a `%` without two digits stands for itself.
fn decoded(text: &mut [u8]) -> Result<&str, Malformed> {
    let (mut from, mut to) = (0, 0);
    while let Some(&byte) = text.get(from) {
        let mut code = [0];
        let digits = text.get(from + 1..from + 3).filter(|_| byte == b'%');
        let coded = digits.is_some_and(|digits| hex::decode_to_slice(digits, &mut code).is_ok());
        text[to] = match (coded, byte) {
            (true, _) => code[0],
            (false, b'+') => b' ',
            (false, byte) => byte,
        };
        from += if coded { 3 } else { 1 };
        to += 1;
    }
    std::str::from_utf8(&text[..to])
        .map_err(|_| Malformed(Cow::Borrowed("The body is not a valid form in UTF-8")))
}
