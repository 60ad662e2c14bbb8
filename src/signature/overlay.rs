//! How a table is laid over the preset that it extends: key by key, and a new place replaces the old one.

use super::spec::{
    BodyHashTable, IdTable, RequireTable, SchemeTable, SecretTable, SignatureTable, TimestampTable,
};

/// `over.or(base)` for each key named.
macro_rules! each {
    ($over:ident, $base:ident, $($key:ident),+) => { Self { $($key: $over.$key.or($base.$key)),+ } };
}

/// Both tables merged where both are there.
fn merged<T>(over: Option<T>, base: Option<T>, merge: impl FnOnce(T, T) -> T) -> Option<T> {
    match (over, base) {
        (Some(over), Some(base)) => Some(merge(over, base)),
        (over, base) => over.or(base),
    }
}

impl SchemeTable {
    /// This table laid over the one that it extends. `extends` is done with afterwards.
    pub fn overlaid_on(self, base: Self) -> Self {
        Self {
            extends: None,
            algorithm: self.algorithm.or(base.algorithm),
            secret: merged(self.secret, base.secret, SecretTable::over),
            signature: merged(self.signature, base.signature, SignatureTable::over),
            timestamp: merged(self.timestamp, base.timestamp, TimestampTable::over),
            signed: self.signed.or(base.signed),
            id: merged(self.id, base.id, IdTable::over),
            body_hash: merged(self.body_hash, base.body_hash, BodyHashTable::over),
            url_variants: self.url_variants.or(base.url_variants),
            require: merged(self.require, base.require, RequireTable::over),
            handshake: self.handshake.or(base.handshake),
            body_unauthenticated: self.body_unauthenticated.or(base.body_unauthenticated),
        }
    }
}

impl SecretTable {
    fn over(self, base: Self) -> Self {
        each!(self, base, prefix, encoding)
    }
}

impl SignatureTable {
    fn over(self, base: Self) -> Self {
        // Another format has keys of its own; those of the old one would only be faults.
        if self.format.is_some() && self.format != base.format {
            return self;
        }
        each!(
            self,
            base,
            header,
            format,
            prefix,
            pair_sep,
            keys,
            item_sep,
            version_sep,
            versions,
            json,
            encoding,
            hex_case
        )
    }
}

impl TimestampTable {
    fn over(self, mut base: Self) -> Self {
        if self.header.is_some() || self.from.is_some() || self.json.is_some() {
            // The place is replaced; the tolerance stays, lest a window be lost unseen.
            base = Self { header: None, from: None, key: None, json: None, ..base };
        }
        each!(self, base, header, from, key, json, unit, tolerance)
    }
}

impl IdTable {
    fn over(self, mut base: Self) -> Self {
        if self.header.is_some() || self.json.is_some() {
            base = Self { header: None, json: None, ..base };
        }
        each!(self, base, header, json, required)
    }
}

impl BodyHashTable {
    fn over(self, base: Self) -> Self {
        each!(self, base, query, algorithm, encoding)
    }
}

impl RequireTable {
    fn over(self, base: Self) -> Self {
        each!(self, base, header, contains_kv)
    }
}
