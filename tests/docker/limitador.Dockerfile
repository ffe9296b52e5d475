# Stands in for quay.io/kuadrant/limitador where no registry is in reach: the protocol and the limits file over the crate that the real one
# is made of (tests/src/limit_service.rs).
FROM debian:bookworm-slim
LABEL org.gatewaystack.stand-in="true"
COPY limitador-server /usr/local/bin/limitador-server
USER 65534:65534
CMD ["limitador-server"]
