FROM python:3.11-slim
USER root
ENV LANG=${LANG:-C.UTF-8} TZ=${TZ:-Etc/UTC}
