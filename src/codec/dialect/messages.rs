//! The messages of a request: OpenAI's format (seed 003), text or parts, with the tools that were called.

use crate::codec::dialect::field::{self, Field, FieldError, Problem};
use crate::codec::json::{self, Value};
use crate::codec::message::{File, OneOrMany, Part, Role, Turn, TurnToolCall};
use std::borrow::Cow;

/// The most messages of a request.
const MAX_MESSAGES: usize = 1000;
/// The most parts of a message, and the most calls of an assistant's.
const MAX_PARTS: usize = 100;

const ROLES: [&str; 5] = ["system", "developer", "user", "assistant", "tool"];
const PARTS: [&str; 4] = ["text", "image_url", "file", "input_audio"];

/// Reads `messages`: at least one, the last a user's or a tool's. Empty texts say nothing and are left out.
pub(super) fn read<'b>(messages: &Field<'_, 'b>) -> Result<OneOrMany<Turn<'b>>, FieldError> {
    let Some(array) = messages.array(MAX_MESSAGES)? else {
        return Err(messages.fault(Problem::Missing));
    };
    let mut turns = OneOrMany::with_capacity(array.len());
    let mut last = Ok(());
    for (index, message) in array.iter().enumerate() {
        let inside = |fault: FieldError| fault.at(index).within("messages");
        let turn = turn(message).map_err(inside)?;
        last = match turn.role {
            Role::User | Role::Tool if turn.parts.is_empty() => {
                Err(inside(FieldError::new("content", Problem::Empty)))
            }
            Role::User | Role::Tool => Ok(()),
            Role::System | Role::Developer | Role::Assistant => Err(messages
                .fault(Problem::Invalid("a list whose last message is a user's or a tool's"))),
        };
        if !(turn.parts.is_empty() && turn.tool_calls.is_empty()) {
            turns.push(turn);
        }
    }
    if array.is_empty() {
        return Err(messages.fault(Problem::Empty));
    }
    last.map(|()| turns)
}

fn turn<'b>(message: Value<'_, 'b>) -> Result<Turn<'b>, FieldError> {
    let [role, content, calls, call_id] =
        field::fields(message, ["role", "content", "tool_calls", "tool_call_id"])?;
    let role_of = match role.text()?.as_ref() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        _ => return Err(role.fault(Problem::Unknown(&ROLES))),
    };
    let mut turn =
        Turn { role: role_of, parts: OneOrMany::new(), tool_calls: Vec::new(), tool_call_id: None };
    match role_of {
        Role::Tool => turn.tool_call_id = Some(call_id.word()?),
        Role::Assistant => turn.tool_calls = read_calls(&calls)?,
        Role::System | Role::Developer | Role::User => {}
    }
    if content.value().is_none() && turn.tool_calls.is_empty() {
        return Err(content.fault(Problem::Missing));
    }
    turn.parts = parts(&content)?;
    // A tool may give nothing, and its call is answered all the same.
    if role_of == Role::Tool && turn.parts.is_empty() {
        turn.parts.push(Part::Text(Cow::Borrowed("")));
    }
    Ok(turn)
}

fn parts<'b>(content: &Field<'_, 'b>) -> Result<OneOrMany<Part<'b>>, FieldError> {
    let mut parts = OneOrMany::new();
    let Some(value) = content.value() else {
        return Ok(parts);
    };
    if let Some(text) = json::str_of(value) {
        parts.extend((!text.is_empty()).then_some(Part::Text(Cow::Borrowed(text))));
        return Ok(parts);
    }
    if !value.is_array() {
        return Err(content.fault(Problem::Invalid("a string or an array of parts")));
    }
    for (index, value) in content.array(MAX_PARTS)?.iter().flatten().enumerate() {
        let part = part(value).map_err(|fault| fault.at(index).within("content"))?;
        if part != Part::Text(Cow::Borrowed("")) {
            parts.push(part);
        }
    }
    Ok(parts)
}

fn part<'b>(part: Value<'_, 'b>) -> Result<Part<'b>, FieldError> {
    let [kind, text, image, file, audio] =
        field::fields(part, ["type", "text", "image_url", "file", "input_audio"])?;
    match kind.text()?.as_ref() {
        "text" => match text.any_text()? {
            Some(text) => Ok(Part::Text(Cow::Borrowed(text))),
            None => Err(text.fault(Problem::Missing)),
        },
        "image_url" => {
            let [url, detail] = inside(&image, ["url", "detail"])?;
            let inside = |fault: FieldError| fault.within("image_url");
            Ok(Part::Image {
                url: url.text().map_err(inside)?,
                detail: detail.optional_word().map_err(inside)?,
            })
        }
        "file" => read_file(&file),
        "input_audio" => {
            let [data, format] = inside(&audio, ["data", "format"])?;
            let inside = |fault: FieldError| fault.within("input_audio");
            Ok(Part::Audio {
                data: data.text().map_err(inside)?,
                format: format.word().map_err(inside)?,
            })
        }
        _ => Err(kind.fault(Problem::Unknown(&PARTS))),
    }
}

/// The fields of a required object.
fn inside<'w, 'b, const N: usize>(
    object: &Field<'w, 'b>,
    names: [&'static str; N],
) -> Result<[Field<'w, 'b>; N], FieldError> {
    object.required()?;
    object.within(names)
}

/// A file: its bytes or its address, or the id that the AI's own service knows it by. Exactly one of them.
fn read_file<'b>(file: &Field<'_, 'b>) -> Result<Part<'b>, FieldError> {
    let names = ["url", "file_url", "file_data", "file_id", "filename", "mime_type"];
    let [url, file_url, data, id, filename, mime_type] = inside(file, names)?;
    let inside = |fault: FieldError| fault.within("file");
    let mut found = None;
    for (field, of) in [
        (url, File::Url as fn(Cow<'b, str>) -> File<'b>),
        (file_url, File::Url),
        (data, File::Url),
        (id, File::Id),
    ] {
        let text = field.optional_text().map_err(inside)?;
        if text.is_some() && found.is_some() {
            return Err(file.fault(Problem::Invalid(ONE_PLACE)));
        }
        found = found.or(text.map(of));
    }
    Ok(Part::File {
        file: found.ok_or_else(|| file.fault(Problem::Invalid(ONE_PLACE)))?,
        filename: filename.optional_word().map_err(inside)?,
        mime_type: mime_type.optional_word().map_err(inside)?,
    })
}

const ONE_PLACE: &str = "an object with one of file_data, file_id, file_url, url";

fn read_calls<'b>(calls: &Field<'_, 'b>) -> Result<Vec<TurnToolCall<'b>>, FieldError> {
    let calls = calls.array(MAX_PARTS)?;
    let calls = calls.iter().flatten().enumerate();
    calls
        .map(|(index, call)| {
            let within = |fault: FieldError| fault.at(index).within("tool_calls");
            let [id, function] = field::fields(call, ["id", "function"]).map_err(within)?;
            let [name, arguments] = inside(&function, ["name", "arguments"]).map_err(within)?;
            let in_function = |fault: FieldError| within(fault.within("function"));
            let text = arguments.any_text().map_err(in_function)?;
            Ok(TurnToolCall {
                id: id.word().map_err(within)?,
                name: name.word().map_err(in_function)?,
                arguments: Cow::Borrowed(text.unwrap_or_default()),
            })
        })
        .collect()
}
