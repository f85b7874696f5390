# The image: the program, the libraries that it is linked to, and the CA roots. No shell.
# docs/operations.md says how it is run.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY migrations ./migrations
COPY profiles ./profiles
COPY src ./src
COPY packaging ./packaging
# Two builds with calls in between: packaging/optimize says what for.
RUN packaging/optimize /locum \
    && packaging/rootfs.sh /locum /rootfs

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
    MIMALLOC_PURGE_DELAY=1 \
    MIMALLOC_PAGE_FULL_RETAIN=0
EXPOSE 8080 8081
# Requests in flight have limits.call_timeout and 5 s more to end, 65 s: `docker stop -t 90` instead
# of its default of 10.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s --retries=3 \
    CMD ["/usr/local/bin/locum", "health"]
ENTRYPOINT ["/usr/local/bin/locum"]
CMD ["serve"]
