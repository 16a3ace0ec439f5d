//! Tokens in the shapes of issuers that people have, signed by a key of the test: heads and claims as their documentation
//! and their servers show them.

use serde_json::{Value, json};

use super::World;
use crate::support::{
    issuer::{self, Key, from_now},
    status::failure,
};

/// An issuer, whose tokens have this type and these claims beside the times.
struct Shape {
    issuer: &'static str,
    audience: &'static str,
    kind: Option<&'static str>,
    claims: Value,
    /// The claims that may name the caller, and whom.
    names: &'static [(&'static str, &'static str)],
}

fn shapes() -> [Shape; 5] {
    [
        // Keycloak, an access token for a service by its client credentials.
        Shape {
            issuer: "https://login.acme.io/realms/acme",
            audience: "xpander-grpc-proxy",
            kind: Some("JWT"),
            claims: json!({
                "jti": "trrtcc:2a1f4e8e-7d0c-4f0d-9b3c-5c7a4a1f0f6d", "aud": ["xpander-grpc-proxy", "account"],
                "sub": "f1d2a3b4-5c6d-4e7f-8a9b-0c1d2e3f4a5b", "typ": "Bearer", "azp": "orders", "acr": "1",
                "realm_access": { "roles": ["offline_access", "uma_authorization"] },
                "resource_access": { "account": { "roles": ["view-profile"] } }, "scope": "profile email",
                "email_verified": false, "clientHost": "10.0.0.7", "preferred_username": "service-account-orders",
                "clientAddress": "10.0.0.7", "client_id": "orders",
            }),
            names: &[("sub", "jwt:f1d2a3b4-5c6d-4e7f-8a9b-0c1d2e3f4a5b"), ("azp", "jwt:orders")],
        },
        // Auth0, a machine to machine token in RFC 9068's profile.
        Shape {
            issuer: "https://acme.eu.auth0.com/",
            audience: "https://agents.acme.io",
            kind: Some("at+jwt"),
            claims: json!({
                "sub": "kR3xvPz8Ww2q@clients", "aud": "https://agents.acme.io", "scope": "invoke:agents",
                "jti": "u2hW9cXqkSgT0i8k7h4d2K", "client_id": "kR3xvPz8Ww2q", "https://acme.io/service": "orders",
            }),
            names: &[("sub", "jwt:kR3xvPz8Ww2q@clients"), ("https://acme.io/service", "jwt:orders")],
        },
        // Microsoft Entra ID, an application's token of version 2.
        Shape {
            issuer: "https://login.microsoftonline.com/8f5d0a2c-1b3e-4c7a-9d6f-2e4a6c8b0d1f/v2.0",
            audience: "3b9c1a7e-52f4-4d0b-8e6a-9f1c2d3e4b5a",
            kind: Some("JWT"),
            claims: json!({
                "aud": "3b9c1a7e-52f4-4d0b-8e6a-9f1c2d3e4b5a", "aio": "ASQA2/8XAAAA", "azpacr": "1",
                "azp": "d7e6f5a4-1234-4abc-9def-0123456789ab", "oid": "0f1e2d3c-4b5a-4697-8879-a0b1c2d3e4f5",
                "rh": "1.AXkALAr", "roles": ["Agents.Invoke"], "sub": "0f1e2d3c-4b5a-4697-8879-a0b1c2d3e4f5",
                "tid": "8f5d0a2c-1b3e-4c7a-9d6f-2e4a6c8b0d1f", "uti": "rQ0nQ2mJx0G1", "ver": "2.0", "xms_ftd": "c3dl",
            }),
            names: &[("azp", "jwt:d7e6f5a4-1234-4abc-9def-0123456789ab")],
        },
        // Google, an ID token of a service account.
        Shape {
            issuer: "https://accounts.google.com",
            audience: "https://agents.acme.io",
            kind: Some("JWT"),
            claims: json!({
                "aud": "https://agents.acme.io", "azp": "107517467455664443766", "sub": "107517467455664443766",
                "email": "orders@acme-prod.iam.gserviceaccount.com", "email_verified": true,
            }),
            names: &[("sub", "jwt:107517467455664443766"), ("email", "jwt:orders@acme-prod.iam.gserviceaccount.com")],
        },
        // SPIRE, a JWT-SVID.
        Shape {
            issuer: "https://oidc-discovery.acme.io",
            audience: "xpander-grpc-proxy",
            kind: Some("JWT"),
            claims: json!({ "aud": ["xpander-grpc-proxy"], "sub": "spiffe://acme.io/ns/shop/sa/orders" }),
            names: &[("sub", "jwt:spiffe://acme.io/ns/shop/sa/orders")],
        },
    ]
}

#[tokio::test]
async fn tokens_of_issuers_that_people_have_are_taken_and_name_their_callers() {
    for Shape { issuer, audience, kind, claims, names } in shapes() {
        for (claim, name) in names {
            let key = Key::rsa("f0a1b2c3d4e5");
            let world = World::with(&issuer::set(&[&key]), |settings| {
                let jwt = &mut settings.auth.jwt;
                (jwt.issuer, jwt.audience) = (Some(issuer.to_owned()), Some(audience.to_owned()));
                jwt.claim = (*claim).to_owned();
                // Only who has the name reads the task.
                settings.auth.tasks = xpander_grpc_proxy::config::Tasks::Agent;
                settings.auth.agents = [((*name).to_owned(), ["agent-1".to_owned()].into())].into();
            })
            .await;
            let mut all = claims.clone();
            (all["iss"], all["iat"], all["exp"]) = (json!(issuer), json!(from_now(-1)), json!(from_now(300)));
            let mut head = key.head();
            if let Some(kind) = kind {
                head["typ"] = json!(kind);
            }
            world.get(&key.sign(&head, &all)).await.unwrap_or_else(|status| panic!("{issuer} {claim}: {status:?}"));
            // The next one is somebody else.
            all[*claim] = json!("another");
            let refused = failure(world.get(&key.sign(&head, &all)).await);
            assert_eq!(refused.code, tonic::Code::PermissionDenied, "{issuer} {claim}");
        }
    }
}
