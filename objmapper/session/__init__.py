"""Session: one unit of work with its identity map."""

from objmapper.session.session import OnError, Session

__all__ = ["OnError", "Session"]
