# Stands in for the public image of Redis where no registry is in reach: Debian's own, with the libraries that it needs.
FROM debian:bookworm-slim
LABEL org.gatewaystack.stand-in="true"
COPY bin/ /usr/local/bin/
COPY lib/ /usr/local/lib/
RUN ldconfig
USER 65534:65534
CMD ["redis-server"]
