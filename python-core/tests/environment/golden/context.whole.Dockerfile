# The environment context, written by espalier.
# Build docker/file of its build context first, and name it as below.
FROM espalier-context
USER root
ENV LANG=${LANG:-C.UTF-8} TZ=${TZ:-Etc/UTC}
RUN true
