# syntax=docker/dockerfile:1

# Both stages are Debian 12: the program is linked to the C library that it runs with. The first has the C compiler that ring's
# build needs (TLS), a part of this image as cargo links with it.
FROM rust:1-slim-bookworm AS builder
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
# The manifest names each bench, and cargo wants the files that it names.
COPY benches benches
COPY src src
# The labs and the pages of the codes become part of the program.
COPY config config
COPY docs/codes docs/codes
COPY zones zones
# What cargo downloads and compiles is kept between builds, but is no part of an image.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked --features etcd && cp target/release/vnetdns /usr/local/bin/vnetdns

# The C library and libgcc, which the program needs, without a shell, which it does not.
FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="vnetdns" \
      org.opencontainers.image.description="An authoritative private DNS server that answers as Azure Private DNS does: by the asking virtual network" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/vnetdns/
COPY --from=builder /usr/local/bin/vnetdns /usr/local/bin/vnetdns
# By number, so that Kubernetes can tell that it is not root (runAsNonRoot).
USER 65532:65532

# Port 53 is closed to this user on older engines and on Kubernetes, 5300 is open everywhere:
#   docker run -p 53:5300/udp -p 53:5300/tcp IMAGE
# Behind a published port or a NAT the source address of a query is often that of the bridge or the node. A client
# then belongs to the network whose prefixes hold that address, and the lab's loopback prefixes match nobody: give
# networks the bridge's addresses in client_prefixes, or run with --network host.
EXPOSE 5300/udp 5300/tcp
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/vnetdns"]
# Without --config the default lab is served. For a configuration of your own:
#   docker run -v ./config:/etc/vnetdns:ro IMAGE serve --config /etc/vnetdns/vnetdns.toml --listen 0.0.0.0:5300
CMD ["serve", "--listen", "0.0.0.0:5300"]
