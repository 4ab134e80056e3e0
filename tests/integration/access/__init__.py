"""Tests of who may call. A package, because its files share their callers."""
