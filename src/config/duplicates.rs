//! `duplicates`: where a delivery's id stands and how long it is remembered.

use super::parse::{self, ValueError};
use super::raw;
use super::reader::Reading;
use super::schema_types::shown;
use crate::proxy::bot::Duplicates;
use crate::signature::{FieldPath, IdSource, Scheme};
use std::time::Duration;

/// How long an id is remembered unless the file says otherwise.
const DEFAULT_WINDOW: Duration = Duration::from_secs(600);

/// What a bot does about repeated deliveries; by default what its scheme makes possible.
pub(crate) fn duplicates(
    reading: &mut Reading<'_>,
    bot: &str,
    written: Option<&raw::Duplicates>,
    schemes: &[Scheme],
) -> Option<Duplicates> {
    let at = format!("{bot}.duplicates");
    let of_scheme =
        schemes.iter().find_map(|scheme| Some((scheme.id_source()?.clone(), scheme.signs_id())));
    let (place, window_at, window) = match written {
        None => (of_scheme?, at, None),
        Some(raw::Duplicates::Window(text)) if text == "off" => return None,
        Some(raw::Duplicates::Window(text)) => {
            let window = reading.value(&at, Some(text), |text| {
                parse::duration(text).map_err(|wrong| {
                    ValueError::new(wrong.message, format!("{}, or \"off\"", wrong.fix))
                })
            })?;
            if of_scheme.is_none() {
                let message =
                    format!("`{}`: this bot's scheme has no delivery id to remember", shown(&at));
                reading.error(&at, message, "say where the id stands: duplicates = { by = \"header:Idempotency-Key\", window = \"10m\" }");
            }
            (of_scheme?, at, Some(window))
        }
        Some(raw::Duplicates::By(table)) => {
            let window_at = format!("{at}.window");
            let window = reading.value(&window_at, table.window.as_deref(), parse::duration);
            let by = reading.value(&format!("{at}.by"), table.by.as_deref(), id_source)?;
            let signed = schemes.iter().any(|scheme| scheme.signs(&by));
            ((by, signed), window_at, window)
        }
    };
    let least = schemes.iter().filter_map(Scheme::tolerance).max().unwrap_or_default() * 2;
    if window.is_some_and(|window| window < least) {
        let message = format!(
            "`{}` is shorter than the time in which a captured request stays good, {} s",
            shown(&window_at),
            least.as_secs()
        );
        reading.warning(
            &window_at,
            message,
            format!("write at least \"{}s\", which is used now", least.as_secs()),
        );
    }
    Some(Duplicates {
        by: place.0,
        signed: place.1,
        window: window.unwrap_or(DEFAULT_WINDOW).max(least),
    })
}

/// `header:NAME`, `json:/pointer`.
fn id_source(text: &str) -> Result<IdSource, ValueError> {
    match text.split_once(':') {
        Some(("header", name)) => parse::header_name(name).map(IdSource::Header),
        Some(("json", pointer)) => {
            parse::json_pointer(pointer)?;
            let path = FieldPath::parse(pointer);
            path.map(IdSource::Field).ok_or_else(|| {
                ValueError::new("not a JSON pointer", "write it like \"json:/event/id\"")
            })
        }
        _ => Err(ValueError::new(
            "not a place for an id",
            "write \"header:NAME\" or \"json:/pointer\"",
        )),
    }
}
