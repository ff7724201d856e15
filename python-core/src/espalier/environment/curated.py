"""Definitions that come with espalier: ready to use, read-only, found by name."""

from typing import Dict, Optional, Sequence

from espalier.environment.definition import CranPackage, Environment, PythonSide, RSide

# Their packages are those of a day, so that the same version of espalier gives the same images.
_DATE = "2024-10-31"
_R = "4.4"
_PYTHON = "3.12"


def curated(name: str) -> Optional[Environment]:
    """The curated environment of that name, or None."""
    return _ALL.get(name)


def curated_names() -> Sequence[str]:
    """The names of the curated environments."""
    return sorted(_ALL)


def _r(name: str, description: str, *packages: str) -> Environment:
    side = RSide(version=_R, snapshot_date=_DATE, cran=[CranPackage(package) for package in packages])
    return Environment(name, version="1", description=description, r=side)


def _python(name: str, description: str, *lines: str) -> Environment:
    return Environment(name, version="1", description=description, python=PythonSide(version=_PYTHON, pip=lines))


_ALL: Dict[str, Environment] = {
    environment.name: environment
    for environment in (
        _r("minimal-r", "R and nothing else."),
        _r(
            "tidymodels-r", "R with tidymodels, glmnet and ranger, for models of tables.",
            "dplyr", "glmnet", "ggplot2", "ranger", "readr", "tidymodels", "tidyr",
        ),
        _python("minimal-python", "Python and nothing else."),
        _python(
            "sklearn-python", "Python with scikit-learn and pandas, for models of tables.",
            "joblib==1.4.2", "numpy==2.1.2", "pandas==2.2.3", "scikit-learn==1.5.2", "scipy==1.14.1",
        ),
    )
}  # fmt: skip
