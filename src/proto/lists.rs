//! How long the lists of a request may be, found out on its bytes before they are decoded: two bytes of a request become
//! hundreds in memory. Not what stands in the lists: `translate` checks that.

use prost::Name;

use super::fields::{Field, Fields};

/// The most elements of a list.
pub const MAX_ELEMENTS: usize = 1_000;

/// A list that has more than [`MAX_ELEMENTS`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must have at most {MAX_ELEMENTS} elements")]
pub struct TooLong {
    /// The list's path, e.g. `mcp_servers[0].allowed_tools`.
    pub field: String,
}

/// A list in a message, and the lists in each of its elements.
struct List {
    tag: u32,
    name: &'static str,
    inside: &'static [List],
}

/// The lists of an `InvokeRequest`; a test holds them to the proto.
const INVOCATION: &[List] = &[
    List { tag: 4, name: "file_urls", inside: &[] },
    List { tag: 16, name: "attachments", inside: &[] },
    List { tag: 29, name: "mcp_servers", inside: MCP_SERVER },
];
const MCP_SERVER: &[List] =
    &[List { tag: 14, name: "allowed_tools", inside: &[] }, List { tag: 15, name: "additional_scopes", inside: &[] }];
/// The field of an `InvokeStreamRequest` that holds an `InvokeRequest`.
const STREAMED: u32 = 1;

/// How many elements each list of a message has.
type Counts = [usize; 3];

/// Checks a message of this kind, as far as it can be read: the rest is for its decoder to refuse.
///
/// # Errors
/// The first list that is too long.
pub fn check<M: Name>(message: &[u8]) -> Result<(), TooLong> {
    check_for(M::NAME, message, MAX_ELEMENTS)
}

fn check_for(name: &str, message: &[u8], most: usize) -> Result<(), TooLong> {
    let mut counts = Counts::default();
    match name {
        "InvokeRequest" => count(INVOCATION, &mut counts, message, most),
        // What comes in several pieces is one message in the end.
        "InvokeStreamRequest" => Fields(message)
            .filter(|field| field.tag == STREAMED)
            .filter_map(Field::bytes)
            .try_for_each(|piece| count(INVOCATION, &mut counts, piece, most))
            .map_err(|list| list.under("invocation")),
        _ => Ok(()),
    }
}

fn count(lists: &[List], counts: &mut Counts, message: &[u8], most: usize) -> Result<(), TooLong> {
    for field in Fields(message) {
        let Some((list, count)) = lists.iter().zip(&mut *counts).find(|(list, _)| list.tag == field.tag) else {
            continue;
        };
        let Some(element) = field.bytes() else { continue };
        if *count == most {
            return Err(TooLong { field: list.name.to_owned() });
        }
        let inside = self::count(list.inside, &mut Counts::default(), element, most);
        inside.map_err(|inner| inner.under(&format!("{}[{count}]", list.name)))?;
        *count += 1;
    }
    Ok(())
}

impl TooLong {
    fn under(self, outer: &str) -> Self {
        Self { field: format!("{outer}.{}", self.field) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;
    use prost_reflect::{DescriptorPool, Kind, MessageDescriptor};

    use super::*;
    use crate::proto::{Attachment, DESCRIPTORS, InvokeRequest, InvokeStreamRequest, McpServer};

    const MOST: usize = 3;

    /// The longest list of each kind in a message that was decoded.
    fn longest(request: &InvokeRequest) -> usize {
        let inside = request.mcp_servers.iter().flat_map(|s| [s.allowed_tools.len(), s.additional_scopes.len()]);
        let own = [request.file_urls.len(), request.attachments.len(), request.mcp_servers.len()];
        own.into_iter().chain(inside).max().unwrap_or_default()
    }

    /// Lists of up to four elements between fields that are known, unknown and groups.
    fn field() -> impl Strategy<Value = Vec<u8>> {
        let words = || prop::collection::vec("[a-z]{0,2}", 0..4);
        prop_oneof![
            words().prop_map(|file_urls| InvokeRequest { file_urls, ..Default::default() }.encode_to_vec()),
            (0_usize..3).prop_map(|n| {
                InvokeRequest { attachments: vec![Attachment::default(); n], ..Default::default() }.encode_to_vec()
            }),
            prop::collection::vec((words(), words()), 0..3).prop_map(|servers| {
                let server = |(allowed_tools, additional_scopes)| McpServer {
                    allowed_tools,
                    additional_scopes,
                    ..Default::default()
                };
                let mcp_servers = servers.into_iter().map(server).collect();
                InvokeRequest { mcp_servers, ..Default::default() }.encode_to_vec()
            }),
            // An unknown number, an unknown text, fixed 64 and 32 bits, a group with a list's tag in it.
            Just(b"\xf8\x07\x01".to_vec()),
            Just(b"\xfa\x07\x04\xea\x01\x00\x00".to_vec()),
            Just(b"\xf9\x0712345678".to_vec()),
            Just(b"\xfd\x071234".to_vec()),
            Just(b"\xfb\x07\xea\x01\x00\xea\x01\x00\xea\x01\x00\xea\x01\x00\xfc\x07".to_vec()),
        ]
    }

    proptest! {
        #[test]
        fn what_is_counted_is_what_is_decoded(fields in prop::collection::vec(field(), 0..8)) {
            let request = InvokeRequest::decode(&*fields.concat()).expect("valid");
            let is_good = check_for("InvokeRequest", &fields.concat(), MOST).is_ok();
            prop_assert_eq!(is_good, longest(&request) <= MOST);
            // The same in pieces.
            let pieces = fields.iter().map(|field| {
                let mut piece = vec![0x0a];
                prost::encoding::encode_varint(field.len() as u64, &mut piece);
                [piece, field.clone()].concat()
            });
            let pieces: Vec<_> = pieces.flatten().collect();
            let whole = InvokeStreamRequest::decode(&*pieces).expect("valid").invocation.unwrap_or_default();
            prop_assert_eq!(check_for("InvokeStreamRequest", &pieces, MOST).is_ok(), longest(&whole) <= MOST);
        }

        #[test]
        fn no_bytes_get_past_it(
            valid in prop::collection::vec(field(), 0..4),
            noise in prop::collection::vec(any::<u8>(), 0..40),
            at in any::<prop::sample::Index>(),
        ) {
            let mut bytes = valid.concat();
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, noise);
            for name in ["InvokeRequest", "InvokeStreamRequest", "GetTaskRequest"] {
                let _ = check_for(name, &bytes, MOST);
            }
            if let Ok(request) = InvokeRequest::decode(&*bytes) {
                prop_assert_eq!(check_for("InvokeRequest", &bytes, MOST).is_ok(), longest(&request) <= MOST);
            }
        }
    }

    #[test]
    fn a_list_that_is_too_long_is_named_by_its_path() {
        let field = |request: &InvokeRequest| check::<InvokeRequest>(&request.encode_to_vec()).err().map(|e| e.field);
        let server = McpServer { allowed_tools: vec![String::new(); MAX_ELEMENTS + 1], ..Default::default() };
        let deep = InvokeRequest { mcp_servers: vec![McpServer::default(), server], ..Default::default() };
        assert_eq!(field(&deep).as_deref(), Some("mcp_servers[1].allowed_tools"));
        let long = |n| InvokeRequest { file_urls: vec![String::new(); n], ..Default::default() };
        assert_eq!(field(&long(MAX_ELEMENTS + 1)).as_deref(), Some("file_urls"));
        assert_eq!(field(&long(MAX_ELEMENTS)), None);
        let streamed = InvokeStreamRequest { invocation: Some(long(MAX_ELEMENTS + 1)), heartbeat: None };
        let fault = check::<InvokeStreamRequest>(&streamed.encode_to_vec()).expect_err("one more than allowed");
        assert_eq!(fault.field, "invocation.file_urls");
    }

    #[test]
    fn every_list_of_the_proto_is_counted() {
        fn lists(message: &MessageDescriptor) -> Vec<(u32, String)> {
            // Free JSON has its own decoder.
            let is_json = |kind: &Kind| matches!(kind, Kind::Message(m) if m.package_name() == "google.protobuf");
            let fields = message.fields().filter(|field| !is_json(&field.kind()));
            fields
                .flat_map(|field| match (field.is_list(), field.kind()) {
                    (true, Kind::Message(inner)) => {
                        [vec![(field.number(), field.name().to_owned())], lists(&inner)].concat()
                    }
                    (true, _) => vec![(field.number(), field.name().to_owned())],
                    (false, Kind::Message(inner)) => lists(&inner),
                    (false, _) => Vec::new(),
                })
                .collect()
        }
        let pool = DescriptorPool::decode(DESCRIPTORS).expect("descriptors");
        let counted = INVOCATION.iter().flat_map(|list| std::iter::once(list).chain(list.inside));
        let counted: Vec<_> = counted.map(|list| (list.tag, list.name.to_owned())).collect();
        let service = pool.get_service_by_name("xpander.agent.v1.AgentService").expect("the service");
        for method in service.methods() {
            let expected = if method.name().starts_with("Invoke") { &counted[..] } else { &[] };
            assert_eq!(lists(&method.input()), expected, "{}", method.name());
        }
    }
}
