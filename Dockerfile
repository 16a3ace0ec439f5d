# The image of the proxy: one static binary, and the certificate authorities it trusts.
# docs/image.md says how to build and run it; tests/image/run proves what it holds.

# The toolchain. To pin it to the byte, give the digest too: --build-arg RUST_DIGEST=sha256:…
ARG RUST_IMAGE=docker.io/library/rust:1.95.0-slim-bookworm
ARG RUST_DIGEST=

FROM ${RUST_IMAGE}${RUST_DIGEST:+@${RUST_DIGEST}} AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock build.rs ./
COPY .ci/static .ci/static
COPY proto proto
COPY benches benches
COPY src src
# The commit, for `--version`: there is no git here.
ARG REVISION=
ENV XPANDER_BUILD_COMMIT=${REVISION}
# Cargo's profile. `dev` builds in a fraction of the time, and what it builds is slow and large.
ARG PROFILE=release
# No cache of target/ is mounted: cargo goes by the age of files, and an older checkout would
# be taken for one that is built already.
RUN .ci/static /out/xpander-grpc-proxy "$PROFILE"

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="xpander-grpc-proxy" \
      org.opencontainers.image.description="A gRPC front for the xpander.ai agent platform" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/xpander-grpc-proxy /xpander-grpc-proxy
# A number: there is no /etc/passwd to look a name up in, and Kubernetes' runAsNonRoot wants one.
USER 65532:65532
# gRPC, and HTTP for probes and metrics.
EXPOSE 50051 9464
# For engines alone: Kubernetes has probes of its own. Behind TLS, XPANDER_GRPC_SERVER says where to ask.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/xpander-grpc-proxy", "health"]
ENTRYPOINT ["/xpander-grpc-proxy", "serve"]
