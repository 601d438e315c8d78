"""Backtests: charts and challengers on years whose truth is known. Nothing else in `models` may import this."""
