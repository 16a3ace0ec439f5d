//! Every setting by name, with its kind, its place and what it does. Not how its kind is read or shown: that is `kind`.

pub mod files;
pub mod kind;
pub mod limits;
pub mod lists;
pub mod names;

use std::{ops::RangeInclusive, time::Duration};

use self::kind::Kind;

const AT_MOST_AN_HOUR: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(1);
/// Clocks that are further apart are to be set right.
const A_FEW_MINUTES: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_mins(5);
const AT_MOST_A_DAY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(24);
/// For times in which something must be able to happen.
const SOME_TIME: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(24);
const A_MINUTE_OR_MORE: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(24);
/// For the lives of connections: shorter ones would cost more than they carry.
const A_SECOND_OR_MORE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);
const MANY: RangeInclusive<u32> = 1..=1_000_000;

/// The settings in the order of the tree: names are `[section] key` in the file and `XPANDER_PROXY_SECTION__KEY` in the
/// environment. The words on each are Markdown.
#[rustfmt::skip] // A table: a line for each, and one for its words.
pub const KEYS: &[(&str, Kind, &str)] = &[
    ("server.listen", Kind::Address(|s| &mut s.server.listen),
        "Where gRPC is served: the API, health and reflection."),
    ("server.admin_listen", Kind::Address(|s| &mut s.server.admin_listen),
        "Where `/livez`, `/readyz` and `/metrics` are served, over plain HTTP; never carries the API."),
    ("server.tls_cert_file", Kind::File(|s| &mut s.server.tls_cert_file),
        "A PEM file with the certificate chain of the gRPC port; needs `tls_key_file`. Without one the port speaks cleartext. \
         Read again when it changes."),
    ("server.tls_key_file", Kind::File(|s| &mut s.server.tls_key_file),
        "A PEM file with the certificate's private key. Read again when it changes."),
    ("server.tls_client_ca_file", Kind::File(|s| &mut s.server.tls_client_ca_file),
        "A PEM file with the authorities that callers' certificates must come from (mTLS). Read again when it changes."),
    ("server.max_calls", Kind::Count(|s| &mut s.server.max_calls, MANY),
        "Short calls under way at once, over all connections: all unary ones but `WaitTask` and `StopTask`. One more is refused \
         with RESOURCE_EXHAUSTED. A create counts until the platform has answered, even when its caller has left. `StopTask` \
         always gets in."),
    ("server.max_waits", Kind::Count(|s| &mut s.server.max_waits, MANY),
        "`WaitTask` under way at once, over all connections: it waits for minutes, and takes no room of short calls."),
    ("server.max_streams", Kind::Count(|s| &mut s.server.max_streams, MANY),
        "Streaming calls under way at once, over all connections."),
    ("server.max_request_bytes", Kind::Bytes(|s| &mut s.server.max_request_bytes),
        "The largest request message, after decompression."),
    ("server.max_response_bytes", Kind::Bytes(|s| &mut s.server.max_response_bytes),
        "The largest response message."),
    ("server.max_buffered_bytes", Kind::Bytes(|s| &mut s.server.max_buffered_bytes),
        "Bytes of answers that are being read from the platform or wait for their callers to take them, over all calls \
         together. Beyond, reading waits, and an answer whose caller has taken nothing for a second, or less where many wait, \
         gives way. While an answer is translated, it takes about three times its bytes."),
    ("server.max_receiving_bytes", Kind::Bytes(|s| &mut s.server.max_receiving_bytes),
        "Bytes of requests that are on their way in or being worked on, metadata and messages after decompression, over all \
         calls together; a create's until the platform has answered. One more is refused with RESOURCE_EXHAUSTED before it is \
         decoded. Requests above 64 KiB have three quarters of it. While a request is translated, it takes about three times \
         its bytes."),
    ("server.max_other_streams", Kind::Count(|s| &mut s.server.max_other_streams, MANY),
        "Calls that are not the API's at once, over all connections: so many of `Health.Watch` and of reflection together, and \
         so many of `Health.Check`. One more is refused with RESOURCE_EXHAUSTED; a check is not, the oldest gives way to \
         it."),
    ("server.max_connections", Kind::Count(|s| &mut s.server.max_connections, MANY),
        "Connections at once, those in their handshakes too; one more is closed at once."),
    ("server.max_metadata_bytes", Kind::Count(|s| &mut s.server.max_metadata_bytes, 1 << 10..=1 << 20),
        "The largest metadata of a call, in bytes. A larger one is refused with RESOURCE_EXHAUSTED; from 128 KiB on, or twice this, \
         the HTTP/2 library answers HTTP 431."),
    ("server.max_streams_per_connection", Kind::Count(|s| &mut s.server.max_streams_per_connection, 1..=100_000),
        "HTTP/2 streams (calls of any kind) that one connection may have open."),
    ("server.max_resets_per_connection", Kind::Count(|s| &mut s.server.max_resets_per_connection, 1..=100_000),
        "Calls younger than a second that a connection's caller may reset within ten seconds. A connection that resets more is told to leave (GOAWAY) and takes no more calls; those under way go on."),
    ("server.handshake_timeout", Kind::Time(|s| &mut s.server.handshake_timeout, SOME_TIME),
        "How long a new connection may take for its TLS handshake and its first words of HTTP/2."),
    ("server.receive_timeout", Kind::Time(|s| &mut s.server.receive_timeout, SOME_TIME),
        "How long a request's message may take to arrive."),
    ("server.keepalive_interval", Kind::Time(|s| &mut s.server.keepalive_interval, SOME_TIME),
        "How often a connection is pinged."),
    ("server.keepalive_timeout", Kind::Time(|s| &mut s.server.keepalive_timeout, SOME_TIME),
        "How long the answer to a ping may take; then the connection is closed."),
    ("server.max_connection_idle", Kind::Time(|s| &mut s.server.max_connection_idle, A_SECOND_OR_MORE),
        "How long a connection may be without a call; then it is closed."),
    ("server.max_connection_age", Kind::Time(|s| &mut s.server.max_connection_age, A_SECOND_OR_MORE),
        "How old a connection becomes, give or take a tenth, before its caller is told to open another one (GOAWAY), so that \
         balancers see new replicas."),
    ("server.max_connection_age_grace", Kind::Time(|s| &mut s.server.max_connection_age_grace, AT_MOST_A_DAY),
        "How long the calls of such a connection may go on; then its streams end with UNAVAILABLE. `0s`: for ever."),
    ("server.drain_delay", Kind::Time(|s| &mut s.server.drain_delay, AT_MOST_AN_HOUR),
        "How long serving goes on after SIGTERM, while balancers learn of it."),
    ("server.drain_timeout", Kind::Time(|s| &mut s.server.drain_timeout, AT_MOST_AN_HOUR),
        "How long calls in flight then may take to finish."),
    ("platform.base_url", Kind::BaseUrl(|s| &mut s.platform.base_url),
        "The platform. Without a scheme it gets `https://`. Where none is given, `IS_STG=true` means the platform's staging."),
    ("platform.api_key", Kind::Secret(|s| &mut s.platform.api_key),
        "The API key. Needed, unless `auth.pass_through` is on or `serve` is run with `--sandbox`."),
    ("platform.api_key_file", Kind::SecretFile(|s| (&mut s.platform.api_key_file, &mut s.platform.api_key)),
        "A file that holds the API key and nothing else, in place of `api_key`. Read again when it changes."),
    ("platform.organization_id", Kind::Identifier(|s| &mut s.platform.organization_id),
        "The organization that the API key belongs to; a key needs one."),
    ("platform.connect_timeout", Kind::Time(|s| &mut s.platform.connect_timeout, SOME_TIME),
        "How long a connection to the platform may take to be made."),
    ("platform.request_timeout", Kind::Time(|s| &mut s.platform.request_timeout, SOME_TIME),
        "How long a request to the platform may take, connection and answer included; an event stream: until its headers."),
    ("platform.max_answer_bytes", Kind::Bytes(|s| &mut s.platform.max_answer_bytes),
        "The platform's largest answer, after decompression. Lists and activity logs may be of any length: of them it is the \
         largest row, or entry."),
    ("platform.pool_idle_timeout", Kind::Time(|s| &mut s.platform.pool_idle_timeout, SOME_TIME),
        "How long an unused connection is kept; to stay below the platform's own keep-alive. What is sent once, such as a \
         create, takes none that was unused for half a second."),
    ("platform.keepalive_interval", Kind::Time(|s| &mut s.platform.keepalive_interval, SOME_TIME),
        "How long nothing may be heard on an HTTP/2 connection to the platform before it is pinged."),
    ("platform.keepalive_timeout", Kind::Time(|s| &mut s.platform.keepalive_timeout, SOME_TIME),
        "How long the answer to such a ping may take; then the connection is closed."),
    ("platform.http2", Kind::Http2(|s| &mut s.platform.http2),
        "Whether HTTP/2 is spoken: where TLS offers it, always (also in cleartext), or never."),
    ("platform.http2_streams", Kind::Count(|s| &mut s.platform.http2_streams, 1..=100_000),
        "How many requests, event streams among them, share one connection over HTTP/2; further ones open another. Not more \
         than the platform lets in at once on a connection, which is usually 100 or more: one beyond would wait until another \
         is over."),
    ("platform.ca_file", Kind::File(|s| &mut s.platform.ca_file),
        "A PEM file of certificate authorities to trust instead of the system's, or of the platform's very certificate. Read \
         again when it changes."),
    ("platform.retries", Kind::Count(|s| &mut s.platform.retries, 0..=10),
        "How often a read is sent again on lost connections, 429, 502, 503 and 504, as long after as the platform wishes; all \
         calls share one budget, so that a failing platform is not stormed. Creates and stops are sent again only where no \
         connection could be made, or HTTP/2 proves that they were not processed."),
    ("platform.agent_cache_ttl", Kind::Time(|s| &mut s.platform.agent_cache_ttl, AT_MOST_AN_HOUR),
        "How long a loaded agent is remembered; `0s`: not at all."),
    ("agents.default_id", Kind::Identifier(|s| &mut s.agents.default_id),
        "The agent of calls that name none."),
    ("agents.pins", Kind::Pins(|s| &mut s.agents.pins),
        "The version that an agent's tasks are pinned to, by the agent's id; a call's own `agent_version` wins."),
    ("agents.stop_abandoned", Kind::Switch(|s| &mut s.agents.stop_abandoned),
        "Whether a task is stopped whose caller left before it was created. That of a create with an idempotency key is not: its \
         caller is expected to come back for it."),
    ("auth.tokens", Kind::Tokens(|s| &mut s.auth.tokens),
        "The SHA-256 hashes of each caller's bearer tokens, by the caller's name; several let a token be exchanged without an \
         outage. `: \"${TOKEN:?}\" && printf %s \"$TOKEN\" | sha256sum` makes one. Without tokens, JWTs and a client CA everybody may call: then \
         a mesh decides."),
    ("auth.tokens_file", Kind::TokensFile(|s| &mut s.auth.tokens_file),
        "A file of bearer tokens' hashes, beside those of `auth.tokens`: lines `name=hash`, several hashes with spaces in between, comments with `#` at the start. \
         Read again when it changes; one without any hash is no good."),
    ("auth.jwt.issuer", Kind::Word(|s| &mut s.auth.jwt.issuer),
        "Who makes the JWTs that callers show as bearer tokens, as their `iss` has it to the letter. With an issuer, its keys and \
         an audience JWTs are taken: RS256, ES256 and EdDSA, of at most 8 KiB, with an end (`exp`). A bearer token of three \
         parts with dots in between is then a JWT, any other one of `tokens`."),
    ("auth.jwt.audience", Kind::Word(|s| &mut s.auth.jwt.audience),
        "For whom they must be: what their `aud` says, or has among others. It is to mean this proxy, and nobody else."),
    ("auth.jwt.claim", Kind::Claim(|s| &mut s.auth.jwt.claim),
        "The claim that names the caller, on the uppermost level. A service account of Kubernetes has the name that stands there, \
         `system:serviceaccount:NAMESPACE:NAME`; before any other stands `jwt:`."),
    ("auth.jwt.jwks_file", Kind::KeysFile(|s| &mut s.auth.jwt.jwks_file),
        "A file with the issuer's keys, a JWKS. Read again when it changes."),
    ("auth.jwt.jwks_url", Kind::KeysUrl(|s| &mut s.auth.jwt.jwks_url),
        "Where the issuer's keys are fetched from in its place: at the start, every five minutes, and when a token comes by a key \
         that is not there; ten seconds after one fetch at the earliest. Redirects are not followed, proxies are those of the \
         platform. Not ready until keys were there once; later those that were fetched last stay in force."),
    ("auth.jwt.jwks_ca_file", Kind::File(|s| &mut s.auth.jwt.jwks_ca_file),
        "A PEM file of certificate authorities to trust behind `jwks_url` instead of the system's. Read for each fetch."),
    ("auth.jwt.jwks_token_file", Kind::File(|s| &mut s.auth.jwt.jwks_token_file),
        "A file with the bearer token to show at `jwks_url`, such as the one that Kubernetes gives the pod. Read for each fetch."),
    ("auth.jwt.leeway", Kind::Time(|s| &mut s.auth.jwt.leeway, A_FEW_MINUTES),
        "How far the issuer's clock and the proxy's may be apart, for `exp`, `nbf` and `iat`."),
    ("auth.allowed_clients", Kind::Clients(|s| &mut s.auth.allowed_clients),
        "The SPIFFE ids and DNS names whose certificates may call; needs `server.tls_client_ca_file`. Empty: all that it \
         vouches for, if they have such a name."),
    ("auth.agents", Kind::Rights(|s| &mut s.auth.agents),
        "The agents that each caller may invoke, by the caller's name; the name `*` stands for every other caller, the agent \
         `*` for any. A caller without a line and without a `*` may invoke none. `dns:` stands before the DNS name of a \
         certificate; without it, a DNS name is one only where no token's caller has that name. A task that is continued \
         counts as its own agent's."),
    ("auth.tasks", Kind::Tasks(|s| &mut s.auth.tasks),
        "What it takes to read, follow, wait for and stop a task: to know its `id`, or the permission to invoke its `agent`, too."),
    ("auth.list_tasks", Kind::Callers(|s| &mut s.auth.list_tasks),
        "The callers that may list tasks (`ListTasks`): a list shows what others did. `*` stands for everybody, authenticated or \
         not; nobody may unless set. Of agents that a caller may not invoke it sees no tasks, and lists by user alone are for \
         those of `users.callers`."),
    ("auth.open_health", Kind::Switch(|s| &mut s.auth.open_health),
        "Whether `grpc.health.v1` answers callers without a permission, too."),
    ("auth.open_reflection", Kind::Switch(|s| &mut s.auth.open_reflection),
        "Whether server reflection answers callers without a permission, too."),
    ("auth.caller_metadata", Kind::MetadataKey(|s| &mut s.auth.caller_metadata),
        "The metadata key in which a mesh that authenticates callers itself says who calls: a name as it stands there, such as \
         Linkerd's `l5d-client-id`, or Envoy's `x-forwarded-client-cert`, of whose last element the `URI` counts. The names are \
         good wherever callers' names are; a call without one has none. Needs `mesh_only`; not with tokens, JWTs or \
         `server.tls_client_ca_file`."),
    ("auth.mesh_only", Kind::Switch(|s| &mut s.auth.mesh_only),
        "Whether nobody reaches the port but through a mesh, which sets `caller_metadata` itself, in place of what callers put \
         there. Whoever gets past it could call in any name."),
    ("auth.pass_through", Kind::Switch(|s| &mut s.auth.pass_through),
        "Whether a call's own `x-api-key` and `x-organization-id` are used for the platform. Nothing is shared between keys."),
    ("limits.mode", Kind::Mode(|s| &mut s.limits.mode),
        "What becomes of a call beyond one of these limits, or while the platform wants to be left alone: `enforce` refuses it, \
         `observe` counts and logs it, and lets it go on. `server.max_…` are enforced either way."),
    ("limits.lend", Kind::Part(|s| &mut s.limits.lend, limits::PART),
        "The part of each pool (`server.max_calls`, `max_waits`, `max_streams`, and the room of creates) up to which anybody may \
         fill it. Beyond, a caller is admitted only while it holds less than its share."),
    ("limits.creates", Kind::Part(|s| &mut s.limits.creates, limits::SOME_PART),
        "The part of `server.max_calls` that `Invoke` may have, so that other calls get through a storm of creates."),
    ("limits.shares", Kind::Shares(|s| &mut s.limits.shares),
        "The part of each pool that is a caller's own, by the caller's name; `*` stands for each other one, which has half of it where \
         nothing is said. Callers without a name are one caller. Where no caller can have a name, shares do nothing."),
    ("limits.creates_per_second", Kind::Rates(|s| &mut s.limits.creates_per_second),
        "How many creates (`Invoke`, `InvokeStream`) a caller may begin in a second in this replica, for long, by the caller's \
         name; `*` stands for each other one. One more is refused with CALLER_LIMITED and the exact wait. A caller without a \
         rate has no limit."),
    ("limits.burst", Kind::Bursts(|s| &mut s.limits.burst),
        "How many of them it may begin at once, after a rest; without a number of its own, as many as in a second, and at least \
         one."),
    ("users.metadata", Kind::UserFields(|s| &mut s.users.metadata),
        "The metadata keys that an authenticating gateway sets, by the field of `user_details` that they fill where a request \
         has none. Without an `email` there is no user, so it is needed."),
    ("users.callers", Kind::Callers(|s| &mut s.users.callers),
        "The callers that may speak for users: their metadata is believed. `*` stands for everybody, authenticated or not."),
    ("users.trust_request", Kind::TrustRequest(|s| &mut s.users.trust_request),
        "Whose requests may carry `user_details`, or a `principal` that is not the caller itself: everybody's (`always`), \
         those of `users.callers` (`speakers`), or nobody's (`never`). Others are INVALID_ARGUMENT."),
    ("users.principal", Kind::Switch(|s| &mut s.users.principal),
        "Whether a request without a principal gets one of kind SYSTEM with the authenticated caller's name."),
    ("events.idle_timeout", Kind::Time(|s| &mut s.events.idle_timeout, SOME_TIME),
        "How long the platform's stream may be silent before it counts as broken; comments count as life."),
    ("events.reconnect_budget", Kind::Time(|s| &mut s.events.reconnect_budget, SOME_TIME),
        "How long reconnecting to a broken stream goes on without a new event, before its caller is told."),
    ("events.max_event_bytes", Kind::Bytes(|s| &mut s.events.max_event_bytes),
        "The largest event; a larger one is skipped, counted and logged."),
    ("events.forward_access_tokens", Kind::Switch(|s| &mut s.events.forward_access_tokens),
        "Whether auth events reach callers whole, with access tokens; else only what is known to be harmless of them."),
    ("deduplication.remembered", Kind::Time(|s| &mut s.deduplication.remembered, A_MINUTE_OR_MORE),
        "How long an idempotency key (the API's field `request_id`) is remembered, from the call that brought it first: the same one \
         again within it makes no second task."),
    ("deduplication.memory_bytes", Kind::Bytes(|s| &mut s.deduplication.memory_bytes),
        "The bytes in which a replica remembers idempotency keys, about 160 each. None is forgotten before its time is up: when there \
         is no room, creates with a new one are refused with RESOURCE_EXHAUSTED."),
    ("deduplication.store", Kind::Store(|s| &mut s.deduplication.store),
        "The URL of a Redis (7 or newer) or Valkey that all replicas share, so that an idempotency key makes one task in the \
         whole fleet: `redis://` or, over TLS, `rediss://`, with user and password where it asks for them. Without one each replica \
         remembers its own."),
    ("deduplication.store_file", Kind::StoreFile(|s| (&mut s.deduplication.store_file, &mut s.deduplication.store)),
        "A file that holds the URL and nothing else, in place of `store`. Read again when it changes."),
    ("deduplication.store_ca_file", Kind::File(|s| &mut s.deduplication.store_ca_file),
        "A PEM file of certificate authorities to trust behind `rediss://` instead of the system's. Read again when it changes."),
    ("deduplication.store_timeout", Kind::Time(|s| &mut s.deduplication.store_timeout, SOME_TIME),
        "How long a call waits for the store to take its claim."),
    ("deduplication.store_replicas", Kind::Count(|s| &mut s.deduplication.store_replicas, 0..=10),
        "How many of the store's replicas must have a claim (`WAIT`) for it to count; then a failover to one of them forgets none."),
    ("deduplication.when_away", Kind::WhenAway(|s| &mut s.deduplication.when_away),
        "What becomes of creates with an idempotency key while the store is away: `refuse` answers UNAVAILABLE and creates nothing; \
         `alone` has each replica go on with its own memory, so that two of them may create the same twice."),
    ("telemetry.log_format", Kind::LogFormat(|s| &mut s.telemetry.log_format),
        "JSON lines or text for people, on standard error. Where nothing says which and standard error is a terminal, it is text."),
    ("telemetry.log_filter", Kind::LogFilter(|s| &mut s.telemetry.log_filter),
        "Which lines are logged: a level, or a filter by module."),
    ("telemetry.agents", Kind::Agents(|s| &mut s.telemetry.agents),
        "The ids of the agents that the metrics of tasks and tokens name; all others together are `other`. Each one is a series \
         more of each of these metrics."),
    ("telemetry.gen_ai", Kind::Switch(|s| &mut s.telemetry.gen_ai),
        "Whether calls that create or follow tasks are told by OpenTelemetry's conventions for generative AI, too: their spans as \
         `invoke_agent`, and three metrics `gen_ai.client.*`. Callers that are instrumented themselves would count twice."),
    ("telemetry.caller_label", Kind::Switch(|s| &mut s.telemetry.caller_label),
        "Whether `xpander_calls_shed_total` and `xpander_calls_observed_total` have the label `xpander_caller`: the name of a caller \
         that the settings name, `other` for all others."),
];

/// The kind of the setting called `name`.
pub fn kind_of(name: &str) -> Option<&'static Kind> {
    KEYS.iter().find(|(known, ..)| *known == name).map(|(_, kind, _)| kind)
}
