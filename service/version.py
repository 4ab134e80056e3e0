"""Which version this is; the same as in pyproject.toml, but told without reading a package's metadata."""

VERSION = "0.1.0"
