"""Tables as csv, xlsx, json and parquet. All but formats.py and cells.py is for child processes: it loads much."""
