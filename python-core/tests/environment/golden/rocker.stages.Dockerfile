# The image of rocker, built by espalier in stages.
FROM rocker/r-ver:4.3.1
USER root
ENV LANG=${LANG:-C.UTF-8} TZ=${TZ:-Etc/UTC}
# Then espalier installs packages. It resolves them when the image is built:
#   r:
#     version: 4.3.1
#     snapshot_date: '2024-05-01'
#     repositories:
#       ours: https://cran.example.org
#     cran:
#       - name: ranger
#         version: 0.16.0
#       - name: tidymodels
#       - name: glmnet
#       - name: mine
#         repository: ours
#     github:
#       - repository: user/repo
#         subdir: pkg
#         ref: v1.0
#         auth_token:
#           secret: github
#     urls:
#       - https://example.org/p_1.0.tar.gz
#     bioconductor:
#       - limma
#       - Biobase
