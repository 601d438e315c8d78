"""What is decided: panel, trajectory, common effect, charts, the close, the alert policy. Pure."""
