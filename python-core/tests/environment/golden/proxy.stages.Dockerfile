# The image of proxy, built by espalier in stages.
# The Dockerfile finds espalier-ca.crt beside it, as the definition has it.
# The Dockerfile finds pip.conf beside it, as the definition has it.
FROM rocker/r-ver:4.3.1
USER root
COPY espalier-ca.crt /usr/local/share/ca-certificates/espalier-ca.crt
RUN if command -v update-ca-certificates > /dev/null; then update-ca-certificates; else mkdir -p /etc/ssl/certs && cat /usr/local/share/ca-certificates/espalier-ca.crt >> /etc/ssl/certs/ca-certificates.crt; fi
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt CURL_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt
COPY pip.conf /etc/pip.conf
ENV LANG=${LANG:-C.UTF-8} TZ=${TZ:-Etc/UTC}
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      libxml2-dev=2.9.14 \
      zlib1g-dev \
 && rm -rf /var/lib/apt/lists/*
RUN echo 'done; $(date)'
COPY x y
