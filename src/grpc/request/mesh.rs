//! Who calls, as a mesh says it that has authenticated the caller itself: a name, or Envoy's `x-forwarded-client-cert`. Not
//! whether the mesh is to be believed: the settings say that.

use http::{HeaderMap, HeaderName};

use crate::{calls::Kind, config};

/// Envoy's header, an element for each proxy on the way.
const XFCC: &str = "x-forwarded-client-cert";
/// The key of its elements that holds a certificate's URI.
const URI: &str = "uri";

/// Where a mesh says who calls.
pub struct Mesh {
    key: HeaderName,
    is_xfcc: bool,
}

impl Mesh {
    /// In the metadata of this key; None for what cannot be one.
    pub fn new(key: &str) -> Option<Self> {
        Some(Self { key: key.parse().ok()?, is_xfcc: key == XFCC })
    }

    /// The caller's name, if the mesh knows it.
    ///
    /// # Errors
    /// When what is there is no caller's name, or is there twice.
    pub fn name<'a>(&self, headers: &'a HeaderMap) -> Result<Option<&'a str>, Kind> {
        let mut values = headers.get_all(&self.key).iter();
        let Some(value) = values.next() else { return Ok(None) };
        // A mesh sets it once. What stands there twice, a caller may have put there.
        let value = value.to_str().ok().filter(|_| values.next().is_none());
        let value = value.ok_or(Kind::Unauthenticated("the mesh's metadata must name the caller once"))?;
        let name = if self.is_xfcc { uri(value)? } else { Some(value.trim()) };
        let name = name.filter(|name| !name.is_empty());
        match name {
            Some(name) if !config::is_caller(name) => Err(UNFIT),
            name => Ok(name),
        }
    }
}

const UNFIT: Kind = Kind::Unauthenticated("the mesh's metadata holds no caller's name");

/// The URI of the last element: that of the caller of the proxy nearest by, which has seen its certificate. What stands
/// before it, others have said.
fn uri(value: &str) -> Result<Option<&str>, Kind> {
    let last = last(value);
    if last.trim().is_empty() {
        return Err(UNFIT);
    }
    let mut found = None;
    for pair in pieces(last, ';') {
        let (key, value) = pair.split_once('=').ok_or(UNFIT)?;
        // A certificate of SPIFFE's has exactly one.
        if key.trim().eq_ignore_ascii_case(URI) && found.replace(value.trim().trim_matches('"')).is_some() {
            return Err(UNFIT);
        }
    }
    Ok(found)
}

/// What stands behind the last comma outside of quotes, looked for from behind: the end is the mesh's own, and in what stands
/// before it a caller may have left a quote open.
fn last(value: &str) -> &str {
    let (bytes, mut is_quoted) = (value.as_bytes(), false);
    for (at, byte) in bytes.iter().enumerate().rev() {
        let is_escaped = || bytes[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
        match byte {
            b'"' if !is_escaped() => is_quoted = !is_quoted,
            b',' if !is_quoted => return &value[at + 1..],
            _ => {}
        }
    }
    value
}

/// The pieces between separators that stand in no quotes.
fn pieces(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |c| {
        let was_escaped = is_escaped;
        is_escaped = c == '\\' && is_quoted && !was_escaped;
        if c == '"' && !was_escaped {
            is_quoted = !is_quoted;
        }
        c == separator && !is_quoted
    })
    .filter(|piece| !piece.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn named(key: &str, values: &[&'static str]) -> Result<Option<String>, ()> {
        let mesh = Mesh::new(key).expect("a key");
        let values = values.iter().map(|value| (mesh.key.clone(), HeaderValue::from_static(value)));
        let headers: HeaderMap = values.collect();
        mesh.name(&headers).map(|name| name.map(str::to_owned)).map_err(drop)
    }

    #[test]
    fn a_plain_name_stands_as_it_is() {
        let id = "orders.shop.serviceaccount.identity.linkerd.cluster.local";
        assert_eq!(named("l5d-client-id", &[id]), Ok(Some(id.to_owned())));
        assert_eq!(named("x-caller", &["spiffe://acme.io/orders"]), Ok(Some("spiffe://acme.io/orders".to_owned())));
        assert_eq!(named("x-caller", &[]), Ok(None));
        assert_eq!(named("x-caller", &[" "]), Ok(None));
        let wrong = ["a b", "a,b", "*", "a=b", "spiffe://Acme.io/a", "dns:*.acme.io", "dns:Acme.io"];
        for wrong in wrong {
            assert_eq!(named("x-caller", &[wrong]), Err(()), "{wrong}");
        }
        assert_eq!(named("x-caller", &["orders", "orders"]), Err(()));
    }

    #[test]
    fn of_envoys_header_the_uri_of_the_last_element_counts() {
        let rows = [
            (
                "By=spiffe://acme.io/proxy;Hash=ab12;Subject=\"\";URI=spiffe://acme.io/orders",
                Some("spiffe://acme.io/orders"),
            ),
            ("URI=spiffe://acme.io/forged,By=x;URI=spiffe://acme.io/orders", Some("spiffe://acme.io/orders")),
            (
                "Hash=ab;Subject=\"CN=a,O=\\\"x;URI=spiffe://acme.io/forged\\\",b\";URI=spiffe://acme.io/b;DNS=b",
                Some("spiffe://acme.io/b"),
            ),
            ("uri=spiffe://acme.io/orders;DNS=orders.acme.io", Some("spiffe://acme.io/orders")),
            ("By=spiffe://acme.io/proxy;Hash=ab12;DNS=orders.acme.io", None),
            ("URI=spiffe://acme.io/forged,Hash=ab12", None),
            ("URI=", None),
            // Quotes that a caller has left open, or balances with the mesh's own.
            (
                "URI=spiffe://acme.io/forged;X=\",By=spiffe://acme.io/proxy;Hash=ab;URI=spiffe://acme.io/orders",
                Some("spiffe://acme.io/orders"),
            ),
            (
                "URI=spiffe://acme.io/forged;X=\",Hash=ab;Subject=\"CN=a,O=b\";URI=spiffe://acme.io/orders",
                Some("spiffe://acme.io/orders"),
            ),
            (
                "URI=spiffe://acme.io/forged;X=\\\",Hash=ab;Subject=\"CN=\\\"a\\\"\";URI=spiffe://acme.io/orders",
                Some("spiffe://acme.io/orders"),
            ),
        ];
        for (value, name) in rows {
            assert_eq!(named(XFCC, &[value]), Ok(name.map(str::to_owned)), "{value}");
        }
        let wrong = ["orders", "URI=spiffe://acme.io/a;URI=spiffe://acme.io/b", "URI=spiffe://Acme.io/a", "URI=*", ","];
        for wrong in wrong {
            assert_eq!(named(XFCC, &[wrong]), Err(()), "{wrong}");
        }
    }
}
