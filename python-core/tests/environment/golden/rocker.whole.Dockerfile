# The environment rocker, written by espalier.
# user/repo is fetched with the secret github.
FROM rocker/r-ver:4.3.1
USER root
ENV LANG=${LANG:-C.UTF-8} TZ=${TZ:-Etc/UTC}
RUN mkdir -p /opt/espalier/library \
 && Rscript \
      -e 'options(warn = 2); .libPaths("/opt/espalier/library")' \
      -e 'options(repos = c("CRAN" = "https://packagemanager.posit.co/cran/2024-05-01", "ours" = "https://cran.example.org"))' \
      -e 'install.packages("remotes")' \
      -e 'install.packages(c("glmnet", "tidymodels"))' \
      -e 'remotes::install_cran("mine", repos = "https://cran.example.org")' \
      -e 'remotes::install_version("ranger", "0.16.0")' \
      -e 'install.packages("BiocManager")' \
      -e 'BiocManager::install(c("Biobase", "limma"), ask = FALSE)' \
      -e 'remotes::install_github("user/repo/pkg@v1.0")' \
      -e 'install.packages("https://example.org/p_1.0.tar.gz", repos = NULL)'
ENV R_LIBS=/opt/espalier/library
