# The environment dockerfile, written by espalier.
ARG V=12
FROM debian:$V
USER nobody
USER root
ENV LANG=${LANG:-C.UTF-8} TZ=${TZ:-Etc/UTC}
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      curl \
 && rm -rf /var/lib/apt/lists/*
COPY --from=ghcr.io/astral-sh/uv:0.5.4 /uv /usr/local/bin/uv
RUN uv venv --python 3.11 --seed /opt/espalier/python \
 && printf '%s\n' lightgbm==4.3.0 'numpy==1.26.4; python_version < "3.12"' pandas > /tmp/requirements.txt && /opt/espalier/python/bin/python -m pip install -r /tmp/requirements.txt
ENV PATH="/opt/espalier/python/bin:$PATH"
