"""Words that nobody can guess: cookies, tokens, keys. The only file that asks the system for them, as `clock` asks for the time.

Nothing that is published or replayed may hold one: what this gives is another one at every call.
"""

from __future__ import annotations

import secrets

__all__ = ["word"]


def word(bytes_: int = 32) -> str:
    """Safe in a URL and in a cookie; 32 bytes are 43 characters."""
    return secrets.token_urlsafe(bytes_)
