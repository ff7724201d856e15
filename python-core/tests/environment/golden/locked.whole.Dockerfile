# The environment both, written by espalier.
# user/repo is fetched with the secret github.
FROM rocker/r-ver:4.3.1
USER root
ENV LANG=${LANG:-C.UTF-8} TZ=${TZ:-Etc/UTC}
COPY --from=ghcr.io/astral-sh/uv:0.5.4 /uv /usr/local/bin/uv
RUN uv venv --python 3.11 --seed /opt/espalier/python \
 && printf '%s\n' 'numpy==1.26.4 --hash=sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' > /tmp/requirements.txt && /opt/espalier/python/bin/python -m pip install -r /tmp/requirements.txt
ENV PATH="/opt/espalier/python/bin:$PATH"
RUN mkdir -p /opt/espalier/library \
 && Rscript \
      -e 'options(warn = 2); .libPaths("/opt/espalier/library")' \
      -e 'install.packages("https://x.org/lattice_0.22-6.tar.gz", repos = NULL, type = "source")' \
      -e 'install.packages("https://x.org/glmnet_4.1-8.tar.gz", repos = NULL, type = "source")'
ENV R_LIBS=/opt/espalier/library
