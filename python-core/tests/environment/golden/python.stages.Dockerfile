# The image of python, built by espalier in stages.
FROM python:3.11-slim
USER root
ENV LANG=${LANG:-C.UTF-8} TZ=${TZ:-Etc/UTC}
# Then espalier installs packages. It resolves them when the image is built:
#   python:
#     version: '3.11'
#     pip:
#       - lightgbm==4.3.0
#       - numpy==1.26.4; python_version < "3.12"
#       - pandas
