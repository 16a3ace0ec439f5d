//! A request in the one form that every replica and every version of the proxy gives it, to be compared by its hash.

use std::io::{self, Write};

use prost::Message as _;

use crate::proto::{InvokeRequest, json::Struct};

/// Writes what a request asks for, without its request id: free JSON by key, since libraries write maps in any order, then
/// the rest as protobuf has it, where a field of a later version that is not set changes nothing.
///
/// # Errors
/// Those of writing.
pub fn write_canonical(mut request: InvokeRequest, mut to: impl Write) -> io::Result<()> {
    request.request_id.clear();
    let InvokeRequest { tool_call_payload_extension, output_schema, user_tokens, .. } = &mut request;
    for json in [tool_call_payload_extension, output_schema, user_tokens] {
        write_json(json.take().as_ref(), &mut to)?;
    }
    let user = request.user_details.as_mut();
    write_json(user.and_then(|user| user.additional_attributes.take()).as_ref(), &mut to)?;
    writeln!(to, "{}", request.mcp_servers.len())?;
    for server in &mut request.mcp_servers {
        write_json(server.headers.take().as_ref(), &mut to)?;
        write_json(server.env_vars.take().as_ref(), &mut to)?;
    }
    // By itself: the rest is encoded into a buffer, and this may be most of it.
    writeln!(to, "{}", request.prompt.len())?;
    to.write_all(std::mem::take(&mut request.prompt).as_bytes())?;
    to.write_all(&request.encode_to_vec())
}

/// A line of JSON, which has no line end in it.
fn write_json(json: Option<&Struct>, to: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *to, &json)?;
    to.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::proto::{McpServer, User};

    fn canonical(request: &InvokeRequest) -> Vec<u8> {
        let mut written = Vec::new();
        write_canonical(request.clone(), &mut written).expect("memory");
        written
    }

    /// A Struct of numbers, encoded in this order.
    fn encoded(entries: &[(&str, u8)]) -> Struct {
        let mut bytes = Vec::new();
        for (key, value) in entries {
            let mut entry = vec![0x0a, u8::try_from(key.len()).expect("short")];
            entry.extend(key.as_bytes());
            entry.extend([0x12, 9, 0x11]);
            entry.extend(f64::from(*value).to_le_bytes());
            bytes.extend([0x0a, u8::try_from(entry.len()).expect("short")]);
            bytes.extend(entry);
        }
        Struct::decode(&*bytes).expect("a Struct")
    }

    fn full(json: &Struct) -> InvokeRequest {
        let user = User { email: "a@b.c".to_owned(), additional_attributes: Some(json.clone()), ..User::default() };
        let server = McpServer { headers: Some(json.clone()), env_vars: Some(json.clone()), ..McpServer::default() };
        InvokeRequest {
            agent_id: "agent-1".to_owned(),
            prompt: "hi".to_owned(),
            request_id: "r-1".to_owned(),
            user_details: Some(user),
            tool_call_payload_extension: Some(json.clone()),
            output_schema: Some(json.clone()),
            user_tokens: Some(json.clone()),
            mcp_servers: vec![server],
            ..InvokeRequest::default()
        }
    }

    #[test]
    fn free_json_is_the_same_in_any_order_wherever_it_stands() {
        let [one, other] = [[("a", 1), ("b", 2)], [("b", 2), ("a", 1)]].map(|entries| full(&encoded(&entries)));
        assert_ne!(one.encode_to_vec(), other.encode_to_vec());
        assert_eq!(canonical(&one), canonical(&other));
        assert_ne!(canonical(&one), canonical(&full(&encoded(&[("a", 2), ("b", 1)]))));
    }

    #[test]
    fn every_field_counts_but_the_request_id() {
        let base = full(&encoded(&[("a", 1)]));
        let same = InvokeRequest { request_id: "r-2".to_owned(), ..base.clone() };
        assert_eq!(canonical(&base), canonical(&same));
        let others = [
            InvokeRequest { prompt: "ho".to_owned(), ..base.clone() },
            InvokeRequest { agent_version: Some("1".to_owned()), ..base.clone() },
            InvokeRequest { agent_version: Some(String::new()), ..base.clone() },
            InvokeRequest { tool_call_payload_extension: None, ..base.clone() },
            InvokeRequest { tool_call_payload_extension: Some(Struct::default()), ..base.clone() },
            InvokeRequest { user_details: None, ..base.clone() },
            InvokeRequest { mcp_servers: Vec::new(), ..base.clone() },
            InvokeRequest { file_urls: vec!["http://a.b".to_owned()], ..base.clone() },
        ];
        let mut seen: Vec<_> = others.iter().chain([&base]).map(canonical).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 9);
    }

    /// Replicas of two versions share a store. Who changes this changes the fingerprint's version with it.
    #[test]
    fn the_form_stays_what_it_is() {
        let hash = Sha256::digest(canonical(&full(&encoded(&[("b", 2), ("a", 1)]))));
        let hex = hash.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        assert_eq!(hex, "20f5611a8d10a2d515c301fa306c82aca751d1d60805daaecd549510ab932b29");
    }
}
