"""What is decided: panel, trajectory, common effect, charts, the close, the alert policy. Pure."""

ENGINE_VERSION = "0.1.0"
"""Names the rules that a close was computed by; changes with any change to a published value."""
