# The server, without the cluster's side.
# The build. Its caches are mounts, so a change of one source file builds this crate and no other.
FROM rust:1.95-slim-bookworm AS build
# The allocator is built with make, which the image lacks.
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
# The server gives memory back one second after a publication, and not after ten; its few threads
# need few arenas, each of which keeps some for itself.
ENV JEMALLOC_SYS_WITH_MALLOC_CONF="dirty_decay_ms:1000,muzzy_decay_ms:0,narenas:4"
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src src
# Cargo wants every target that Cargo.toml names to be there.
COPY benches benches
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --profile image --locked --no-default-features --features jemalloc --bin tidegate \
    && install target/image/tidegate /tidegate

FROM debian:bookworm-slim
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tidegate" \
      org.opencontainers.image.description="An update channel server" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
# A named volume takes over the owner of the folder that it is mounted on.
RUN install -d -o 10001 -g 10001 -m 0700 /var/lib/tidegate && install -d /srv/channels /srv/payloads
COPY --from=build /tidegate /usr/local/bin/tidegate
# For a witness that is asked over https.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ENV TIDEGATE_CATALOG=/srv/channels \
    TIDEGATE_PAYLOADS=/srv/payloads \
    TIDEGATE_STATE=/var/lib/tidegate \
    TIDEGATE_LISTEN=0.0.0.0:8080 \
    TIDEGATE_LOG_FORMAT=json
# A number, so that a cluster which refuses root can see that this is not.
USER 10001:10001
WORKDIR /srv
VOLUME /var/lib/tidegate
EXPOSE 8080
# The server finishes what it has begun within 8 seconds.
STOPSIGNAL SIGTERM
# No HEALTHCHECK: nothing in this image can ask. Let the orchestrator GET /readyz.
ENTRYPOINT ["tidegate"]
CMD ["serve", "--promote", "off"]
