# The image of neither, built by espalier in stages.
FROM rocker/r-ver:4.4
USER root
ENV LANG=${LANG:-C.UTF-8} TZ=${TZ:-Etc/UTC}
