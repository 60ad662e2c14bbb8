//! Where a string's `${env:NAME}` and `${file:PATH}` lead.

use super::parse::ValueError;
use std::borrow::Cow;
use std::cell::Cell;
use std::io::Read as _;
use std::path::Path;

/// The longest file a reference may lead to, in bytes.
const MAX_FILE: u64 = 64 * 1024;
/// All that references may bring in, in bytes; without a cap a small file could ask for any amount of memory.
const MAX_TOTAL: usize = 16 * 1024 * 1024;

/// What references are looked up in.
pub(crate) struct Sources<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    folder: &'a Path,
    brought_in: Cell<usize>,
}

impl<'a> Sources<'a> {
    /// Relative files are looked for in `folder`, the one that holds the configuration.
    pub(crate) fn new(env: &'a dyn Fn(&str) -> Option<String>, folder: &'a Path) -> Self {
        Self { env, folder, brought_in: Cell::new(0) }
    }

    /// Replaces every reference in `text`; `$${` stands for a plain `${`. What is brought in is not looked at again, and the
    /// white space around it is taken off: a file's last newline has broken many a header and many a signature.
    pub(crate) fn expand<'t>(&self, text: &'t str) -> Result<Cow<'t, str>, ValueError> {
        if !text.contains("${") {
            return Ok(Cow::Borrowed(text));
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(escaped) = before.strip_suffix('$') {
                out.push_str(escaped);
                out.push_str("${");
                rest = after;
                continue;
            }
            out.push_str(before);
            let (reference, after) = after.split_once('}').ok_or_else(|| {
                ValueError::new(
                    "a reference without its closing brace",
                    "write \"${env:NAME}\", or \"$${\" for a plain \"${\"",
                )
            })?;
            let found = self.look_up(reference)?;
            let found = found.trim();
            self.brought_in.set(self.brought_in.get().saturating_add(found.len()));
            if self.brought_in.get() > MAX_TOTAL {
                return Err(ValueError::new(
                    "the references bring in over 16 MiB in all",
                    "refer to smaller values",
                ));
            }
            out.push_str(found);
            rest = after;
        }
        out.push_str(rest);
        Ok(Cow::Owned(out))
    }

    fn look_up(&self, reference: &str) -> Result<String, ValueError> {
        match reference.split_once(':') {
            Some(("env", name)) => (self.env)(name).ok_or_else(|| {
                let name = name.escape_debug();
                ValueError::new(
                    format!("the environment variable {name} is not set"),
                    format!("set it: export {name}=…"),
                )
            }),
            Some(("file", path)) => self.read(path),
            _ => Err(ValueError::new(
                "a reference that leads nowhere",
                "write \"${env:NAME}\" or \"${file:PATH}\", or \"$${\" for a plain \"${\"",
            )),
        }
    }

    fn read(&self, path: &str) -> Result<String, ValueError> {
        let name = path.escape_debug();
        let path = self.folder.join(path);
        let unreadable = |error: std::io::Error| {
            ValueError::new(
                format!("cannot read the file {name}: {error}"),
                "write a path that this process may read; a relative one starts at the configuration file",
            )
        };
        // A pipe or a device could block for ever or never end.
        if !std::fs::metadata(&path).map_err(unreadable)?.is_file() {
            return Err(ValueError::new(
                format!("{name} is not a file"),
                "write the path of a plain file",
            ));
        }
        let mut text = String::new();
        std::fs::File::open(&path)
            .and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text))
            .map_err(unreadable)?;
        if text.len() as u64 > MAX_FILE {
            return Err(ValueError::new(
                format!("the file {name} is over 64 KiB"),
                "refer to a file that holds the value alone",
            ));
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str) -> Result<String, ValueError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "from file\n").unwrap();
        std::fs::write(folder.path().join("long"), "x".repeat(64 * 1024 + 1)).unwrap();
        let env = |name: &str| match name {
            "A" => Some(" from env ".to_owned()),
            "REF" => Some("${env:A}".to_owned()),
            _ => None,
        };
        Sources::new(&env, folder.path()).expand(text).map(Cow::into_owned)
    }

    #[test]
    fn references_are_followed_once() {
        for (text, expected) in [
            ("plain $ {}", "plain $ {}"),
            ("Bearer ${env:A}!", "Bearer from env!"),
            ("${env:A}${file:secret}", "from envfrom file"),
            ("${env:REF}", "${env:A}"),
            ("$${env:A}", "${env:A}"),
            ("a$${b ${env:A}", "a${b from env"),
        ] {
            assert_eq!(expand(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn references_that_lead_nowhere_are_errors() {
        for (text, message) in [
            ("${env:B}", "the environment variable B is not set"),
            ("${file:none}", "cannot read the file none"),
            ("${file:.}", ". is not a file"),
            ("${file:/dev/zero}", "/dev/zero is not a file"),
            ("${file:long}", "over 64 KiB"),
            ("${A}", "leads nowhere"),
            ("${env:A", "closing brace"),
        ] {
            let wrong = expand(text).unwrap_err();
            assert!(wrong.message.contains(message), "{text}: {wrong:?}");
        }
    }

    #[test]
    fn references_cannot_ask_for_any_amount_of_memory() {
        let env = |_: &str| Some("x".repeat(1024 * 1024));
        let sources = Sources::new(&env, Path::new("."));
        assert!(sources.expand(&"${env:A}".repeat(16)).is_ok());
        assert!(sources.expand("${env:A}").is_err());
    }
}
