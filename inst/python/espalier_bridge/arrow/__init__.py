"""Data between R and Python as structs of Arrow's C data interface, with nothing but Python's standard library.

`table.py` is what Python sees of R's data; `accept.py` takes whatever Python has and makes it ready for R; `layout.py`
and `export.py` are the structs themselves, `build.py` the columns.
"""
