# The image of managed, built by espalier in stages.
FROM x
USER root
ENV LANG=${LANG:-C.UTF-8} TZ=${TZ:-Etc/UTC}
