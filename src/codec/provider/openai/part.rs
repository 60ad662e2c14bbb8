//! One part of a message as OpenAI takes it, or what is wrong with it.

use crate::codec::message::{File, Part, Role};
use crate::codec::provider::data_url::{self, DataUrl};
use crate::codec::provider::position::PartPosition;
use serde::{Serialize, Serializer};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Piece<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: Image<'a> },
    File { file: Upload<'a> },
    InputAudio { input_audio: Sound<'a> },
}

#[derive(Serialize)]
pub(super) struct Image<'a> {
    url: Url<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct Upload<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_data: Option<Url<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_id: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct Sound<'a> {
    data: &'a str,
    format: &'a str,
}

/// A URL; a `data:` URL is written anew, without what its media type had for parameters.
pub(super) enum Url<'a> {
    Web(&'a str),
    Data(&'a str, &'a str),
}

impl Serialize for Url<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Web(url) => serializer.serialize_str(url),
            Self::Data(kind, data) => {
                serializer.collect_str(&format_args!("data:{kind};base64,{data}"))
            }
        }
    }
}

/// The part as OpenAI takes it.
///
/// # Errors
/// What is wrong, in words for the caller.
pub(super) fn piece<'a>(part: &'a Part<'a>, spot: PartPosition) -> Result<Piece<'a>, String> {
    let taken = match part {
        Part::Text(text) => return Ok(Piece::Text { text }),
        _ if spot.role != Role::User => Err("only a user's message may hold more than text"),
        Part::Image { url, detail } => image(url, detail.as_deref()),
        Part::File { file, filename, mime_type } => {
            upload(file, filename.as_deref(), mime_type.as_deref())
        }
        Part::Audio { data, format } => sound(data, format),
    };
    taken.or_else(|what| {
        let text = spot.instead(what)?;
        Ok(Piece::Text { text })
    })
}

fn image<'a>(url: &'a str, detail: Option<&'a str>) -> Result<Piece<'a>, &'static str> {
    if detail.is_some_and(|detail| !["auto", "low", "high", "original"].contains(&detail)) {
        return Err("an image's detail is auto, low, high or original");
    }
    let url = match data_url::parse(url) {
        Some(data) => {
            let data = data?;
            let kind = data.image().ok_or("an image must be a PNG, JPEG, GIF or WebP")?;
            Url::Data(kind, data.data)
        }
        None if data_url::is_web(url) => Url::Web(url),
        None => return Err("an image's URL must be https:, http: or data:"),
    };
    Ok(Piece::ImageUrl { image_url: Image { url, detail } })
}

fn upload<'a>(
    file: &'a File<'a>,
    filename: Option<&'a str>,
    mime_type: Option<&'a str>,
) -> Result<Piece<'a>, &'static str> {
    let url = match file {
        File::Id(id) => {
            return Ok(Piece::File {
                file: Upload { filename: None, file_data: None, file_id: Some(id) },
            });
        }
        File::Url(url) => url,
    };
    let Some(data) = data_url::parse(url) else {
        return match mime_type {
            Some(kind) if data_url::is_image(kind) => image(url, None),
            _ => Err("this AI takes a file as a data: URL or by its id, not from elsewhere"),
        };
    };
    let DataUrl { media_type, data } = data?;
    if data_url::is_image(media_type) {
        return image(url, None);
    }
    // It is refused without a name.
    let name = match filename {
        Some(name) if !name.is_empty() => name,
        _ if media_type.eq_ignore_ascii_case("application/pdf") => "file.pdf",
        _ => "file",
    };
    Ok(Piece::File {
        file: Upload {
            filename: Some(name),
            file_data: Some(Url::Data(media_type, data)),
            file_id: None,
        },
    })
}

fn sound<'a>(data: &'a str, format: &'a str) -> Result<Piece<'a>, &'static str> {
    if !["wav", "mp3"].contains(&format) {
        return Err("audio must be wav or mp3");
    }
    Ok(Piece::InputAudio { input_audio: Sound { data, format } })
}
