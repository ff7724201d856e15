# The image of gpu, built by espalier in stages.
FROM r.org:5000/team/cuda:12.1
USER root
ENV LANG=${LANG:-C.UTF-8} TZ=${TZ:-Etc/UTC}
# Then espalier installs packages. It resolves them when the image is built:
#   python:
#     pip:
#       - torch
#     index_url: https://me@pypi.example.org/simple
#     extra_index_urls:
#       - https://pypi.org/simple
#     index_password:
#       secret: pypi
