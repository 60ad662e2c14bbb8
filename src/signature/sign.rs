//! The other side: signs a request as a sender of this scheme would, for `botgate sign`, the demo and tests.

use super::field::{FieldPath, index};
use super::form;
use super::head::RequestHead;
use super::id::IdSource;
use super::material::Material;
use super::scheme::{Scheme, SignatureLocation, SigningInput, TimestampLocation};
use super::template::Piece;
use super::timestamp::UnixTime;
use super::verify_error::VerifyError;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ring::{digest, hmac};
use serde_json::{Value, json};

/// A request that is to be signed.
#[derive(Clone, Copy, Debug)]
pub struct UnsignedRequest<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path that Botgate will see.
    pub path: &'a str,
    /// The query, without its `?`.
    pub query: Option<&'a str>,
    /// The content type that will be sent with it.
    pub content_type: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// What signing adds to a request. It holds a secret where the scheme shows one.
#[derive(Default)]
pub struct Signed {
    /// Headers to send along.
    pub headers: Vec<(HeaderName, String)>,
    /// The whole query, where something was added to it.
    pub query: Option<String>,
    /// The whole body, where something was added to it.
    pub body: Option<Vec<u8>>,
}

/// Why a request cannot be signed here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Botgate holds only the sender's public key.
    #[error("only the sender holds the key that signs: Botgate has the public one")]
    Asymmetric,
    /// The signature or its time stands in the body, which is no JSON object.
    #[error("the body must be a JSON object, because the signature or its time stands in it")]
    BodyNotJson,
    /// The signature covers something that the request does not have.
    #[error("the request lacks what the scheme signs ({0})")]
    Lacks(#[from] VerifyError),
}

impl Scheme {
    /// Signs with the first secret, in the name of this bot where each id has its own.
    pub fn sign(
        &self,
        request: &UnsignedRequest<'_>,
        now: UnixTime,
        bot: &str,
    ) -> Result<Signed, SignError> {
        let mut signed = Signed::default();
        if let Some(require) = &self.require {
            signed
                .headers
                .push((require.header.clone(), format!("{}={}", require.key, require.value)));
        }
        if let Some(IdSource::Header(name)) = &self.id {
            signed.headers.push((name.clone(), format!("msg_{}", uuid::Uuid::new_v4().simple())));
        }
        let key = self.keys.first().map(|key| key.for_bot(bot));
        let key = match key.as_deref() {
            None => return Ok(signed),
            Some(Material::Public(_)) => return Err(SignError::Asymmetric),
            Some(Material::Token { text, .. }) => {
                if let SignatureLocation::Header { name, layout } = &self.location {
                    signed.headers.push((
                        name.clone(),
                        layout.write(&String::from_utf8_lossy(text.expose()), None),
                    ));
                }
                return Ok(signed);
            }
            Some(Material::Mac(key)) => key,
        };
        let time =
            self.timestamp.as_ref().map(|timestamp| timestamp.unit.write(now)).unwrap_or_default();
        let mut pair = None;
        match self.timestamp.as_ref().map(|timestamp| &timestamp.location) {
            Some(TimestampLocation::Header(name)) => {
                signed.headers.push((name.clone(), time.clone()))
            }
            Some(TimestampLocation::Pair(key)) => pair = Some((key.as_str(), time.as_str())),
            Some(TimestampLocation::Field(_)) | None => {}
        }
        let body = self.filled(request.body, &time)?;
        let query = self.with_hash(request, body.as_deref());
        let bytes = Bytes::copy_from_slice(body.as_deref().unwrap_or(request.body));
        let mac = self.mac(key, request, query.as_deref(), &signed.headers, &time, bytes)?;
        let text = self.encoding.write(mac.as_ref());
        signed.query = query;
        signed.body = body;
        match &self.location {
            SignatureLocation::Header { name, layout } => {
                signed.headers.push((name.clone(), layout.write(&text, pair)))
            }
            SignatureLocation::Field(path) => {
                let mut object = parsed(signed.body.as_deref().unwrap_or(request.body))?;
                put(&mut object, path, Value::String(text)).ok_or(SignError::BodyNotJson)?;
                signed.body = Some(object.to_string().into_bytes());
            }
            SignatureLocation::Absent => {}
        }
        Ok(signed)
    }

    /// Signs a body with every secret that counts, newest first, so that whoever holds one of them can check it: what a sender
    /// sends while one secret is replaced by another. Signatures stand side by side, parted by blanks in a list of versioned
    /// ones and by commas elsewhere. For schemes whose signature is made of body, id and time alone, and stands in a header.
    ///
    /// # Errors
    /// A scheme of another sort.
    pub fn sign_with_all(
        &self,
        id: &str,
        now: UnixTime,
        body: &Bytes,
    ) -> Result<Vec<(HeaderName, String)>, SignError> {
        let headers = HeaderMap::new();
        let head = RequestHead { method: &Method::POST, path: "/", query: None, headers: &headers };
        let timestamp = self.timestamp.as_ref();
        let time = timestamp.map(|timestamp| timestamp.unit.write(now));
        let facts = SigningInput {
            timestamp: time.as_deref().unwrap_or_default(),
            id: id.as_bytes(),
            frames: std::slice::from_ref(body),
            ..self.signing_input(&head)
        };
        let mut added = Vec::with_capacity(3);
        if let Some(IdSource::Header(name)) = &self.id {
            added.push((name.clone(), id.to_owned()));
        }
        let place = timestamp.map(|timestamp| &timestamp.location);
        if let (Some(TimestampLocation::Header(name)), Some(time)) = (place, &time) {
            added.push((name.clone(), time.clone()));
        }
        let SignatureLocation::Header { name, layout } = &self.location else {
            return Err(SignError::Lacks(VerifyError::MissingHeader));
        };
        let mut signatures = Vec::with_capacity(self.keys.len());
        for (_, key) in self.live_keys(now) {
            let key = key.for_bot("");
            let Material::Mac(key) = &*key else {
                return Err(SignError::Asymmetric);
            };
            let mut mac = hmac::Context::with_key(key);
            self.write_all(&facts, &mut |bytes: &[u8]| mac.update(bytes))?;
            let text = self.encoding.write(mac.sign().as_ref());
            signatures.push(layout.write(&text, None));
        }
        added.push((name.clone(), signatures.join(layout.between())));
        Ok(added)
    }

    /// The body with the time and the words that the signature is made of, where they stand in it.
    fn filled(&self, body: &[u8], time: &str) -> Result<Option<Vec<u8>>, SignError> {
        let time_path = self.timestamp_field();
        if time_path.is_none() && self.template.fields.is_empty() {
            return Ok(None);
        }
        let mut object = parsed(body)?;
        for path in &self.template.fields {
            let there = path.read(&[Bytes::copy_from_slice(body)], &mut Vec::new()).ok().flatten();
            if there.is_none() {
                let word = uuid::Uuid::new_v4().simple().to_string();
                put(&mut object, path, Value::String(word)).ok_or(SignError::BodyNotJson)?;
            }
        }
        if let Some(path) = time_path {
            let value = time.parse::<u64>().map_or_else(|_| json!(time), |number| json!(number));
            put(&mut object, path, value).ok_or(SignError::BodyNotJson)?;
        }
        Ok(Some(object.to_string().into_bytes()))
    }

    /// The query with the body's hash, where the URL must hold it.
    fn with_hash(&self, request: &UnsignedRequest<'_>, body: Option<&[u8]>) -> Option<String> {
        let hash = self.body_hash.as_ref()?;
        let body = body.unwrap_or(request.body);
        let kind = request.content_type.and_then(|kind| HeaderValue::from_str(kind).ok());
        let headers: HeaderMap =
            kind.map(|kind| (http::header::CONTENT_TYPE, kind)).into_iter().collect();
        let in_form = self.template.has(&Piece::FormSorted) && form::is_form(&headers);
        if in_form || body.is_empty() || self.template.has(&Piece::Body) {
            return None;
        }
        let value = hash.encoding.write(digest::digest(&digest::SHA256, body).as_ref());
        let value: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
        let before = request.query.map(|query| format!("{query}&")).unwrap_or_default();
        Some(format!("{before}{}={value}", hash.query))
    }

    fn mac(
        &self,
        key: &hmac::Key,
        request: &UnsignedRequest<'_>,
        query: Option<&str>,
        added: &[(HeaderName, String)],
        time: &str,
        body: Bytes,
    ) -> Result<hmac::Tag, VerifyError> {
        let mut headers = HeaderMap::new();
        let kind = request.content_type.map(|kind| (http::header::CONTENT_TYPE, kind));
        let all = added.iter().map(|(name, value)| (name.clone(), value.as_str())).chain(kind);
        for (name, value) in all {
            headers.insert(
                name,
                HeaderValue::from_str(value).map_err(|_| VerifyError::MissingHeader)?,
            );
        }
        let head = RequestHead {
            method: request.method,
            path: request.path,
            query: query.or(request.query),
            headers: &headers,
        };
        let frames = [body];
        let form = self.form(&head, &frames)?;
        let fields: Vec<_> = match self.template.fields.as_slice() {
            [] => Vec::new(),
            paths => super::field::read_all(paths, &frames, &mut Vec::new())
                .map_err(|_| VerifyError::NotJson)?,
        };
        let facts = SigningInput {
            timestamp: time,
            id: self.id_bytes(&head)?,
            form: &form,
            fields: &fields,
            frames: &frames,
            ..self.signing_input(&head)
        };
        let mut mac = hmac::Context::with_key(key);
        self.write_all(&facts, &mut |bytes: &[u8]| mac.update(bytes))?;
        Ok(mac.sign())
    }
}

fn parsed(body: &[u8]) -> Result<Value, SignError> {
    serde_json::from_slice(body).ok().filter(Value::is_object).ok_or(SignError::BodyNotJson)
}

/// Sets a field and makes the objects on the way to it; `None` where something else stands in the way.
fn put(object: &mut Value, path: &FieldPath, value: Value) -> Option<()> {
    let mut place = object;
    for step in path.steps() {
        place = match place {
            Value::Array(items) => items.get_mut(index(step)?)?,
            Value::Object(fields) => fields.entry(step.clone()).or_insert_with(|| json!({})),
            _ => return None,
        };
    }
    *place = value;
    Some(())
}
