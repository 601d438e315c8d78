"""Who says it: topology, logs, runners, sources, sinks, the clock and the command line."""
