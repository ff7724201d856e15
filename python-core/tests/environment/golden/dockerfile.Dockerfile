ARG V=12
FROM debian:$V
USER nobody
USER root
ENV LANG=${LANG:-C.UTF-8} TZ=${TZ:-Etc/UTC}
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      curl \
 && rm -rf /var/lib/apt/lists/*
