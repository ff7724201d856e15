"""What `conda activate` would set is set for jobs."""

from pathlib import Path

from espalier.provision.packages.conda import activate


def test_scripts_and_variables_of_packages(tmp_path: Path) -> None:
    scripts = tmp_path / "etc" / "conda" / "activate.d"
    scripts.mkdir(parents=True)
    (scripts / "gdal.sh").write_text('export GDAL_DATA="$CONDA_PREFIX/share/gdal"\nexport PATH=/elsewhere:$PATH\n')
    (scripts / "proj.sh").write_text("echo noise\nexport PROJ_LIB=\"two\nlines\"\nfalse\n")
    (scripts / "broken.sh").write_text("no-such-program\n")
    named = tmp_path / "etc" / "conda" / "env_vars.d"
    named.mkdir()
    (named / "a.json").write_text('{"CPL_ZIP_ENCODING": "UTF-8"}')
    found = activate(str(tmp_path), {"PATH": "/usr/bin:/bin", "HOME": "/tmp"})
    assert found == {"GDAL_DATA": f"{tmp_path}/share/gdal", "PROJ_LIB": "two\nlines", "CPL_ZIP_ENCODING": "UTF-8"}


def test_an_environment_without_any(tmp_path: Path) -> None:
    assert activate(str(tmp_path), {}) == {}
