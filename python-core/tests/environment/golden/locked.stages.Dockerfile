# The image of both, built by espalier in stages.
FROM rocker/r-ver:4.3.1
USER root
ENV LANG=${LANG:-C.UTF-8} TZ=${TZ:-Etc/UTC}
# Then espalier installs Python 3.11 packages into /opt/espalier/python:
#   numpy==1.26.4
# Then espalier installs R packages into /opt/espalier/library, from their sources:
#   lattice 0.22-6 https://x.org/lattice_0.22-6.tar.gz
#   glmnet 4.1-8 https://x.org/glmnet_4.1-8.tar.gz
