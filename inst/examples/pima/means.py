"""Means of the columns of a CSV file that is given to the job as an input. Standard library only."""

import csv
import os

from espalier import Run

run = Run.get_context()
with open(os.environ["ESPALIER_INPUT_WOMEN"], newline="") as file:
    rows = list(csv.DictReader(file))

for column in ("age", "bmi", "glu"):
    mean = sum(float(row[column]) for row in rows) / len(rows)
    run.log("mean_" + column, mean)
    print(f"{column}: {mean:.1f}")
