# The environment gpu, written by espalier.
# The index is asked with the secret pypi.
FROM r.org:5000/team/cuda:12.1
USER root
ENV LANG=${LANG:-C.UTF-8} TZ=${TZ:-Etc/UTC}
COPY --from=ghcr.io/astral-sh/uv:0.5.4 /uv /usr/local/bin/uv
RUN uv venv --seed /opt/espalier/python \
 && printf '%s\n' '--index-url https://me@pypi.example.org/simple' '--extra-index-url https://pypi.org/simple' torch > /tmp/requirements.txt && /opt/espalier/python/bin/python -m pip install -r /tmp/requirements.txt
ENV PATH="/opt/espalier/python/bin:$PATH"
