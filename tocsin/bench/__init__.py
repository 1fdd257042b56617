"""Measures: `tocsin bench detect|ingest|search|store`; figures for docs/benchmarks.md."""
