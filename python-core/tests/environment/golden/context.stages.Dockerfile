# The image of context, built by espalier in stages.
# It begins with what docker/file of the build context makes.
FROM espalier-context
USER root
ENV LANG=${LANG:-C.UTF-8} TZ=${TZ:-Etc/UTC}
RUN true
