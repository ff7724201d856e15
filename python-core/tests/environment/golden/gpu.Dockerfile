FROM r.org:5000/team/cuda:12.1
USER root
ENV LANG=${LANG:-C.UTF-8} TZ=${TZ:-Etc/UTC}
