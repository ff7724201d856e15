# The environment conda, written by espalier.
FROM python:3.11-slim
USER root
ENV LANG=${LANG:-C.UTF-8} TZ=${TZ:-Etc/UTC}
COPY --from=mambaorg/micromamba:2.0.3 /bin/micromamba /usr/local/bin/micromamba
RUN micromamba create -y -p /opt/espalier/python -c conda-forge -c bioconda python=3.11 numpy 'xgboost>=1,<2' \
 && printf '%s\n' rich > /tmp/requirements.txt && /opt/espalier/python/bin/python -m pip install -r /tmp/requirements.txt
ENV PATH="/opt/espalier/python/bin:$PATH"
