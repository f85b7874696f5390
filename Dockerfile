# The image: the program, the libraries that it is linked to, and the CA roots. No shell.
# docs/operations.md says how it is run.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src

# Dependencies are a layer of their own, built again only when the manifest, the lock or the order of
# functions changes.
COPY Cargo.toml Cargo.lock ./
COPY packaging/build.rs packaging/calls.ld ./packaging/
RUN mkdir src \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked --bin locum

COPY migrations ./migrations
COPY profiles ./profiles
COPY src ./src
# Cargo goes by times, and what was copied may be older than what stood in for it.
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked --bin locum

COPY packaging/rootfs.sh ./packaging/
RUN packaging/rootfs.sh target/release/locum /rootfs

FROM scratch
COPY --from=build /rootfs /
USER 65532:65532
WORKDIR /var/lib/locum
VOLUME /var/lib/locum
# Within a container, loopback is nobody's. That the listeners are plain has to be allowed where
# ports are published: docker-compose.yml does so, on the host's loopback.
# Freed memory goes back to the system at once (docs/operations.md).
ENV LOCUM_CONFIG=/var/lib/locum/locum.toml \
    LOCUM__SERVER__LISTEN=0.0.0.0:8080 \
    LOCUM__ADMIN__LISTEN=0.0.0.0:8081 \
    MIMALLOC_PURGE_DELAY=1
EXPOSE 8080 8081
# Requests in flight have 30 s to end: give `docker stop` more than its default of 10.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s --retries=3 \
    CMD ["/usr/local/bin/locum", "health"]
ENTRYPOINT ["/usr/local/bin/locum"]
CMD ["serve"]
