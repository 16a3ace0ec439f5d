//! The messages inside an `InvokeRequest`: people, files, principals and MCP servers. Every field is named, so that a new
//! one in the proto cannot be forgotten.

use super::check::{Check, optional};
use crate::{
    platform::wire,
    proto::{self, json::EMPTY},
};

const AUTH_TYPES: [&str; 5] = ["none", "api_key", "oauth2", "custom_headers", "sso_user"];

impl Check {
    /// The person on whose behalf the agent acts.
    pub fn user<'a>(&mut self, user: &'a proto::User) -> wire::Person<'a> {
        let proto::User { id, first_name, last_name, email, additional_attributes, timezone } = user;
        if email.trim().is_empty() {
            self.fault("user_details.email", "is required");
        } else {
            self.that(is_address(email), "user_details.email", "must be an e-mail address");
        }
        wire::Person {
            id: optional(id),
            first_name: optional(first_name),
            last_name: optional(last_name),
            email,
            additional_attributes: self.object("user_details.additional_attributes", additional_attributes.as_ref()),
            timezone: optional(timezone),
        }
    }

    /// The `i`th file.
    pub fn attachment<'a>(&mut self, i: usize, file: &'a proto::Attachment) -> wire::File<'a> {
        let proto::Attachment { url, name, mime, size, kind, sha256, expires_at, source, transcript } = file;
        self.url(url, || format!("attachments[{i}].url"));
        self.that(size.is_none_or(|size| size >= 0), format!("attachments[{i}].size"), "must not be negative");
        wire::File {
            url,
            name: optional(name),
            mime: optional(mime),
            size: *size,
            kind: self.word::<proto::AttachmentKind>(format!("attachments[{i}].kind"), *kind),
            sha256: optional(sha256),
            expires_at: optional(expires_at),
            source: optional(source),
            transcript: optional(transcript),
        }
    }

    /// Who is behind the invocation.
    pub fn principal<'a>(&mut self, principal: &'a proto::Principal) -> wire::Behind<'a> {
        let proto::Principal { kind, id, email, display_name } = principal;
        let is_good = !id.is_empty() && !id.contains(|c: char| c == ':' || c.is_whitespace() || c.is_control());
        self.that(is_good, "principal.id", "is required and must have no ':' and no white space");
        self.that(*kind != 0, "principal.kind", "is required");
        wire::Behind {
            kind: self.word::<proto::PrincipalKind>("principal.kind", *kind),
            id,
            email: optional(email),
            display_name: optional(display_name),
        }
    }

    /// The `i`th server, with the platform's defaults filled in, and the transport that fits the type, as the official client has it.
    pub fn mcp_server<'a>(&mut self, i: usize, server: &'a proto::McpServer) -> wire::Server<'a> {
        let proto::McpServer {
            id,
            r#type,
            name,
            command,
            url,
            transport,
            auth_type,
            api_key,
            use_secrets_manager,
            client_id,
            client_secret,
            headers,
            env_vars,
            allowed_tools,
            additional_scopes,
            share_user_token_across_other_agents,
            sso_token,
            sso_audience,
        } = server;
        let at = |field: &str| format!("mcp_servers[{i}].{field}");
        let kind = self.one_of(at("type"), r#type, &["remote", "local"]);
        let transport = self.one_of(at("transport"), transport, &["streamable-http", "sse", "stdio"]);
        let is_local = kind == "local";
        if is_local {
            self.that(optional(command).is_some(), at("command"), "is required for a local server");
        } else {
            self.url(optional(url).unwrap_or_default(), || at("url"));
        }
        let transport = if is_local || transport != "stdio" { transport } else { "streamable-http" };
        wire::Server {
            id: optional(id),
            r#type: kind,
            name: optional(name),
            command: optional(command),
            url: optional(url),
            transport: if is_local { "stdio" } else { transport },
            auth_type: self.one_of(at("auth_type"), auth_type, &AUTH_TYPES),
            api_key: optional(api_key),
            use_secrets_manager: use_secrets_manager.unwrap_or(false),
            client_id: optional(client_id),
            client_secret: optional(client_secret),
            headers: self.object(at("headers"), headers.as_ref()).unwrap_or(&EMPTY),
            env_vars: self.object(at("env_vars"), env_vars.as_ref()).unwrap_or(&EMPTY),
            allowed_tools,
            additional_scopes,
            share_user_token_across_other_agents: share_user_token_across_other_agents.unwrap_or(true),
            sso_token: self.one_of(at("sso_token"), sso_token, &["access", "id", "exchange"]),
            sso_audience: optional(sso_audience),
        }
    }
}

fn is_address(email: &str) -> bool {
    let has_both_sides = email.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    has_both_sides && !email.contains(|c: char| c.is_whitespace() || c.is_control())
}
