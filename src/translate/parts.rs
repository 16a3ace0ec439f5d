//! The messages inside an `InvokeRequest`: people, files, principals and MCP servers. Every field is named, so that a new
//! one in the proto cannot be forgotten.

use super::check::{Check, optional, owned};
use crate::{platform::wire, proto};

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
    pub fn attachment(&mut self, i: usize, file: &proto::Attachment) -> wire::Attachment {
        let proto::Attachment { url, name, mime, size, kind, sha256, expires_at, source, transcript } = file;
        self.url(url, || format!("attachments[{i}].url"));
        self.that(size.is_none_or(|size| size >= 0), format!("attachments[{i}].size"), "must not be negative");
        wire::Attachment {
            url: Some(url.clone()),
            name: owned(name),
            mime: owned(mime),
            size: *size,
            kind: self.word::<proto::AttachmentKind>(format!("attachments[{i}].kind"), *kind),
            sha256: owned(sha256),
            expires_at: owned(expires_at),
            source: owned(source),
            transcript: owned(transcript),
            rest: wire::Rest::default(),
        }
    }

    /// Who is behind the invocation.
    pub fn principal(&mut self, principal: &proto::Principal) -> wire::Principal {
        let proto::Principal { kind, id, email, display_name } = principal;
        let is_good = !id.is_empty() && !id.contains(|c: char| c == ':' || c.is_whitespace() || c.is_control());
        self.that(is_good, "principal.id", "is required and must have no ':' and no white space");
        self.that(*kind != 0, "principal.kind", "is required");
        wire::Principal {
            kind: self.word::<proto::PrincipalKind>("principal.kind", *kind),
            id: Some(id.clone()),
            email: owned(email),
            display_name: owned(display_name),
            rest: wire::Rest::default(),
        }
    }

    /// The `i`th server, with the platform's defaults filled in, and the transport that fits the type, as the official client has it.
    pub fn mcp_server(&mut self, i: usize, server: &proto::McpServer) -> wire::McpServer {
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
        wire::McpServer {
            id: owned(id),
            kind: Some(kind.to_owned()),
            name: owned(name),
            command: owned(command),
            url: owned(url),
            transport: Some(if is_local { "stdio" } else { transport }.to_owned()),
            auth_type: Some(self.one_of(at("auth_type"), auth_type, &AUTH_TYPES).to_owned()),
            api_key: owned(api_key),
            use_secrets_manager: Some(use_secrets_manager.unwrap_or(false)),
            client_id: owned(client_id),
            client_secret: owned(client_secret),
            headers: Some(self.object(at("headers"), headers.as_ref()).cloned().unwrap_or_default()),
            env_vars: Some(self.object(at("env_vars"), env_vars.as_ref()).cloned().unwrap_or_default()),
            allowed_tools: Some(allowed_tools.clone()),
            additional_scopes: Some(additional_scopes.clone()),
            share_user_token_across_other_agents: Some(share_user_token_across_other_agents.unwrap_or(true)),
            sso_token: Some(self.one_of(at("sso_token"), sso_token, &["access", "id", "exchange"]).to_owned()),
            sso_audience: owned(sso_audience),
            rest: wire::Rest::default(),
        }
    }
}

fn is_address(email: &str) -> bool {
    let has_both_sides = email.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    has_both_sides && !email.contains(|c: char| c.is_whitespace() || c.is_control())
}
