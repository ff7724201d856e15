# The image of conda, built by espalier in stages.
FROM python:3.11-slim
USER root
ENV LANG=${LANG:-C.UTF-8} TZ=${TZ:-Etc/UTC}
# Then espalier installs packages. It resolves them when the image is built:
#   python:
#     version: '3.11'
#     conda:
#       channels:
#         - conda-forge
#         - bioconda
#       dependencies:
#         - xgboost>=1,<2
#         - numpy
#     pip:
#       - rich
