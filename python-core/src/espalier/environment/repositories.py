"""Where an environment's R packages are looked for."""

from typing import Dict

from espalier.environment.definition import RSide

CRAN = "https://cloud.r-project.org"
# CRAN as it was on a day.
DATED_CRAN = "https://packagemanager.posit.co/cran/{snapshot_date}"


def repositories(side: RSide) -> Dict[str, str]:
    """Name to URL, CRAN first; of the day that the definition names, if it does."""
    given = dict(side.repositories)
    cran = given.pop("CRAN", DATED_CRAN if side.snapshot_date else CRAN)
    urls = {"CRAN": cran, **given}
    return {name: url.replace("{snapshot_date}", side.snapshot_date or "") for name, url in urls.items()}
