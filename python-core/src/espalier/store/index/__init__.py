"""The readers' index: runs in SQLite, kept outside the workspace, rebuilt whenever in doubt. Nothing is lost with it.

`layout`: tables. `refresh`: what is read when. `grammar`, `fields`, `patterns`: the filter language. `sql`: a filter as
SQL. `cells`: where values are. `columns`, `blocks`: runs as a table. `run_index`: all of it together.
"""
