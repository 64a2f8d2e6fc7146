"""Sessions recorded in standard files, so that they can be replayed to the same events (docs/recording.md)."""
