"""What a run is, as typed values: the fields of its records, with their types and defaults, stand here alone.

Plain frozen classes (`record.py`): data classes and named tuples take a runner many milliseconds to make (decision 17).
"""
