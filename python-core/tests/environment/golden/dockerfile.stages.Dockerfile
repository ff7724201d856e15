# The image of dockerfile, built by espalier in stages.
ARG V=12
FROM debian:$V
USER nobody
USER root
ENV LANG=${LANG:-C.UTF-8} TZ=${TZ:-Etc/UTC}
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      curl \
 && rm -rf /var/lib/apt/lists/*
# Then espalier installs packages. It resolves them when the image is built:
#   python:
#     version: '3.11'
#     pip:
#       - lightgbm==4.3.0
#       - numpy==1.26.4; python_version < "3.12"
#       - pandas
